#include <unistd.h>

#include <array>
#include <bit>
#include <charconv>

#include "broker/config.h"
#include "cli/daemon.h"

namespace dfs::cli {

namespace {

Result<void> misuse(std::string text) {
  return Result<void>(Code::usage, std::move(text));
}

bool hosts_broker(Role role) {
  return role == Role::head || role == Role::broker;
}
bool hosts_monitor(Role role) {
  return role == Role::head || role == Role::monitor;
}

std::string own_host_name() {
  std::array<char, 256> name{};
  return gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "localhost";
}

// `endpoint` must be tcp://HOST:PORT with a port of at most `port_max`.
Result<void> check_endpoint(const std::string& flag, const std::string& endpoint, int port_min,
                            int port_max) {
  constexpr std::string_view kScheme = "tcp://";
  const size_t colon = endpoint.rfind(':');
  const bool shaped = endpoint.starts_with(kScheme) && colon > kScheme.size();
  int port = -1;
  if (shaped) {
    const char* end = endpoint.data() + endpoint.size();
    const auto [rest, error] = std::from_chars(endpoint.data() + colon + 1, end, port);
    if (error != std::errc() || rest != end) port = -1;
  }
  if (port < port_min || port > port_max) {
    return misuse("--" + flag + " " + endpoint + " is not tcp://HOST:PORT with a port from " +
                  std::to_string(port_min) + " to " + std::to_string(port_max));
  }
  return {};
}

Result<void> check_monitor(const DaemonOptions& options) {
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
  if (options.down_after < 2 * options.heartbeat) {
    return misuse("--down-after must be at least two heartbeats, or live nodes would be given up");
  }
  return {};
}

Result<void> check_storage(const DaemonOptions& options) {
  const bool any = options.listen.starts_with("tcp://0.0.0.0:") ||
                   options.listen.starts_with("tcp://*:") ||
                   options.listen.starts_with("tcp://[::");
  if (any) {
    return misuse("--listen " + options.listen +
                  " names no address that others could reach; give this machine's own");
  }
  DFS_CHECK(check_endpoint("listen", options.listen, 0, 65535));
  if (options.segment_size < 2 * kBlockBytesMax) {
    return misuse("--segment-size must be at least 256M, two of the largest blocks");
  }
  if (options.workers < 1 || options.workers > 64) return misuse("--workers must be 1 to 64");
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
    case Role::storage:
      return "storage";
  }
  return "unknown";
}

DaemonOptions default_options(Role role) {
  DaemonOptions options;
  if (hosts_broker(role)) options.listen = "tcp://127.0.0.1:7000";
  if (role == Role::storage) options.listen = "tcp://127.0.0.1:0";
  if (!hosts_broker(role)) options.brokers = {"tcp://127.0.0.1:7000"};
  if (role == Role::storage) options.host = own_host_name();
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
  if (role == Role::head) {
    settings.add("broker", options.brokers, "further brokers that clients may ask (repeatable)");
  } else if (role != Role::broker) {
    settings.add("broker", options.brokers, "request endpoints of the brokers (repeatable)");
  }
  if (role != Role::broker) settings.add("data", options.data, "directory of what is kept");
  if (hosts_monitor(role)) {
    settings.add("replicas", options.replicas, "copies of each block, for a new cluster");
    settings.add("min-copies", options.min_copies,
                 "fewest copies a write may have; 0: one less than --replicas, at least 1");
    settings.add("groups", options.groups, "placement groups of a new cluster, a power of two");
    settings.add_size("block-size", options.block_size, "where the writer does not choose");
    settings.add_duration("heartbeat", options.heartbeat, "how often nodes tell that they live");
    settings.add_duration("check-interval", options.check_interval, "how often that is judged");
    settings.add_duration("down-after", options.down_after, "silence after which a node is down");
  }
  if (role == Role::storage) {
    settings.add("host", options.host, "the machine; copies go to different ones where possible");
    settings.add("rack", options.rack, "the rack, likewise");
    settings.add_size("segment-size", options.segment_size, "of the files that hold blocks");
    settings.add_size("capacity", options.capacity, "most to use; 0: what the file system has");
    settings.add("workers", options.workers, "disk worker threads");
  }
  settings.add("log-level", options.log_level,
               "debug, info, warn, error or off, or module=LEVEL; by commas");
  settings.add("log-file", options.log_file, "instead of stderr");
  settings.add_size("log-size", options.log_size, "of the log file, before it is rotated");
  settings.add("log-count", options.log_count, "rotated log files kept");
  settings.add("pid-file", options.pid_file, "written at start, removed at the end");
  settings.add("ready-file", options.ready_file, "written when ready, removed at the end");
}

Result<void> check_options(Role role, const DaemonOptions& options) {
  if (role != Role::broker && options.data.empty()) {
    return misuse("--data DIR is missing: the directory where this " + std::string(name_of(role)) +
                  " keeps what must survive");
  }
  if (hosts_broker(role)) DFS_CHECK(check_endpoint("listen", options.listen, 1, 65533));
  if (role != Role::broker && role != Role::head && options.brokers.empty()) {
    return misuse("--broker tcp://HOST:PORT is missing");
  }
  for (const auto& broker : options.brokers) {
    DFS_CHECK(check_endpoint("broker", broker, 1, 65533));
  }
  if (hosts_monitor(role)) DFS_CHECK(check_monitor(options));
  if (role == Role::storage) DFS_CHECK(check_storage(options));
  return {};
}

}  // namespace dfs::cli
