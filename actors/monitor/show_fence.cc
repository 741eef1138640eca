#include <algorithm>

#include "actors/monitor/fences.h"
#include "actors/monitor/operations.h"
#include "actors/monitor/tree.h"

namespace dfs {

// Who is late is told so, and not refused: of those who hold a lock together one has the highest.
Result<ShowFenceReply> show_fence(VersionedRows& rows, const ShowFence& request) {
  DFS_CHECK(check_within(rows.requester(), request.path));
  auto seen = seen_fence(rows, request.path);
  if (!seen) return seen.error();
  DFS_CHECK(keep_fence(rows, request.path, request.fence, request.subtree));
  return ShowFenceReply{std::max(*seen, request.fence), rows.receipt()};
}

}  // namespace dfs
