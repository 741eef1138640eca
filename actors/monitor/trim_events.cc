#include "actors/monitor/operations.h"

namespace dfs {

Result<Pruned> trim_events(VersionedRows& rows, const TrimEvents& request) {
  auto trimmed = trim_event_rows(rows, request.before, request.limit);
  if (!trimmed) return trimmed.error();
  return Pruned{trimmed->rows, trimmed->more};
}

}  // namespace dfs
