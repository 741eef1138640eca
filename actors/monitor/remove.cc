#include <algorithm>

#include "actors/monitor/fences.h"
#include "actors/monitor/operations.h"

namespace dfs {

Result<RemoveReply> remove(VersionedRows& rows, const Remove& request) {
  auto place = find_place(rows, request.path);
  if (!place) return place.error();
  if (place->is_root()) {
    return error_at(Code::invalid, "the root directory cannot be removed", request.path);
  }
  if (!place->entry) return no_such_path(request.path);
  const bool directory = place->is_directory();
  const Ino ino = place->entry->ino;
  auto inode = rows.require<InodeRow>(keys::inode(ino));
  if (!inode) return inode.error();
  DFS_CHECK(check_fence(rows, request.path, request.fence, inode->fence));
  bool empty = true;
  if (directory) {
    empty = inode->entries == 0;
    if (!empty && !request.recursive) {
      return error_at(Code::not_empty,
                      "the directory is not empty (a recursive removal takes all below it)",
                      request.path);
    }
  }
  rows.erase<EntryRow>(keys::entry(place->parent, place->name));
  DFS_CHECK(touch_directory(rows, place->parent, -1, directory ? -1 : 0));
  DFS_CHECK(
      keep_fence(rows, request.path, std::max(inode->fence, request.fence), request.fence != 0));
  rows.note("removed", {{"path", request.path}});
  if (!empty) {
    // Whatever the size of the subtree, it is gone with this one entry; its rows are unreachable
    // and PruneOrphans moves them to history in small batches.
    rows.put(keys::orphan(ino), OrphanRow{rows.index(), rows.time_ms()});
    return RemoveReply{rows.receipt()};
  }
  rows.erase<InodeRow>(keys::inode(ino));
  DFS_CHECK(count(rows, directory ? 0 : -1, directory ? -1 : 0));
  return RemoveReply{rows.receipt()};
}

}  // namespace dfs
