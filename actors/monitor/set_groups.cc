#include <algorithm>

#include "actors/monitor/operations.h"

namespace dfs {

namespace {

bool includes(const std::vector<NodeId>& members, NodeId node) {
  return std::find(members.begin(), members.end(), node) != members.end();
}

bool includes_all(const std::vector<NodeId>& members, const std::vector<NodeId>& of) {
  return std::all_of(of.begin(), of.end(), [&](NodeId node) { return includes(members, node); });
}

}  // namespace

Result<Done> set_groups(VersionedRows& rows, const SetGroups& request) {
  Epoch epoch = 0;  // of the map, grown with the first group that changes
  size_t changed = 0;
  for (const GroupMembers& change : request.groups) {
    auto row = rows.get<GroupRow>(keys::group(change.group));
    if (!row) return row.error();
    if (!*row || (*row)->members == change.members) continue;
    GroupRow& group = **row;
    const bool grows = includes_all(change.members, group.members);
    // The leader decided without knowing of a file that was committed meanwhile.
    if (group.used && !grows) continue;
    if (epoch == 0) {
      auto grown = grow_map_epoch(rows);
      if (!grown) return grown.error();
      epoch = *grown;
    }
    group.epoch = epoch;
    // A block written for the old members would lack a copy on the new ones: its writer is told to
    // write it again. When members only join, all copies that were promised are still there.
    if (!grows) group.fenced = epoch;
    group.members = change.members;
    rows.put(keys::group(change.group), std::move(group));
    ++changed;
  }
  if (changed > 0) {
    rows.note("groups-changed",
              {{"groups", std::to_string(changed)}, {"epoch", std::to_string(epoch)}});
  }
  return Done{};
}

}  // namespace dfs
