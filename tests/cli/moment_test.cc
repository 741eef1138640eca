#include "cli/moment.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <ctime>

using namespace dfs;
using namespace dfs::cli;

namespace {

constexpr int64_t kNow = 1'769'861'730'500;  // 2026-01-31T12:15:30.500Z
constexpr int64_t kHour = 3'600'000;

// Two hours east of Greenwich, without summer time.
struct Zone {
  Zone() {
    setenv("TZ", "TST-2", 1);
    tzset();
  }
  ~Zone() {
    unsetenv("TZ");
    tzset();
  }
};

int64_t time_of(const char* text) {
  const auto moment = parse_moment(text, kNow);
  REQUIRE_MESSAGE(moment.ok(), text);
  CHECK(moment->index == 0);
  return moment->time_ms;
}

}  // namespace

TEST_SUITE_BEGIN("cli");

TEST_CASE("a moment is a log entry, an age or a time") {
  const Zone zone;
  CHECK(parse_moment("4711", kNow)->index == 4711);
  CHECK(parse_moment("4711", kNow)->time_ms == 0);
  CHECK(time_of("2h") == kNow - 2 * kHour);
  CHECK(time_of("2h ago") == kNow - 2 * kHour);
  CHECK(time_of("90s") == kNow - 90'000);
  CHECK(time_of("3d") == kNow - 72 * kHour);
}

TEST_CASE("a time is local or UTC, and means the end of what it names") {
  const Zone zone;
  const int64_t second = kNow - 500;
  CHECK(time_of("2026-01-31T12:15:30.500Z") == kNow);
  CHECK(time_of("2026-01-31 12:15:30Z") == second + 999);
  CHECK(time_of("2026-01-31 14:15:30") == second + 999);
  CHECK(time_of("14:15:29") == second - 1);
  CHECK(time_of("14:14") == second - 30'001);
  CHECK(time_of("14:15") == second - 30'000 + 59'999);  // not over yet
  CHECK(time_of("2026-01-30") == time_of("2026-01-30 23:59:59"));
  CHECK(time_of("2026-01-31") == time_of("2026-01-30") + 24 * kHour);
}

TEST_CASE("a time begins with the first moment of what it names") {
  const Zone zone;
  CHECK(parse_time("2026-01-31T12:34:56Z", kNow)->first_ms == 1'769'862'896'000);
  CHECK(parse_time("2026-01-31 12:34Z", kNow)->first_ms == 1'769'862'840'000);
  CHECK(parse_time("2026-01-31Z", kNow)->first_ms == 1'769'817'600'000);
  CHECK(parse_time("2026-01-31", kNow)->first_ms == 1'769'817'600'000 - 2 * kHour);
  CHECK(parse_time("90m", kNow)->first_ms == kNow - 90 * 60'000);
  CHECK(parse_time("4711", kNow).code() == Code::usage);
}

TEST_CASE("what is no moment, or still to come, is refused with what would be one") {
  const Zone zone;
  for (const char* text : {"", "0", "yesterday", "25:00", "12:60", "2026-13-01", "2026-04-31",
                           "2026-01-32", "2026-01-31x", "2026-01-31T", "12:15:30.5", "-2h",
                           "99999999999999999999999", "ago", "d", " 2h"}) {
    CAPTURE(text);
    const auto moment = parse_moment(text, kNow);
    REQUIRE_FALSE(moment.ok());
    CHECK(moment.code() == Code::usage);
    CHECK(moment.error().text.find("2026-01-31 10:15:30") != std::string::npos);
  }
  for (const char* text : {"14:16", "2026-02-01", "2999-01-01 10:00", "14:15:31"}) {
    const auto moment = parse_moment(text, kNow);
    REQUIRE_FALSE_MESSAGE(moment.ok(), text);
    CHECK(moment.error().text.find("still to come") != std::string::npos);
  }
}

TEST_SUITE_END();
