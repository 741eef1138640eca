#include "cli/find_filter.h"

#include <doctest/doctest.h>

using namespace dfs;
using namespace dfs::cli;

namespace {

constexpr int64_t kNow = 1'800'000'000'000;
constexpr int64_t kDay = 86'400'000;

InodeInfo file(uint64_t size, int64_t modified_ms = kNow) {
  InodeInfo info;
  info.size = size;
  info.modified_ms = modified_ms;
  return info;
}

InodeInfo directory() {
  InodeInfo info;
  info.type = FileType::directory;
  info.modified_ms = kNow;
  return info;
}

}  // namespace

TEST_SUITE("cli") {
  TEST_CASE("sizes to look for have a sign and a unit") {
    CHECK(parse_size_test("+10M")->holds((10 << 20) + 1));
    CHECK_FALSE(parse_size_test("+10M")->holds(10 << 20));
    CHECK(parse_size_test("-1k")->holds(1023));
    CHECK_FALSE(parse_size_test("-1k")->holds(1024));
    CHECK(parse_size_test("512")->holds(512));
    CHECK_FALSE(parse_size_test("512")->holds(511));
    for (const char* text : {"", "+", "many", "10X", "--1"}) {
      CHECK(parse_size_test(text).code() == Code::usage);
    }
  }

  TEST_CASE("all tests of find must hold, and one of several names") {
    FindFilter filter;
    CHECK(filter.matches("a", file(1)));
    filter.names = {"*.jpg", "*.png"};
    CHECK(filter.matches("a.png", file(1)));
    CHECK_FALSE(filter.matches("a.PNG", file(1)));
    filter.names_any_case = {"*.gif"};
    CHECK(filter.matches("a.GIF", file(1)));
    filter.sizes = {*parse_size_test("+10"), *parse_size_test("-20")};
    CHECK(filter.matches("a.png", file(15)));
    CHECK_FALSE(filter.matches("a.png", file(20)));
    CHECK_FALSE(filter.matches("a.png", directory()));  // it has no size
  }

  TEST_CASE("find tells files from directories and old from new") {
    FindFilter filter;
    filter.type = FileType::directory;
    CHECK(filter.matches("a", directory()));
    CHECK_FALSE(filter.matches("a", file(1)));
    filter = {};
    filter.newer_ms = kNow - kDay;
    CHECK(filter.matches("a", file(1, kNow)));
    CHECK_FALSE(filter.matches("a", file(1, kNow - kDay)));
    filter.older_ms = kNow - kDay / 2;
    CHECK_FALSE(filter.matches("a", file(1, kNow)));
    CHECK(filter.matches("a", file(1, kNow - kDay / 2 - 1)));
  }
}
