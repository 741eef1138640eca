#include "actors/monitor/reads.h"

namespace dfs {

Result<StatReply> stat(Rows& rows, const Stat& request, const Requester& who) {
  DFS_CHECK(check_within(who, request.path));
  auto found = find(rows, request.path, who);
  if (!found) return found.error();
  return StatReply{info_of(found->ino, found->inode),
                   {},
                   std::move(found->inode.acl),
                   std::move(found->inode.default_acl)};
}

}  // namespace dfs
