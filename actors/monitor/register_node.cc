#include <algorithm>
#include <optional>

#include "actors/monitor/operations.h"

namespace dfs {

namespace {

Error removed_for_good(NodeId node) {
  return Error{Code::denied,
               "this was storage/" + std::to_string(node) +
                   ", which was removed from the cluster for good; to use the machine again, start "
                   "it with an empty data directory",
               {{"node", std::to_string(node)}, {"reason", kNodeRemoved}},
               0};
}

// Whoever knows a node's uuid, which everybody does, must not become that node: another key than it
// had is taken only with a token, as if it were new.
Result<void> check_key(VersionedRows& rows, const RegisterNode& request, const NodeRow& row,
                       NodeId node, std::string& by) {
  // Without encryption nobody has a key to show; it is wanted again when encryption is back.
  if (row.key == request.key || request.key.empty()) return {};
  auto cluster = rows.require<ClusterRow>(keys::cluster());
  if (!cluster) return cluster.error();
  const JoinRule rule = row.key.empty() ? cluster->join_rule : JoinRule::token;
  if (auto let = let_in(rows, rule, request.token, node)) {
    by = std::move(*let);
    return {};
  }
  return Error{Code::denied,
               "storage/" + std::to_string(node) + " had another key, and only a token lets it " +
                   "have a new one; if it lost its file node.key, make a token with: dfsctl node "
                   "token, and start it with --join-token",
               {{"reason", kOtherKey}},
               0};
}

// Keys tell nodes apart, so no two have the same.
Result<void> check_unique(VersionedRows& rows, const std::string& key, const std::string& uuid) {
  if (key.empty()) return {};
  std::optional<Error> failed;
  const std::string prefix(1, keys::kNode);
  DFS_CHECK(rows.scan(prefix, after_prefix(prefix), [&](auto, auto value) {
    auto row = decode<NodeRow>(value);
    if (!row) {
      failed = row.error();
    } else if (row->key == key && row->uuid != uuid) {
      failed = Error{Code::denied,
                     "its key is that of another node; remove the file node.key that was copied "
                     "from there, and start it again",
                     {},
                     0};
    }
    return !failed;
  }));
  if (failed) return *failed;
  return {};
}

// The node's number and row: a known uuid is the same node, wherever it lives now. A cluster that
// is being rebuilt believes a node what its number was, unless another one was first; but who was a
// node nobody knows any more, so there it needs a token as a new one does. `by` gets who made the
// token that lets it in.
Result<NodeId> number_of(VersionedRows& rows, const RegisterNode& request, NodeRow& row,
                         std::string& by) {
  const std::string& uuid = request.uuid;
  auto known = rows.get<NodeUuidRow>(keys::node_uuid(uuid));
  if (!known) return known.error();
  if (*known) {
    if ((*known)->removed) return removed_for_good((*known)->node);
    auto node = rows.require<NodeRow>(keys::node((*known)->node));
    if (!node) return node.error();
    row = std::move(*node);
    DFS_CHECK(check_key(rows, request, row, (*known)->node, by));
    return (*known)->node;
  }
  auto cluster = rows.require<ClusterRow>(keys::cluster());
  if (!cluster) return cluster.error();
  auto rebuild = rows.get<RebuildRow>(keys::rebuild());
  if (!rebuild) return rebuild.error();
  const bool rebuilding = *rebuild && (*rebuild)->active;
  auto taken = rows.get<NodeRow>(keys::node(request.number));
  if (!taken) return taken.error();
  const bool keeps = rebuilding && request.number != 0 && !*taken;
  const NodeId node = keeps ? request.number : cluster->last_node + 1;
  cluster->last_node = std::max(cluster->last_node, node);
  auto let = let_in(rows, cluster->join_rule, request.token, node);
  if (!let) return let.error();
  by = std::move(*let);
  rows.put(keys::cluster(), std::move(*cluster));
  rows.put(keys::node_uuid(uuid), NodeUuidRow{node});
  row.uuid = uuid;
  row.joined_ms = rows.time_ms();
  row.state_ms = rows.time_ms();
  return node;
}

}  // namespace

Result<JoinReply> register_node(VersionedRows& rows, const RegisterNode& request) {
  NodeRow row;
  DFS_CHECK(check_unique(rows, request.key, request.uuid));
  std::string by;
  auto node = number_of(rows, request, row, by);
  if (!node) return node.error();
  const NodeRow before = row;
  row.endpoint = request.endpoint;
  row.host = request.host;
  row.rack = request.rack;
  row.total_bytes = request.total_bytes;
  row.feature_level = request.feature_level;
  if (!request.key.empty()) row.key = request.key;
  if (row.state != NodeState::up) row.state_ms = rows.time_ms();
  row.state = NodeState::up;
  if (row.standing == NodeStanding::out) row.standing = NodeStanding::in;
  // A node that was restarted within seconds changes nothing that others need to hear of.
  if (!same(before, row)) {
    const bool moved = before.endpoint != row.endpoint;
    if (moved || before.state != row.state) {
      std::map<std::string, std::string> fields = {{"node", std::to_string(*node)},
                                                   {"endpoint", row.endpoint}};
      // For the audit.
      if (moved) fields.emplace("user", "storage/" + std::to_string(*node));
      if (moved && !request.source.empty()) fields.emplace("source", request.source);
      if (moved && !by.empty()) fields.emplace("by", by);
      rows.note(moved ? "node-joined" : "node-up", std::move(fields));
    }
    rows.put(keys::node(*node), std::move(row));
    auto grown = grow_map_epoch(rows);
    if (!grown) return grown.error();
  }
  auto cluster = rows.require<ClusterRow>(keys::cluster());
  if (!cluster) return cluster.error();
  return JoinReply{*node, cluster->cluster, cluster->map_epoch, request.heartbeat_ms};
}

}  // namespace dfs
