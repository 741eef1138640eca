// Moments of the past as people write them: --at TIME|INDEX.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "messages/namespace.h"

namespace dfs::cli {

// The first and the last ms of what was named, in Unix time.
struct TimeSpan {
  int64_t first_ms = 0;
  int64_t last_ms = 0;
};
// An age ("90s", "2h", "3d ago") or a time ("10:15" of today, "2026-01-31", "2026-01-31 10:15:30",
// "2026-01-31T09:15:30.250Z"), local unless a Z follows. `usage` when it is neither.
Result<TimeSpan> parse_time(std::string_view text, int64_t now_ms);

// What `text` means at the time `now_ms` (Unix time): a log entry ("4711", as `dfsctl history` and
// `dfsctl events` show them), or what parse_time() reads. A second, minute or day means the end of
// it: what happened in it has happened. `usage` when it is none of these, or still to come.
Result<Moment> parse_moment(std::string_view text, int64_t now_ms);

// "after log entry 4711", "of 2026-01-31 10:15:30".
std::string shown(const Moment& moment);

}  // namespace dfs::cli
