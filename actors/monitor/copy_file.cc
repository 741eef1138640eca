#include <algorithm>

#include "actors/monitor/file_target.h"
#include "actors/monitor/operations.h"
#include "actors/monitor/reads.h"

namespace dfs {

namespace {

Result<InodeRow> find_source(Rows& then, const CopyFile& request, const Requester& who) {
  auto found = find(then, request.from, who);
  if (!found) return found.error();
  if (found->inode.type == FileType::directory) {
    return error_at(Code::is_directory, "a directory is not copied as a file", request.from);
  }
  DFS_CHECK(check_rights(who, found->inode, kMayRead, request.from));
  return std::move(found->inode);
}

// What is not encrypted stays out of encrypted pools; its bytes would have to be.
Result<void> check_pool(VersionedRows& rows, const CopyFile& request, const InodeRow& source) {
  if (source.encrypted || source.size == 0) return {};
  auto encrypted = goes_to_encrypted_pool(rows, request.to);
  if (!encrypted) return encrypted.error();
  if (!*encrypted) return {};
  return Error{Code::conflict,
               shown(request.from) + " is not encrypted, and " + shown(request.to) +
                   " goes to an encrypted pool: read it and put it there (dfsctl cat FROM | dfsctl "
                   "put - TO)",
               {{"path", request.to}},
               0};
}

bool names(const std::optional<InodeRow>& inode, ObjectId object) {
  return inode && std::any_of(inode->slices.begin(), inode->slices.end(),
                              [&](const Slice& slice) { return slice.object == object; });
}

// Versions of another file, or of this one anew, begin to name the objects (expire_history.cc).
Result<void> count_copies(VersionedRows& rows, const FileTarget& target, const InodeRow& source) {
  for (const Slice& slice : source.slices) {
    if (names(target.existing, slice.object)) continue;
    auto object = rows.require<ObjectRow>(keys::object(slice.object));
    if (!object) return object.error();
    ++object->copies;
    rows.put(keys::object(slice.object), std::move(*object));
  }
  return {};
}

}  // namespace

Result<CopyFileReply> copy_file(VersionedRows& rows, const CopyFile& request) {
  const Requester& who = rows.requester();
  DFS_CHECK(check_within(who, request.from));
  auto source = answer_at(rows, request.at, rows.index() - 1,
                          [&](Rows& then) { return find_source(then, request, who); });
  if (!source) return source.error();
  auto target = find_target(rows, request.to, request.fence, request.expected_version);
  if (!target) return target.error();
  DFS_CHECK(check_pool(rows, request, *source));
  DFS_CHECK(count_copies(rows, *target, *source));
  const bool created = target->is_new();
  FileContent content{source->size,
                      source->crc32c,
                      source->crc32c_unknown,
                      source->encrypted,
                      source->block_bytes,
                      std::move(source->content),
                      std::move(source->slices)};
  auto made =
      set_content(rows, std::move(*target), std::move(content), source->mode & 0777, request.fence);
  if (!made) return made.error();
  rows.note("file-committed", {{"path", request.to},
                               {"ino", std::to_string(made->ino)},
                               {"size", std::to_string(source->size)},
                               {"version", std::to_string(made->version)},
                               {"copied_from", request.from}});
  return CopyFileReply{made->ino, made->version, source->size, created, rows.receipt()};
}

}  // namespace dfs
