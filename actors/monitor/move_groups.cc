#include <algorithm>
#include <set>

#include "actors/monitor/guard.h"
#include "actors/monitor/moves.h"
#include "actors/monitor/operations.h"

namespace dfs {

namespace {

// Whether all of them are nodes of this cluster, each named once.
Result<bool> are_nodes(VersionedRows& rows, const std::vector<NodeId>& members) {
  if (members.empty() || members.size() > kReplicasMax) return false;
  if (std::set<NodeId>(members.begin(), members.end()).size() != members.size()) return false;
  for (const NodeId member : members) {
    auto row = rows.get<NodeRow>(keys::node(member));
    if (!row) return row.error();
    if (!*row) return false;
  }
  return true;
}

}  // namespace

void move_to(GroupRow& group, const std::vector<NodeId>& members, LogIndex index) {
  for (const NodeId member : members) {
    if (!is_holder(group, member)) become_lacking(group, member, index);
  }
  const std::vector<NodeId> before = holders(group);
  group.members = members;
  group.leaving.clear();
  for (const NodeId node : before) {
    if (!includes(members, node)) group.leaving.push_back(node);
  }
  std::sort(group.leaving.begin(), group.leaving.end());
}

Result<Done> move_groups(VersionedRows& rows, const MoveGroups& request) {
  Epoch epoch = 0;  // of the map, grown with the first group that changes
  size_t changed = 0;
  for (const GroupMove& move : request.moves) {
    auto row = rows.get<GroupRow>(keys::group(move.group));
    if (!row) return row.error();
    if (!*row || (*row)->epoch != move.epoch || (*row)->members == move.members) continue;
    auto known = are_nodes(rows, move.members);
    if (!known) return known.error();
    if (!*known) continue;
    if (epoch == 0) {
      auto grown = grow_map_epoch(rows);
      if (!grown) return grown.error();
      epoch = *grown;
    }
    GroupRow& group = **row;
    move_to(group, move.members, rows.index());
    group.epoch = epoch;
    // A move back to nodes that lack nothing is over at once.
    auto finished = finish_move(rows, move.group, group, epoch);
    if (!finished) return finished.error();
    rows.put(keys::group(move.group), std::move(group));
    ++changed;
  }
  if (changed > 0) {
    rows.note("groups-changed", {{"groups", std::to_string(changed)},
                                 {"epoch", std::to_string(epoch)},
                                 {"reason", request.reason}});
  }
  return Done{};
}

}  // namespace dfs
