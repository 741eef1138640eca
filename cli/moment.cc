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

Error not_a_moment(std::string_view text) {
  return Error{Code::usage,
               "'" + std::string(text) +
                   "' is no moment; give a log entry (4711), an age (2h, 3d) or a time (10:15, "
                   "2026-01-31, \"2026-01-31 10:15:30\")",
               {},
               0};
}

bool all_digits(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// Takes a number of so many digits off the front of `text`.
std::optional<int> take_number(std::string_view& text, size_t digits) {
  if (text.size() < digits || !all_digits(text.substr(0, digits))) return std::nullopt;
  int number = 0;
  std::from_chars(text.data(), text.data() + digits, number);
  text.remove_prefix(digits);
  return number;
}

bool take(std::string_view& text, char c) {
  if (text.empty() || text.front() != c) return false;
  text.remove_prefix(1);
  return true;
}

// A time of the calendar, and how long what was named lasts.
struct Named {
  std::tm calendar = {};
  int64_t ms = 0;
  int64_t lasts_ms = kDay;
  bool utc = false;
};

bool take_date(std::string_view& text, std::tm& calendar) {
  const auto year = take_number(text, 4);
  if (!year || !take(text, '-')) return false;
  const auto month = take_number(text, 2);
  if (!month || !take(text, '-')) return false;
  const auto day = take_number(text, 2);
  if (!day || *month < 1 || *month > 12 || *day < 1 || *day > 31) return false;
  calendar.tm_year = *year - 1900;
  calendar.tm_mon = *month - 1;
  calendar.tm_mday = *day;
  return true;
}

// HH:MM, HH:MM:SS or HH:MM:SS.mmm
bool take_clock(std::string_view& text, Named& named) {
  const auto hour = take_number(text, 2);
  if (!hour || !take(text, ':')) return false;
  const auto minute = take_number(text, 2);
  if (!minute || *hour > 23 || *minute > 59) return false;
  named.calendar.tm_hour = *hour;
  named.calendar.tm_min = *minute;
  named.lasts_ms = kMinute;
  if (!take(text, ':')) return true;
  const auto second = take_number(text, 2);
  if (!second || *second > 60) return false;
  named.calendar.tm_sec = *second;
  named.lasts_ms = kSecond;
  if (!take(text, '.')) return true;
  const auto ms = take_number(text, 3);
  if (!ms) return false;
  named.ms = *ms;
  named.lasts_ms = 1;
  return true;
}

std::optional<Named> parse_time(std::string_view text, int64_t now_ms) {
  Named named;
  if (text.size() >= 5 && text[4] == '-') {
    if (!take_date(text, named.calendar)) return std::nullopt;
    const bool clock = take(text, 'T') || take(text, ' ');
    if (clock && !take_clock(text, named)) return std::nullopt;
  } else {
    const std::time_t now = now_ms / kSecond;
    localtime_r(&now, &named.calendar);
    named.calendar.tm_sec = 0;
    if (!take_clock(text, named)) return std::nullopt;
  }
  named.utc = take(text, 'Z');
  if (!text.empty()) return std::nullopt;
  return named;
}

// Its last millisecond.
int64_t end_of(Named named) {
  named.calendar.tm_isdst = -1;
  const std::time_t begin = named.utc ? timegm(&named.calendar) : std::mktime(&named.calendar);
  return int64_t{begin} * kSecond + named.ms + named.lasts_ms - 1;
}

std::optional<int64_t> parse_age(std::string_view text) {
  constexpr std::string_view kAgo = " ago";
  if (text.ends_with(kAgo)) text.remove_suffix(kAgo.size());
  if (text.ends_with('d') && all_digits(text.substr(0, text.size() - 1)) && text.size() < 7) {
    const auto days = take_number(text, text.size() - 1);
    return *days * kDay;
  }
  const auto age = parse_duration(text);
  if (!age || *age < Duration::zero()) return std::nullopt;
  return *age / std::chrono::milliseconds(1);
}

}  // namespace

Result<Moment> parse_moment(std::string_view text, int64_t now_ms) {
  Moment moment;
  if (all_digits(text)) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), moment.index);
    if (error != std::errc() || end != text.data() + text.size() || moment.index == 0) {
      return not_a_moment(text);
    }
    return moment;
  }
  if (const auto age = parse_age(text)) {
    moment.time_ms = std::max<int64_t>(now_ms - *age, 1);
    return moment;
  }
  const auto named = parse_time(text, now_ms);
  if (!named) return not_a_moment(text);
  moment.time_ms = end_of(*named);
  if (moment.time_ms - named->lasts_ms >= now_ms) {
    return Error{Code::usage, "'" + std::string(text) + "' is still to come", {}, 0};
  }
  if (moment.time_ms <= 0) return not_a_moment(text);
  return moment;
}

std::string shown(const Moment& moment) {
  if (moment.index != 0) return "after log entry " + std::to_string(moment.index);
  return "of " + human_time(moment.time_ms);
}

}  // namespace dfs::cli
