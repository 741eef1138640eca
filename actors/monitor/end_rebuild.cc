#include <algorithm>

#include "actors/monitor/operations.h"

namespace dfs {

Result<RebuildRow> active_rebuild(Rows& rows) {
  auto row = rows.get<RebuildRow>(keys::rebuild());
  if (!row) return row.error();
  if (*row && (*row)->active) return **row;
  return Error{Code::invalid,
               "this cluster is not being rebuilt; only a head that was founded with --rebuild "
               "begins so",
               {},
               0};
}

// A node that nobody remembered may still come with objects of the old cluster. Their numbers are
// never used again, and objects among them that have no row are never taken for dead.
Result<EndRebuildReply> end_rebuild(VersionedRows& rows, const EndRebuild& request) {
  auto rebuild = rows.get<RebuildRow>(keys::rebuild());
  if (!rebuild) return rebuild.error();
  if (*rebuild && !(*rebuild)->active) return EndRebuildReply{rows.receipt()};
  auto active = active_rebuild(rows);
  if (!active) return active.error();
  if (request.highest >> kShardShift != kShard) {
    return Error{Code::invalid,
                 "object " + std::to_string(request.highest) + " is none of this namespace",
                 {},
                 0};
  }
  active->active = false;
  rows.put(keys::rebuild(), *active);
  auto cluster = rows.require<ClusterRow>(keys::cluster());
  if (!cluster) return cluster.error();
  cluster->next_object = std::max(cluster->next_object, request.highest + 1) + kObjectsLeftOut;
  auto content = rows.get<ContentRow>(keys::content());
  if (!content) return content.error();
  ContentRow counts = content->value_or(ContentRow());
  counts.unknown_below = cluster->next_object;
  rows.put(keys::content(), counts);
  rows.put(keys::cluster(), std::move(*cluster));
  auto grown = grow_map_epoch(rows);
  if (!grown) return grown.error();
  rows.note("rebuild-ended", {{"groups", std::to_string(active->groups)},
                              {"files", std::to_string(active->files)},
                              {"lost", std::to_string(active->lost)}});
  return EndRebuildReply{rows.receipt()};
}

}  // namespace dfs
