#include "actors/monitor/file_target.h"

#include <algorithm>

#include "actors/monitor/fences.h"
#include "actors/monitor/operations.h"

namespace dfs {

namespace {

Result<void> check_version(const std::string& path, uint64_t expected,
                           const std::optional<InodeRow>& existing) {
  const uint64_t actual = existing ? existing->version : 0;
  if (expected == UINT64_MAX || expected == actual) return {};
  Error error = error_at(expected == 0 ? Code::exists : Code::conflict,
                         expected == 0 ? "the file exists already"
                         : actual == 0 ? "the file to be replaced is gone"
                                       : "the file was changed by someone else",
                         path);
  error.cause["version"] = std::to_string(actual);
  error.cause["expected"] = std::to_string(expected);
  return error;
}

// A fresh inode with its directory entry.
Result<Ino> add_file(VersionedRows& rows, const Place& place, uint32_t mode, InodeRow& inode) {
  auto ino = next_ino(rows);
  if (!ino) return ino.error();
  auto directory = rows.require<InodeRow>(keys::inode(place.parent));
  if (!directory) return directory.error();
  inode.type = FileType::file;
  inherit(inode, rows.requester(), *directory, mode);
  inode.created_ms = rows.time_ms();
  rows.put(keys::entry(place.parent, place.name), EntryRow{*ino, FileType::file, 0, 0});
  DFS_CHECK(touch_directory(rows, place.parent, 1, 0));
  DFS_CHECK(count(rows, 1, 0));
  return *ino;
}

}  // namespace

Result<FileTarget> find_target(VersionedRows& rows, const std::string& path, uint64_t fence,
                               uint64_t expected_version) {
  const Requester& who = rows.requester();
  DFS_CHECK(check_changes(who, path));
  auto place = find_place(rows, path, who);
  if (!place) return place.error();
  if (place->is_directory()) return error_at(Code::is_directory, "a directory has that name", path);
  FileTarget target{path, std::move(*place), {}};
  if (target.place.entry) {
    auto inode = rows.require<InodeRow>(keys::inode(target.place.entry->ino));
    if (!inode) return inode.error();
    target.existing = std::move(*inode);
    DFS_CHECK(check_rights(who, *target.existing, kMayWrite, path));
  } else {
    DFS_CHECK(check_may_add(rows, target.place.parent, who, path));
  }
  const uint64_t written = target.existing ? target.existing->fence : 0;
  DFS_CHECK(check_fence(rows, path, fence, written));
  DFS_CHECK(check_version(path, expected_version, target.existing));
  return target;
}

Result<FileVersion> set_content(VersionedRows& rows, FileTarget target, FileContent content,
                                uint32_t mode, uint64_t fence) {
  const bool created = target.is_new();
  InodeRow inode = created ? InodeRow() : std::move(*target.existing);
  FileVersion made;
  if (created) {
    auto added = add_file(rows, target.place, mode, inode);
    if (!added) return added.error();
    made.ino = *added;
  } else {
    made.ino = target.place.entry->ino;
  }
  inode.size = content.size;
  inode.crc32c = content.crc32c;
  inode.crc32c_unknown = content.crc32c_unknown;
  inode.encrypted = content.encrypted;
  inode.block_bytes = content.block_bytes;
  inode.content = std::move(content.bytes);
  inode.slices = std::move(content.slices);
  inode.modified_ms = rows.time_ms();
  inode.fence = std::max(inode.fence, fence);
  made.version = ++inode.version;
  if (created) {
    rows.insert(keys::inode(made.ino), std::move(inode));
  } else {
    rows.put(keys::inode(made.ino), std::move(inode));
  }
  return made;
}

}  // namespace dfs
