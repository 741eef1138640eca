#include "actors/replica/replica.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "tests/actors/replica/head.h"

namespace dfs {

TEST_SUITE("replica") {
  TEST_CASE("a proposal is answered once it is on disk and applied, in order") {
    Head head;
    REQUIRE(head.start().ok());
    CHECK(head.replica->leading());
    CHECK(head.told == Names{"members", "leading"});
    CHECK(head.replica->applied() == 2);  // its members, and that it leads
    const auto a = head.propose("a");
    const auto b = head.propose("b");
    CHECK(a->calls == 0);
    CHECK(head.replica->waiting() == 2);
    head.bus.advance();
    CHECK(a->outcome->body == "a is number 0");
    CHECK(b->outcome->body == "b is number 1");
    CHECK(head.replica->waiting() == 0);
    CHECK(head.replica->applied() == 4);
    CHECK(head.replica->logged_ms() == head.bus.wall);
    CHECK(head.journal.seen == Names{"a", "b"});
    CHECK(head.journal.loads == 1);
  }

  TEST_CASE("all that arrive during one sync share the next") {
    Head head;
    REQUIRE(head.start().ok());
    head.bus.run_mode = FakeBus::RunMode::queued;
    const uint64_t syncs = head.disk.syncs();
    std::vector<std::shared_ptr<Head::Answer>> answers;
    for (int i = 0; i < 100; ++i) answers.push_back(head.propose(std::to_string(i)));
    CHECK(head.bus.jobs.size() == 1);
    head.bus.run_job();
    CHECK(answers[0]->calls == 1);
    CHECK(answers[1]->calls == 0);
    REQUIRE(head.bus.jobs.size() == 1);
    head.bus.run_job();
    CHECK(std::all_of(answers.begin(), answers.end(), [](const auto& a) { return a->calls == 1; }));
    CHECK(head.disk.syncs() - syncs == 2);
    CHECK(head.entries().size() == 100);
  }

  TEST_CASE("more than may be unsaved is refused as busy until the disk has it") {
    Head head;
    head.settings.unsaved_bytes_max = 1000;
    REQUIRE(head.start().ok());
    head.bus.run_mode = FakeBus::RunMode::queued;
    const auto large = head.propose(std::string(5000, 'y'));  // one always goes
    const auto refused = head.propose("a", 1);
    CHECK(refused->outcome.code() == Code::busy);
    head.bus.run_job();
    CHECK(large->outcome.ok());
    head.bus.run_mode = FakeBus::RunMode::immediate;
    CHECK(head.ask("a", 1) == "a is number 1");
  }

  TEST_CASE("a request that comes again is answered from memory, also after a restart") {
    Head head;
    REQUIRE(head.start().ok());
    CHECK(head.ask("a", 7) == "a is number 0");
    CHECK(head.ask("b", 8) == "b is number 1");
    CHECK(head.ask("a", 7) == "a is number 0");
    CHECK(head.replica->applied() == 4);
    CHECK(head.journal.seen == Names{"a", "b"});
    // With the table as it was, and with a table that must be replayed.
    head.kill();
    REQUIRE(head.start().ok());
    CHECK(head.ask("a", 7) == "a is number 0");
    head.kill();
    head.table.crash();
    REQUIRE(head.start().ok());
    CHECK(head.ask("b", 8) == "b is number 1");
    CHECK(head.entries() == Names{"a", "b"});
    CHECK(head.journal.seen == Names{"a", "b"});  // what the table lost comes again
    CHECK(head.ask("c", 9) == "c is number 2");
  }

  TEST_CASE("a request that comes again while it is under way joins it") {
    Head head;
    REQUIRE(head.start().ok());
    const auto first = head.propose("a", 7);
    const auto again = head.propose("a", 7);
    const auto queued = head.propose("b", 8);
    const auto queued_again = head.propose("b", 8);
    head.bus.advance();
    CHECK(first->outcome->body == "a is number 0");
    CHECK(again->outcome->body == "a is number 0");
    CHECK(queued_again->outcome->body == "b is number 1");
    CHECK(queued->calls == 1);
    CHECK(head.entries() == Names{"a", "b"});
  }

  TEST_CASE("other clients, and commands of the replica itself, are never taken for repetitions") {
    Head head;
    REQUIRE(head.start().ok());
    head.propose("a", 7, "client/1");
    head.propose("b", 7, "client/2");
    head.propose("c", 7, "");
    head.propose("d", 7, "");
    head.propose("e", 0, "client/1");
    head.propose("f", 0, "client/1");
    head.bus.advance();
    CHECK(head.entries() == Names{"a", "b", "c", "d", "e", "f"});
    CHECK(head.replies() == 2);
  }

  TEST_CASE("proposals above the limit are refused as busy and leave no trace") {
    Head head;
    head.settings.proposals_max = 3;
    REQUIRE(head.start().ok());
    const auto a = head.propose("a", 1);
    head.propose("b", 2);
    head.propose("a", 1);  // who joins waits too
    const auto refused = head.propose("d", 4);
    CHECK(refused->outcome.code() == Code::busy);
    CHECK(refused->outcome.error().retry_after_ms > 0);
    head.bus.advance();
    CHECK(a->outcome.ok());
    CHECK(head.ask("d", 4) == "d is number 2");
    CHECK(head.entries() == Names{"a", "b", "d"});
  }

  TEST_CASE("a command that is too large is refused") {
    Head head;
    REQUIRE(head.start().ok());
    CHECK(head.ask(std::string(kBodyBytesMax + 1, 'x')) == "too_large");
    CHECK(head.ask("a") == "a is number 0");
  }

  TEST_CASE("the time of the log never goes back, not even over a restart") {
    Head head;
    REQUIRE(head.start().ok());
    head.ask("a");
    const int64_t time = head.replica->logged_ms();
    head.bus.wall -= 5000;
    head.ask("b");
    CHECK(head.replica->logged_ms() == time);
    head.kill();
    REQUIRE(head.start().ok());
    CHECK(head.replica->logged_ms() == time);
    head.ask("c");
    CHECK(head.replica->logged_ms() == time);
    head.bus.wall = time + 1;
    head.ask("d");
    CHECK(head.replica->logged_ms() == time + 1);
  }

  TEST_CASE("replies are forgotten by count and by logged time, a few with each command") {
    Head head;
    head.settings.replies_max = 3;
    head.settings.reply_ms_max = 1000;
    REQUIRE(head.start().ok());
    for (uint64_t i = 1; i <= 10; ++i) head.ask(std::to_string(i), i);
    CHECK(head.replies() == 3);
    CHECK(head.ask("8", 8) == "8 is number 7");
    CHECK(head.ask("7", 7) == "7 is number 10");  // forgotten, so it is new
    head.bus.wall += 1001;
    head.ask("later", 100);
    CHECK(head.replies() == 1);
    head.kill();
    REQUIRE(head.start().ok());
    CHECK(head.ask("later", 100) == "later is number 11");
    CHECK(head.replies() == 1);
  }

  TEST_CASE("after a failed sync everyone waiting is told, and nothing more is taken") {
    Head head;
    REQUIRE(head.start().ok());
    head.ask("before");
    head.disk.fault = [](SimDisk::Operation operation, const std::string&) {
      return operation == SimDisk::Operation::sync ? Result<void>(Code::io_error, "bad sector")
                                                   : Result<void>();
    };
    const auto a = head.propose("a", 1);
    const auto b = head.propose("b", 2);
    head.bus.advance();
    CHECK(a->outcome.code() == Code::io_error);
    CHECK(b->outcome.code() == Code::io_error);
    CHECK(a->outcome.error().text.find("bad sector") != std::string::npos);
    CHECK(!head.replica->leading());
    CHECK(head.replica->waiting() == 0);
    head.disk.fault = nullptr;
    CHECK(head.ask("c") == "io_error");
    CHECK(head.entries() == Names{"before"});
    // It may have survived; then it is there once, and a repetition finds it.
    head.kill();
    REQUIRE(head.start().ok());
    CHECK(head.ask("a", 1) == "a is number 1");
    CHECK(head.entries() == Names{"before", "a"});
  }

  TEST_CASE("a table that fails stops the replica too, and the log replays what was lost") {
    Head head;
    REQUIRE(head.start().ok());
    head.ask("before");
    head.table.failing = true;
    CHECK(head.ask("a", 1) == "io_error");
    CHECK(head.ask("b", 2) == "io_error");
    head.table.failing = false;
    head.kill();
    REQUIRE(head.start().ok());
    CHECK(head.entries() == Names{"before", "a"});
    CHECK(head.ask("a", 1) == "a is number 1");
  }

  TEST_CASE("a full disk refuses proposals and the replica goes on when there is room") {
    Head head;
    head.settings.segment_bytes = 8192;
    head.disk.capacity_bytes = 3 * 8192;
    REQUIRE(head.start().ok());
    uint64_t request = 0;
    std::shared_ptr<Head::Answer> last;
    do {
      last = head.propose(std::string(1000, 'x'), ++request);
      head.bus.advance();
    } while (last->calls == 1 && request < 100);
    REQUIRE(last->calls == 0);
    CHECK(head.ask("refused", 1000) == "no_space");
    head.bus.advance(std::chrono::seconds(1));
    CHECK(last->calls == 0);  // it is in the log of this head, and waits for room
    CHECK(head.replica->leading());
    head.disk.capacity_bytes *= 2;
    head.bus.advance(std::chrono::seconds(1));
    CHECK(last->outcome.ok());
    CHECK(head.ask("later", 1001) != "no_space");
    CHECK(head.entries().size() == request + 1);
  }

  TEST_CASE("the log is cut up to what the table has flushed, and the rest still replays") {
    Head head;
    head.settings.segment_bytes = 4096;
    head.settings.log_bytes_kept = 20'000;
    REQUIRE(head.start().ok());
    for (uint64_t i = 1; i <= 300; ++i) head.ask(std::string(500, 'x'), i);
    CHECK(head.disk.used_bytes() < 60'000);
    CHECK(head.table.unsynced() < 300);
    const auto rows = head.machine_rows();
    head.kill();
    head.table.crash();
    CHECK(head.machine_rows() != rows);
    REQUIRE(head.start().ok());
    CHECK(head.machine_rows() == rows);
    CHECK(head.entries().size() == 300);
  }

  TEST_CASE("what is applied while the table is flushed stays in the log") {
    Head head;
    head.settings.segment_bytes = 4096;
    head.settings.log_bytes_kept = 8'000;
    REQUIRE(head.start().ok());
    head.bus.run_mode = FakeBus::RunMode::queued;
    // Until the flush waits in the pool beside nothing else.
    uint64_t proposed = 0;
    std::optional<FakeBus::Job> flush;
    while (!flush) {
      head.propose(std::string(500, 'x'), ++proposed);
      head.bus.run_job();
      if (!head.bus.jobs.empty()) {
        flush = std::move(head.bus.jobs.front());
        head.bus.jobs.pop_front();
      }
    }
    flush->work();
    for (int i = 0; i < 40; ++i) {
      head.propose(std::string(500, 'y'), ++proposed);
      head.bus.run_job();
    }
    flush->done();
    head.propose("z", ++proposed);
    while (!head.bus.jobs.empty()) head.bus.run_job();
    const auto rows = head.machine_rows();
    head.bus.run_mode = FakeBus::RunMode::immediate;
    head.kill();
    head.table.crash();
    REQUIRE(head.start().ok());
    CHECK(head.machine_rows() == rows);
    CHECK(head.entries().size() == proposed);
  }

  TEST_CASE("a log and a table that do not belong together are refused") {
    Head head;
    REQUIRE(head.start().ok());
    head.ask("a");
    head.ask("b");
    SUBCASE("the log is gone") {
      head.kill();
      REQUIRE(head.disk.remove("/log/0000000000000001.log").ok());
    }
    SUBCASE("the table is gone, and the log was cut") {
      head.settings.segment_bytes = 4096;
      head.settings.log_bytes_kept = 8'000;
      head.kill();
      REQUIRE(head.start().ok());
      for (int i = 0; i < 50; ++i) head.ask(std::string(500, 'x'));
      head.kill();
      Batch batch;
      for (const auto& [key, value] : head.rows()) batch.erase(key);
      REQUIRE(head.table.write(batch, Durability::synced).ok());
    }
    const auto started = head.start();
    REQUIRE(started.code() == Code::corrupt);
    CHECK(started.error().text.find("/log") != std::string::npos);
    CHECK(head.ask("c") == "io_error");
  }

  TEST_CASE("when the state machine cannot load, the replica does not open") {
    Head head;
    REQUIRE(head.start().ok());
    head.kill();
    head.begin();
    head.journal.load_outcome = Result<void>(Code::corrupt, "bad row");
    CHECK(head.ask("early") == "unavailable");
    CHECK(head.opened.code() == Code::corrupt);
    CHECK(!head.replica->leading());
  }

  TEST_CASE("closing finishes what is under way, refuses what is new, and flushes") {
    Head head;
    REQUIRE(head.start().ok());
    head.bus.run_mode = FakeBus::RunMode::queued;
    const auto a = head.propose("a");
    const auto b = head.propose("b");
    int closed = 0;
    head.replica->close([&] { ++closed; });
    CHECK(!head.replica->leading());
    const auto late = head.propose("c");
    CHECK(late->outcome.code() == Code::stopping);
    while (!head.bus.jobs.empty()) {
      CHECK(closed == 0);
      head.bus.run_job();
    }
    CHECK(closed == 1);
    CHECK(a->outcome.ok());
    CHECK(b->outcome.ok());
    CHECK(head.table.unsynced() == 0);
    head.replica->close([&] { ++closed; });
    CHECK(closed == 2);
    CHECK(head.propose("d")->outcome.code() == Code::stopping);
  }

  TEST_CASE("closing while the log is still read waits for that") {
    Head head;
    head.bus.run_mode = FakeBus::RunMode::queued;
    head.begin();
    bool opened_first = false;
    bool closed = false;
    head.replica->close([&] {
      closed = true;
      opened_first = head.opened.ok();
    });
    while (!head.bus.jobs.empty()) head.bus.run_job();
    CHECK(closed);
    CHECK(opened_first);
  }

  TEST_CASE("a full pool delays, and loses nothing") {
    Head head;
    head.bus.run_mode = FakeBus::RunMode::queued;
    head.bus.jobs_max = 0;
    head.begin();
    head.bus.advance(std::chrono::milliseconds(20));
    CHECK(!head.opened);
    head.bus.run_mode = FakeBus::RunMode::immediate;
    head.bus.advance(std::chrono::milliseconds(20));
    CHECK(head.opened.ok());
    CHECK(head.ask("a") == "a is number 0");
  }

  TEST_CASE("answers may propose more") {
    Head head;
    REQUIRE(head.start().ok());
    Names answers;
    std::function<void(int)> next = [&](int left) {
      Command command;
      command.body = std::to_string(left);
      head.replica->propose(std::move(command), [&, left](Result<Outcome> outcome) {
        answers.push_back(outcome ? outcome->body : outcome.error().describe());
        if (left > 0) next(left - 1);
      });
    };
    next(2);
    next(2);
    head.bus.advance();
    CHECK(answers == Names{"2 is number 0", "2 is number 1", "1 is number 2", "1 is number 3",
                           "0 is number 4", "0 is number 5"});
  }

  TEST_CASE("a replica that is destroyed calls nobody, not even from within an answer") {
    Head head;
    REQUIRE(head.start().ok());
    const auto lost = head.propose("a");
    head.kill();
    CHECK(lost->calls == 0);
    REQUIRE(head.start().ok());
    CHECK(head.entries() == Names{"a"});
    Command command;
    command.body = "b";
    head.replica->propose(std::move(command), [&](Result<Outcome>) { head.replica.reset(); });
    const auto after = head.propose("c");
    head.bus.advance();
    CHECK(!head.replica);
    CHECK(after->calls == 0);
  }
}

}  // namespace dfs
