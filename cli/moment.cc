#include "cli/moment.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <ctime>
#include <optional>

#include "broker/config.h"
#include "cli/output.h"

namespace dfs::cli {

namespace {

constexpr int64_t kSecond = 1000;
constexpr int64_t kMinute = 60 * kSecond;
constexpr int64_t kDay = 24 * 60 * kMinute;

// How a time may be written, and how long what it names lasts.
struct Form {
  const char* text;
  int64_t lasts_ms;
  bool has_date;
};
constexpr std::array kForms = {
    Form{"%Y-%m-%d", kDay, true},
    Form{"%Y-%m-%d %H:%M", kMinute, true},
    Form{"%Y-%m-%dT%H:%M", kMinute, true},
    Form{"%Y-%m-%d %H:%M:%S", kSecond, true},
    Form{"%Y-%m-%dT%H:%M:%S", kSecond, true},
    Form{"%H:%M", kMinute, false},
    Form{"%H:%M:%S", kSecond, false},
};

Error not_a_moment(std::string_view text, const char* entry) {
  return Error{Code::usage,
               "'" + std::string(text) + "' is no moment; give " + entry +
                   "an age (90m, 2h, 3d) or a time (10:15, 2026-01-31, \"2026-01-31 10:15:30\", or "
                   "with a Z behind it in UTC)",
               {},
               0};
}

bool all_digits(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// Takes ".250" off the end.
std::optional<int64_t> take_ms(std::string& text) {
  const size_t point = text.size() < 4 ? std::string::npos : text.size() - 4;
  if (point == std::string::npos || text[point] != '.' || !all_digits(text.substr(point + 1))) {
    return std::nullopt;
  }
  const int64_t ms = std::stoi(text.substr(point + 1));
  text.resize(point);
  return ms;
}

std::tm today(int64_t now_ms) {
  const std::time_t now = now_ms / kSecond;
  std::tm parts{};
  localtime_r(&now, &parts);
  parts.tm_hour = parts.tm_min = parts.tm_sec = 0;
  return parts;
}

std::optional<TimeSpan> parse_clock(std::string text, int64_t now_ms) {
  const bool utc = text.ends_with('Z');
  if (utc) text.pop_back();
  const std::optional<int64_t> ms = take_ms(text);
  for (const Form& form : kForms) {
    std::tm parts = form.has_date ? std::tm{} : today(now_ms);
    parts.tm_isdst = -1;  // as it is there at that time
    const char* const end = strptime(text.c_str(), form.text, &parts);
    if (end == nullptr || *end != '\0' || (ms && form.lasts_ms != kSecond)) continue;
    const std::tm given = parts;
    const std::time_t seconds = utc ? timegm(&parts) : std::mktime(&parts);
    if (given.tm_mday != parts.tm_mday) return std::nullopt;  // the 31st of April
    const int64_t first = int64_t{seconds} * kSecond + ms.value_or(0);
    return TimeSpan{first, first + (ms ? 1 : form.lasts_ms) - 1};
  }
  return std::nullopt;
}

std::optional<TimeSpan> parse_time_or_age(std::string_view text, int64_t now_ms) {
  if (const auto time = parse_clock(std::string(text), now_ms)) return time;
  constexpr std::string_view kAgo = " ago";
  if (text.ends_with(kAgo)) text.remove_suffix(kAgo.size());
  const auto age = parse_duration(text);
  if (!age || *age < Duration::zero()) return std::nullopt;
  const int64_t then = std::max<int64_t>(now_ms - *age / std::chrono::milliseconds(1), 1);
  return TimeSpan{then, then};
}

}  // namespace

Result<TimeSpan> parse_time(std::string_view text, int64_t now_ms) {
  const auto time = parse_time_or_age(text, now_ms);
  if (!time) return not_a_moment(text, "");
  return *time;
}

Result<Moment> parse_moment(std::string_view text, int64_t now_ms) {
  constexpr const char* kEntry = "a log entry (4711), ";
  Moment moment;
  if (all_digits(text)) {
    const char* const behind = text.data() + text.size();
    const auto [end, error] = std::from_chars(text.data(), behind, moment.index);
    if (error != std::errc() || end != behind || moment.index == 0) {
      return not_a_moment(text, kEntry);
    }
    return moment;
  }
  const auto time = parse_time_or_age(text, now_ms);
  if (!time || time->last_ms <= 0) return not_a_moment(text, kEntry);
  if (time->first_ms > now_ms) {
    return Error{Code::usage, "'" + std::string(text) + "' is still to come", {}, 0};
  }
  moment.time_ms = time->last_ms;
  return moment;
}

std::string shown(const Moment& moment) {
  if (moment.index != 0) return "after log entry " + std::to_string(moment.index);
  return "of " + human_time(moment.time_ms);
}

}  // namespace dfs::cli
