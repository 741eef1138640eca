// What a LogStore keeps for Raft: the hard state, terms, changes of members, and what a snapshot
// does.
#include <doctest/doctest.h>

#include "tests/actors/replica/log_fixture.h"

namespace dfs {
namespace {

using raft::TermRun;
using sim::SimDisk;
using Runs = std::vector<TermRun>;

Code opened(SimDisk& disk) {
  return LogStore::open(disk, {"/log", 1 << 16, 42}).code();
}

std::vector<LogIndex> indexes(const std::vector<std::pair<LogIndex, ChangeMembers>>& changes) {
  std::vector<LogIndex> indexes;
  for (const auto& [index, change] : changes) {
    CHECK(change.members.front().id == index);
    indexes.push_back(index);
  }
  return indexes;
}

// A log of many small segments whose term rises with every third entry.
std::unique_ptr<LogStore> rising_log(SimDisk& disk, LogIndex count) {
  auto log = open_log(disk, 4096);
  for (LogIndex i = 1; i <= count; ++i) {
    REQUIRE(log->append(only(entry(i, 1000, 1 + i / 3))).ok());
  }
  return log;
}

}  // namespace

TEST_SUITE("replica") {
  TEST_CASE("a fresh log has promised nothing; what it promises later it keeps") {
    SimDisk disk;
    {
      auto log = open_log(disk);
      CHECK(log->state() == raft::HardState{});
      REQUIRE(log->save_state({3, 2}).ok());
      CHECK(log->state() == raft::HardState{3, 2});
    }
    disk.crash([] { return 0; });
    {
      auto log = open_log(disk);
      CHECK(log->state() == raft::HardState{3, 2});
      REQUIRE(log->save_state({3, 2}).ok());
      REQUIRE(log->save_state({4, 0}).ok());
    }
    CHECK(open_log(disk)->state() == raft::HardState{4, 0});
  }

  TEST_CASE("a damaged or missing hard state is refused, never taken for none") {
    SimDisk disk;
    {
      auto log = open_log(disk);
      REQUIRE(log->save_state({3, 2}).ok());
      REQUIRE(log->append(entries(1, 2)).ok());
    }
    for (size_t at = 0; at < kStateBytes; ++at) {
      disk.flip(kStateFile, at, 0x40);
      const auto log = LogStore::open(disk, {"/log", 1 << 16, 42});
      REQUIRE(log.code() == Code::corrupt);
      CHECK(log.error().text.find(kStateFile) != std::string::npos);
      disk.flip(kStateFile, at, 0x40);
    }
    const auto whole = read_file(disk, kStateFile);
    REQUIRE(whole.ok());
    for (const std::string& bytes : {std::string(), whole->substr(1), std::string(9999, 'x')}) {
      REQUIRE(write_file_atomically(disk, kStateFile, bytes).ok());
      CHECK(opened(disk) == Code::corrupt);
    }
    REQUIRE(disk.remove(kStateFile).ok());
    CHECK(opened(disk) == Code::corrupt);
    REQUIRE(write_file_atomically(disk, kStateFile, *whole).ok());
    CHECK(opened(disk) == Code::ok);
  }

  TEST_CASE("a hard state without segments is refused: the log was lost") {
    SimDisk disk;
    REQUIRE(open_log(disk)->save_state({1, 1}).ok());
    REQUIRE(disk.remove(kFirstSegment).ok());
    CHECK(opened(disk) == Code::corrupt);
  }

  TEST_CASE("a hard state that cannot be written stops the log, unless there is only no room") {
    SimDisk disk;
    auto log = open_log(disk);
    REQUIRE(log->save_state({1, 1}).ok());
    const auto fail_with = [&](Code code) {
      disk.fault = [code](SimDisk::Operation operation, const std::string& path) {
        const bool hit = operation == SimDisk::Operation::write && path == kStateFile + ".new";
        return hit ? Result<void>(code, "as the test wants it") : Result<void>();
      };
    };
    fail_with(Code::no_space);
    CHECK(log->save_state({2, 2}).code() == Code::no_space);
    CHECK(log->state() == raft::HardState{1, 1});
    REQUIRE(log->append(entries(1, 1)).ok());
    disk.fault = nullptr;
    REQUIRE(log->save_state({2, 3}).ok());
    fail_with(Code::io_error);
    CHECK(log->save_state({3, 1}).code() == Code::io_error);
    disk.fault = nullptr;
    CHECK(log->save_state({3, 1}).code() == Code::io_error);
    CHECK(log->append(entries(2, 1)).code() == Code::io_error);
    CHECK(log->restart_after(5, 3).code() == Code::io_error);
    log.reset();
    CHECK(open_log(disk)->state() == raft::HardState{2, 3});
  }

  TEST_CASE("the terms of the entries kept are known without reading them") {
    SimDisk disk;
    auto log = rising_log(disk, 12);
    CHECK(log->terms() == Runs{{1, 1}, {3, 2}, {6, 3}, {9, 4}, {12, 5}});
    CHECK(log->base() == 0);
    CHECK(log->base_term() == 0);
    REQUIRE(log->truncate_from(8).ok());
    CHECK(log->terms() == Runs{{1, 1}, {3, 2}, {6, 3}});
    CHECK(log->last_term() == 3);
    REQUIRE(log->append(only(entry(8, 1000, 7))).ok());
    REQUIRE(log->append(entries(9, 4, 1000, 7)).ok());
    CHECK(log->terms() == Runs{{1, 1}, {3, 2}, {6, 3}, {8, 7}});
    REQUIRE(log->drop_before(5).ok());
    CHECK(log->base() == 3);
    CHECK(log->base_term() == 2);
    CHECK(log->terms() == Runs{{4, 2}, {6, 3}, {8, 7}});
    REQUIRE(log->drop_before(8).ok());
    CHECK(log->base() == 6);
    CHECK(log->base_term() == 3);
    const Runs left{{7, 3}, {8, 7}};
    CHECK(log->terms() == left);
    log.reset();
    log = open_log(disk, 4096);
    CHECK(log->base() == 6);
    CHECK(log->base_term() == 3);
    CHECK(log->terms() == left);
    REQUIRE(log->truncate_from(7).ok());
    CHECK(log->terms().empty());
    CHECK(log->last() == 6);
    CHECK(log->last_term() == 3);
    CHECK(log->last_time_ms() == 0);
  }

  TEST_CASE("changes of the members are known without reading them") {
    SimDisk disk;
    auto log = open_log(disk, 4096);
    for (LogIndex i = 1; i <= 20; ++i) {
      REQUIRE(log->append(only(i % 5 == 0 ? change_entry(i) : entry(i, 1000))).ok());
    }
    using Indexes = std::vector<LogIndex>;
    CHECK(indexes(log->changes_after(0)) == Indexes{5, 10, 15, 20});
    CHECK(indexes(log->changes_after(5)) == Indexes{10, 15, 20});
    CHECK(indexes(log->changes_after(14)) == Indexes{15, 20});
    CHECK(log->changes_after(20).empty());
    REQUIRE(log->truncate_from(20).ok());
    CHECK(indexes(log->changes_after(0)) == Indexes{5, 10, 15});
    REQUIRE(log->drop_before(10).ok());
    REQUIRE(log->first() > 5);
    CHECK(indexes(log->changes_after(0)) == Indexes{10, 15});
    log.reset();
    log = open_log(disk, 4096);
    CHECK(indexes(log->changes_after(0)) == Indexes{10, 15});
    REQUIRE(log->restart_after(30, 2).ok());
    CHECK(log->changes_after(0).empty());
  }

  TEST_CASE("a change of the members that cannot be read is refused and changes nothing") {
    SimDisk disk;
    auto log = open_log(disk);
    REQUIRE(log->append(entries(1, 1)).ok());
    LogEntries batch = entries(2, 1);
    LogEntry bad = change_entry(3);
    bad.body = "not a list of members";
    batch.push_back(only(bad).front());
    const uint64_t changes = disk.changes();
    CHECK(log->append(batch).code() == Code::malformed);
    CHECK(disk.changes() == changes);
    REQUIRE(log->append(entries(2, 1)).ok());
    check_entries(*log, 1, 2);
  }

  TEST_CASE("behind a snapshot a log begins anew, and keeps its promises") {
    SimDisk disk;
    auto log = rising_log(disk, 12);
    REQUIRE(log->save_state({9, 2}).ok());
    REQUIRE(log->restart_after(100, 8).ok());
    const auto check_empty = [&] {
      CHECK(log->first() == 101);
      CHECK(log->last() == 100);
      CHECK(log->base() == 100);
      CHECK(log->base_term() == 8);
      CHECK(log->last_term() == 8);
      CHECK(log->terms().empty());
      CHECK(log->bytes() == 0);
      CHECK(log->state() == raft::HardState{9, 2});
      CHECK(segment_files(disk) == 1);
    };
    check_empty();
    log.reset();
    log = open_log(disk, 4096);
    check_empty();
    REQUIRE(log->append(entries(101, 5, 1000, 9)).ok());
    REQUIRE(log->append(entries(106, 5, 1000, 9)).ok());
    log.reset();
    log = open_log(disk, 4096);
    CHECK(log->terms() == Runs{{101, 9}});
    check_log(*log, 101, 110, [](LogIndex index) { return entry(index, 1000, 9); });
  }

  TEST_CASE("a log may begin anew at an entry that it has, and where it began before") {
    SimDisk disk;
    auto log = rising_log(disk, 12);
    REQUIRE(log->segments() == 4);
    for (const LogIndex base : {LogIndex{7}, LogIndex{6}, LogIndex{6}, LogIndex{0}}) {
      REQUIRE(log->restart_after(base, 20).ok());
      REQUIRE(log->append(entries(base + 1, 12, 1000, 20)).ok());
      REQUIRE(log->append(entries(base + 13, 1, 1000, 20)).ok());
      log.reset();
      log = open_log(disk, 4096);
      CHECK(log->segments() == 2);
      check_log(*log, base + 1, base + 13, [](LogIndex index) { return entry(index, 1000, 20); });
    }
  }

  TEST_CASE("without room for a new beginning the old log stays") {
    SimDisk disk(5 * 4096);
    auto log = open_log(disk, 4 * 4096);
    REQUIRE(log->append(entries(1, 3, 1000)).ok());
    CHECK(log->restart_after(50, 2).code() == Code::no_space);
    check_entries(*log, 1, 3, 1000);
    REQUIRE(log->append(entries(4, 1, 1000)).ok());
    disk.capacity_bytes *= 2;
    REQUIRE(log->restart_after(50, 2).ok());
    CHECK(log->last() == 50);
  }

  TEST_CASE("damage is told from a tear also where other entries were before") {
    SimDisk disk;
    {
      auto log = open_log(disk);
      REQUIRE(log->append(entries(1, 2)).ok());
      REQUIRE(log->append(entries(3, 4)).ok());
      REQUIRE(log->append(entries(7, 3)).ok());
      REQUIRE(log->truncate_from(5).ok());
      REQUIRE(log->append(entries(5, 3, 20, 2)).ok());
      REQUIRE(log->append(entries(8, 2, 20, 2)).ok());
    }
    const auto expected = [](LogIndex index) { return entry(index, 20, index < 5 ? 1 : 2); };
    for (LogIndex damaged = 1; damaged <= 7; ++damaged) {
      const size_t start = offset_of(disk, damaged);
      for (size_t at = start; at < start + record_bytes(expected(damaged)); ++at) {
        disk.flip(kFirstSegment, at, 0x10);
        CAPTURE(at);
        REQUIRE(opened(disk) == Code::corrupt);
        disk.flip(kFirstSegment, at, 0x10);
      }
    }
    check_log(*open_log(disk), 1, 9, expected);
    // The last batch alone may be torn: nobody was told of it.
    disk.flip(kFirstSegment, offset_of(disk, 8) + 70);
    auto log = open_log(disk);
    CHECK(log->torn_bytes() > 0);
    check_log(*log, 1, 7, expected);
  }

  TEST_CASE("a segment that does not go on from the one before is refused") {
    SimDisk disk;
    rising_log(disk, 9).reset();
    const std::string second = "/log/0000000000000004.log";
    const auto whole = read_file(disk, second);
    REQUIRE(whole.ok());
    auto header = parse_log_header(*whole);
    REQUIRE(header.has_value());
    REQUIRE(header->base_term == 2);
    header->base_term = 1;
    REQUIRE(write_file_atomically(disk, second,
                                  encode_log_header(*header) + whole->substr(kLogHeaderBytes))
                .ok());
    const auto log = LogStore::open(disk, {"/log", 4096, 42});
    REQUIRE(log.code() == Code::corrupt);
    CHECK(log.error().text.find(second) != std::string::npos);
  }

  TEST_CASE("a term that falls along the log is refused") {
    SimDisk disk;
    open_log(disk).reset();
    std::string bytes = encode_log_header({.first = 1});
    append_record(bytes, entry(1, 20, 5), 1, 0);
    append_record(bytes, entry(2, 20, 4), 2, 0);
    REQUIRE(write_file_atomically(disk, kFirstSegment, bytes).ok());
    CHECK(opened(disk) == Code::corrupt);
  }

  TEST_CASE("the counters tell syncs, entries and bytes") {
    SimDisk disk;
    auto log = open_log(disk);
    const uint64_t syncs = log->syncs();
    CHECK(log->entries_written() == 0);
    REQUIRE(log->append(entries(1, 5)).ok());
    REQUIRE(log->append(entries(6, 1)).ok());
    CHECK(log->syncs() == syncs + 2);
    CHECK(log->entries_written() == 6);
    const uint64_t each = log->bytes() / 6;
    REQUIRE(log->save_state({1, 1}).ok());
    CHECK(log->syncs() == syncs + 3);
    REQUIRE(log->truncate_from(3).ok());
    CHECK(log->bytes() == 2 * each);
    CHECK(log->entries_written() == 6);
    log.reset();
    log = open_log(disk);
    CHECK(log->bytes() == 2 * each);
    CHECK(log->entries_written() == 0);
  }
}

}  // namespace dfs
