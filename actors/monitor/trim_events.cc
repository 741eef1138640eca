#include "actors/monitor/operations.h"

namespace dfs {

Result<Pruned> trim_events(VersionedRows& rows, const TrimEvents& request) {
  auto found = rows.get<RetentionRow>(keys::retention());
  if (!found) return found.error();
  RetentionRow retention = found->value_or(RetentionRow());
  retention.first_kept = std::max(retention.first_kept, request.before);

  std::vector<std::string> gone;
  bool more = false;
  DFS_CHECK(rows.scan(keys::events_from(retention.erased), keys::events_from(retention.first_kept),
                      [&](auto key, auto) {
                        more = gone.size() == request.limit;
                        if (!more) gone.emplace_back(key);
                        return !more;
                      }));
  for (const std::string& key : gone) rows.erase<EventRow>(key);
  if (!more) retention.erased = retention.first_kept;
  // The last entry of a full batch may have more events, which the next batch takes.
  if (more && !gone.empty()) retention.erased = read_u64(gone.back(), 1);
  rows.put(keys::retention(), retention);
  return Pruned{static_cast<uint32_t>(gone.size()), more};
}

}  // namespace dfs
