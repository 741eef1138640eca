// What dfsd can be told, and how each role starts.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "broker/config.h"
#include "cli/security_options.h"
#include "messages/types.h"

namespace dfs::cli {

enum class Role { head, broker, monitor, lock, storage, agent };
const char* name_of(Role role);

struct DaemonOptions {
  // every role
  std::string log_level = "info";
  std::string log_file;
  uint64_t log_size = 16ull << 20;
  uint32_t log_count = 4;
  std::string pid_file;
  std::string ready_file;
  std::string listen;  // see default_listen()
  std::vector<std::string> brokers;
  std::string data;  // but of a storage node

  // head and monitor
  bool bootstrap = false;
  std::string rebuild;  // id of a cluster
  std::vector<std::string> join;
  std::string raft_listen;  // empty: see raft_endpoint()
  std::string lock_listen;  // likewise, and of a lock actor by itself; see lock_endpoint()
  Duration raft_heartbeat = std::chrono::milliseconds(100);
  Duration election_timeout = std::chrono::milliseconds(500);
  uint64_t raft_log_kept = 256ull << 20;
  uint32_t replicas = 2;
  uint32_t min_copies = 0;
  uint32_t groups = 64;
  std::string node_join = "auto";
  std::string authentication = "auto";
  Duration grant_lasts = std::chrono::minutes(10);
  Duration ticket_trust = std::chrono::seconds(60);  // of a storage node as well
  uint64_t block_size = kBlockBytesDefault;
  Duration heartbeat = std::chrono::milliseconds(500);
  Duration check_interval = std::chrono::milliseconds(500);
  Duration down_after = std::chrono::seconds(3);
  Duration repair_after = std::chrono::seconds(60);
  uint32_t fills_per_node = 4;
  uint64_t repair_rate = 0;
  Duration digest_period = std::chrono::minutes(10);
  Duration upload_lease = std::chrono::seconds(60);
  Duration history_retention = std::chrono::hours(24);
  Duration object_retention = std::chrono::hours(7 * 24);
  uint64_t events_kept = 500'000;
  Duration events_kept_for = std::chrono::hours(7 * 24);

  // head and lock
  std::string sign_up = "closed";
  std::string first_password_file;  // empty: stdout
  Duration ticket_lasts = std::chrono::hours(12);
  Duration lock_lease = std::chrono::seconds(10);

  // storage
  std::string host;
  std::string rack;
  uint64_t segment_size = 1ull << 30;
  std::vector<std::string> directories;
  uint64_t capacity = 0;
  uint32_t full_percent = 95;
  uint32_t workers = 4;
  Duration reclaim_period = std::chrono::minutes(10);
  Duration reclaim_grace = std::chrono::minutes(10);
  Duration scrub_period = std::chrono::hours(14 * 24);
  uint64_t scrub_rate = 20ull << 20;
  std::string join_token;  // or @FILE

  // agent, besides data, host and rack
  uint32_t nodes_max = 16;
  std::string storage_config;

  // every role; see security_options.h
  SecurityOptions security_options = {};
  std::shared_ptr<Security> security = {};  // what follows from them; run_daemon() makes it
};

DaemonOptions default_options(Role role);

// Declares the settings that `role` knows.
void add_settings(Settings& settings, Role role, DaemonOptions& options);

// `usage` with what is wrong and what would be right; whatever needs no look at the machine.
Result<void> check_options(Role role, const DaemonOptions& options);

// Where the other heads reach the monitor: --raft-listen, or three above the port of --listen.
// `options` must have passed check_options().
std::string raft_endpoint(const DaemonOptions& options);

// Where the other heads reach the lock actor: --lock-listen, or one above raft_endpoint().
std::string lock_endpoint(const DaemonOptions& options);

// Those of both lists, each once, without `own`.
std::vector<std::string> known_brokers(const std::vector<std::string>& some,
                                       const std::vector<std::string>& more,
                                       const std::string& own);

// Runs the role until SIGTERM and returns the exit status, with the reason on stderr unless it is
// 0: the first failure as exit_codes.h has it.
int run_daemon(Role role, DaemonOptions options);

}  // namespace dfs::cli
