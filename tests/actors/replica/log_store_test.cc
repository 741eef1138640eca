#include "actors/replica/log_store.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>

#include "actors/replica/log_format.h"
#include "actors/replica/log_record.h"
#include "tests/sim/sim_disk.h"

namespace dfs {
namespace {

using sim::SimDisk;

const std::string kFirstSegment = "/log/0000000000000001.log";

std::unique_ptr<LogStore> open_log(SimDisk& disk, uint64_t segment_bytes = 1 << 16) {
  auto log = LogStore::open(disk, {"/log", segment_bytes, 42});
  REQUIRE_MESSAGE(log.ok(), log.error().describe());
  return std::move(*log);
}

Command command(LogIndex index, size_t body_bytes = 20) {
  Command command;
  command.index = index;
  command.term = 1 + index / 100;
  command.time_ms = static_cast<int64_t>(1000 * index);
  command.type = Type::MakeDir;
  command.body = std::string(body_bytes, static_cast<char>('a' + index % 26));
  command.client = "client/" + std::to_string(index % 3);
  command.request = index * 7;
  command.trace = index * 11;
  return command;
}

std::vector<Command> commands(LogIndex from, size_t count, size_t body_bytes = 20) {
  std::vector<Command> batch;
  for (size_t i = 0; i < count; ++i) batch.push_back(command(from + i, body_bytes));
  return batch;
}

bool same(const Command& a, const Command& b) {
  return a.index == b.index && a.term == b.term && a.time_ms == b.time_ms && a.type == b.type &&
         a.body == b.body && a.client == b.client && a.request == b.request && a.trace == b.trace;
}

std::vector<Command> all(LogStore& log) {
  std::vector<Command> entries;
  for (LogIndex at = log.first(); at <= log.last();) {
    auto some = log.read(at, 1000);
    REQUIRE(some.ok());
    REQUIRE(!some->empty());
    at += some->size();
    std::move(some->begin(), some->end(), std::back_inserter(entries));
  }
  return entries;
}

void check_entries(LogStore& log, LogIndex first, LogIndex last, size_t body_bytes = 20) {
  CHECK(log.first() == first);
  CHECK(log.last() == last);
  const auto entries = all(log);
  REQUIRE(entries.size() == last + 1 - first);
  for (const Command& entry : entries) {
    CHECK(same(entry, command(first++, body_bytes)));
  }
}

size_t segment_files(SimDisk& disk) {
  const auto names = disk.list("/log");
  REQUIRE(names.ok());
  return std::count_if(names->begin(), names->end(),
                       [](const std::string& name) { return name.ends_with(".log"); });
}

// Where the record of `index` begins in the first segment.
size_t offset_of(SimDisk& disk, LogIndex index, uint64_t* end = nullptr) {
  const auto bytes = read_file(disk, kFirstSegment, 1 << 24);
  REQUIRE(bytes.ok());
  const auto header = parse_log_header(*bytes);
  REQUIRE(header.has_value());
  size_t at = kLogHeaderBytes;
  while (const auto record = parse_record(*bytes, at, header->salt)) {
    if (record->command.index == index) {
      if (end != nullptr) *end = at + record->bytes;
      return at;
    }
    at += record->bytes;
  }
  FAIL("no such record");
  return 0;
}

}  // namespace

TEST_SUITE("replica") {
  TEST_CASE("a log gives back what was appended, also after it was opened again") {
    SimDisk disk;
    {
      auto log = open_log(disk);
      CHECK(log->first() == 1);
      CHECK(log->last() == 0);
      CHECK(log->bytes() == 0);
      REQUIRE(log->append(commands(1, 1)).ok());
      REQUIRE(log->append(commands(2, 5)).ok());
      check_entries(*log, 1, 6);
    }
    auto log = open_log(disk);
    check_entries(*log, 1, 6);
    CHECK(log->last_term() == 1);
    CHECK(log->last_time_ms() == 6000);
    CHECK(log->torn_bytes() == 0);
    REQUIRE(log->append(commands(7, 1)).ok());
    check_entries(*log, 1, 7);
  }

  TEST_CASE("a batch costs one write and one sync") {
    SimDisk disk;
    auto log = open_log(disk);
    const uint64_t changes = disk.changes();
    const uint64_t syncs = disk.syncs();
    REQUIRE(log->append(commands(1, 50)).ok());
    CHECK(disk.syncs() - syncs == 1);
    CHECK(disk.changes() - changes == 2);
  }

  TEST_CASE("reading stops at the number of bytes asked for, but gives at least one entry") {
    SimDisk disk;
    auto log = open_log(disk);
    REQUIRE(log->append(commands(1, 10, 1000)).ok());
    CHECK(log->read(3, 0)->size() == 1);
    CHECK(log->read(3, 3000)->size() == 2);
    CHECK(log->read(3, 1 << 20)->size() == 8);
    CHECK(log->read(10, 1 << 20)->front().index == 10);
  }

  TEST_CASE("the log goes on in a new segment when one is full, and a big batch makes a big one") {
    SimDisk disk;
    {
      auto log = open_log(disk, 4096);
      for (LogIndex i = 1; i <= 20; ++i) REQUIRE(log->append({command(i, 1000)}).ok());
      CHECK(log->segments() == 7);
      REQUIRE(log->append(commands(21, 10, 1000)).ok());
      CHECK(log->segments() == 8);
      REQUIRE(log->append({command(31, 1000)}).ok());
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
    for (LogIndex i = 1; i <= 20; ++i) REQUIRE(log->append({command(i, 1000)}).ok());
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
    for (LogIndex i = 1; i <= 20; ++i) REQUIRE(log->append({command(i, 1000)}).ok());
    REQUIRE(log->truncate_from(21).ok());
    check_entries(*log, 1, 20, 1000);
    REQUIRE(log->truncate_from(20).ok());
    check_entries(*log, 1, 19, 1000);
    CHECK(log->last_time_ms() == 19'000);
    REQUIRE(log->truncate_from(5).ok());
    check_entries(*log, 1, 4, 1000);
    CHECK(segment_files(disk) == 2);
    REQUIRE(log->append({command(5, 1000)}).ok());
    log.reset();
    log = open_log(disk, 4096);
    check_entries(*log, 1, 5, 1000);
    REQUIRE(log->truncate_from(1).ok());
    CHECK(log->last() == 0);
    CHECK(log->last_term() == 0);
    log.reset();
    log = open_log(disk, 4096);
    CHECK(log->last() == 0);
    REQUIRE(log->append({command(1, 1000)}).ok());
    check_entries(*log, 1, 1, 1000);
  }

  TEST_CASE("a log cut short at any byte of its last record loses that record alone") {
    SimDisk disk;
    uint64_t end = 0;
    {
      auto log = open_log(disk);
      REQUIRE(log->append(commands(1, 2)).ok());
      REQUIRE(log->append({command(3)}).ok());
    }
    const size_t start = offset_of(disk, 3, &end);
    const auto whole = read_file(disk, kFirstSegment, 1 << 24);
    REQUIRE(whole.ok());
    const size_t sound_end = start + record_bytes(command(3));
    for (const bool zeros_behind : {false, true}) {
      for (size_t cut = start; cut < sound_end; ++cut) {
        SimDisk other;
        REQUIRE(other.make_directories("/log").ok());
        std::string bytes = whole->substr(0, cut);
        if (zeros_behind) bytes.resize(whole->size());
        REQUIRE(write_file_atomically(other, kFirstSegment, bytes).ok());
        auto log = open_log(other);
        if (log->last() != 2) CAPTURE(cut);
        check_entries(*log, 1, 2);
        REQUIRE(log->append({command(3)}).ok());
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
      REQUIRE(log->append(commands(1, 2)).ok());
      REQUIRE(log->append(commands(3, 4)).ok());
    }
    disk.flip(kFirstSegment, offset_of(disk, 4) + 70);
    {
      auto log = open_log(disk);
      CHECK(log->torn_bytes() > 0);
      check_entries(*log, 1, 3);
      // What was behind the tear must not come back when the gap is filled.
      REQUIRE(log->append({command(4)}).ok());
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
        REQUIRE(log->append(commands(1, 2)).ok());
        REQUIRE(log->append({command(3)}).ok());
        REQUIRE(log->append({command(4)}).ok());
      }
      const size_t start = offset_of(disk, damaged, &end);
      const size_t sound_end = start + record_bytes(command(damaged));
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
      for (LogIndex i = 1; i <= 9; ++i) REQUIRE(log->append({command(i, 1000)}).ok());
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
      for (LogIndex i = 1; i <= 9; ++i) REQUIRE(log->append({command(i, 1000)}).ok());
    }
    REQUIRE(disk.remove("/log/0000000000000004.log").ok());
    CHECK(LogStore::open(disk, {"/log", 4096, 42}).code() == Code::corrupt);
  }

  TEST_CASE("a damaged entry is not read") {
    SimDisk disk;
    auto log = open_log(disk);
    REQUIRE(log->append(commands(1, 3)).ok());
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
      Command innocent = command(1);
      innocent.body.assign(5, '.');  // aligns what follows
      append_record(innocent.body, command(9), 9, 0);
      REQUIRE(log->append({innocent}).ok());
    }
    disk.flip(kFirstSegment, kLogHeaderBytes + kRecordClientAt);
    auto log = open_log(disk);
    CHECK(log->last() == 0);
  }

  TEST_CASE("an entry or client that is too large is refused and changes nothing") {
    SimDisk disk;
    auto log = open_log(disk);
    REQUIRE(log->append({command(1)}).ok());
    CHECK(log->append({command(2, kBodyBytesMax + 1)}).code() == Code::too_large);
    Command long_client = command(2);
    long_client.client.assign(kAddressBytesMax + 1, 'c');
    CHECK(log->append({long_client}).code() == Code::too_large);
    Command largest = command(2, kBodyBytesMax);
    largest.client.assign(kAddressBytesMax, 'c');
    REQUIRE(log->append({largest}).ok());
    log.reset();
    log = open_log(disk);
    CHECK(log->last() == 2);
    CHECK(same(log->read(2, 0)->front(), largest));
  }

  TEST_CASE("a full disk refuses a batch cleanly, and the log goes on when there is room") {
    SimDisk disk(5 * 4096);
    auto log = open_log(disk, 2 * 4096);
    LogIndex next = 1;
    Result<void> appended;
    while ((appended = log->append({command(next, 1000)}))) ++next;
    CHECK(appended.code() == Code::no_space);
    CHECK(next > 7);
    check_entries(*log, 1, next - 1, 1000);
    disk.capacity_bytes *= 2;
    REQUIRE(log->append({command(next, 1000)}).ok());
    log.reset();
    log = open_log(disk, 2 * 4096);
    check_entries(*log, 1, next, 1000);
  }

  TEST_CASE("after a failed write or sync the log takes nothing more until it is opened again") {
    for (const auto operation : {SimDisk::Operation::write, SimDisk::Operation::sync}) {
      SimDisk disk;
      auto log = open_log(disk);
      REQUIRE(log->append({command(1)}).ok());
      disk.fault = [&](SimDisk::Operation at, const std::string&) {
        return at == operation ? Result<void>(Code::io_error, "broken") : Result<void>();
      };
      CHECK(log->append({command(2)}).code() == Code::io_error);
      disk.fault = nullptr;
      CHECK(log->append({command(2)}).code() == Code::io_error);
      CHECK(log->truncate_from(1).code() == Code::io_error);
      CHECK(log->drop_before(1).code() == Code::io_error);
      log.reset();
      log = open_log(disk);
      CHECK(log->last() >= 1);
      CHECK(log->append({command(log->last() + 1)}).ok());
    }
  }

  TEST_CASE("a second process is kept out") {
    SimDisk disk;
    auto log = open_log(disk);
    CHECK(LogStore::open(disk, {"/log", 1 << 16, 42}).code() == Code::busy);
  }

  // Runs appends, truncations and drops; stops the disk after some change; crashes; looks. What was
  // confirmed is there, what was confirmed gone is gone, and the log opens and goes on.
  TEST_CASE("what was appended survives a crash at every step") {
    for (uint64_t seed = 0; seed < 2000; ++seed) {
      CAPTURE(seed);
      std::mt19937_64 random(seed);
      SimDisk disk;
      LogIndex first = 1, synced = 0, maybe = 0;
      for (int life = 0; life < 3; ++life) {
        disk.halt_after(random() % 60);
        auto opened = LogStore::open(disk, {"/log", 4096, random()});
        if (opened) {
          LogStore& log = **opened;
          REQUIRE(log.first() >= first);
          REQUIRE(log.first() <= synced + 1);
          REQUIRE(log.last() >= synced);
          REQUIRE(log.last() <= maybe);
          if (!disk.halted()) check_entries(log, log.first(), log.last(), 300);
          synced = maybe = log.last();
          first = log.first();
          for (int step = 0; step < 40; ++step) {
            const uint64_t choice = random() % 10;
            Result<void> done;
            if (choice < 7) {
              const size_t count = 1 + random() % 6;
              maybe = synced + count;
              done = log.append(commands(synced + 1, count, 300));
              if (done) synced = maybe;
            } else if (choice == 7 && synced > first) {
              const LogIndex keep = log.last() - random() % 3;
              if (keep <= log.first()) continue;
              synced = keep - 1;  // the cut may happen or not
              done = log.truncate_from(keep);
              if (done) maybe = synced;
            } else if (synced > 0) {
              done = log.drop_before(1 + random() % synced);
              first = std::min(log.first(), synced + 1);
            }
            if (!done) break;
          }
        }
        opened = Result<std::unique_ptr<LogStore>>(Code::cancelled, "");
        disk.crash([&] { return random(); });
        // Drops that were not synced come back.
        auto after = open_log(disk, 4096);
        first = after->first();
        REQUIRE(first <= synced + 1);
        REQUIRE(after->last() >= synced);
        REQUIRE(after->last() <= maybe);
        check_entries(*after, first, after->last(), 300);
        synced = maybe = after->last();
      }
    }
  }
}

}  // namespace dfs
