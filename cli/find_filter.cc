#include "cli/find_filter.h"

#include <algorithm>

#include "broker/config.h"
#include "cli/glob.h"

namespace dfs::cli {

bool SizeTest::holds(uint64_t size) const {
  switch (than) {
    case Than::more:
      return size > bytes;
    case Than::less:
      return size < bytes;
    case Than::equal:
      return size == bytes;
  }
  return false;
}

Result<SizeTest> parse_size_test(std::string_view text) {
  SizeTest test;
  std::string rest(text);
  if (rest.starts_with('+')) test.than = SizeTest::Than::more;
  if (rest.starts_with('-')) test.than = SizeTest::Than::less;
  if (test.than != SizeTest::Than::equal) rest.erase(0, 1);
  // As find(1) and du(1) write it.
  if (rest.ends_with('k')) rest.back() = 'K';
  auto bytes = parse_size(rest);
  if (!bytes) {
    return Result<SizeTest>(Code::usage, "`" + std::string(text) +
                                             "` is no size to look for; write +10M for more, "
                                             "-1k for less, 512 for just that many bytes");
  }
  test.bytes = *bytes;
  return test;
}

bool FindFilter::matches(const std::string& name, const InodeInfo& info) const {
  const bool directory = info.type == FileType::directory;
  if (type && info.type != *type) return false;
  if (newer_ms && info.modified_ms <= *newer_ms) return false;
  if (older_ms && info.modified_ms >= *older_ms) return false;
  for (const SizeTest& test : sizes) {
    if (directory || !test.holds(info.size)) return false;
  }
  if (names.empty() && names_any_case.empty()) return true;
  const auto is = [&](const std::string& pattern) { return name_matches(pattern, name); };
  const auto is_in_any_case = [&](const std::string& pattern) {
    return name_matches(pattern, name, true);
  };
  return std::any_of(names.begin(), names.end(), is) ||
         std::any_of(names_any_case.begin(), names_any_case.end(), is_in_any_case);
}

}  // namespace dfs::cli
