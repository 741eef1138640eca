#include "actors/monitor/reads.h"

namespace dfs {

Result<ListReply> list(Rows& rows, const List& request) {
  auto directory = find_place(rows, request.path);
  if (!directory) return directory.error();
  if (!directory->entry) return no_such_path(request.path);
  if (!directory->is_directory()) {
    return error_at(Code::not_directory, "not a directory", request.path);
  }
  const std::string prefix = keys::entries(directory->entry->ino);
  // The first key behind `after` is `after` with a NUL, which no name contains.
  std::string from = prefix + request.after;
  if (!request.after.empty()) from.push_back('\0');

  ListReply reply;
  std::vector<Ino> inos;
  std::optional<Error> failed;
  DFS_CHECK(rows.scan(from, after_prefix(prefix), [&](auto key, auto value) {
    if (inos.size() == request.limit) {
      reply.more = true;
      return false;
    }
    auto entry = decode<EntryRow>(value);
    if (!entry) {
      failed = entry.error();
      return false;
    }
    reply.entries.push_back({std::string(key.substr(prefix.size())), {}});
    inos.push_back(entry->ino);
    return true;
  }));
  if (failed) return *failed;
  for (size_t i = 0; i < inos.size(); ++i) {
    auto inode = rows.require<InodeRow>(keys::inode(inos[i]));
    if (!inode) return inode.error();
    reply.entries[i].info = info_of(inos[i], *inode);
  }
  return reply;
}

}  // namespace dfs
