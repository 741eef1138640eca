#include "actors/replica/identity.h"

#include "messages/crc32c.h"

namespace dfs {

namespace {

struct IdentityFile {
  uint32_t crc32c = 0;  // of `identity`
  Blob identity;
  DFS_FIELDS(crc32c, identity)
};

bool is_id(const std::string& text) {
  return text.size() == 32 && text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

std::string path_of(const std::string& directory) {
  return directory + "/identity";
}

}  // namespace

const char* Identity::invalid() const {
  if (!is_id(cluster)) return "the cluster is not 32 hex digits";
  if (!is_id(uuid)) return "the uuid is not 32 hex digits";
  return member == 0 ? "the member's number is zero" : nullptr;
}

Result<std::optional<Identity>> load_identity(Disk& disk, const std::string& directory) {
  const std::string path = path_of(directory);
  const auto damaged = [&](const std::string& why) {
    return Error{Code::corrupt,
                 path + " does not say which head this is (" + why +
                     "); restore it, or remove this head from its cluster and let an empty "
                     "directory join as a new one",
                 {},
                 0};
  };
  const auto bytes = read_file(disk, path);
  if (bytes.code() == Code::not_found) return std::optional<Identity>();
  if (!bytes) return bytes.error();
  const auto file = decode<IdentityFile>(*bytes);
  if (!file) return damaged(file.error().text);
  if (crc32c(file->identity.bytes) != file->crc32c) return damaged("its checksum is wrong");
  auto identity = decode<Identity>(file->identity.bytes);
  if (!identity) return damaged(identity.error().text);
  return std::optional<Identity>(std::move(*identity));
}

Result<void> save_identity(Disk& disk, const std::string& directory, const Identity& identity) {
  if (const char* why = identity.invalid()) return {Code::invalid, why};
  const auto before = load_identity(disk, directory);
  if (!before) return before.error();
  if (*before) {
    if (same(**before, identity)) return {};
    return {Code::exists, directory + " belongs to head " + std::to_string((*before)->member) +
                              " of cluster " + (*before)->cluster};
  }
  IdentityFile file;
  file.identity.bytes = encode(identity);
  file.crc32c = crc32c(file.identity.bytes);
  DFS_CHECK(disk.make_directories(directory));
  return write_file_atomically(disk, path_of(directory), encode(file));
}

}  // namespace dfs
