#include "actors/monitor/members.h"

#include <algorithm>

namespace dfs {

void Members::begin(Instant now) {
  begun_ = now;
  for (auto& [node, member] : members_) member.heard = now;
}

Members::Sign Members::heard(const Heartbeat& heartbeat, Instant now, bool up) {
  const auto [found, fresh] = members_.try_emplace(heartbeat.node, Member{begun_, {}});
  Member& member = found->second;
  const bool same_boot = member.last.boot != 0 && member.last.boot == heartbeat.boot;
  if (same_boot && heartbeat.sequence <= member.last.sequence) return Sign::old;
  member.last = heartbeat;
  if (!same_boot && !up) return Sign::old;
  member.heard = now;
  return Sign::alive;
}

void Members::joined(NodeId node, Instant now) {
  Member& member = members_[node];
  member.heard = now;
  member.last = Heartbeat();
}

void Members::excuse(Duration pause, Instant now) {
  begun_ = std::min(begun_ + pause, now);
  for (auto& [node, member] : members_) member.heard = std::min(member.heard + pause, now);
}

Duration Members::silence(NodeId node, Instant now) const {
  const auto found = members_.find(node);
  const Instant heard = found == members_.end() ? begun_ : found->second.heard;
  return now > heard ? now - heard : Duration::zero();
}

std::vector<NodeId> Members::silent(const ClusterMap& map, Duration limit, Instant now) const {
  std::vector<NodeId> nodes;
  for (const NodeView& node : map.nodes) {
    if (node.state == NodeState::up && silence(node.node, now) >= limit) nodes.push_back(node.node);
  }
  return nodes;
}

const Heartbeat* Members::last(NodeId node) const {
  const auto found = members_.find(node);
  return found == members_.end() || found->second.last.boot == 0 ? nullptr : &found->second.last;
}

bool Members::accepts_writes(NodeId node) const {
  const Heartbeat* heartbeat = last(node);
  return heartbeat == nullptr || heartbeat->accepts_writes;
}

std::optional<uint64_t> Members::free_bytes(NodeId node) const {
  const Heartbeat* heartbeat = last(node);
  if (heartbeat == nullptr || heartbeat->total_bytes == 0) return std::nullopt;
  return heartbeat->total_bytes - std::min(heartbeat->used_bytes, heartbeat->total_bytes);
}

}  // namespace dfs
