#include "cli/daemon.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <optional>

#include "actors/agent/agent.h"
#include "actors/client/session.h"
#include "actors/lock/lock.h"
#include "actors/monitor/monitor.h"
#include "actors/posix_launcher.h"
#include "actors/replica/identity.h"
#include "actors/storage/storage.h"
#include "actors/storage/volumes.h"
#include "broker/broker.h"
#include "broker/process.h"
#include "broker/refusals.h"
#include "cli/data_directory.h"
#include "cli/exit_codes.h"
#include "cli/ticket_store.h"
#include "messages/fence_proof.h"
#include "messages/users.h"

namespace dfs::cli {

namespace {

// A file that exists while this object does.
class Marker {
 public:
  Marker() = default;
  Marker(const Marker&) = delete;
  Marker& operator=(const Marker&) = delete;
  ~Marker() {
    if (!path_.empty()) (void)::unlink(path_.c_str());
  }
  // Whoever waits for the file never sees half of it.
  Result<void> write(const std::string& path, const std::string& text) {
    const std::string fresh = path + ".new";
    std::ofstream(fresh) << text << '\n' << std::flush;
    std::error_code error;
    std::filesystem::rename(fresh, path, error);
    if (error) return Result<void>(Code::local_io, "cannot write " + path + ": " + error.message());
    path_ = path;
    return {};
  }

 private:
  std::string path_;
};

// A head that leads hands over before it stops, and its table may have much to write.
constexpr Duration kStopDeadline = std::chrono::seconds(8);
constexpr Duration kMonitorStopDeadline = std::chrono::seconds(5);
constexpr Duration kLockStopDeadline = std::chrono::seconds(2);

ProcessSettings process_settings(Role role, const DaemonOptions& options) {
  ProcessSettings settings;
  settings.name = name_of(role);
  settings.log.file = options.log_file;
  settings.log.levels = options.log_level;
  settings.log.file_bytes = options.log_size;
  settings.log.files = options.log_count;
  settings.stop_deadline = kStopDeadline;
  settings.security = options.security;
  return settings;
}

constexpr const char* kInproc = "inproc://broker";

Result<void> start_broker(Process& process, const DaemonOptions& options, bool inproc) {
  BrokerSettings settings;
  settings.listen = options.listen;
  if (inproc) settings.inproc = kInproc;
  settings.security = options.security;
  auto broker = std::make_unique<Broker>(process.context(), std::move(settings));
  if (!broker->ready()) return broker->ready().error();
  process.keep(std::move(broker));
  return {};
}

// What "auto" comes to: strict, unless all is insecure.
bool is_strict(const DaemonOptions& options, const std::string& choice, std::string_view strict) {
  return choice == strict || (choice == "auto" && options.security != nullptr);
}

MonitorSettings monitor_settings(const DaemonOptions& options, const std::string& broker) {
  MonitorSettings settings;
  settings.directory = options.data;
  settings.found = options.bootstrap || !options.rebuild.empty();
  settings.rebuild = options.rebuild;
  settings.join = !options.join.empty();
  settings.broker = broker;
  settings.replicas = options.replicas;
  settings.min_copies = options.min_copies;
  settings.groups = options.groups;
  settings.secure = options.security != nullptr;
  settings.socket_refusals = [] {
    const Refusals& refused = process_refusals();
    return SocketRefusals{refused.connections, refused.floods, refused.requests,
                          refused.publications};
  };
  settings.join_rule =
      is_strict(options, options.node_join, "token") ? JoinRule::token : JoinRule::open;
  settings.authentication = is_strict(options, options.authentication, "required")
                                ? Authentication::required
                                : Authentication::off;
  settings.grant_lasts = options.grant_lasts;
  settings.ticket_trust = options.ticket_trust;
  if (settings.secure) {
    settings.map_changed = [known = options.security->known](const ClusterMap& map) {
      learn_nodes(*known, map);
    };
  }
  settings.block_bytes = options.block_size;
  settings.heartbeat_period = options.heartbeat;
  settings.check_interval = options.check_interval;
  settings.down_after = options.down_after;
  settings.repair_after = options.repair_after;
  settings.fills_per_node = options.fills_per_node;
  settings.repair_bytes_per_second = options.repair_rate;
  settings.digest_period = options.digest_period;
  settings.upload_lease = options.upload_lease;
  settings.history_retention = options.history_retention;
  settings.object_retention = options.object_retention;
  settings.events_ms_max =
      std::chrono::duration_cast<std::chrono::milliseconds>(options.events_kept_for).count();
  settings.events_entries_max = options.events_kept;
  settings.replica.log_bytes_kept = options.raft_log_kept;
  // The log is cut by whole segments.
  settings.replica.segment_bytes =
      std::min(settings.replica.segment_bytes, options.raft_log_kept / 4);
  settings.replica.heartbeat = options.raft_heartbeat;
  settings.replica.election_min = options.election_timeout;
  settings.replica.election_max = 2 * options.election_timeout;
  return settings;
}

constexpr Duration kForeignDeadline = std::chrono::seconds(1);

// A head that has data belongs where it is. Told to join another cluster it must not start: whoever
// wants that has the wrong directory, or the wrong brokers. When nobody is there to be asked, as
// when a whole cluster starts again, all is well. Where there are keys those of another cluster let
// nobody in.
Result<void> check_cluster(const Identity& identity, const DaemonOptions& options) {
  if (options.join.empty() || options.security) return {};
  SessionSettings settings;
  settings.brokers = options.join;
  settings.pool_threads = 1;
  settings.security = options.security;
  Session session(std::move(settings));
  const auto there = session.run<ClusterStatus>(
      [](Client& client) { return client.status(true, kForeignDeadline); });
  if (!there || there->cluster.empty() || there->cluster == identity.cluster) return {};
  return Result<void>(Code::invalid, options.data + " is that of head " +
                                         std::to_string(identity.member) + " of cluster " +
                                         identity.cluster + ", but --join leads to cluster " +
                                         there->cluster +
                                         "; start it without --join, or join with an empty "
                                         "directory");
}

// `broker` is the one that the other heads tell clients of, `brokers` are those besides what the
// settings name.
Result<void> start_monitor(Process& process, const DaemonOptions& options,
                           const std::string& broker, std::vector<std::string> brokers) {
  auto opened = open_data_directory(options.data, "monitor");
  if (!opened) return std::move(opened).error();
  auto& data = process.keep(std::make_unique<DataDirectory>(std::move(*opened)));
  auto identity = load_identity(*data.disk, options.data);
  if (!identity) return std::move(identity).error();
  if (*identity) DFS_CHECK(check_cluster(**identity, options));
  // Brokers to join by are for that alone.
  const std::vector<std::string> no_joining;
  const auto known =
      known_brokers(options.brokers, *identity ? no_joining : options.join, options.listen);
  brokers.insert(brokers.end(), known.begin(), known.end());
  MonitorSettings settings = monitor_settings(options, broker);
  auto key_of_keys = sealing_key(options.security_options);
  if (!key_of_keys) return key_of_keys.error();
  settings.fence_key = fence_key_of(*key_of_keys);
  settings.key_of_keys = std::move(*key_of_keys);
  ActorSettings actor;
  actor.address = "monitor";
  actor.listen = raft_endpoint(options);
  actor.brokers = std::move(brokers);
  actor.start_deadline = settings.join_deadline + std::chrono::seconds(30);
  actor.stop_deadline = kMonitorStopDeadline;
  auto started = process.start(std::move(actor), [&data, settings](Bus& bus) {
    return std::make_unique<Monitor>(bus, *data.disk, *data.table, settings);
  });
  if (!started) return std::move(started).error();
  return {};
}

// The only place that ever says it: whoever founds the cluster reads it here, or in the file.
void tell_first_password(const std::string& file, const std::string& password) {
  if (!file.empty()) {
    const auto written = write_private(file, password + "\n");
    if (written) return;
    std::cerr << "dfsd: " << written.error().text << "; so the password is told here" << std::endl;
  }
  std::cout << "administrator: " << kAdminName << ", one-time password: " << password << std::endl;
}

LockSettings lock_settings(const DaemonOptions& options, const std::string& broker) {
  LockSettings settings;
  settings.directory = options.data + "/locks/log";
  settings.broker = broker;
  settings.announce_period = options.heartbeat;
  settings.ticket_lasts = options.ticket_lasts;
  settings.lock_lease = options.lock_lease;
  settings.sign_up = options.sign_up == "open";
  settings.locks_need_ticket = is_strict(options, options.authentication, "required");
  settings.founding = [file = options.first_password_file](const std::string& password) {
    tell_first_password(file, password);
  };
  settings.replica.segment_bytes = std::min<uint64_t>(4 << 20, options.raft_log_kept / 4);
  settings.replica.log_bytes_kept = std::min<uint64_t>(64 << 20, options.raft_log_kept);
  settings.replica.heartbeat = options.raft_heartbeat;
  settings.replica.election_min = options.election_timeout;
  settings.replica.election_max = 2 * options.election_timeout;
  return settings;
}

// Keeps what it keeps below the monitor's directory, whose identity is its own. `broker` and
// `brokers` as for the monitor.
Result<void> start_lock(Process& process, const DaemonOptions& options, const std::string& broker,
                        std::vector<std::string> brokers) {
  auto opened = open_data_directory(options.data + "/locks", "lock");
  if (!opened) return std::move(opened).error();
  auto& data = process.keep(std::make_unique<DataDirectory>(std::move(*opened)));
  const auto known = known_brokers(options.brokers, options.join, options.listen);
  brokers.insert(brokers.end(), known.begin(), known.end());
  LockSettings settings = lock_settings(options, broker);
  const auto key_of_keys = sealing_key(options.security_options);
  if (!key_of_keys) return key_of_keys.error();
  settings.fence_key = fence_key_of(*key_of_keys);
  settings.identity = [&data, directory = options.data] {
    return load_identity(*data.disk, directory);
  };
  // Beside the directory of the locks, and not in it.
  const std::string founded = options.data + "/locks-founded";
  settings.was_founded = [&data, founded] { return data.disk->exists(founded); };
  settings.note_founded = [&data, founded] {
    return write_file_atomically(*data.disk, founded, "1\n");
  };
  ActorSettings actor;
  actor.address = "lock";
  actor.listen = lock_endpoint(options);
  actor.brokers = std::move(brokers);
  actor.start_deadline = std::chrono::seconds(60);
  actor.stop_deadline = kLockStopDeadline;
  auto started = process.start(std::move(actor), [&data, settings](Bus& bus) {
    return std::make_unique<Lock>(bus, *data.disk, *data.table, settings);
  });
  if (!started) return std::move(started).error();
  return {};
}

// What a setting TEXT or @FILE says, without the end of the line. The token in a file is spent when
// the node has joined, so that the file may be gone; another may be there when the heads are new.
std::string read_token(const std::string& setting) {
  if (!setting.starts_with("@")) return setting;
  std::ifstream in(setting.substr(1));
  std::string token;
  if (in) std::getline(in, token);
  return token;
}

// Returns the endpoint that others reach the node at. `refused` is called when the cluster wants
// nothing of the node.
Result<std::string> start_storage(Process& process, const DaemonOptions& options,
                                  std::function<void(Error)> refused) {
  std::vector<storage::Directory> directories;
  Disk* disk = nullptr;
  std::optional<Error> failure;
  for (const std::string& path : options.directories) {
    auto opened = open_data_directory(path, "storage");
    if (opened) {
      auto& data = process.keep(std::make_unique<DataDirectory>(std::move(*opened)));
      disk = data.disk.get();
      directories.push_back({path, data.table.get(), std::nullopt});
      continue;
    }
    // A broken disk costs its blocks; what is wrong about the directory itself is for a person.
    const Code code = opened.code();
    if (code != Code::io_error && code != Code::corrupt && code != Code::not_found) {
      return std::move(opened).error();
    }
    failure = opened.error();
    directories.push_back({path, nullptr, opened.error()});
  }
  if (disk == nullptr) return *failure;
  StorageSettings settings;
  settings.full_percent = options.full_percent;
  settings.host = options.host;
  settings.rack = options.rack;
  settings.segment_bytes = options.segment_size;
  settings.capacity_bytes = options.capacity;
  settings.reclaim_period = options.reclaim_period;
  settings.reclaim_grace = options.reclaim_grace;
  settings.scrub_period = options.scrub_period;
  settings.scrub_bytes_per_second = options.scrub_rate;
  settings.ticket_trust = options.ticket_trust;
  settings.join_token = read_token(options.join_token);
  if (options.join_token.starts_with("@")) {
    settings.read_join_token = [from = options.join_token] { return read_token(from); };
  }
  settings.refused = std::move(refused);
  if (options.security) settings.key = options.security->own.public_key;
  ActorSettings actor;
  actor.address = "storage";
  actor.audience = Audience::all;
  actor.listen = options.listen;
  if (actor.listen.ends_with(":0")) actor.listen.replace(actor.listen.size() - 1, 1, "*");
  actor.brokers = options.brokers;
  actor.pool_threads = options.workers;
  auto started = process.start(std::move(actor), [disk, directories, settings](Bus& bus) {
    return std::make_unique<Storage>(bus, *disk, directories, settings);
  });
  if (!started) return std::move(started).error();
  return (*started)->endpoint();
}

Result<void> start_agent(Process& process, const DaemonOptions& options) {
  auto program = own_program();
  if (!program) return program.error();
  std::error_code unknown;
  AgentSettings settings;
  settings.directory = std::filesystem::absolute(options.data, unknown).lexically_normal();
  if (unknown) return Result<void>(Code::local_io, options.data + ": " + unknown.message());
  settings.program = *program;
  settings.host = options.host;
  settings.rack = options.rack;
  settings.listen = options.listen;
  settings.brokers = options.brokers;
  settings.nodes_max = options.nodes_max;
  if (!options.storage_config.empty()) {
    std::ifstream in(options.storage_config);
    settings.node_settings.assign(std::istreambuf_iterator<char>(in), {});
    if (!in) return Result<void>(Code::usage, "cannot read " + options.storage_config);
  }
  settings.node_settings +=
      node_security_settings(options.security_options, settings.node_settings);
  auto taken = take_directory(settings.directory, "agent");
  if (!taken) return std::move(taken).error();
  auto& data = process.keep(std::make_unique<DataDirectory>(std::move(*taken)));
  ActorSettings actor;
  actor.address = kAgentService + options.host;
  actor.brokers = options.brokers;
  const auto make = [disk = data.disk, settings](Bus& bus) {
    return std::make_unique<Agent>(bus, disk, make_posix_launcher(), settings);
  };
  auto started = process.start(std::move(actor), make);
  if (!started) return std::move(started).error();
  return {};
}

// Starts the parts of `role`; returns where it listens, or empty.
Result<std::string> start_role(Process& process, Role role, const DaemonOptions& options,
                               std::function<void(Error)> refused) {
  switch (role) {
    case Role::head: {
      DFS_CHECK(start_broker(process, options, true));
      DFS_CHECK(start_monitor(process, options, options.listen, {kInproc}));
      DFS_CHECK(start_lock(process, options, options.listen, {kInproc}));
      return options.listen;
    }
    case Role::broker:
      DFS_CHECK(start_broker(process, options, false));
      return options.listen;
    case Role::monitor:
      DFS_CHECK(start_monitor(process, options, options.brokers.front(), {}));
      return std::string();
    case Role::lock:
      DFS_CHECK(start_lock(process, options, options.brokers.front(), {}));
      return std::string();
    case Role::storage:
      return start_storage(process, options, std::move(refused));
    case Role::agent:
      DFS_CHECK(start_agent(process, options));
      return std::string();
  }
  return Result<std::string>(Code::usage, "no such role");
}

}  // namespace

namespace {

MadeSecurity make_security(Role role, const DaemonOptions& options) {
  if (role == Role::storage) return node_security(options.security_options, options.directories);
  if (role == Role::agent) return node_security(options.security_options, {options.data});
  return head_security(options.security_options);
}

}  // namespace

int run_daemon(Role role, DaemonOptions options) {
  const auto refuse = [role](const Error& error) {
    std::cerr << "dfsd " << name_of(role) << ": " << error.text << std::endl;
    // A directory that does not fit the flags is a mistake that a restart will not mend.
    const bool misfit = error.code == Code::invalid || error.code == Code::exists;
    return misfit ? kExitUsage : exit_code_of(error.code);
  };
  auto security = make_security(role, options);
  if (!security) return refuse(security.error());
  options.security = *security;
  std::optional<Error> refusal;  // of the actor's thread, until that has ended
  Marker pid;
  Marker ready;
  Process process(process_settings(role, options));
  if (!options.security) {
    log_event(Level::warn, name_of(role),
              "INSECURE: nothing is encrypted, and whoever connects is taken at their word");
  }
  if (!options.pid_file.empty()) {
    auto written = pid.write(options.pid_file, std::to_string(getpid()));
    if (!written) return refuse(written.error());
  }
  auto listen = start_role(process, role, options, [&](Error error) {
    refusal = std::move(error);
    process.request_stop();
  });
  if (!listen) return refuse(listen.error());
  const std::string line =
      std::string("ready role=") + name_of(role) + (listen->empty() ? "" : " listen=" + *listen);
  std::cout << line << std::endl;
  if (!options.ready_file.empty()) {
    auto written = ready.write(options.ready_file, line);
    if (!written) return refuse(written.error());
  }
  const int ended = process.run();
  return refusal ? refuse(*refusal) : ended;
}

}  // namespace dfs::cli
