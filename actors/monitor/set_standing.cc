#include <algorithm>

#include "actors/monitor/groups_of.h"
#include "actors/monitor/moves.h"
#include "actors/monitor/operations.h"

namespace dfs {

namespace {

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

// Who of the members has most to copy still: the one that lacks something since the last.
std::optional<NodeId> least_filled(const GroupRow& group) {
  std::optional<Lack> last;
  for (const Lack& lack : group.lacking) {
    if (includes(group.members, lack.node) && (!last || lack.since > last->since)) last = lack;
  }
  if (!last) return std::nullopt;
  return last->node;
}

// A node that is to stay after all is a member again wherever it was on its way out, in the place
// of one that is still being filled. That one leaves when all members are complete: at once, unless
// something was written meanwhile.
Result<void> take_back(VersionedRows& rows, NodeId node, Epoch epoch) {
  std::vector<std::pair<GroupId, GroupRow>> left;
  DFS_CHECK(each_group_of(rows, node, [&](GroupId id, const GroupRow& group) {
    if (includes(group.leaving, node)) left.emplace_back(id, group);
  }));
  for (auto& [id, group] : left) {
    std::vector<NodeId> members = group.members;
    const std::optional<NodeId> other = least_filled(group);
    if (other) {
      std::replace(members.begin(), members.end(), *other, node);
    } else if (members.size() < kReplicasMax) {
      members.push_back(node);  // they are complete, and too few
    }
    move_to(group, members, rows.index());
    group.epoch = epoch;
    auto finished = finish_move(rows, id, group, epoch);
    if (!finished) return finished.error();
    rows.put(keys::group(id), std::move(group));
  }
  return {};
}

}  // namespace

Result<ChangeNodeReply> set_standing(VersionedRows& rows, const SetStanding& request) {
  const std::string key = keys::node(request.node);
  auto row = rows.get<NodeRow>(key);
  if (!row) return row.error();
  if (!*row) {
    return Error{Code::not_found, "there is no node " + std::to_string(request.node), {}, 0};
  }
  if (request.remove) return remove_node(rows, request);
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
  const bool stays_after_all =
      node.standing == NodeStanding::draining && request.standing == NodeStanding::in;
  node.standing = request.standing;
  rows.put(key, std::move(node));
  note_change(rows, request);
  auto grown = grow_map_epoch(rows);
  if (!grown) return grown.error();
  if (stays_after_all) DFS_CHECK(take_back(rows, request.node, *grown));
  return ChangeNodeReply{groups, rows.receipt()};
}

}  // namespace dfs
