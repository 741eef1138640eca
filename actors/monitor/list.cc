#include "actors/monitor/reads.h"

namespace dfs {

namespace {

// False: who lists sees names and types alone.
Result<bool> check_readable(Rows& rows, Ino directory, const Requester& who,
                            const std::string& path) {
  if (who.admin) return true;
  auto inode = rows.require<InodeRow>(keys::inode(directory));
  if (!inode) return inode.error();
  DFS_CHECK(check_rights(who, *inode, kMayRead, path));
  return may(who, *inode, kMaySearch);
}

}  // namespace

Result<ListReply> list(Rows& rows, const List& request, const Requester& who) {
  DFS_CHECK(check_within(who, request.path));
  auto directory = find_place(rows, request.path, who);
  if (!directory) return directory.error();
  if (!directory->entry) return no_such_path(request.path);
  if (!directory->is_directory()) {
    return error_at(Code::not_directory, "not a directory", request.path);
  }
  const auto whole = check_readable(rows, directory->entry->ino, who, request.path);
  if (!whole) return whole.error();
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
    reply.entries.back().info.ino = entry->ino;
    reply.entries.back().info.type = entry->type;
    inos.push_back(entry->ino);
    return true;
  }));
  if (failed) return *failed;
  for (size_t i = 0; *whole && i < inos.size(); ++i) {
    auto inode = rows.require<InodeRow>(keys::inode(inos[i]));
    if (!inode) return inode.error();
    reply.entries[i].info = info_of(inos[i], *inode);
  }
  return reply;
}

}  // namespace dfs
