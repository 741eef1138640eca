#include "actors/lock/throttle.h"

#include <doctest/doctest.h>

#include "actors/lock/denials.h"

using namespace dfs;
using namespace dfs::lock;
using namespace std::chrono_literals;

TEST_SUITE("lock") {
  TEST_CASE("the first attempts are free, then each has to wait twice as long, up to a limit") {
    Throttle throttle(2s);
    Instant now{};
    for (uint32_t attempt = 0; attempt < Throttle::kFree; ++attempt) {
      CHECK(throttle.wait("ada", now) == 0s);
      throttle.attempt("ada", now);
    }
    Duration expected = Throttle::kFirstWait;
    for (int attempt = 0; attempt < 40; ++attempt) {
      CHECK(throttle.wait("ada", now) == std::min<Duration>(expected, 2s));
      CHECK(throttle.wait("ben", now) == 0s);
      now += throttle.wait("ada", now);
      CHECK(throttle.wait("ada", now) == 0s);
      throttle.attempt("ada", now);
      expected = std::min<Duration>(2 * expected, 2s);
    }
  }

  TEST_CASE("success, and a long silence, make it free again") {
    Throttle throttle(60s);
    Instant now{};
    for (int attempt = 0; attempt < 20; ++attempt) throttle.attempt("ada", now);
    CHECK(throttle.wait("ada", now) > 0s);
    throttle.succeeded("ada");
    CHECK(throttle.wait("ada", now) == 0s);
    for (int attempt = 0; attempt < 20; ++attempt) throttle.attempt("ada", now);
    now += Throttle::kForget;
    CHECK(throttle.wait("ada", now) == 0s);
    throttle.attempt("ada", now);
    CHECK(throttle.wait("ada", now) == 0s);
  }

  TEST_CASE("what succeeds gives back its own attempt and no other") {
    Throttle throttle(60s);
    Instant now{};
    // Four guesses, and one good one, again and again.
    for (int round = 0; round < 4; ++round) {
      for (int guess = 0; guess < 4; ++guess) {
        now += throttle.wait("source", now);
        throttle.attempt("source", now);
      }
      now += throttle.wait("source", now);
      throttle.attempt("source", now);
      throttle.give_back("source", now);
      CHECK(throttle.wait("source", now) == 0s);
    }
    throttle.attempt("source", now);
    CHECK(throttle.wait("source", now) == 60s);
    // One that succeeds takes no wait from another that began later.
    throttle.attempt("other", now);
    for (int guess = 0; guess < 5; ++guess) throttle.attempt("other", now + 1ms);
    throttle.give_back("other", now);
    CHECK(throttle.wait("other", now + 1ms) > 0s);
    // And nothing is kept of who only succeeds.
    throttle.attempt("third", now);
    const size_t size = throttle.size();
    throttle.give_back("third", now);
    CHECK(throttle.size() == size - 1);
  }

  TEST_CASE("of more keys than fit the longest silent is forgotten") {
    Throttle throttle(60s);
    Instant now{};
    for (size_t key = 0; key < Throttle::kKeysMax + 10; ++key) {
      throttle.attempt(std::to_string(key), now);
    }
    CHECK(throttle.size() == Throttle::kKeysMax);
  }

  TEST_CASE("an attack with many names makes few entries of the log, and none is lost count of") {
    Denials denials;
    for (int attempt = 0; attempt < 1000; ++attempt) {
      denials.add("login-failed", "user" + std::to_string(attempt % 100), "x", "log-in");
    }
    const NoteDenials note = denials.take();
    CHECK(note.denials.size() == Denials::kToldMax);
    uint64_t counted = note.left_out;
    for (const Denial& denial : note.denials) counted += denial.count;
    CHECK(counted == 1000);
    CHECK(denials.empty());
    CHECK(denials.take().left_out == 0);
  }
}
