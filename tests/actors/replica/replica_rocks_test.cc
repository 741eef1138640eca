// Replicas over real files: a log, a RocksDB table, and a snapshot from one to the other.
#include <doctest/doctest.h>

#include <filesystem>

#include "actors/posix_disk.h"
#include "actors/raft/raft.h"
#include "actors/rocks_table.h"
#include "tests/actors/disk/table_fixture.h"
#include "tests/actors/replica/head.h"

namespace dfs {

namespace {

using namespace std::chrono_literals;

// A head whose files are real; it ends with its object, as if killed.
struct RealHead {
  RealHead(const std::string& directory, MemberId number)
      : bus("monitor/" + std::to_string(number)) {
    for (MemberId i = 1; i < number; ++i) bus.random();
    auto opened = open_rocks_table({directory + "/table", false});
    REQUIRE_MESSAGE(opened.ok(), opened.error().describe());
    table = std::move(*opened);
    ReplicaSettings settings;
    settings.directory = directory + "/log";
    settings.segment_bytes = 16 << 10;
    settings.log_bytes_kept = 64 << 10;
    settings.snapshot_part_bytes = 16 << 10;
    replica.emplace(bus, *disk, *table, journal, settings);
    Result<void> outcome(Code::timeout, "not open");
    replica->open({Head::kCluster, number, std::string(32, static_cast<char>('a' + number))},
                  "tcp://head-" + std::to_string(number), "", number == 1,
                  [&](Result<void> result) { outcome = std::move(result); });
    bus.advance();
    REQUIRE_MESSAGE(outcome.ok(), outcome.error().describe());
  }
  std::string ask(const std::string& body) {
    Command command;
    command.type = Type::MakeDir;
    command.body = body;
    std::string answer = "not answered";
    replica->propose(std::move(command), [&](Result<Outcome> outcome) {
      answer = outcome ? outcome->body : outcome.error().describe();
    });
    bus.advance();
    return answer;
  }

  FakeBus bus;
  std::unique_ptr<Disk> disk = make_posix_disk();
  std::unique_ptr<Table> table;
  Journal journal;
  std::optional<Replica> replica;
};

// What one says to the other arrives, for so long.
void run(RealHead& one, RealHead& two, Duration duration) {
  const auto deliver = [](RealHead& from, RealHead& to, const char* from_name,
                          const char* to_name) {
    for (FakeBus::Sent& sent : from.bus.take_sent()) {
      const bool answers = sent.link.starts_with("peer/");
      sent.envelope.link = answers ? std::string("tcp://") + from_name : std::string("peer/1");
      if (answers || sent.link == std::string("tcp://") + to_name)
        to.replica->receive(sent.envelope);
    }
  };
  for (Duration passed{}; passed < duration; passed += 10ms) {
    one.bus.advance(10ms);
    two.bus.advance(10ms);
    deliver(one, two, "head-1", "head-2");
    deliver(two, one, "head-2", "head-1");
  }
}

}  // namespace

TEST_SUITE("replica") {
  TEST_CASE("an empty head gets real files by snapshot, and both survive being killed") {
    TempDirectory first, second;
    size_t count = 0;
    {
      RealHead one(first.path(), 1);
      for (int i = 0; i < 300; ++i) {
        REQUIRE(one.ask(std::to_string(i) + std::string(1000, 'x')) != "not answered");
      }
      REQUIRE(one.replica->core()->log().first() > 1);
      RealHead two(second.path(), 2);
      one.replica->add_member({0, "tcp://head-2", "", std::string(32, 'c'), {}},
                              [](Result<MemberId>) {});
      run(one, two, 3s);
      CHECK(two.replica->members().members.size() == 2);
      REQUIRE(two.replica->applied() == one.replica->applied());
      CHECK(two.replica->core()->log().first() > 1);
      CHECK(two.replica->state_hash() == one.replica->state_hash());
      CHECK(rows(*two.table) == rows(*one.table));
      count = rows(*two.table).size();
    }
    RealHead one(first.path(), 1);
    RealHead two(second.path(), 2);
    run(one, two, 5s);
    REQUIRE((one.replica->leading() || two.replica->leading()));
    CHECK(two.replica->applied() == one.replica->applied());
    CHECK(rows(*two.table) == rows(*one.table));
    CHECK(rows(*two.table).size() == count);
    CHECK(std::filesystem::is_empty(second.path() + "/log.snapshots"));
  }
}

}  // namespace dfs
