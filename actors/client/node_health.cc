#include "actors/client/node_health.h"

namespace dfs {

std::string storage_address(NodeId node) {
  return "storage/" + std::to_string(node);
}

Instant NodeHealth::last_heard(NodeId node) const {
  const auto found = nodes_.find(node);
  return found == nodes_.end() ? Instant{} : found->second.heard;
}

void NodeHealth::heard(NodeId id) {
  Node& node = nodes_[id];
  node.heard = bus_.now();
  node.slow = false;
}

bool NodeHealth::slow(NodeId id, const std::string& why) {
  Node& node = nodes_[id];
  if (node.slow || node.failed) return false;
  node.slow = true;
  bus_.log(Level::info, "storage node slow, asking others too",
           {{"node", storage_address(id)}, {"why", why}, {"trace", trace_}});
  return true;
}

bool NodeHealth::is_slow(NodeId node) const {
  const auto found = nodes_.find(node);
  return found != nodes_.end() && found->second.slow;
}

void NodeHealth::fail(NodeId id, const std::string& why) {
  Node& node = nodes_[id];
  node.why = why;
  if (node.failed) return;
  node.failed = true;
  ++changes_;
  if (node.logged) return;
  node.logged = true;
  bus_.log(Level::warn, "storage node failed, using others",
           {{"node", storage_address(id)}, {"why", why}, {"trace", trace_}});
}

bool NodeHealth::failed(NodeId node) const {
  const auto found = nodes_.find(node);
  return found != nodes_.end() && found->second.failed;
}

void NodeHealth::forgive(NodeId node) {
  const auto found = nodes_.find(node);
  if (found != nodes_.end()) found->second.failed = false;
}

void NodeHealth::forgive_all() {
  for (auto& [id, node] : nodes_) node.failed = false;
}

std::vector<NodeId> NodeHealth::failed_nodes() const {
  std::vector<NodeId> failed;
  for (const auto& [id, node] : nodes_) {
    if (node.failed) failed.push_back(id);
  }
  return failed;
}

std::string NodeHealth::describe() const {
  std::string text;
  for (const auto& [id, node] : nodes_) {
    if (node.why.empty()) continue;
    text += (text.empty() ? "" : ", ") + storage_address(id) + " (" + node.why + ")";
  }
  return text;
}

}  // namespace dfs
