#include "cli/endpoints.h"

#include <charconv>
#include <string_view>

namespace dfs::cli {

Endpoint parse_endpoint(const std::string& text) {
  constexpr std::string_view kScheme = "tcp://";
  const size_t colon = text.rfind(':');
  Endpoint endpoint;
  if (!text.starts_with(kScheme) || colon <= kScheme.size()) return endpoint;
  endpoint.host = text.substr(0, colon);
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data() + colon + 1, end, endpoint.port);
  if (error != std::errc() || rest != end) endpoint.port = -1;
  return endpoint;
}

std::string raft_endpoint_of(const std::string& broker) {
  const Endpoint endpoint = parse_endpoint(broker);
  const int port = endpoint.port + kBrokerPorts;
  if (endpoint.port <= 0 || port > kPortMax) return {};
  return endpoint.host + ":" + std::to_string(port);
}

std::string lock_endpoint_of(const std::string& raft) {
  const Endpoint endpoint = parse_endpoint(raft);
  if (endpoint.port <= 0 || endpoint.port >= kPortMax) return {};
  return endpoint.host + ":" + std::to_string(endpoint.port + 1);
}

}  // namespace dfs::cli
