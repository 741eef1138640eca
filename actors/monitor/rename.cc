#include <algorithm>

#include "actors/monitor/fences.h"
#include "actors/monitor/operations.h"

namespace dfs {

namespace {

// Refuses what rename(2) refuses of an existing target, or clears it out of the way.
Result<void> replace_target(VersionedRows& rows, const Rename& request, const Place& from,
                            const Place& to) {
  if (!request.replace) {
    return error_at(Code::exists, "something exists at the new name", request.to);
  }
  if (from.is_directory() && !to.is_directory()) {
    return error_at(Code::not_directory, "a directory cannot replace a file", request.to);
  }
  if (!from.is_directory() && to.is_directory()) {
    return error_at(Code::is_directory, "a file cannot replace a directory", request.to);
  }
  const std::string key = keys::inode(to.entry->ino);
  DFS_CHECK(check_may_take(rows, to, rows.requester(), request.to));
  if (to.is_directory()) {
    auto target = rows.require<InodeRow>(key);
    if (!target) return target.error();
    if (target->entries != 0) {
      return error_at(Code::not_empty, "the directory at the new name is not empty", request.to);
    }
  }
  rows.erase<InodeRow>(key);
  rows.erase<EntryRow>(keys::entry(to.parent, to.name));
  DFS_CHECK(touch_directory(rows, to.parent, -1, to.is_directory() ? -1 : 0));
  return count(rows, to.is_directory() ? 0 : -1, to.is_directory() ? -1 : 0);
}

// Only a directory knows its parent: a file's inode does not change with its name.
// To give it another one is to write to it.
Result<void> set_parent(VersionedRows& rows, Ino directory, Ino parent, const std::string& path) {
  auto inode = rows.require<InodeRow>(keys::inode(directory));
  if (!inode) return inode.error();
  if (inode->parent == parent) return {};
  DFS_CHECK(check_rights(rows.requester(), *inode, kMayWrite, path));
  inode->parent = parent;
  rows.put(keys::inode(directory), std::move(*inode));
  return {};
}

// What was seen at a name moves with neither the file nor its inode.
Result<void> pass_fence(VersionedRows& rows, const std::string& path, uint64_t fence,
                        const Place& place) {
  uint64_t written = 0;
  if (place.entry) {
    auto inode = rows.require<InodeRow>(keys::inode(place.entry->ino));
    if (!inode) return inode.error();
    written = inode->fence;
  }
  DFS_CHECK(check_fence(rows, path, fence, written));
  return keep_fence(rows, path, std::max(fence, written), fence != 0);
}

}  // namespace

Result<RenameReply> rename(VersionedRows& rows, const Rename& request) {
  if (request.from == "/" || request.to == "/") {
    return error_at(Code::invalid, "the root directory has no other name", "/");
  }
  const Requester& who = rows.requester();
  DFS_CHECK(check_changes(who, request.from));
  DFS_CHECK(check_changes(who, request.to));
  auto from = find_place(rows, request.from, who);
  if (!from) return from.error();
  if (!from->entry) return no_such_path(request.from);
  std::vector<Ino> through;
  auto to = find_place(rows, request.to, who, &through);
  if (!to) return to.error();
  const EntryRow moved = *from->entry;
  if (std::find(through.begin(), through.end(), moved.ino) != through.end()) {
    return error_at(Code::loop, "a directory cannot move below itself, to", request.to);
  }
  const bool itself = to->entry && to->entry->ino == moved.ino;
  if (itself && request.replace) {
    Receipt receipt = rows.receipt();
    receipt.index = moved.since;
    return RenameReply{receipt};
  }
  DFS_CHECK(check_may_take(rows, *from, who, request.from));
  DFS_CHECK(check_may_add(rows, to->parent, who, request.to));
  if (from->is_directory()) {
    DFS_CHECK(check_fences_below(rows, request.from, moved.ino, request.fence));
  }
  DFS_CHECK(pass_fence(rows, request.from, request.fence, *from));
  DFS_CHECK(pass_fence(rows, request.to, request.to_fence, *to));
  if (to->entry) DFS_CHECK(replace_target(rows, request, *from, *to));

  const int64_t links = from->is_directory() ? 1 : 0;
  rows.erase<EntryRow>(keys::entry(from->parent, from->name));
  DFS_CHECK(touch_directory(rows, from->parent, -1, -links));
  rows.put(keys::entry(to->parent, to->name), EntryRow{moved.ino, moved.type, 0, 0});
  DFS_CHECK(touch_directory(rows, to->parent, 1, links));
  if (from->is_directory()) DFS_CHECK(set_parent(rows, moved.ino, to->parent, request.from));
  rows.note("file-renamed", {{"from", request.from}, {"to", request.to}});
  return RenameReply{rows.receipt()};
}

}  // namespace dfs
