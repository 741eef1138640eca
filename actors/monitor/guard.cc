#include "actors/monitor/guard.h"

#include <algorithm>

#include "actors/monitor/operations.h"

namespace dfs {

bool includes(const std::vector<NodeId>& nodes, NodeId node) {
  return std::find(nodes.begin(), nodes.end(), node) != nodes.end();
}

bool is_holder(const GroupRow& group, NodeId node) {
  return includes(group.members, node) || includes(group.leaving, node);
}

bool is_complete(const GroupRow& group, NodeId node) {
  return std::none_of(group.lacking.begin(), group.lacking.end(),
                      [&](const Lack& lack) { return lack.node == node; });
}

std::vector<NodeId> holders(const GroupRow& group) {
  std::vector<NodeId> all = group.members;
  all.insert(all.end(), group.leaving.begin(), group.leaving.end());
  return all;
}

bool become_lacking(GroupRow& group, NodeId node, LogIndex since) {
  const auto at = std::lower_bound(group.lacking.begin(), group.lacking.end(), node,
                                   [](const Lack& lack, NodeId id) { return lack.node < id; });
  if (at != group.lacking.end() && at->node == node) {
    at->since = since;
    return false;
  }
  group.lacking.insert(at, Lack{node, since});
  return true;
}

void drop_foreign_lacks(GroupRow& group) {
  std::erase_if(group.lacking, [&](const Lack& lack) { return !is_holder(group, lack.node); });
}

namespace {

size_t complete_ones(const GroupRow& group, const std::vector<NodeId>& among) {
  return static_cast<size_t>(std::count_if(among.begin(), among.end(),
                                           [&](NodeId node) { return is_complete(group, node); }));
}

Error refused(GroupId id, const std::string& why) {
  return Error{Code::conflict,
               "group " + std::to_string(id) + " cannot spare a node: " + why,
               {{"groups", std::to_string(id)}},
               0};
}

}  // namespace

Result<void> may_replace(GroupId id, const GroupRow& before, const GroupRow& after,
                         uint32_t replicas) {
  const std::vector<NodeId> had = holders(before);
  const bool none_leaves =
      std::all_of(had.begin(), had.end(), [&](NodeId node) { return is_holder(after, node); });
  if (!before.used || none_leaves) return {};
  for (const NodeId member : after.members) {
    // Who came from nowhere has nothing, whatever the row says.
    if (!is_holder(before, member) || !is_complete(before, member) || !is_complete(after, member)) {
      return refused(id, "storage/" + std::to_string(member) + " does not hold all its blocks yet");
    }
  }
  // One that lacks something may lack a single block, and be needed for all the others.
  const size_t needed = std::min<size_t>(replicas, had.size());
  if (after.members.empty() || after.members.size() < needed) {
    return refused(id, "only " + std::to_string(after.members.size()) + " of " +
                           std::to_string(needed) + " copies would be left");
  }
  return {};
}

bool is_last_complete(const GroupRow& group, NodeId node) {
  const std::vector<NodeId> all = holders(group);
  return group.used && std::none_of(all.begin(), all.end(), [&](NodeId other) {
           return other != node && is_complete(group, other);
         });
}

Result<void> may_give_up(GroupId id, const GroupRow& before, const GroupRow& after, NodeId node,
                         const LossRow& accepted) {
  const std::string name = "storage/" + std::to_string(node);
  const auto& groups = accepted.groups;
  if (std::find(groups.begin(), groups.end(), id) == groups.end()) {
    return refused(id, "nobody accepted what would be lost with " + name);
  }
  // Where somebody has everything, waiting for the repair loses nothing.
  if (!is_last_complete(before, node)) {
    return refused(id, "its blocks are being copied from a node that has them all");
  }
  std::vector<NodeId> stay = holders(before);
  std::erase(stay, node);
  if (holders(after) != stay) return refused(id, "more than " + name + " would leave it");
  return {};
}

Result<bool> finish_move(VersionedRows& rows, GroupId id, GroupRow& group, Epoch& map_epoch) {
  const bool filled = complete_ones(group, group.members) == group.members.size();
  if (group.leaving.empty() || !filled) return false;
  auto pool = pool_of(rows, group.pool);
  if (!pool) return pool.error();
  GroupRow after = group;
  after.leaving.clear();
  drop_foreign_lacks(after);
  if (!may_replace(id, group, after, pool->replicas)) return false;
  if (map_epoch == 0) {
    auto grown = grow_map_epoch(rows);
    if (!grown) return grown.error();
    map_epoch = *grown;
  }
  // What was written under the epoch of the move went to the members that are left; what is older
  // counts on nodes that no longer do.
  after.fenced = group.epoch;
  after.epoch = map_epoch;
  std::string gone;
  for (const NodeId node : group.leaving) {
    gone += (gone.empty() ? "" : ",") + std::to_string(node);
  }
  rows.note("group-moved", {{"group", std::to_string(id)}, {"left", gone}});
  group = std::move(after);
  return true;
}

Result<PoolRow> pool_of(Rows& rows, PoolId id) {
  std::optional<PoolRow> found;
  std::optional<Error> failed;
  const std::string prefix(1, keys::kPool);
  DFS_CHECK(rows.scan(prefix, after_prefix(prefix), [&](auto, auto value) {
    auto row = decode<PoolRow>(value);
    if (!row) {
      failed = row.error();
      return false;
    }
    if (row->id == id) found = std::move(*row);
    return !found;
  }));
  if (failed) return *failed;
  if (found) return *found;
  return rows.require<PoolRow>(keys::pool(kDefaultPool));
}

std::string enumerated(const std::vector<GroupId>& groups, size_t most) {
  std::string text;
  for (size_t i = 0; i < groups.size() && i < most; ++i) {
    text += (i == 0 ? "" : ", ") + std::to_string(groups[i]);
  }
  if (groups.size() > most) text += " and " + std::to_string(groups.size() - most) + " more";
  return text;
}

}  // namespace dfs
