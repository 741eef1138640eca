#include <algorithm>

#include "actors/monitor/guard.h"
#include "actors/monitor/monitor_state.h"

namespace dfs {

namespace {

void count_groups(const ClusterView& cluster, ClusterStatus& status) {
  for (const GroupView& group : cluster.map().groups) {
    const PoolView& pool = cluster.pool_of(group);
    const auto up =
        static_cast<size_t>(std::count_if(group.members.begin(), group.members.end(),
                                          [&](NodeId node) { return cluster.is_up(node); }));
    const bool complete = group.lacking.empty() && group.leaving.empty();
    if (up == group.members.size() && up >= pool.replicas && complete) {
      ++status.groups_healthy;
    } else if (up >= pool.min_copies) {
      ++status.groups_degraded;
    } else {
      ++status.groups_down;
    }
  }
}

std::string of_all(uint32_t some, size_t all) {
  return std::to_string(some) + " of " + std::to_string(all) + " groups";
}

// What is being copied, and where it is most urgent.
std::string repairs_of(const ClusterView& cluster) {
  size_t repaired = 0;
  std::vector<GroupId> single;
  std::vector<GroupId> lost;
  for (const GroupView& group : cluster.map().groups) {
    repaired += group.lacking.empty() && group.leaving.empty() ? 0 : 1;
    if (!group.used) continue;
    const size_t complete = Repairs::complete_live(cluster, group);
    if (complete == 0) lost.push_back(group.group);
    if (complete == 1 && cluster.pool_of(group).replicas > 1) single.push_back(group.group);
  }
  std::string text;
  const auto add = [&text](const std::string& part) { text += (text.empty() ? "" : "; ") + part; };
  if (repaired > 0) {
    add(std::to_string(repaired) + (repaired == 1 ? " group is" : " groups are") +
        " being repaired");
  }
  if (!single.empty()) add("only one complete copy can be reached of group " + enumerated(single));
  if (!lost.empty()) add("no complete copy can be reached of group " + enumerated(lost));
  return text;
}

void append(std::string& reasons, const std::string& reason) {
  if (!reasons.empty()) reasons += "; ";
  reasons += reason;
}

}  // namespace

// One of the words of ClusterStatus::health; the reason in status.reason.
std::string Monitor::State::health(ClusterStatus& status) const {
  const ClusterMap& map = cluster().map();
  if (status.heads.leader == 0) {
    status.reason = "no head leads: too few of the heads are in contact with each other";
    return "unavailable";
  }
  if (cluster().rebuilding()) {
    status.reason =
        "the cluster is being rebuilt from its storage nodes; run dfsctl rebuild when all of them "
        "are up";
    return "unavailable";
  }
  // Only the leader hears from all heads.
  for (const HeadStatus& head : status.heads.heads) {
    const auto silent = std::chrono::milliseconds(head.silent_ms);
    if (!serving() || head.head == identity.member || silent < settings.down_after) continue;
    append(status.reason, "monitor/" + std::to_string(head.head) + " at " + head.endpoint +
                              " is silent for " + std::to_string(head.silent_ms / 1000) + " s");
  }
  if (map.nodes.empty()) {
    append(status.reason, "no storage node has joined yet");
    return "unavailable";
  }
  for (const NodeStatus& node : status.nodes) {
    const std::string name = "storage/" + std::to_string(node.view.node);
    if (node.view.state == NodeState::down) {
      append(status.reason, name + " at " + node.view.endpoint + " is down, silent for " +
                                std::to_string(node.silent_ms / 1000) + " s");
      if (node.view.standing == NodeStanding::out) status.reason += ", and was given up";
    } else if (!node.heartbeat.accepts_writes) {
      append(status.reason, name + " at " + node.view.endpoint + " is full");
    }
  }
  if (map.nodes.size() < cluster().pool(0).replicas) {
    append(status.reason, "there are fewer storage nodes (" + std::to_string(map.nodes.size()) +
                              ") than copies asked for (" +
                              std::to_string(cluster().pool(0).replicas) + ")");
  }
  if (status.groups_degraded > 0) {
    append(status.reason, of_all(status.groups_degraded, map.groups.size()) +
                              " have fewer live and complete copies than asked for");
  }
  if (const std::string repairs = repairs_of(cluster()); !repairs.empty()) {
    append(status.reason, repairs);
  }
  if (status.groups_down > 0) {
    append(status.reason, of_all(status.groups_down, map.groups.size()) +
                              " have too few live copies to be written");
  }
  if (status.groups_down == map.groups.size()) return "unavailable";
  return status.reason.empty() ? "ok" : "degraded";
}

void Monitor::State::list_nodes(ClusterStatus& status) {
  std::unordered_map<NodeId, uint32_t> groups;
  for (const GroupView& group : cluster().map().groups) {
    for (const NodeId node : group.members) ++groups[node];
  }
  for (const NodeView& node : cluster().map().nodes) {
    const Heartbeat* heartbeat = members.last(node.node);
    const Duration silent = members.silence(node.node, bus.now());
    status.nodes.push_back({node, heartbeat != nullptr ? *heartbeat : Heartbeat(),
                            static_cast<uint32_t>(silent / std::chrono::milliseconds(1)),
                            groups[node.node]});
  }
}

Result<ClusterStatus> Monitor::State::status(Rows& rows) {
  auto tree = rows.require<TreeRow>(keys::tree());
  if (!tree) return tree.error();
  const ClusterMap& map = cluster().map();
  ClusterStatus status;
  status.cluster = map.cluster;
  status.epoch = map.epoch;
  status.monitor = bus.address();
  status.applied = replica.applied();
  status.uptime_ms = static_cast<uint64_t>((bus.now() - started) / std::chrono::milliseconds(1));
  status.files = tree->files;
  status.directories = tree->directories;
  status.authentication = authenticates();
  status.denied = denied;
  status.pools = map.pools;
  status.heads = replica.status();
  auto content = rows.get<ContentRow>(keys::content());
  if (!content) return content.error();
  const ContentRow counts = content->value_or(ContentRow());
  status.content = {counts.live, counts.live_bytes, counts.dead, counts.dead_bytes};
  status.secure = settings.secure;
  if (settings.socket_refusals) status.refused = settings.socket_refusals();
  list_nodes(status);
  count_groups(cluster(), status);
  status.health = health(status);
  return status;
}

}  // namespace dfs
