#include "broker/link_troubles.h"

#include <doctest/doctest.h>

using namespace dfs;

namespace {

using std::chrono::milliseconds;

struct Bench {
  std::optional<std::string> ended(LinkEnd end, bool encrypts = true, size_t keys = 1) {
    return troubles.ended(link, end, encrypts, keys, now);
  }
  void pass(Duration time) { now += time; }
  bool tells() const { return troubles.why(link, now).has_value(); }

  LinkTroubles troubles;
  Link link = "tcp://host:7000";
  Instant now{};
};

}  // namespace

TEST_SUITE_BEGIN("broker");

TEST_CASE("a process that ends again and again is waited for, one that wants another key is not") {
  Bench bench;
  SUBCASE("nobody is there in between") {
    for (int death = 0; death < 10; ++death) {
      CHECK_FALSE(bench.ended(LinkEnd::unfinished));
      bench.pass(milliseconds(300));
      CHECK_FALSE(bench.ended(LinkEnd::broke));
      bench.pass(milliseconds(300));
    }
    CHECK_FALSE(bench.tells());
  }
  SUBCASE("all connections of a process end with it") {
    for (int connection = 0; connection < 10; ++connection) {
      CHECK_FALSE(bench.ended(LinkEnd::unfinished));
    }
    CHECK_FALSE(bench.tells());
  }
  SUBCASE("it goes on") {
    CHECK_FALSE(bench.ended(LinkEnd::unfinished));
    bench.pass(LinkTroubles::kSure);
    const auto told = bench.ended(LinkEnd::unfinished);
    REQUIRE(told);
    CHECK(told->find("cluster-key is not that of the cluster there") != std::string::npos);
    CHECK(bench.tells());
    CHECK_FALSE(bench.ended(LinkEnd::unfinished));  // once
    CHECK(bench.tells());
    // Something may have been mended since.
    bench.pass(LinkTroubles::kLasts);
    CHECK_FALSE(bench.tells());
  }
}

TEST_CASE("each key of a cluster is tried twice") {
  Bench bench;
  for (size_t attempt = 0; attempt < 5; ++attempt) {
    CHECK(bench.troubles.key(bench.link) == attempt);
    CHECK_FALSE(bench.ended(LinkEnd::unfinished, true, 3));
    bench.pass(LinkTroubles::kSure);
  }
  CHECK(bench.ended(LinkEnd::unfinished, true, 3));
  // The one that fits is remembered, and the trouble is not.
  CHECK(bench.troubles.established(bench.link, bench.now));
  CHECK(bench.troubles.key(bench.link) == 6);
  CHECK_FALSE(bench.tells());
  CHECK_FALSE(bench.ended(LinkEnd::unfinished, true, 3));
  CHECK_FALSE(bench.troubles.established("tcp://other:7000", bench.now));
}

TEST_CASE("what is certain is told at once, with what to do") {
  Bench bench;
  const auto refused = bench.ended(LinkEnd::refused);
  REQUIRE(refused);
  CHECK(refused->find("the key of this side is not admitted there") != std::string::npos);
  const auto is = [&](bool encrypts, const char* text) {
    LinkTroubles troubles;
    const auto told = troubles.ended(bench.link, LinkEnd::mismatch, encrypts, 1, bench.now);
    REQUIRE(told);
    CHECK(told->find(text) != std::string::npos);
    CHECK(told->find(bench.link) != std::string::npos);
  };
  is(true, "it is not encrypted there, and this side has a cluster-key");
  is(false, "it is encrypted there, and this side is insecure");
}

TEST_CASE("links without end take no memory without end") {
  LinkTroubles troubles;
  const Instant now{};
  for (size_t i = 0; i <= LinkTroubles::kLinksMax; ++i) {
    (void)troubles.ended("tcp://host:" + std::to_string(i), LinkEnd::refused, true, 1, now);
  }
  CHECK_FALSE(troubles.why("tcp://host:0", now));
  CHECK(troubles.why("tcp://host:" + std::to_string(LinkTroubles::kLinksMax), now));
}

TEST_SUITE_END();
