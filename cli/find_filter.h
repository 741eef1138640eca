// What find looks for, and moments and sizes as people give them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "messages/namespace.h"
#include "messages/result.h"

namespace dfs::cli {

// "+10M": more than that, "-1k": less, "512": just that many bytes.
struct SizeTest {
  enum class Than { more, less, equal };
  Than than = Than::equal;
  uint64_t bytes = 0;
  bool holds(uint64_t size) const;
};
Result<SizeTest> parse_size_test(std::string_view text);

// All that is given must hold; of several names one.
struct FindFilter {
  std::vector<std::string> names;           // patterns
  std::vector<std::string> names_any_case;  // likewise
  std::vector<SizeTest> sizes;              // of files; directories have none
  std::optional<int64_t> newer_ms;          // changed after this
  std::optional<int64_t> older_ms;          // changed before this
  std::optional<FileType> type;

  bool matches(const std::string& name, const InodeInfo& info) const;
};

}  // namespace dfs::cli
