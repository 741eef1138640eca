#include "actors/raft/progress.h"

#include <doctest/doctest.h>

#include "tests/sim/random.h"

namespace dfs::raft {

TEST_SUITE("raft") {
  TEST_CASE("an answer lands all appends that it covers, and their bytes") {
    Progress progress;
    progress.become_replicate();
    progress.sent(3, 300);
    progress.sent(5, 200);
    progress.sent(6, 100);
    CHECK(progress.flying_bytes == 600);
    progress.landed(2);
    CHECK(progress.flights.size() == 3);
    progress.landed(5);  // the answer for 3 was lost
    CHECK(progress.flights.size() == 1);
    CHECK(progress.flying_bytes == 100);
    progress.landed(100);
    CHECK(progress.flights.empty());
    CHECK(progress.flying_bytes == 0);
  }

  TEST_CASE("each way of sending begins after what is known to match, with nothing under way") {
    for (const auto become :
         {&Progress::become_probe, &Progress::become_replicate, &Progress::become_snapshot}) {
      Progress progress;
      progress.match = 7;
      progress.next = 20;
      progress.waiting = progress.fetching = true;
      progress.sent(19, 1000);
      (progress.*become)();
      CHECK(progress.next == 8);
      CHECK(progress.match == 7);
      CHECK_FALSE(progress.waiting);
      CHECK_FALSE(progress.fetching);
      CHECK(progress.flights.empty());
      CHECK(progress.flying_bytes == 0);
    }
  }

  TEST_CASE("the bytes under way are always those of the appends under way") {
    for (uint64_t seed = 1; seed <= 200; ++seed) {
      CAPTURE(seed);
      sim::Random random(seed);
      Progress progress;
      LogIndex sent = 0;
      std::map<LogIndex, size_t> model;
      for (int steps = 0; steps < 200; ++steps) {
        if (random.chance(0.02)) {
          progress.become_replicate();
          model.clear();
          sent = progress.next - 1;
        } else if (random.chance(0.5)) {
          sent += random.between(uint64_t{1}, 5);
          model[sent] = random.below(1000);
          progress.sent(sent, model[sent]);
        } else {
          const LogIndex upto = random.below(sent + 2);
          progress.landed(upto);
          model.erase(model.begin(), model.upper_bound(upto));
        }
        size_t bytes = 0;
        for (const auto& [last, size] : model) bytes += size;
        REQUIRE(progress.flights.size() == model.size());
        REQUIRE(progress.flying_bytes == bytes);
      }
    }
  }
}

}  // namespace dfs::raft
