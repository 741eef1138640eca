// A file that is to get content: one that is there, or a new one.
#pragma once

#include <optional>
#include <string>

#include "actors/monitor/tree.h"

namespace dfs {

struct FileTarget {
  std::string path;
  Place place;
  std::optional<InodeRow> existing;

  bool is_new() const { return !existing; }
};

// Whoever asked may give the file content, under that fence (fences.h). `conflict` or `exists` when
// it is not of the version that is expected (CommitFile).
Result<FileTarget> find_target(VersionedRows& rows, const std::string& path, uint64_t fence,
                               uint64_t expected_version);

// The content of an inode: its size, its checksum, and where it is.
struct FileContent {
  uint64_t size = 0;
  uint32_t crc32c = 0;
  bool crc32c_unknown = false;
  bool encrypted = false;
  uint64_t block_bytes = 0;
  Blob bytes;
  std::vector<Slice> slices;
};
struct FileVersion {
  Ino ino = 0;
  uint64_t version = 0;
};
// Makes it the file's next version. `mode` is that of a new file, before what it inherits.
Result<FileVersion> set_content(VersionedRows& rows, FileTarget target, FileContent content,
                                uint32_t mode, uint64_t fence);

}  // namespace dfs
