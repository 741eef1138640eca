#include <algorithm>

#include "actors/monitor/guard.h"
#include "actors/monitor/operations.h"

namespace dfs {

namespace {

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
    // The leader decided without knowing of a file that was committed meanwhile: a group that holds
    // data changes by moves alone.
    if (group.used || change.members.size() > kReplicasMax) continue;
    const bool grows = includes_all(change.members, holders(group));
    GroupRow after = group;
    after.members = change.members;
    after.leaving.clear();
    drop_foreign_lacks(after);
    auto pool = pool_of(rows, group.pool);
    if (!pool) return pool.error();
    if (!may_replace(change.group, group, after, pool->replicas)) continue;
    if (epoch == 0) {
      auto grown = grow_map_epoch(rows);
      if (!grown) return grown.error();
      epoch = *grown;
    }
    after.epoch = epoch;
    // A block written for the old members would lack a copy on the new ones: its writer is told to
    // write it again. When members only join, all copies that were promised are still there.
    if (!grows) after.fenced = epoch;
    rows.put(keys::group(change.group), std::move(after));
    ++changed;
  }
  if (changed > 0) {
    rows.note("groups-changed",
              {{"groups", std::to_string(changed)}, {"epoch", std::to_string(epoch)}});
  }
  return Done{};
}

}  // namespace dfs
