#include "actors/monitor/fences.h"

#include <algorithm>

#include "actors/monitor/tree.h"

namespace dfs {

namespace {

Error fenced(const std::string& path, uint64_t fence, uint64_t seen) {
  Error error =
      error_at(Code::fenced, "the lock that this was done under was lost meanwhile", path);
  error.text += "; somebody else has had it since, and nothing was changed: do it again";
  error.cause["fence"] = std::to_string(fence);
  error.cause["seen"] = std::to_string(seen);
  return error;
}

// The entries of a directory, no more than `left` of them; as many less are left.
Result<std::vector<EntryRow>> entries_of(Rows& rows, Ino directory, size_t& left) {
  std::vector<EntryRow> entries;
  std::optional<Error> bad;
  const std::string prefix = keys::entries(directory);
  DFS_CHECK(rows.scan(prefix, after_prefix(prefix), [&](auto, auto value) {
    if (left == 0) return false;
    --left;
    auto entry = decode<EntryRow>(value);
    if (!entry) {
      bad = entry.error();
    } else {
      entries.push_back(std::move(*entry));
    }
    return !bad;
  }));
  if (bad) return *bad;
  return entries;
}

// The highest fence of what was removed or renamed below `path`, as far as `left` rows.
Result<uint64_t> highest_below(Rows& rows, const std::string& path, size_t left) {
  uint64_t seen = 0;
  std::optional<Error> bad;
  const std::string prefix = keys::fence(path == "/" ? path : path + "/");
  DFS_CHECK(rows.scan(prefix, after_prefix(prefix), [&](auto, auto value) {
    if (left-- == 0) return false;
    const auto row = decode<FenceRow>(value);
    if (!row) {
      bad = row.error();
    } else {
      seen = std::max(seen, row->fence);
    }
    return !bad;
  }));
  if (bad) return *bad;
  return seen;
}

}  // namespace

Result<uint64_t> seen_fence(Rows& rows, const std::string& path) {
  uint64_t seen = 0;
  for (size_t end = path.size(); end != 0 && end != std::string::npos;
       end = path.rfind('/', end - 1)) {
    auto row = rows.get<FenceRow>(keys::fence(std::string_view(path).substr(0, end)));
    if (!row) return row.error();
    if (!*row) continue;
    seen = std::max(seen, end == path.size() ? (*row)->fence : (*row)->below);
  }
  return seen;
}

Result<void> check_fence(Rows& rows, const std::string& path, uint64_t fence, uint64_t written) {
  if (fence == 0) return {};
  const auto kept = seen_fence(rows, path);
  if (!kept) return kept.error();
  const uint64_t seen = std::max(*kept, written);
  if (fence >= seen) return {};
  return fenced(path, fence, seen);
}

Result<void> check_fences_below(Rows& rows, const std::string& path, Ino top, uint64_t fence) {
  if (fence == 0) return {};
  auto seen = highest_below(rows, path, kFencesBelowMax);
  if (!seen) return seen.error();
  if (*seen > fence) return fenced(path, fence, *seen);
  size_t left = kFencesBelowMax;
  std::vector<Ino> directories = {top};
  while (!directories.empty() && left > 0) {
    const Ino directory = directories.back();
    directories.pop_back();
    auto entries = entries_of(rows, directory, left);
    if (!entries) return entries.error();
    for (const EntryRow& entry : *entries) {
      if (entry.type == FileType::directory) {
        directories.push_back(entry.ino);
        continue;
      }
      auto inode = rows.require<InodeRow>(keys::inode(entry.ino));
      if (!inode) return inode.error();
      if (inode->fence > fence) return fenced(path, fence, inode->fence);
    }
  }
  return {};
}

Result<void> keep_fence(VersionedRows& rows, const std::string& path, uint64_t fence, bool below) {
  if (fence == 0) return {};
  const std::string key = keys::fence(path);
  auto found = rows.get<FenceRow>(key);
  if (!found) return found.error();
  FenceRow row = found->value_or(FenceRow());
  if (row.kept_ms != 0) rows.erase<MarkRow>(keys::fence_by_time(row.kept_ms, path));
  row.fence = std::max(row.fence, fence);
  if (below) row.below = std::max(row.below, fence);
  row.kept_ms = rows.time_ms();
  rows.put(key, row);
  rows.put(keys::fence_by_time(row.kept_ms, path), MarkRow());
  return {};
}

Result<Pruned> expire_fences(VersionedRows& rows, int64_t& from_ms, int64_t before_ms,
                             uint32_t limit) {
  std::vector<std::string> marks;
  bool more = false;
  DFS_CHECK(rows.scan(keys::fence_by_time(from_ms, {}), keys::fence_by_time(before_ms, {}),
                      [&](auto key, auto) {
                        more = marks.size() >= limit;
                        if (!more) marks.emplace_back(key);
                        return !more;
                      }));
  const size_t skipped = keys::fence_by_time(0, {}).size();
  for (const std::string& mark : marks) {
    rows.erase<FenceRow>(keys::fence(std::string_view(mark).substr(skipped)));
    rows.erase<MarkRow>(mark);
  }
  if (!marks.empty()) from_ms = static_cast<int64_t>(read_u64(marks.back(), 1));
  return Pruned{static_cast<uint32_t>(marks.size()), more};
}

}  // namespace dfs
