#include "cli/explain.h"

#include <algorithm>
#include <map>

#include "cli/output.h"

namespace dfs::cli {

namespace {

const NodeView* find(const ClusterMap& map, NodeId id) {
  const auto found = std::find_if(map.nodes.begin(), map.nodes.end(),
                                  [&](const NodeView& node) { return node.node == id; });
  return found == map.nodes.end() ? nullptr : &*found;
}

std::string name_of(NodeId node) {
  return "storage/" + std::to_string(node);
}

std::string names_of(const std::vector<NodeId>& nodes) {
  std::string text;
  for (size_t i = 0; i < nodes.size(); ++i) {
    text += (i == 0 ? "" : i + 1 == nodes.size() ? " and " : ", ") + name_of(nodes[i]);
  }
  return text;
}

uint32_t replicas_of(const ClusterMap& map, const GroupView& group) {
  for (const PoolView& pool : map.pools) {
    if (pool.id == group.pool) return pool.replicas;
  }
  return 0;
}

// Nodes that may be given copies.
std::vector<const NodeView*> takers(const ClusterMap& map) {
  std::vector<const NodeView*> nodes;
  for (const NodeView& node : map.nodes) {
    const bool takes = node.state == NodeState::up && node.standing == NodeStanding::in;
    if (takes) nodes.push_back(&node);
  }
  return nodes;
}

using Label = std::string NodeView::*;

// Members that share what `label` names; nodes without a label share nothing.
void explain_domain(const ClusterMap& map, const GroupView& group, const char* domain, Label label,
                    std::vector<Reason>& reasons) {
  std::map<std::string, std::vector<NodeId>> members;
  for (const NodeId member : group.members) {
    const NodeView* const node = find(map, member);
    if (node != nullptr && !(node->*label).empty()) members[node->*label].push_back(member);
  }
  std::set<std::string> there;
  for (const NodeView* const node : takers(map)) there.insert(node->*label);
  const uint32_t replicas = replicas_of(map, group);
  for (const auto& [name, nodes] : members) {
    if (nodes.size() < 2) continue;
    const bool must = there.size() < replicas;
    const std::string why = must ? "the nodes that take data are on " +
                                       counted(there.size(), domain) + ", fewer than the " +
                                       counted(replicas, "copy") +
                                       " of the pool; add nodes elsewhere"
                                 : "they were chosen before there was another " +
                                       std::string(domain) + "; dfsctl rebalance moves one of them";
    reasons.push_back(
        {std::string("same-") + domain, group.group, nodes,
         names_of(nodes) + " are both on " + domain + " " + printable(name) + ": " + why});
  }
}

void explain_shortage(const ClusterMap& map, const GroupView& group, std::vector<Reason>& reasons) {
  const uint32_t replicas = replicas_of(map, group);
  if (group.members.size() >= replicas) return;
  const size_t nodes = takers(map).size();
  const std::string why = nodes < replicas
                              ? "only " + counted(nodes, "node") + " can take data; add nodes"
                              : "a node is about to be given to it; watch dfsctl tasks";
  reasons.push_back({"short", group.group, group.members,
                     "it has " + counted(group.members.size(), "node") + " for the " +
                         counted(replicas, "copy") + " of its pool: " + why});
}

}  // namespace

std::vector<Reason> explain_group(const ClusterMap& map, const GroupView& group) {
  std::vector<Reason> reasons;
  explain_shortage(map, group, reasons);
  explain_domain(map, group, "host", &NodeView::host, reasons);
  explain_domain(map, group, "rack", &NodeView::rack, reasons);
  for (const Lack& lack : group.lacking) {
    const NodeView* const node = find(map, lack.node);
    const bool up = node != nullptr && node->state == NodeState::up;
    reasons.push_back({"lacking",
                       group.group,
                       {lack.node},
                       name_of(lack.node) + " may lack blocks since log entry " +
                           std::to_string(lack.since) +
                           (up ? "; the others fill it, see dfsctl tasks"
                               : "; it is down and is filled when it is back")});
  }
  for (const NodeId node : group.leaving) {
    reasons.push_back({"leaving",
                       group.group,
                       {node},
                       name_of(node) + " leaves as soon as all members have every block"});
  }
  return reasons;
}

std::vector<Reason> explain_groups(const ClusterMap& map, const std::set<GroupId>& groups) {
  std::vector<Reason> reasons;
  for (const GroupView& group : map.groups) {
    if (!groups.contains(group.group)) continue;
    auto own = explain_group(map, group);
    reasons.insert(reasons.end(), own.begin(), own.end());
  }
  return reasons;
}

std::vector<Reason> explain_node(const ClusterMap& map, NodeId node) {
  std::set<GroupId> groups;
  for (const GroupView& group : map.groups) {
    if (group.holds(node)) groups.insert(group.group);
  }
  std::vector<Reason> reasons;
  for (Reason& reason : explain_groups(map, groups)) {
    const auto& nodes = reason.nodes;
    const bool concerns = std::find(nodes.begin(), nodes.end(), node) != nodes.end();
    if (concerns) reasons.push_back(std::move(reason));
  }
  return reasons;
}

}  // namespace dfs::cli
