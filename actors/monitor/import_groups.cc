#include <algorithm>

#include "actors/monitor/guard.h"
#include "actors/monitor/operations.h"

namespace dfs {

namespace {

Error refused(const std::string& why) {
  return Error{Code::invalid, "groups cannot be imported: " + why, {}, 0};
}

// Blocks name their groups, and a group's number says how many there must have been. Which of them
// were of another pool no block tells: all are of the default one.
Result<void> make_groups_up_to(VersionedRows& rows, GroupId last) {
  auto pool = rows.require<PoolRow>(keys::pool(kDefaultPool));
  if (!pool) return pool.error();
  const uint32_t before = pool->groups;
  while (pool->groups <= last) pool->groups *= 2;
  if (pool->groups == before) return {};
  if (pool->groups > kBatchMax) return refused("there can be at most 4096");
  for (GroupId group = before; group < pool->groups; ++group) {
    rows.put(keys::group(group), GroupRow{});
  }
  rows.put(keys::pool(kDefaultPool), std::move(*pool));
  return {};
}

// Holders that an earlier, interrupted import knew of and this one does not are down at the moment.
GroupRow with_holders(const GroupRow& before, const FoundGroup& found, uint32_t replicas,
                      LogIndex index) {
  GroupRow group = before;
  group.used = true;
  group.members.clear();
  group.leaving.clear();
  group.lacking.clear();
  const auto add = [&](NodeId node, bool complete) {
    (group.members.size() < replicas ? group.members : group.leaving).push_back(node);
    if (!complete) become_lacking(group, node, index);
  };
  for (const GroupHolder& holder : found.holders) add(holder.node, holder.complete);
  for (const NodeId node : holders(before)) {
    if (!is_holder(group, node)) add(node, false);
  }
  std::sort(group.leaving.begin(), group.leaving.end());
  return group;
}

Result<void> check_nodes(VersionedRows& rows, const FoundGroup& found) {
  for (const GroupHolder& holder : found.holders) {
    auto row = rows.get<NodeRow>(keys::node(holder.node));
    if (!row) return row.error();
    if (!*row) return refused("storage/" + std::to_string(holder.node) + " has not joined");
  }
  return {};
}

}  // namespace

Result<ImportGroupsReply> import_groups(VersionedRows& rows, const ImportGroups& request) {
  auto rebuild = active_rebuild(rows);
  if (!rebuild) return rebuild.error();
  GroupId last = 0;
  for (const FoundGroup& found : request.groups) last = std::max(last, found.group);
  DFS_CHECK(make_groups_up_to(rows, last));
  auto pool = rows.require<PoolRow>(keys::pool(kDefaultPool));
  if (!pool) return pool.error();
  auto cluster = rows.require<ClusterRow>(keys::cluster());
  if (!cluster) return cluster.error();
  cluster->map_epoch = std::max(cluster->map_epoch, request.above) + 1;
  Epoch epoch = cluster->map_epoch;
  rows.put(keys::cluster(), std::move(*cluster));
  ImportGroupsReply reply;
  for (const FoundGroup& found : request.groups) {
    DFS_CHECK(check_nodes(rows, found));
    auto before = rows.require<GroupRow>(keys::group(found.group));
    if (!before) return before.error();
    GroupRow group = with_holders(*before, found, pool->replicas, rows.index());
    group.epoch = epoch;
    group.fenced = epoch;  // who wrote before the heads were lost wrote for others
    // Members that hold everything need nobody to be kept beside them.
    auto finished = finish_move(rows, found.group, group, epoch);
    if (!finished) return finished.error();
    rows.put(keys::group(found.group), std::move(group));
    if (!before->used) ++reply.imported;
  }
  rebuild->groups += reply.imported;
  rows.put(keys::rebuild(), *rebuild);
  reply.receipt = rows.receipt();
  return reply;
}

}  // namespace dfs
