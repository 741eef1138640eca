// Addresses of the form tcp://HOST:PORT.
#pragma once

#include <string>

namespace dfs::cli {

// A broker takes three ports from its own on; the raft port of a head is the one after them.
inline constexpr int kBrokerPorts = 3;
inline constexpr int kPortMax = 65535;

struct Endpoint {
  std::string host;  // with its scheme: "tcp://10.0.0.1"
  int port = -1;
};

// The port is -1 when `text` has another form.
Endpoint parse_endpoint(const std::string& text);

// Where the other heads reach the lock actor beside the monitor at `raft`: on the next port. Empty
// when there is none.
std::string lock_endpoint_of(const std::string& raft);

// Where the other heads reach the monitor beside the broker at `broker`, unless it was told
// otherwise; empty when `broker` is no address or leaves no port for it.
std::string raft_endpoint_of(const std::string& broker);

}  // namespace dfs::cli
