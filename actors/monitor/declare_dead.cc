#include <algorithm>

#include "actors/monitor/operations.h"

namespace dfs {

// One command after the other decides what an object is: content it became before this stays
// content, and a commit that comes after this finds it dead.
Result<Done> declare_dead(VersionedRows& rows, const DeclareDead& request) {
  auto cluster = rows.require<ClusterRow>(keys::cluster());
  if (!cluster) return cluster.error();
  auto content = rows.get<ContentRow>(keys::content());
  if (!content) return content.error();
  const ContentRow counts = content->value_or(ContentRow());
  const ObjectId first = std::max({counts.settled, counts.unknown_below, ObjectId{1}});
  for (const ObjectId id : request.objects) {
    if (id < first || id >= cluster->next_object) continue;
    auto object = rows.get<ObjectRow>(keys::object(id));
    if (!object) return object.error();
    if (!*object) DFS_CHECK(end_object(rows, id, std::nullopt));
  }
  return Done{};
}

}  // namespace dfs
