#include <algorithm>

#include "actors/monitor/guard.h"
#include "actors/monitor/operations.h"

namespace dfs {

namespace {

constexpr size_t kObjectsVisited = 4096;  // for a block to name
constexpr size_t kBlocksNamed = 4;

// Calls visit(group number, row) for each group that the node takes part in.
template <class Visit>
Result<void> each_group_of(VersionedRows& rows, NodeId node, const Visit& visit) {
  std::optional<Error> failed;
  const std::string prefix(1, keys::kGroup);
  DFS_CHECK(rows.scan(prefix, after_prefix(prefix), [&](auto key, auto value) {
    auto row = decode<GroupRow>(value);
    if (!row) {
      failed = row.error();
      return false;
    }
    if (is_holder(*row, node)) visit(read_u32(key, 1), *row);
    return true;
  }));
  if (failed) return *failed;
  return {};
}

Result<std::string> some_blocks_of(VersionedRows& rows, const std::vector<GroupId>& groups) {
  std::string named;
  size_t blocks = 0;
  size_t visited = 0;
  const std::string prefix(1, keys::kObject);
  DFS_CHECK(rows.scan(prefix, after_prefix(prefix), [&](auto key, auto value) {
    const auto object = decode<ObjectRow>(value);
    if (!object || object->state != ObjectState::live) return ++visited < kObjectsVisited;
    for (size_t i = 0; i < object->groups.size(); ++i) {
      if (std::find(groups.begin(), groups.end(), object->groups[i]) == groups.end()) continue;
      if (i * object->block_bytes >= object->size) break;
      named +=
          (named.empty() ? "" : ", ") + std::to_string(read_u64(key, 1)) + ":" + std::to_string(i);
      ++blocks;
      break;
    }
    return blocks < kBlocksNamed && ++visited < kObjectsVisited;
  }));
  return named;
}

Error still_needed(NodeId node, const std::vector<GroupId>& groups, const std::string& blocks) {
  const std::string name = std::to_string(node);
  Error error{Code::conflict,
              "storage/" + name + " cannot be removed: " + std::to_string(groups.size()) +
                  (groups.size() == 1 ? " group counts" : " groups count") +
                  " on its copies (group " + enumerated(groups) + ")",
              {{"node", name}, {"groups", enumerated(groups)}},
              0};
  if (!blocks.empty()) {
    error.cause["blocks"] = blocks;
    error.text += ", among them the blocks (object:index) " + blocks;
  }
  error.text += "; drain it first with: dfsctl node drain " + name;
  return error;
}

Result<ChangeNodeReply> remove_node(VersionedRows& rows, NodeId node, NodeRow row) {
  std::vector<std::pair<GroupId, GroupRow>> changed;
  std::vector<GroupId> needing;
  std::optional<Error> failed;
  DFS_CHECK(each_group_of(rows, node, [&](GroupId id, const GroupRow& before) {
    GroupRow after = before;
    std::erase(after.members, node);
    std::erase(after.leaving, node);
    drop_foreign_lacks(after);
    const auto pool = pool_of(rows, before.pool);
    if (!pool) {
      failed = pool.error();
    } else if (may_replace(id, before, after, pool->replicas)) {
      changed.emplace_back(id, std::move(after));
    } else {
      needing.push_back(id);
    }
  }));
  if (failed) return *failed;
  if (!needing.empty()) {
    auto blocks = some_blocks_of(rows, needing);
    if (!blocks) return blocks.error();
    return still_needed(node, needing, *blocks);
  }
  auto epoch = grow_map_epoch(rows);
  if (!epoch) return epoch.error();
  for (auto& [id, group] : changed) {
    group.epoch = group.fenced = *epoch;
    rows.put(keys::group(id), std::move(group));
  }
  rows.erase<NodeRow>(keys::node(node));
  rows.erase<TaskRow>(keys::task("drain/" + std::to_string(node)));
  rows.put(keys::node_uuid(row.uuid), NodeUuidRow{node, true});
  rows.note("node-removed", {{"node", std::to_string(node)}, {"endpoint", row.endpoint}});
  return ChangeNodeReply{0, rows.receipt()};
}

void note_change(VersionedRows& rows, const SetStanding& request) {
  const std::string node = std::to_string(request.node);
  const std::string task = keys::task("drain/" + node);
  if (request.standing == NodeStanding::draining) {
    rows.put(task, TaskRow{true, false, 0, rows.time_ms()});
    rows.note("node-draining", {{"node", node}});
    rows.note("task-began", {{"id", "drain/" + node}});
    return;
  }
  rows.erase<TaskRow>(task);
  const bool out = request.standing == NodeStanding::out;
  rows.note(out ? "node-out" : "node-in", {{"node", node}, {"reason", request.reason}});
}

}  // namespace

Result<ChangeNodeReply> set_standing(VersionedRows& rows, const SetStanding& request) {
  const std::string key = keys::node(request.node);
  auto row = rows.get<NodeRow>(key);
  if (!row) return row.error();
  if (!*row) {
    return Error{Code::not_found, "there is no node " + std::to_string(request.node), {}, 0};
  }
  if (request.remove) return remove_node(rows, request.node, std::move(**row));
  uint64_t groups = 0;
  DFS_CHECK(each_group_of(rows, request.node, [&](GroupId, const GroupRow&) { ++groups; }));
  NodeRow& node = **row;
  // Only a node that is down and was `in` is given up; it may have come back meanwhile. And one
  // that is down for good is not made `in` by anything but its return.
  const bool ignored = request.standing == node.standing ||
                       (request.standing == NodeStanding::out &&
                        (node.state == NodeState::up || node.standing != NodeStanding::in)) ||
                       (request.standing == NodeStanding::in &&
                        node.standing == NodeStanding::out && node.state != NodeState::up);
  if (ignored) return ChangeNodeReply{groups, rows.receipt()};
  node.standing = request.standing;
  rows.put(key, std::move(node));
  note_change(rows, request);
  auto grown = grow_map_epoch(rows);
  if (!grown) return grown.error();
  return ChangeNodeReply{groups, rows.receipt()};
}

}  // namespace dfs
