#include "actors/monitor/reads.h"

namespace dfs {

Result<StatReply> stat(Rows& rows, const Stat& request) {
  auto found = find(rows, request.path);
  if (!found) return found.error();
  return StatReply{info_of(found->ino, found->inode)};
}

}  // namespace dfs
