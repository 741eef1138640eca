#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>

#include "actors/storage/directories.h"
#include "broker/config.h"
#include "cli/daemon.h"
#include "cli/endpoints.h"

namespace dfs::cli {

namespace {

constexpr size_t kHostBytesMax = 200;  // of an agent's, which is part of its address
constexpr uint32_t kNodesMax = 256;

Result<void> misuse(std::string text) {
  return Result<void>(Code::usage, std::move(text));
}

bool hosts_broker(Role role) {
  return role == Role::head || role == Role::broker;
}
bool hosts_monitor(Role role) {
  return role == Role::head || role == Role::monitor;
}
bool hosts_lock(Role role) {
  return role == Role::head || role == Role::lock;
}

std::string own_host_name() {
  std::array<char, 256> name{};
  return gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "localhost";
}

// `endpoint` must be tcp://HOST:PORT with a port in the range.
Result<void> check_endpoint(const std::string& flag, const std::string& endpoint, int port_min,
                            int port_max) {
  const int port = parse_endpoint(endpoint).port;
  if (port < port_min || port > port_max) {
    return misuse("--" + flag + " " + endpoint + " is not tcp://HOST:PORT with a port from " +
                  std::to_string(port_min) + " to " + std::to_string(port_max));
  }
  return {};
}

// What is told to others must be an address, not "all of this machine's".
Result<void> check_reachable(const std::string& flag, const std::string& endpoint) {
  const bool any = endpoint.starts_with("tcp://0.0.0.0:") || endpoint.starts_with("tcp://*:") ||
                   endpoint.starts_with("tcp://[::]");
  if (!any) return {};
  return misuse("--" + flag + " " + endpoint +
                " names no address that others could reach; give this machine's own");
}

bool contains(const std::vector<std::string>& words, const std::string& word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

// The lock actor is heard twice a second, and an election of its heads must disturb nobody.
Result<void> check_ticket_trust(const DaemonOptions& options) {
  const Duration trust = options.ticket_trust;
  if (trust == Duration::zero() || trust >= std::chrono::seconds(3)) return {};
  return misuse("--ticket-trust must be at least 3s, or 0s for as long as a ticket lasts");
}

Result<void> check_raft(const DaemonOptions& options) {
  if (options.bootstrap && !options.join.empty()) {
    return misuse(
        "--bootstrap founds a new cluster and --join enters one that is there; give one of them");
  }
  if (!options.rebuild.empty()) {
    if (options.bootstrap || !options.join.empty()) {
      return misuse(
          "--rebuild founds a cluster anew that has lost all its heads; it goes with neither "
          "--bootstrap nor --join");
    }
    const bool hex = options.rebuild.find_first_not_of("0123456789abcdef") == std::string::npos;
    if (options.rebuild.size() != 32 || !hex) {
      return misuse(
          "--rebuild " + options.rebuild +
          " is not the id of a cluster, 32 hex digits; every storage node's directory has "
          "it in the file identity, as cluster=");
    }
  }
  for (const auto& broker : options.join) {
    DFS_CHECK(check_endpoint("join", broker, 1, kPortMax - kBrokerPorts + 1));
    if (broker == options.listen) {
      return misuse("--join " + broker + " is this head itself; name brokers of the other heads");
    }
  }
  const std::string endpoint = raft_endpoint(options);
  if (endpoint.empty()) {
    return misuse("--listen " + options.listen +
                  " leaves no port above its three for the other heads; give --raft-listen");
  }
  DFS_CHECK(check_endpoint("raft-listen", endpoint, 1, kPortMax));
  DFS_CHECK(check_reachable("raft-listen", endpoint));
  const Endpoint raft = parse_endpoint(endpoint);
  const Endpoint broker = parse_endpoint(options.listen);
  if (raft.host == broker.host && raft.port >= broker.port &&
      raft.port < broker.port + kBrokerPorts) {
    return misuse("--raft-listen " + endpoint + " is one of the three ports that --listen takes");
  }
  if (options.raft_heartbeat < std::chrono::milliseconds(10)) {
    return misuse("--raft-heartbeat must be at least 10ms");
  }
  if (options.raft_log_kept < (4 << 20)) return misuse("--raft-log-kept must be at least 4M");
  if (options.election_timeout < 3 * options.raft_heartbeat) {
    return misuse(
        "--election-timeout must be at least three of --raft-heartbeat, or one lost message would "
        "depose a leader");
  }
  return {};
}

Result<void> check_lock(Role role, const DaemonOptions& options) {
  const std::string endpoint = lock_endpoint(options);
  if (endpoint.empty()) {
    return misuse("--listen " + options.listen +
                  " leaves no port above its four for the lock actors of other heads; give "
                  "--lock-listen");
  }
  DFS_CHECK(check_endpoint("lock-listen", endpoint, 1, kPortMax));
  DFS_CHECK(check_reachable("lock-listen", endpoint));
  if (options.lock_lease < std::chrono::seconds(1)) {
    return misuse("--lock-lease must be at least 1s");
  }
  if (options.ticket_lasts < std::chrono::seconds(1)) {
    return misuse("--ticket-lasts must be at least 1s");
  }
  if (role != Role::head) return {};
  const Endpoint lock = parse_endpoint(endpoint);
  const Endpoint broker = parse_endpoint(options.listen);
  const bool in_broker = lock.host == broker.host && lock.port >= broker.port &&
                         lock.port < broker.port + kBrokerPorts;
  if (in_broker || endpoint == raft_endpoint(options)) {
    return misuse("--lock-listen " + endpoint + " is a port that --listen or --raft-listen takes");
  }
  return {};
}

Result<void> check_monitor(const DaemonOptions& options) {
  DFS_CHECK(check_raft(options));
  DFS_CHECK(check_ticket_trust(options));
  if (options.ticket_trust > Duration::zero() &&
      options.ticket_trust < 4 * options.election_timeout) {
    return misuse(
        "--ticket-trust must be at least four of --election-timeout, or users would notice every "
        "election");
  }
  if (options.replicas < 1 || options.replicas > kReplicasMax) {
    return misuse("--replicas must be 1, 2 or 3");
  }
  if (options.min_copies > options.replicas) {
    return misuse("--min-copies must not be more than --replicas");
  }
  if (!std::has_single_bit(options.groups) || options.groups > kBatchMax) {
    return misuse("--groups must be a power of two, at most 4096");
  }
  if (options.block_size < kBlockBytesMin || options.block_size > kBlockBytesMax ||
      options.block_size % kPartBytes != 0) {
    return misuse("--block-size must be a multiple of 1M from 1M to 128M");
  }
  if (options.heartbeat < std::chrono::milliseconds(10)) {
    return misuse("--heartbeat must be at least 10ms");
  }
  if (options.check_interval < std::chrono::milliseconds(10)) {
    return misuse("--check-interval must be at least 10ms");
  }
  if (options.events_kept < 1) return misuse("--events-kept must be at least 1");
  if (options.events_kept_for < std::chrono::seconds(1)) {
    return misuse("--events-kept-for must be at least 1s");
  }
  if (options.down_after < 2 * options.heartbeat) {
    return misuse("--down-after must be at least two heartbeats, or live nodes would be given up");
  }
  if (options.upload_lease < std::chrono::seconds(1)) {
    return misuse("--upload-lease must be at least 1s");
  }
  if (options.fills_per_node < 1 || options.fills_per_node > 64) {
    return misuse("--fills-per-node must be 1 to 64");
  }
  return {};
}

Result<void> check_storage(const DaemonOptions& options) {
  DFS_CHECK(check_reachable("listen", options.listen));
  DFS_CHECK(check_endpoint("listen", options.listen, 0, kPortMax));
  DFS_CHECK(check_ticket_trust(options));
  if (options.segment_size < 2 * kBlockBytesMax) {
    return misuse("--segment-size must be at least 256M, two of the largest blocks");
  }
  if (options.full_percent < 1 || options.full_percent > 100) {
    return misuse("--full-percent must be 1 to 100");
  }
  if (options.directories.size() > storage::kDirectoriesMax) {
    return misuse("a storage node has at most 16 --data directories");
  }
  for (const std::string& directory : options.directories) {
    if (std::count(options.directories.begin(), options.directories.end(), directory) > 1) {
      return misuse("--data " + directory + " is given twice");
    }
  }
  if (options.workers < 1 || options.workers > 64) return misuse("--workers must be 1 to 64");
  if (options.reclaim_period < std::chrono::milliseconds(100)) {
    return misuse("--reclaim-period must be at least 100ms");
  }
  if (options.scrub_period < std::chrono::seconds(1)) {
    return misuse("--scrub-period must be at least 1s");
  }
  return {};
}

}  // namespace

const char* name_of(Role role) {
  switch (role) {
    case Role::head:
      return "head";
    case Role::broker:
      return "broker";
    case Role::monitor:
      return "monitor";
    case Role::lock:
      return "lock";
    case Role::storage:
      return "storage";
    case Role::agent:
      return "agent";
  }
  return "unknown";
}

DaemonOptions default_options(Role role) {
  DaemonOptions options;
  if (hosts_broker(role)) options.listen = "tcp://127.0.0.1:7000";
  if (role == Role::storage || role == Role::agent) options.listen = "tcp://127.0.0.1:0";
  if (!hosts_broker(role)) options.brokers = {"tcp://127.0.0.1:7000"};
  if (role == Role::monitor) options.raft_listen = "tcp://127.0.0.1:7003";
  if (role == Role::lock) options.lock_listen = "tcp://127.0.0.1:7004";
  if (role == Role::storage || role == Role::agent) options.host = own_host_name();
  return options;
}

void add_settings(Settings& settings, Role role, DaemonOptions& options) {
  if (hosts_broker(role)) {
    settings.add("listen", options.listen,
                 "tcp://HOST:PORT for requests; news come in on PORT+1 and go out on PORT+2");
  }
  if (role == Role::storage) {
    settings.add("listen", options.listen, "tcp://HOST:PORT for blocks; port 0 takes a free one");
  }
  if (role == Role::agent) {
    settings.add("listen", options.listen,
                 "tcp://HOST:PORT for the blocks of its nodes: of the first one, the next has the "
                 "next port; port 0 takes free ones");
  }
  if (role == Role::head) {
    settings.add("broker", options.brokers, "further brokers that clients may ask (repeatable)");
  } else if (role != Role::broker) {
    settings.add("broker", options.brokers, "request endpoints of the brokers (repeatable)");
  }
  if (role == Role::storage) {
    settings.add("data", options.directories,
                 "directory of what is kept; one on each disk, up to 16 (repeatable)");
  } else if (role == Role::agent) {
    settings.add("dir", options.data, "directory in which each of its nodes gets a folder");
  } else if (role != Role::broker) {
    settings.add("data", options.data, "directory of what is kept");
  }
  if (hosts_monitor(role)) {
    settings.add("bootstrap", options.bootstrap,
                 "found a new cluster; only the first head, only once, with an empty --data");
    settings.add("rebuild", options.rebuild,
                 "found a cluster of this id anew that has lost all its heads; see dfsctl rebuild");
    settings.add("join", options.join,
                 "brokers of the cluster that this head becomes part of (repeatable)");
    settings.add("raft-listen", options.raft_listen,
                 role == Role::head ? "tcp://HOST:PORT for the other heads; PORT+3 unless given"
                                    : "tcp://HOST:PORT for the other heads");
    settings.add_duration("raft-heartbeat", options.raft_heartbeat,
                          "how often the leading head tells the others that it lives");
    settings.add_duration("election-timeout", options.election_timeout,
                          "least silence before another head wants to lead; at most twice that");
    settings.add_size("raft-log-kept", options.raft_log_kept,
                      "of the log, for heads that were away; those further behind get a snapshot");
    settings.add("replicas", options.replicas, "copies of each block, for a new cluster");
    settings.add("min-copies", options.min_copies,
                 "fewest copies a write may have; 0: one less than --replicas, at least 1");
    settings.add("groups", options.groups, "placement groups of a new cluster, a power of two");
    settings.add_choice("node-join", options.node_join, {"auto", "open", "token"},
                        "who may become a storage node of a new cluster: anybody (open), or who "
                        "has a token; auto asks for one unless --insecure; dfsctl node token "
                        "--require changes it");
    settings.add_choice("authentication", options.authentication, {"auto", "off", "required"},
                        "of a new cluster; off: everybody is an administrator; required: every "
                        "request needs a ticket, and every block a grant; auto: off only with "
                        "--insecure");
    settings.add_duration("grant-lasts", options.grant_lasts,
                          "how long a reader or writer may show the same grant for blocks");
    settings.add_duration("ticket-trust", options.ticket_trust,
                          "a head that hears for longer of no log-ins that ended, as when it is "
                          "cut off, believes no ticket; 0s: it goes on, --stale reads with it");
    settings.add_size("block-size", options.block_size, "where the writer does not choose");
    settings.add_duration("heartbeat", options.heartbeat, "how often nodes tell that they live");
    settings.add_duration("check-interval", options.check_interval, "how often that is judged");
    settings.add_duration("down-after", options.down_after, "silence after which a node is down");
    settings.add_duration("repair-after", options.repair_after,
                          "a node down for longer is given up: others take over its copies; 0s: "
                          "at once");
    settings.add("fills-per-node", options.fills_per_node,
                 "groups that one node is filled with at a time, when copies are made anew");
    settings.add_size("repair-rate", options.repair_rate,
                      "bytes per second that one node takes for that; 0: no limit; a limit of "
                      "dfsctl tasks goes first");
    settings.add_duration("digest-period", options.digest_period,
                          "how often nodes are asked whether they hold the same; 0s: never");
    settings.add("events-kept", options.events_kept,
                 "changes whose events can be read again; those of the head that leads count");
    settings.add_duration("events-kept-for", options.events_kept_for, "or as old as this, if less");
    settings.add_duration("upload-lease", options.upload_lease,
                          "an upload not heard of for longer is given up; the same on every head");
    settings.add_duration(
        "history-retention", options.history_retention,
        "removed and replaced files keep their blocks for so long; 0s: no longer");
    settings.add_duration("object-retention", options.object_retention,
                          "what died after that is remembered one by one for so long");
  }
  if (hosts_lock(role)) {
    settings.add("lock-listen", options.lock_listen,
                 role == Role::head
                     ? "tcp://HOST:PORT for the lock actors of other heads; PORT+4 unless given"
                     : "tcp://HOST:PORT for the lock actors of other heads");
    settings.add_duration("ticket-lasts", options.ticket_lasts,
                          "how long a log-in is good for; clients renew it when half is over");
    settings.add_duration("lock-lease", options.lock_lease,
                          "whoever is silent for so long loses the locks it holds");
    settings.add_choice("sign-up", options.sign_up, {"open", "closed"},
                        "whether anybody may become a user of a new cluster; dfsctl user sign-up "
                        "changes it");
    settings.add("first-password-file", options.first_password_file,
                 "new file for the one-time password of the first administrator, when a cluster is "
                 "founded; else it is printed");
  }
  if (role == Role::storage) {
    settings.add("host", options.host, "the machine; copies go to different ones where possible");
    settings.add("rack", options.rack, "the rack, likewise");
    settings.add_size("segment-size", options.segment_size, "of the files that hold blocks");
    settings.add_size("capacity", options.capacity,
                      "most to use, an even part in each directory; 0: what is there");
    settings.add("full-percent", options.full_percent,
                 "used space at which only repairs are taken, no new blocks");
    settings.add("workers", options.workers, "disk worker threads");
    settings.add_duration("reclaim-period", options.reclaim_period,
                          "how often blocks that nobody needs are looked for and removed");
    settings.add_duration("reclaim-grace", options.reclaim_grace,
                          "age that a block must have before that");
    settings.add_duration("scrub-period", options.scrub_period,
                          "in which all blocks are read once to see whether they are undamaged");
    settings.add_size("scrub-rate", options.scrub_rate,
                      "most bytes per second to read for that; 0: no limit");
    settings.add_duration("ticket-trust", options.ticket_trust,
                          "a node that hears for longer of no log-ins that ended, as when it is "
                          "cut off, serves no user; 0s: it goes on");
    settings.add("join-token", options.join_token,
                 "TOKEN or @FILE that dfsctl node token made; for the first join, where one is "
                 "asked for, and for the first after all heads were lost");
  }
  if (role == Role::agent) {
    settings.add("host", options.host, "the machine: the agent's name, and the host of its nodes");
    settings.add("rack", options.rack, "of its nodes");
    settings.add("nodes-max", options.nodes_max, "most storage nodes here");
    settings.add("storage-config", options.storage_config,
                 "file of further settings for its nodes, copied when they are created");
  }
  if (hosts_broker(role) || hosts_monitor(role)) {
    add_head_security(settings, options.security_options);
  } else {
    add_client_security(settings, options.security_options);
  }
  if (role == Role::storage) {
    settings.add("data-encryption", options.security_options.data_encryption,
                 "encrypt the port for blocks too; costs most of the throughput");
  }
  settings.add("log-level", options.log_level,
               "debug, info, warn, error or off, or module=LEVEL; by commas");
  settings.add("log-file", options.log_file, "instead of stderr");
  settings.add_size("log-size", options.log_size, "of the log file, before it is rotated");
  settings.add("log-count", options.log_count, "rotated log files kept");
  settings.add("pid-file", options.pid_file, "written at start, removed at the end");
  settings.add("ready-file", options.ready_file, "written when ready, removed at the end");
}

namespace {

Result<void> check_agent(const DaemonOptions& options) {
  DFS_CHECK(check_reachable("listen", options.listen));
  DFS_CHECK(check_endpoint("listen", options.listen, 0, kPortMax));
  if (options.host.empty()) return misuse("--host must not be empty");
  if (options.host.size() > kHostBytesMax) return misuse("--host is longer than 200 bytes");
  if (options.nodes_max < 1 || options.nodes_max > kNodesMax) {
    return misuse("--nodes-max must be 1 to 256");
  }
  return {};
}

}  // namespace

Result<void> check_options(Role role, const DaemonOptions& options) {
  const bool has_data =
      role == Role::storage ? !options.directories.empty() : !options.data.empty();
  if (role != Role::broker && !has_data) {
    if (role == Role::agent)
      return misuse("--dir DIR is missing: where its nodes get their folders");
    return misuse("--data DIR is missing: the directory where this " + std::string(name_of(role)) +
                  " keeps what must survive");
  }
  const int broker_port_max = kPortMax - kBrokerPorts + 1;
  if (hosts_broker(role)) DFS_CHECK(check_endpoint("listen", options.listen, 1, broker_port_max));
  if (role == Role::head) DFS_CHECK(check_reachable("listen", options.listen));
  if (role != Role::broker && role != Role::head && options.brokers.empty()) {
    return misuse("--broker tcp://HOST:PORT is missing");
  }
  for (const auto& broker : options.brokers) {
    DFS_CHECK(check_endpoint("broker", broker, 1, broker_port_max));
  }
  if (hosts_monitor(role)) DFS_CHECK(check_monitor(options));
  if (hosts_lock(role)) DFS_CHECK(check_lock(role, options));
  if (role == Role::storage) DFS_CHECK(check_storage(options));
  if (role == Role::agent) DFS_CHECK(check_agent(options));
  return {};
}

std::string raft_endpoint(const DaemonOptions& options) {
  return options.raft_listen.empty() ? raft_endpoint_of(options.listen) : options.raft_listen;
}

std::string lock_endpoint(const DaemonOptions& options) {
  return options.lock_listen.empty() ? lock_endpoint_of(raft_endpoint(options))
                                     : options.lock_listen;
}

std::vector<std::string> known_brokers(const std::vector<std::string>& some,
                                       const std::vector<std::string>& more,
                                       const std::string& own) {
  std::vector<std::string> known;
  for (const auto* list : {&some, &more}) {
    for (const auto& broker : *list) {
      if (broker != own && !contains(known, broker)) known.push_back(broker);
    }
  }
  return known;
}

}  // namespace dfs::cli
