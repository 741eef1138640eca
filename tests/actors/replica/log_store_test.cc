#include "actors/replica/log_store.h"

#include <doctest/doctest.h>

#include "tests/actors/replica/log_fixture.h"

namespace dfs {
namespace {

using sim::SimDisk;

}  // namespace

TEST_SUITE("replica") {
  TEST_CASE("a log gives back what was appended, also after it was opened again") {
    SimDisk disk;
    {
      auto log = open_log(disk);
      CHECK(log->first() == 1);
      CHECK(log->last() == 0);
      CHECK(log->bytes() == 0);
      REQUIRE(log->append(entries(1, 1)).ok());
      REQUIRE(log->append(entries(2, 5)).ok());
      check_entries(*log, 1, 6);
    }
    auto log = open_log(disk);
    check_entries(*log, 1, 6);
    CHECK(log->last_term() == 1);
    CHECK(log->last_time_ms() == 6000);
    CHECK(log->torn_bytes() == 0);
    REQUIRE(log->append(entries(7, 1)).ok());
    check_entries(*log, 1, 7);
  }

  TEST_CASE("a batch costs one write and one sync") {
    SimDisk disk;
    auto log = open_log(disk);
    const uint64_t changes = disk.changes();
    const uint64_t syncs = disk.syncs();
    REQUIRE(log->append(entries(1, 50)).ok());
    CHECK(disk.syncs() - syncs == 1);
    CHECK(disk.changes() - changes == 2);
  }

  TEST_CASE("reading stops at the number of bytes asked for, but gives at least one entry") {
    SimDisk disk;
    auto log = open_log(disk);
    REQUIRE(log->append(entries(1, 10, 1000)).ok());
    CHECK(log->read(3, 0)->size() == 1);
    CHECK(log->read(3, 3000)->size() == 2);
    CHECK(log->read(3, 1 << 20)->size() == 8);
    CHECK(log->read(10, 1 << 20)->front()->index == 10);
  }

  TEST_CASE("the log goes on in a new segment when one is full, and a big batch makes a big one") {
    SimDisk disk;
    {
      auto log = open_log(disk, 4096);
      for (LogIndex i = 1; i <= 20; ++i) REQUIRE(log->append(only(entry(i, 1000))).ok());
      CHECK(log->segments() == 7);
      REQUIRE(log->append(entries(21, 10, 1000)).ok());
      CHECK(log->segments() == 8);
      REQUIRE(log->append(only(entry(31, 1000))).ok());
      CHECK(log->segments() == 9);
      check_entries(*log, 1, 31, 1000);
    }
    auto log = open_log(disk, 4096);
    CHECK(log->segments() == 9);
    check_entries(*log, 1, 31, 1000);
  }

  TEST_CASE("dropping the front removes whole segments and never the last") {
    SimDisk disk;
    auto log = open_log(disk, 4096);
    for (LogIndex i = 1; i <= 20; ++i) REQUIRE(log->append(only(entry(i, 1000))).ok());
    const uint64_t bytes = log->bytes();
    REQUIRE(log->drop_before(3).ok());
    check_entries(*log, 1, 20, 1000);
    REQUIRE(log->drop_before(10).ok());
    check_entries(*log, 10, 20, 1000);
    CHECK(log->bytes() < bytes);
    REQUIRE(log->drop_before(1000).ok());
    check_entries(*log, 19, 20, 1000);
    CHECK(segment_files(disk) == 1);
    log.reset();
    log = open_log(disk, 4096);
    check_entries(*log, 19, 20, 1000);
  }

  TEST_CASE("truncating forgets a suffix for good, within a segment and across several") {
    SimDisk disk;
    auto log = open_log(disk, 4096);
    for (LogIndex i = 1; i <= 20; ++i) REQUIRE(log->append(only(entry(i, 1000))).ok());
    REQUIRE(log->truncate_from(21).ok());
    check_entries(*log, 1, 20, 1000);
    REQUIRE(log->truncate_from(20).ok());
    check_entries(*log, 1, 19, 1000);
    CHECK(log->last_time_ms() == 19'000);
    REQUIRE(log->truncate_from(5).ok());
    check_entries(*log, 1, 4, 1000);
    CHECK(segment_files(disk) == 2);
    REQUIRE(log->append(only(entry(5, 1000))).ok());
    log.reset();
    log = open_log(disk, 4096);
    check_entries(*log, 1, 5, 1000);
    REQUIRE(log->truncate_from(1).ok());
    CHECK(log->last() == 0);
    CHECK(log->last_term() == 0);
    log.reset();
    log = open_log(disk, 4096);
    CHECK(log->last() == 0);
    REQUIRE(log->append(only(entry(1, 1000))).ok());
    check_entries(*log, 1, 1, 1000);
  }

  TEST_CASE("a log cut short at any byte of its last record loses that record alone") {
    SimDisk disk;
    uint64_t end = 0;
    {
      auto log = open_log(disk);
      REQUIRE(log->append(entries(1, 2)).ok());
      REQUIRE(log->append(only(entry(3))).ok());
    }
    const size_t start = offset_of(disk, 3, &end);
    const auto whole = read_file(disk, kFirstSegment, 1 << 24);
    REQUIRE(whole.ok());
    const size_t sound_end = start + record_bytes(entry(3));
    for (const bool zeros_behind : {false, true}) {
      for (size_t cut = start; cut < sound_end; ++cut) {
        SimDisk other;
        REQUIRE(other.make_directories("/log").ok());
        REQUIRE(write_file_atomically(other, kStateFile, encode_hard_state({})).ok());
        std::string bytes = whole->substr(0, cut);
        if (zeros_behind) bytes.resize(whole->size());
        REQUIRE(write_file_atomically(other, kFirstSegment, bytes).ok());
        auto log = open_log(other);
        if (log->last() != 2) CAPTURE(cut);
        check_entries(*log, 1, 2);
        REQUIRE(log->append(only(entry(3))).ok());
        log.reset();
        log = open_log(other);
        check_entries(*log, 1, 3);
      }
    }
  }

  TEST_CASE("a torn batch is cut where it is torn, even when later parts of it are whole") {
    SimDisk disk;
    {
      auto log = open_log(disk);
      REQUIRE(log->append(entries(1, 2)).ok());
      REQUIRE(log->append(entries(3, 4)).ok());
    }
    disk.flip(kFirstSegment, offset_of(disk, 4) + 70);
    {
      auto log = open_log(disk);
      CHECK(log->torn_bytes() > 0);
      check_entries(*log, 1, 3);
      // What was behind the tear must not come back when the gap is filled.
      REQUIRE(log->append(only(entry(4))).ok());
    }
    auto log = open_log(disk);
    check_entries(*log, 1, 4);
  }

  TEST_CASE("a flipped bit anywhere before the last batch is refused and named") {
    for (const LogIndex damaged : {LogIndex{1}, LogIndex{2}, LogIndex{3}}) {
      uint64_t end = 0;
      SimDisk disk;
      {
        auto log = open_log(disk);
        REQUIRE(log->append(entries(1, 2)).ok());
        REQUIRE(log->append(only(entry(3))).ok());
        REQUIRE(log->append(only(entry(4))).ok());
      }
      const size_t start = offset_of(disk, damaged, &end);
      const size_t sound_end = start + record_bytes(entry(damaged));
      for (size_t at = start; at < sound_end; ++at) {
        disk.flip(kFirstSegment, at, 0x10);
        const auto log = LogStore::open(disk, {"/log", 1 << 16, 42});
        CAPTURE(at);
        REQUIRE(log.code() == Code::corrupt);
        CHECK(log.error().text.find(kFirstSegment) != std::string::npos);
        CHECK(log.error().text.find(std::to_string(start)) != std::string::npos);
        disk.flip(kFirstSegment, at, 0x10);
      }
      auto log = open_log(disk);
      check_entries(*log, 1, 4);
    }
  }

  TEST_CASE("damage in the header, in an older segment, or a missing segment is refused") {
    SimDisk disk;
    {
      auto log = open_log(disk, 4096);
      for (LogIndex i = 1; i <= 9; ++i) REQUIRE(log->append(only(entry(i, 1000))).ok());
      REQUIRE(log->segments() == 3);
    }
    const auto refused = [&] { return LogStore::open(disk, {"/log", 4096, 42}).code(); };
    for (size_t at = 0; at < kLogHeaderBytes; ++at) {
      disk.flip(kFirstSegment, at);
      CHECK(refused() == Code::corrupt);
      disk.flip(kFirstSegment, at);
    }
    // Of the last record of a full segment only the next file knows that it was once whole.
    for (const LogIndex damaged : {LogIndex{1}, LogIndex{2}, LogIndex{3}}) {
      const size_t at = offset_of(disk, damaged) + 100;
      disk.flip(kFirstSegment, at);
      CHECK(refused() == Code::corrupt);
      disk.flip(kFirstSegment, at);
    }
    CHECK(refused() == Code::ok);
  }

  TEST_CASE("a missing segment in the middle is refused") {
    SimDisk disk;
    {
      auto log = open_log(disk, 4096);
      for (LogIndex i = 1; i <= 9; ++i) REQUIRE(log->append(only(entry(i, 1000))).ok());
    }
    REQUIRE(disk.remove("/log/0000000000000004.log").ok());
    CHECK(LogStore::open(disk, {"/log", 4096, 42}).code() == Code::corrupt);
  }

  TEST_CASE("a damaged entry is not read") {
    SimDisk disk;
    auto log = open_log(disk);
    REQUIRE(log->append(entries(1, 3)).ok());
    disk.flip(kFirstSegment, offset_of(disk, 2) + 80);
    CHECK(log->read(1, 0).ok());
    CHECK(log->read(2, 0).code() == Code::corrupt);
    CHECK(log->read(1, 1000).code() == Code::corrupt);
  }

  TEST_CASE("content that looks like a later record does not pose as one") {
    // A body made of records that a guesser built with the wrong salt, in a batch that tore.
    SimDisk disk;
    {
      auto log = open_log(disk);
      LogEntry innocent = entry(1);
      innocent.body.assign(5, '.');  // aligns what follows
      append_record(innocent.body, entry(9), 9, 0);
      REQUIRE(log->append(only(innocent)).ok());
    }
    disk.flip(kFirstSegment, kLogHeaderBytes + kRecordClientAt);
    auto log = open_log(disk);
    CHECK(log->last() == 0);
  }

  TEST_CASE("an entry or client that is too large is refused and changes nothing") {
    SimDisk disk;
    auto log = open_log(disk);
    REQUIRE(log->append(only(entry(1))).ok());
    CHECK(log->append(only(entry(2, kBodyBytesMax + 1))).code() == Code::too_large);
    LogEntry long_client = entry(2);
    long_client.client.assign(kAddressBytesMax + 1, 'c');
    CHECK(log->append(only(long_client)).code() == Code::too_large);
    LogEntry largest = entry(2, kBodyBytesMax);
    largest.client.assign(kAddressBytesMax, 'c');
    REQUIRE(log->append(only(largest)).ok());
    log.reset();
    log = open_log(disk);
    CHECK(log->last() == 2);
    CHECK(same(*log->read(2, 0)->front(), largest));
  }

  TEST_CASE("a full disk refuses a batch cleanly, and the log goes on when there is room") {
    SimDisk disk(5 * 4096);
    auto log = open_log(disk, 2 * 4096);
    LogIndex next = 1;
    Result<void> appended;
    while ((appended = log->append(only(entry(next, 1000))))) ++next;
    CHECK(appended.code() == Code::no_space);
    CHECK(next > 7);
    check_entries(*log, 1, next - 1, 1000);
    disk.capacity_bytes *= 2;
    REQUIRE(log->append(only(entry(next, 1000))).ok());
    log.reset();
    log = open_log(disk, 2 * 4096);
    check_entries(*log, 1, next, 1000);
  }

  TEST_CASE("a full disk refuses a batch larger than a segment just as cleanly") {
    SimDisk disk(5 * 4096);
    auto log = open_log(disk, 2 * 4096);
    LogEntries batch;
    for (LogIndex index = 1; index <= 20; ++index)
      batch.push_back(only(entry(index, 1000)).front());
    CHECK(log->append(batch).code() == Code::no_space);
    disk.capacity_bytes *= 2;
    REQUIRE(log->append(batch).ok());
    log.reset();
    log = open_log(disk, 2 * 4096);
    check_entries(*log, 1, 20, 1000);
  }

  TEST_CASE("after a failed write or sync the log takes nothing more until it is opened again") {
    for (const auto operation : {SimDisk::Operation::write, SimDisk::Operation::sync}) {
      SimDisk disk;
      auto log = open_log(disk);
      REQUIRE(log->append(only(entry(1))).ok());
      disk.fault = [&](SimDisk::Operation at, const std::string&) {
        return at == operation ? Result<void>(Code::io_error, "broken") : Result<void>();
      };
      CHECK(log->append(only(entry(2))).code() == Code::io_error);
      disk.fault = nullptr;
      CHECK(log->append(only(entry(2))).code() == Code::io_error);
      CHECK(log->truncate_from(1).code() == Code::io_error);
      CHECK(log->drop_before(1).code() == Code::io_error);
      log.reset();
      log = open_log(disk);
      CHECK(log->last() >= 1);
      CHECK(log->append(only(entry(log->last() + 1))).ok());
    }
  }

  TEST_CASE("a second process is kept out") {
    SimDisk disk;
    auto log = open_log(disk);
    CHECK(LogStore::open(disk, {"/log", 1 << 16, 42}).code() == Code::busy);
  }
}

}  // namespace dfs
