#include "actors/monitor/operations.h"

namespace dfs {

Result<ObjectRange> reserve_objects(VersionedRows& rows, const ReserveObjects& request) {
  auto cluster = rows.require<ClusterRow>(keys::cluster());
  if (!cluster) return cluster.error();
  const ObjectRange range{cluster->next_object, request.count};
  cluster->next_object += request.count;
  rows.put(keys::cluster(), std::move(*cluster));
  return range;
}

}  // namespace dfs
