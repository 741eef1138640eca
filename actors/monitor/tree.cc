#include "actors/monitor/tree.h"

#include <algorithm>
#include <cstdio>

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

std::string name_of(const Requester& who) {
  const std::string uid = "uid " + std::to_string(who.uid);
  return who.user.empty() ? uid : who.user + " (" + uid + ")";
}

// "uid 1000, gid 1000, mode 0750"
std::string owner_of(const InodeRow& inode) {
  char mode[8];
  std::snprintf(mode, sizeof mode, "%04o", inode.mode & kModeBits);
  return "uid " + std::to_string(inode.uid) + ", gid " + std::to_string(inode.gid) + ", mode " +
         mode + (inode.acl.empty() ? "" : " and an access list");
}

Error outside_ticket(const Requester& who, const std::string& why, const std::string& path) {
  return Error{Code::denied,
               "the ticket of " + name_of(who) + " " + why + ": " + shown(path),
               {{"reason", "ticket"}, {"path", path}},
               0};
}

// Of a directory on the way to `path`, which is its first `end` bytes.
Result<void> check_rights_of(Rows& rows, Ino directory, const Requester& who, uint32_t rights,
                             const std::string& path, size_t end) {
  if (who.admin) return {};
  auto inode = rows.require<InodeRow>(keys::inode(directory));
  if (!inode) return inode.error();
  Result<void> checked = check_rights(who, *inode, rights, end == 0 ? "/" : path.substr(0, end));
  if (!checked) checked.error().cause["path"] = path;
  return checked;
}

size_t end_of_directory(const std::string& path) {
  return path.rfind('/');
}

}  // namespace

Error not_allowed(const Requester& who, const InodeRow& inode, const std::string& what,
                  const std::string& right, const std::string& path) {
  const bool directory = inode.type == FileType::directory;
  return Error{Code::denied,
               name_of(who) + " " + what + " " + shown(path) + ": the " +
                   (directory ? "directory" : "file") + " is of " + owner_of(inode) +
                   "; ask its owner or an administrator",
               {{"reason", "rights"},
                {"path", path},
                {"at", path},
                {"right", right},
                {"owner", std::to_string(inode.uid)}},
               0};
}

Result<void> check_rights(const Requester& who, const InodeRow& inode, uint32_t rights,
                          const std::string& path) {
  if (may(who, inode, rights)) return {};
  uint32_t missing = 0;
  for (const uint32_t right : {kMayRead, kMayWrite, kMaySearch}) {
    if ((rights & right) != 0 && !may(who, inode, right)) missing |= right;
  }
  const std::string names = name_of_rights(missing == 0 ? rights : missing);
  return not_allowed(who, inode, "may not " + names, names, path);
}

Result<void> check_within(const Requester& who, const std::string& path) {
  if (who.below.empty() || is_within(path, who.below)) return {};
  return outside_ticket(who, "is for " + shown(who.below) + " alone", path);
}

Result<void> check_changes(const Requester& who, const std::string& path) {
  if (who.read_only) return outside_ticket(who, "is for reading alone", path);
  if (who.below.empty() || is_strictly_within(path, who.below)) return {};
  return outside_ticket(who, "changes only what is below " + shown(who.below), path);
}

Result<void> check_may_search(Rows& rows, Ino directory, const Requester& who,
                              const std::string& path) {
  return check_rights_of(rows, directory, who, kMaySearch, path, end_of_directory(path));
}

Result<void> check_may_add(Rows& rows, Ino directory, const Requester& who,
                           const std::string& path) {
  return check_rights_of(rows, directory, who, kMayWrite | kMaySearch, path,
                         end_of_directory(path));
}

Result<void> check_may_take(Rows& rows, const Place& place, const Requester& who,
                            const std::string& path) {
  if (who.admin) return {};
  DFS_CHECK(check_may_add(rows, place.parent, who, path));
  auto directory = rows.require<InodeRow>(keys::inode(place.parent));
  if (!directory) return directory.error();
  if ((directory->mode & kSticky) == 0) return {};
  auto inode = rows.require<InodeRow>(keys::inode(place.entry->ino));
  if (!inode) return inode.error();
  if (may_take_out(who, *directory, *inode)) return {};
  return not_allowed(who, *inode, "may not, in a directory with the sticky bit, take away", "owner",
                     path);
}

Result<Place> find_place(Rows& rows, const std::string& path, const Requester& who,
                         std::vector<Ino>* through) {
  if (path == "/") return Place{0, "", EntryRow{kRootIno, FileType::directory, 0, 0}};
  Ino directory = kRootIno;
  size_t begin = 1;
  while (true) {
    if (through != nullptr) through->push_back(directory);
    const size_t end = path.find('/', begin);
    const bool last = end == std::string::npos;
    std::string name = path.substr(begin, last ? end : end - begin);
    DFS_CHECK(check_rights_of(rows, directory, who, kMaySearch, path, begin - 1));
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

Result<Found> find(Rows& rows, const std::string& path, const Requester& who) {
  auto place = find_place(rows, path, who);
  if (!place) return place.error();
  if (!place->entry) return no_such_path(path);
  const Ino ino = place->entry->ino;
  auto inode = rows.require<InodeRow>(keys::inode(ino));
  if (!inode) return inode.error();
  return Found{ino, std::move(*inode)};
}

Result<std::string> pool_for(Rows& rows, const std::string& path) {
  std::vector<Ino> through;
  auto place = find_place(rows, path, superuser(), &through);
  if (!place) return place.error();
  for (size_t i = through.size(); i-- > 0;) {
    auto inode = rows.require<InodeRow>(keys::inode(through[i]));
    if (!inode) return inode.error();
    if (!inode->pool.empty()) return std::move(inode->pool);
  }
  return std::string();
}

Result<bool> goes_to_encrypted_pool(Rows& rows, const std::string& path) {
  auto name = pool_for(rows, path);
  if (!name) return name.error();
  auto pool = rows.get<PoolRow>(keys::pool(name->empty() ? kDefaultPool : *name));
  if (!pool) return pool.error();
  return *pool && (*pool)->key != 0;
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
  info.has_acl = !row.acl.empty() || !row.default_acl.empty();
  info.encrypted = row.encrypted;
  info.crc32c_known = !row.crc32c_unknown;
  return info;
}

}  // namespace dfs
