// The fences of locks (locks.h): a change that was made under a lock names the number with which it
// was granted, and is refused when a later one has been seen for that path. So whoever lost a lock
// without knowing it spoils nothing.
//
// A file's inode has the fence of who wrote it last. What must outlive the file, or is of a whole
// directory, has a row of its own by path, which is forgotten with the history of that time.
#pragma once

#include <algorithm>
#include <string>

#include "actors/monitor/commands.h"
#include "actors/monitor/versioned_rows.h"

namespace dfs {

// The highest that is kept for `path`, or for a tree that it is in.
Result<uint64_t> seen_fence(Rows& rows, const std::string& path);

// `fenced` when a higher one than `fence` was seen for `path`, by removals and renames at or above
// it, or by the writers of what is there (`written`). A fence of 0 claims nothing and is let pass.
Result<void> check_fence(Rows& rows, const std::string& path, uint64_t fence, uint64_t written);

// The same for what is below the directory `top` at `path`, files and what was removed there. Looks
// at kFencesBelowMax of them at most, so that the log does not stand still: nothing is said of what
// lies further.
inline constexpr size_t kFencesBelowMax = 1024;
Result<void> check_fences_below(Rows& rows, const std::string& path, Ino top, uint64_t fence);

// From now on `fence` has been seen for `path`, and when `below` is set for all below it too.
Result<void> keep_fence(VersionedRows& rows, const std::string& path, uint64_t fence, bool below);

// However short history is kept, and it may be not at all: for so long one who had a lock may stand
// still and go on without knowing that it ended.
inline constexpr int64_t kFencesKeptMs = 3'600'000;
inline int64_t fences_kept_since(int64_t history_ms, int64_t now_ms) {
  return std::min(history_ms, now_ms - kFencesKeptMs);
}

// Forgets what was kept before `before_ms`, at most `limit` rows; `from_ms` is where they begin,
// and is moved on.
Result<Pruned> expire_fences(VersionedRows& rows, int64_t& from_ms, int64_t before_ms,
                             uint32_t limit);

}  // namespace dfs
