#include <algorithm>

#include "actors/monitor/operations.h"

namespace dfs {

// Nodes take no map that is older than the one they know.
Result<Done> raise_epoch(VersionedRows& rows, const RaiseEpoch& request) {
  auto rebuild = active_rebuild(rows);
  if (!rebuild) return rebuild.error();
  auto cluster = rows.require<ClusterRow>(keys::cluster());
  if (!cluster) return cluster.error();
  if (cluster->map_epoch > request.above) return Done{};
  cluster->map_epoch = request.above + 1;
  rows.put(keys::cluster(), std::move(*cluster));
  return Done{};
}

}  // namespace dfs
