#include "actors/monitor/operations.h"

namespace dfs {

Result<Ino> add_directory(VersionedRows& rows, Ino parent, const std::string& name, uint32_t mode,
                          const Requester& who) {
  auto ino = next_ino(rows);
  if (!ino) return ino.error();
  auto above = rows.require<InodeRow>(keys::inode(parent));
  if (!above) return above.error();
  InodeRow inode;
  inode.type = FileType::directory;
  inherit(inode, who, *above, mode);
  inode.links = 2;
  inode.parent = parent;
  inode.created_ms = rows.time_ms();
  inode.modified_ms = rows.time_ms();
  rows.insert(keys::inode(*ino), std::move(inode));
  rows.put(keys::entry(parent, name), EntryRow{*ino, FileType::directory, 0, 0});
  DFS_CHECK(touch_directory(rows, parent, 1, 1));
  DFS_CHECK(count(rows, 0, 1));
  return *ino;
}

namespace {

// The directory is there already. Its receipt names the entry that last changed it, not this one.
Result<MakeDirReply> existing(VersionedRows& rows, Ino ino) {
  auto inode = rows.require<InodeRow>(keys::inode(ino));
  if (!inode) return inode.error();
  Receipt receipt = rows.receipt();
  receipt.index = inode->since;
  return MakeDirReply{ino, receipt};
}

void note_made(VersionedRows& rows, const std::string& path, Ino ino) {
  rows.note("directory-made", {{"path", path}, {"ino", std::to_string(ino)}});
}

// Whoever makes a directory on the way can go on in it.
constexpr uint32_t kGoesOn = 0300;

Result<MakeDirReply> make_with_parents(VersionedRows& rows, const MakeDir& request) {
  const std::string& path = request.path;
  const Requester& who = rows.requester();
  Ino directory = kRootIno;
  bool made = false;
  for (size_t begin = 1; begin < path.size();) {
    const size_t end = std::min(path.find('/', begin), path.size());
    const std::string name = path.substr(begin, end - begin);
    begin = end + 1;
    DFS_CHECK(check_may_search(rows, directory, who, path.substr(0, end)));
    auto entry = rows.get<EntryRow>(keys::entry(directory, name));
    if (!entry) return entry.error();
    if (*entry) {
      if ((*entry)->type != FileType::directory) {
        Error error = error_at(Code::not_directory, "not a directory", path.substr(0, end));
        error.cause = {{"path", path}, {"at", path.substr(0, end)}};
        return error;
      }
      directory = (*entry)->ino;
      continue;
    }
    DFS_CHECK(check_changes(who, path.substr(0, end)));
    DFS_CHECK(check_may_add(rows, directory, who, path.substr(0, end)));
    const uint32_t mode = end == path.size() ? request.mode : request.mode | kGoesOn;
    auto ino = add_directory(rows, directory, name, mode, who);
    if (!ino) return ino.error();
    directory = *ino;
    made = true;
  }
  if (!made) return existing(rows, directory);
  note_made(rows, path, directory);
  return MakeDirReply{directory, rows.receipt()};
}

}  // namespace

Result<MakeDirReply> make_dir(VersionedRows& rows, const MakeDir& request) {
  const Requester& who = rows.requester();
  DFS_CHECK(check_within(who, request.path));
  if (request.parents) return make_with_parents(rows, request);
  auto place = find_place(rows, request.path, who);
  if (!place) return place.error();
  if (place->entry) {
    return error_at(Code::exists,
                    place->is_directory() ? "the directory exists already"
                                          : "a file with that name exists already",
                    request.path);
  }
  DFS_CHECK(check_changes(who, request.path));
  DFS_CHECK(check_may_add(rows, place->parent, who, request.path));
  auto ino = add_directory(rows, place->parent, place->name, request.mode, who);
  if (!ino) return ino.error();
  note_made(rows, request.path, *ino);
  return MakeDirReply{*ino, rows.receipt()};
}

}  // namespace dfs
