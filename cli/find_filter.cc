#include "cli/find_filter.h"

#include <algorithm>
#include <array>
#include <ctime>

#include "broker/config.h"
#include "cli/glob.h"

namespace dfs::cli {

namespace {

constexpr std::array kDateForms = {"%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M",
                                   "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S"};

std::optional<int64_t> parse_date(std::string text) {
  const bool in_utc = text.ends_with('Z');
  if (in_utc) text.pop_back();
  for (const char* form : kDateForms) {
    std::tm parts{};
    parts.tm_isdst = -1;  // as it is there at that time
    const char* end = strptime(text.c_str(), form, &parts);
    if (end == nullptr || *end != '\0') continue;
    const std::tm given = parts;
    const std::time_t seconds = in_utc ? timegm(&parts) : std::mktime(&parts);
    if (given.tm_mday != parts.tm_mday) return std::nullopt;  // the 31st of April
    return int64_t{seconds} * 1000;
  }
  return std::nullopt;
}

}  // namespace

Result<int64_t> parse_moment(std::string_view text, int64_t now_ms) {
  if (const auto date = parse_date(std::string(text))) return *date;
  if (const auto age = parse_duration(text)) {
    return now_ms - std::chrono::duration_cast<std::chrono::milliseconds>(*age).count();
  }
  return Result<int64_t>(Code::usage, "`" + std::string(text) +
                                          "` is no time; write an age like 90m or 2d, or a date "
                                          "like 2026-01-31 or 2026-01-31T12:34:56Z");
}

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
