#include <algorithm>
#include <optional>

#include "actors/monitor/operations.h"

namespace dfs {

// The row of a dead object keeps a commit from reviving it, however late the commit comes: its
// writer may have slept for a year. So a row is forgotten only below `settled`, where having no row
// means to be dead, and a commit is refused just the same.
Result<Pruned> forget_objects(VersionedRows& rows, const ForgetObjects& request) {
  auto cluster = rows.require<ClusterRow>(keys::cluster());
  if (!cluster) return cluster.error();
  auto found = rows.get<ContentRow>(keys::content());
  if (!found) return found.error();
  ContentRow content = found->value_or(ContentRow());
  content.settled = std::max(content.settled, std::min(request.below, cluster->next_object));

  // Those above `settled` stay in the way until it passes them, which an upload that goes on for
  // longer than the retention can delay.
  const int64_t before_ms = std::clamp<int64_t>(request.before_ms, 0, rows.time_ms());
  auto kept = rows.get<KeptRow>(keys::kept());
  if (!kept) return kept.error();
  KeptRow from = kept->value_or(KeptRow());
  std::vector<std::string> marks;
  std::optional<int64_t> first_left;
  uint32_t seen = 0;
  bool more = false;
  DFS_CHECK(rows.scan(keys::died(from.dead_ms), keys::died(before_ms), [&](auto key, auto) {
    const auto died_ms = static_cast<int64_t>(read_u64(key, 1));
    const ObjectId object = read_u64(key, keys::died(0).size());
    more = seen++ == request.limit;
    if (!more && object < content.settled) marks.emplace_back(key);
    if (!more && object >= content.settled && !first_left) first_left = died_ms;
    return !more;
  }));
  if (first_left) {
    from.dead_ms = *first_left;
  } else if (!marks.empty()) {
    from.dead_ms = static_cast<int64_t>(read_u64(marks.back(), 1));
  }
  rows.put(keys::kept(), from);
  for (const std::string& mark : marks) {
    const std::string key = keys::object(read_u64(mark, keys::died(0).size()));
    auto object = rows.require<ObjectRow>(key);
    if (!object) return object.error();
    content.dead -= 1;
    content.dead_bytes -= object->size;
    rows.erase<ObjectRow>(key);
    rows.erase<MarkRow>(mark);
  }
  rows.put(keys::content(), content);
  return Pruned{static_cast<uint32_t>(marks.size()), more && !marks.empty()};
}

}  // namespace dfs
