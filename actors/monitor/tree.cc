#include "actors/monitor/tree.h"

#include <algorithm>

namespace dfs {

std::string shown(const std::string& path) {
  const auto plain = [](unsigned char c) { return c > 0x20 && c != 0x7f; };
  return std::all_of(path.begin(), path.end(), plain) ? path : json_quote(path);
}

Error error_at(Code code, const std::string& what, const std::string& path) {
  return Error{code, what + ": " + shown(path), {{"path", path}}, 0};
}

Error no_such_path(const std::string& path) {
  return error_at(Code::not_found, "no such file or directory", path);
}

namespace {

Error blocked(Code code, const std::string& what, const std::string& path, size_t end) {
  const std::string at = path.substr(0, end);
  Error error{code, what + ": " + shown(at), {{"path", path}, {"at", at}}, 0};
  error.text += ", on the way to " + shown(path);
  return error;
}

}  // namespace

Result<Place> find_place(Rows& rows, const std::string& path, std::vector<Ino>* through) {
  if (path == "/") return Place{0, "", EntryRow{kRootIno, FileType::directory, 0, 0}};
  Ino directory = kRootIno;
  size_t begin = 1;
  while (true) {
    if (through != nullptr) through->push_back(directory);
    const size_t end = path.find('/', begin);
    const bool last = end == std::string::npos;
    std::string name = path.substr(begin, last ? end : end - begin);
    auto entry = rows.get<EntryRow>(keys::entry(directory, name));
    if (!entry) return entry.error();
    if (last) return Place{directory, std::move(name), std::move(*entry)};
    if (!*entry) return blocked(Code::not_found, "no such directory", path, end);
    if ((*entry)->type != FileType::directory) {
      return blocked(Code::not_directory, "not a directory", path, end);
    }
    directory = (*entry)->ino;
    begin = end + 1;
  }
}

Result<Found> find(Rows& rows, const std::string& path) {
  auto place = find_place(rows, path);
  if (!place) return place.error();
  if (!place->entry) return no_such_path(path);
  const Ino ino = place->entry->ino;
  auto inode = rows.require<InodeRow>(keys::inode(ino));
  if (!inode) return inode.error();
  return Found{ino, std::move(*inode)};
}

Result<std::string> pool_for(Rows& rows, const std::string& path) {
  std::vector<Ino> through;
  auto place = find_place(rows, path, &through);
  if (!place) return place.error();
  for (size_t i = through.size(); i-- > 0;) {
    auto inode = rows.require<InodeRow>(keys::inode(through[i]));
    if (!inode) return inode.error();
    if (!inode->pool.empty()) return std::move(inode->pool);
  }
  return std::string();
}

InodeInfo info_of(Ino ino, const InodeRow& row) {
  InodeInfo info;
  info.ino = ino;
  info.type = row.type;
  info.mode = row.mode;
  info.uid = row.uid;
  info.gid = row.gid;
  info.size = row.size;
  info.links = row.links;
  info.created_ms = row.created_ms;
  info.modified_ms = row.modified_ms;
  info.version = row.version;
  info.crc32c = row.crc32c;
  info.object = row.slices.empty() ? 0 : row.slices.front().object;
  info.block_bytes = row.block_bytes;
  info.pool = row.pool;
  return info;
}

}  // namespace dfs
