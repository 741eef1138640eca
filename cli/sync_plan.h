// What sync would do, found by comparing two trees directory by directory. In memory are the
// entries of the directories on the way down, and what is to be done.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "cli/glob.h"
#include "messages/result.h"

namespace dfs::cli {

struct SyncEntry {
  enum class Kind { file, directory, other };  // other: links and devices, which are never copied
  std::string name;
  Kind kind = Kind::file;
  uint64_t size = 0;
  int64_t modified_ms = 0;
  std::optional<uint32_t> crc32c = {};  // if it is known without reading the file

  bool directory() const { return kind == Kind::directory; }
};

// One of the trees. Paths are as seen from its root, which is "".
class SyncSide {
 public:
  virtual ~SyncSide() = default;
  virtual Result<std::vector<SyncEntry>> list(const std::string& directory) = 0;  // in any order
  // By reading it; `unsupported` when that is of no use: such a file is copied.
  virtual Result<uint32_t> crc32c(const std::string& file) = 0;
};

struct SyncRules {
  bool by_checksum = false;  // and not by the time of change
  bool remove = false;       // what the source does not have
  GlobFilter filter;         // what it leaves out is neither copied nor removed
};

struct SyncStep {
  std::string path;
  std::string why = {};    // "new", "size", "newer", "content"; of a removal empty
  uint64_t bytes = 0;      // of a file
  bool directory = false;  // of a removal; with all that is in it when `whole`
  bool whole = false;
};

struct SyncPlan {
  std::vector<SyncStep> directories;  // to make, those above first
  std::vector<SyncStep> copies;
  std::vector<SyncStep> removals;   // in this order
  std::vector<std::string> others;  // of the source, left out
  uint64_t unchanged = 0;           // files
};

// `failed` is told what cannot be compared, and why; with a false answer the plan ends there.
// Nothing is removed below what cannot be listed.
SyncPlan plan_sync(SyncSide& source, SyncSide& target, bool target_exists, const SyncRules& rules,
                   const std::function<bool(const std::string& path, const Error& error)>& failed);

}  // namespace dfs::cli
