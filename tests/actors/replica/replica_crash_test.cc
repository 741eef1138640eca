// What a Replica keeps when its machine crashes.
#include <doctest/doctest.h>

#include <algorithm>

#include "tests/actors/replica/head.h"

namespace dfs {

TEST_SUITE("replica") {
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
