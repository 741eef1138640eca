#include <algorithm>

#include "actors/monitor/fences.h"
#include "actors/monitor/operations.h"

namespace dfs {

namespace {

// So many entries are looked at for somebody who is no administrator.
constexpr size_t kEntriesChecked = 16'384;

Error too_much_to_check(const std::string& path) {
  return error_at(Code::too_large,
                  "the rights to all below cannot be checked at once (over 16384 entries); remove "
                  "it in parts",
                  path);
}

// What a removal one by one would need: to write to and search every directory that is not empty,
// and what a sticky bit asks for. A directory without directories in it is not looked through.
Result<void> check_tree(VersionedRows& rows, Ino top, const InodeRow& inode_of_top,
                        const std::string& path) {
  const Requester& who = rows.requester();
  if (who.admin) return {};
  std::vector<std::pair<Ino, InodeRow>> left = {{top, inode_of_top}};
  size_t looked_at = 0;
  while (!left.empty()) {
    const auto [ino, inode] = std::move(left.back());
    left.pop_back();
    if (inode.entries == 0) continue;
    DFS_CHECK(check_rights(who, inode, kMayWrite | kMaySearch, path));
    const bool sticky = (inode.mode & kSticky) != 0 && !owns(who, inode);
    if (inode.links <= 2 && !sticky) continue;
    std::vector<Ino> inside;
    const std::string prefix = keys::entries(ino);
    std::optional<Error> failed;
    DFS_CHECK(rows.scan(prefix, after_prefix(prefix), [&](auto, auto value) {
      auto entry = decode<EntryRow>(value);
      if (!entry) {
        failed = entry.error();
      } else if (++looked_at > kEntriesChecked) {
        failed = too_much_to_check(path);
      } else if (sticky || entry->type == FileType::directory) {
        inside.push_back(entry->ino);
      }
      return !failed;
    }));
    if (failed) return *failed;
    for (const Ino each : inside) {
      auto below = rows.require<InodeRow>(keys::inode(each));
      if (!below) return below.error();
      if (!may_take_out(who, inode, *below)) {
        return not_allowed(who, *below, "may not take away what others have below", "owner", path);
      }
      if (below->type == FileType::directory) left.emplace_back(each, std::move(*below));
    }
  }
  return {};
}

}  // namespace

Result<RemoveReply> remove(VersionedRows& rows, const Remove& request) {
  const Requester& who = rows.requester();
  DFS_CHECK(check_changes(who, request.path));
  auto place = find_place(rows, request.path, who);
  if (!place) return place.error();
  if (place->is_root()) {
    return error_at(Code::invalid, "the root directory cannot be removed", request.path);
  }
  if (!place->entry) return no_such_path(request.path);
  DFS_CHECK(check_may_take(rows, *place, who, request.path));
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
    DFS_CHECK(check_tree(rows, ino, *inode, request.path));
    DFS_CHECK(check_fences_below(rows, request.path, ino, request.fence));
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
