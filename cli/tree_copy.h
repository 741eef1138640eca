// Copies of files and trees inside the cluster, of now or of the past: no content is moved.
#pragma once

#include <atomic>
#include <string>

#include "cli/commands.h"

namespace dfs::cli {

struct TreeCopy {
  std::string from;
  Moment at = {};  // of `from`
  std::string to;
  bool keep_same = false;  // leave files alone that have the content already
  bool dry_run = false;    // only tell what would be done
  LockOptions lock = {};
};

struct CopyCounts {
  std::atomic<uint64_t> files = 0;
  std::atomic<uint64_t> bytes = 0;
  std::atomic<uint64_t> same = 0;  // files that were left alone
  std::atomic<uint64_t> failed = 0;
};

// Each of these tells failures, and in JSON or of a dry run each file, through the context, and
// goes on with the next one.
void copy_one(Context& context, const TreeCopy& copy, CopyCounts& counts);
// All below the directory `from`, with --jobs files at once; directories are made on the way.
void copy_below(Context& context, const TreeCopy& copy, CopyCounts& counts);

// "3 files, 1.20 MiB", and what was left alone or failed.
std::string counts_text(const CopyCounts& counts);

}  // namespace dfs::cli
