#include <algorithm>
#include <cstdio>

#include "actors/monitor/operations.h"

namespace dfs {

namespace {

constexpr size_t kSpareBytes = 16;  // of a name, for what makes it different from another

std::string hex(ObjectId object) {
  char text[17];
  std::snprintf(text, sizeof text, "%llx", static_cast<unsigned long long>(object));
  return text;
}

// The entry `name` of a directory, which is made if it is not there; nothing when it is a file.
Result<std::optional<Ino>> directory_in(VersionedRows& rows, Ino parent, const std::string& name) {
  auto entry = rows.get<EntryRow>(keys::entry(parent, name));
  if (!entry) return entry.error();
  if (*entry) {
    const bool directory = (*entry)->type == FileType::directory;
    return directory ? std::optional<Ino>((*entry)->ino) : std::nullopt;
  }
  auto made = add_directory(rows, parent, name, 0755, superuser());
  if (!made) return made.error();
  return std::optional<Ino>(*made);
}

struct Spot {
  Ino parent = 0;
  std::string name;
  std::string path;
};

// Where the path can be had: no file is in its way and nothing has its name. The directories above
// it are made.
Result<std::optional<Spot>> spot_at(VersionedRows& rows, const std::string& path) {
  Spot spot{kRootIno, "", path};
  for (size_t begin = 1; begin <= path.size();) {
    const size_t end = std::min(path.find('/', begin), path.size());
    spot.name = path.substr(begin, end - begin);
    begin = end + 1;
    if (begin > path.size()) break;
    auto directory = directory_in(rows, spot.parent, spot.name);
    if (!directory) return directory.error();
    if (!*directory) return std::optional<Spot>();
    spot.parent = **directory;
  }
  auto entry = rows.get<EntryRow>(keys::entry(spot.parent, spot.name));
  if (!entry) return entry.error();
  if (spot.name.empty() || *entry) return std::optional<Spot>();
  return std::optional<Spot>(std::move(spot));
}

// "1f.holiday.mkv". A character of several bytes is cut off whole.
Result<Spot> lost_spot(VersionedRows& rows, const FoundFile& found) {
  auto directory = directory_in(rows, kRootIno, std::string(kLostAndFound).substr(1));
  if (!directory) return directory.error();
  DFS_ASSERT(*directory);  // ImportFiles::invalid() lets no file be of that name
  Spot spot{**directory, hex(found.layout.object), ""};
  if (!found.name.empty()) spot.name += "." + found.name;
  if (spot.name.size() > kNameBytesMax - kSpareBytes) {
    size_t end = kNameBytesMax - kSpareBytes;
    while ((static_cast<unsigned char>(spot.name[end]) & 0xc0) == 0x80) --end;
    spot.name.resize(end);
  }
  // Somebody may have had a file of that very name there.
  const std::string plain = spot.name;
  for (int i = 2;; ++i) {
    auto entry = rows.get<EntryRow>(keys::entry(spot.parent, spot.name));
    if (!entry) return entry.error();
    if (!*entry) break;
    spot.name = plain + "." + std::to_string(i);
  }
  spot.path = std::string(kLostAndFound) + "/" + spot.name;
  return spot;
}

Result<void> check_groups(VersionedRows& rows, const Layout& layout) {
  std::vector<GroupId> groups = layout.groups;
  for (const Override& each : layout.overrides) groups.push_back(each.group);
  std::sort(groups.begin(), groups.end());
  groups.erase(std::unique(groups.begin(), groups.end()), groups.end());
  for (const GroupId group : groups) {
    auto row = rows.get<GroupRow>(keys::group(group));
    if (!row) return row.error();
    if (*row) continue;
    return Error{Code::invalid,
                 "object " + std::to_string(layout.object) + " names group " +
                     std::to_string(group) + ", which was not imported",
                 {},
                 0};
  }
  return {};
}

Result<void> add_file_at(VersionedRows& rows, const FoundFile& found, const Spot& spot) {
  auto ino = next_ino(rows);
  if (!ino) return ino.error();
  InodeRow inode;
  inode.type = FileType::file;
  inode.mode = found.mode;
  const bool encrypted = found.seal.cipher != Cipher::none;
  inode.size = encrypted ? content_bytes(found.size) : found.size;
  inode.crc32c = encrypted ? 0 : found.crc32c;
  inode.crc32c_unknown = encrypted;
  inode.encrypted = encrypted;
  inode.created_ms = found.written_ms;
  inode.modified_ms = found.written_ms;
  inode.version = 1;
  inode.block_bytes = found.layout.block_bytes;
  inode.slices.push_back({0, inode.size, found.layout.object, 0});
  rows.insert(keys::inode(*ino), std::move(inode));
  rows.put(keys::entry(spot.parent, spot.name), EntryRow{*ino, FileType::file, 0, 0});
  DFS_CHECK(touch_directory(rows, spot.parent, 1, 0));
  DFS_CHECK(count(rows, 1, 0));
  ObjectRow object;
  object.ino = *ino;
  object.size = found.size;
  object.crc32c = found.crc32c;
  if (encrypted) object.seal = {found.seal.cipher, found.seal.key, 0};
  object.created_ms = found.written_ms;
  return add_object(rows, found.layout, std::move(object));
}

// At its path, if that can be had.
Result<Spot> spot_for(VersionedRows& rows, const FoundFile& found, RebuildRow& rebuild) {
  if (!found.path.empty()) {
    auto spot = spot_at(rows, found.path);
    if (!spot) return spot.error();
    if (*spot) return std::move(**spot);
  }
  ++rebuild.lost;
  return lost_spot(rows, found);
}

}  // namespace

Result<ImportFilesReply> import_files(VersionedRows& rows, const ImportFiles& request) {
  auto rebuild = active_rebuild(rows);
  if (!rebuild) return rebuild.error();
  auto cluster = rows.require<ClusterRow>(keys::cluster());
  if (!cluster) return cluster.error();
  ImportFilesReply reply;
  for (const FoundFile& found : request.files) {
    const ObjectId id = found.layout.object;
    auto object = rows.get<ObjectRow>(keys::object(id));
    if (!object) return object.error();
    reply.paths.emplace_back();
    if (*object) continue;
    DFS_CHECK(check_groups(rows, found.layout));
    auto spot = spot_for(rows, found, *rebuild);
    if (!spot) return spot.error();
    DFS_CHECK(add_file_at(rows, found, *spot));
    cluster->next_object = std::max(cluster->next_object, id + 1);
    reply.paths.back() = std::move(spot->path);
    ++reply.imported;
  }
  rebuild->files += reply.imported;
  rows.put(keys::rebuild(), *rebuild);
  rows.put(keys::cluster(), std::move(*cluster));
  if (reply.imported > 0) {
    rows.note("files-rebuilt", {{"files", std::to_string(reply.imported)}});
  }
  reply.receipt = rows.receipt();
  return reply;
}

}  // namespace dfs
