#include "actors/disk.h"

namespace dfs {

namespace {

std::string directory_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

Result<void> write_file_atomically(Disk& disk, const std::string& path, const std::string& bytes) {
  const std::string beside = path + ".new";
  auto file = disk.open(beside, {.create = true});
  if (!file) return std::move(file).error();
  DFS_CHECK((*file)->truncate(0));  // what an earlier, interrupted attempt left
  DFS_CHECK((*file)->write_at(0, bytes.data(), bytes.size()));
  DFS_CHECK((*file)->sync());
  DFS_CHECK(disk.rename(beside, path));
  return disk.sync_directory(directory_of(path));
}

Result<std::string> read_file(Disk& disk, const std::string& path, size_t bytes_max) {
  auto file = disk.open(path, {.read_only = true});
  if (!file) return std::move(file).error();
  const auto size = (*file)->size();
  if (!size) return size.error();
  if (*size > bytes_max) {
    return {Code::too_large, path + " has " + std::to_string(*size) + " bytes; at most " +
                                 std::to_string(bytes_max) + " are expected there"};
  }
  std::string bytes(*size, '\0');
  const auto got = (*file)->read_at(0, bytes.data(), bytes.size());
  if (!got) return got.error();
  bytes.resize(*got);
  return bytes;
}

}  // namespace dfs
