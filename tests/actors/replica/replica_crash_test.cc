// What a Replica keeps when its machine crashes.
#include <doctest/doctest.h>

#include <algorithm>

#include "tests/actors/replica/head.h"

namespace dfs {

TEST_SUITE("replica") {
  TEST_CASE("whoever hears of an entry that is applied from disk may propose at once") {
    Head head;
    REQUIRE(head.start().ok());
    for (int i = 0; i < 21; ++i) head.ask(std::string(1 << 18, 'x'), 0);  // more than a turn reads
    const Names before = head.entries();
    head.kill();
    head.table.crash(0);  // all is applied anew, from the log on disk
    REQUIRE(head.entries().empty());
    head.endpoint = "tcp://elsewhere";  // which a leader says in an entry of its own, at once
    head.begin();
    std::vector<std::shared_ptr<Head::Answer>> answers;
    head.replica->watch({[&] { answers.push_back(head.propose("y")); }, {}, {}, {}});
    head.bus.advance();
    for (int i = 0; i < 40 && !head.replica->leading(); ++i)
      head.bus.advance(std::chrono::milliseconds(100));
    REQUIRE(head.replica->leading());
    REQUIRE(!answers.empty());
    head.ask("z", 0);
    const Names after = head.entries();
    CHECK(Names(after.begin(), after.begin() + 21) == before);
    CHECK(after.back() == "z");
  }

  TEST_CASE("a replay after a crash gives the same table as a run without one") {
    for (uint64_t seed = 0; seed < 30; ++seed) {
      CAPTURE(seed);
      Head crashing, steady;
      std::mt19937_64 random(seed);
      for (Head* head : {&crashing, &steady}) {
        head->settings.replies_max = 8;
        head->settings.segment_bytes = 4096;
        REQUIRE(head->start().ok());
      }
      for (uint64_t i = 1; i <= 60; ++i) {
        const uint64_t request = 1 + random() % 40;
        const int64_t pass = static_cast<int64_t>(random() % 50);
        for (Head* head : {&crashing, &steady}) {
          head->bus.wall += pass;
          head->ask("request " + std::to_string(request), request);
        }
        if (random() % 10 == 0) {
          crashing.crash(random);
          REQUIRE(crashing.start().ok());
        }
      }
      CHECK(crashing.machine_rows() == steady.machine_rows());
      CHECK(crashing.replies() == steady.replies());
    }
  }

  // Clients repeat what was not answered, as real ones do. Whatever was answered with success
  // stays, whatever was asked is there once, and the log always opens.
  TEST_CASE("what was answered survives a crash at every step, and happens once") {
    for (uint64_t seed = 0; seed < 1000; ++seed) {
      CAPTURE(seed);
      std::mt19937_64 random(seed);
      Head head;
      head.settings.segment_bytes = 4096;
      head.settings.log_bytes_kept = 10'000;
      std::map<uint64_t, std::string> unanswered;
      Names answered;
      uint64_t requests = 0;
      for (int life = 0; life < 4; ++life) {
        head.disk.halt_after(random() % 120);
        if (head.start().ok()) {
          std::vector<std::pair<uint64_t, std::shared_ptr<Head::Answer>>> answers;
          for (const auto& [request, body] : unanswered) {
            answers.emplace_back(request, head.propose(body, request));
          }
          for (int i = 0; i < 60; ++i) {
            const uint64_t request = ++requests;
            const std::string body = std::to_string(request) + std::string(random() % 400, '.');
            unanswered[request] = body;
            answers.emplace_back(request, head.propose(body, request));
            if (random() % 3 == 0) head.bus.advance();
          }
          if (random() % 2 == 0) head.bus.advance();
          for (const auto& [request, answer] : answers) {
            if (!answer->outcome.ok()) continue;
            unanswered.erase(request);
            answered.push_back(answer->body);
          }
        }
        head.crash(random);
      }
      REQUIRE(head.start().ok());
      for (const auto& [request, body] : unanswered) {
        CHECK(head.ask(body, request) != "io_error");
        answered.push_back(body);
      }
      Names entries = head.entries();
      std::sort(entries.begin(), entries.end());
      std::sort(answered.begin(), answered.end());
      CHECK(entries == answered);
    }
  }
}

}  // namespace dfs
