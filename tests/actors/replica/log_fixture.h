// Entries to fill a LogStore with, and what the tests of it look at.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "actors/replica/log_format.h"
#include "actors/replica/log_record.h"
#include "actors/replica/log_store.h"
#include "tests/sim/sim_disk.h"

namespace dfs {

inline const std::string kFirstSegment = "/log/0000000000000001.log";
inline const std::string kStateFile = "/log/state";

inline std::unique_ptr<LogStore> open_log(sim::SimDisk& disk, uint64_t segment_bytes = 1 << 16) {
  auto log = LogStore::open(disk, {"/log", segment_bytes, 42});
  REQUIRE_MESSAGE(log.ok(), log.error().describe());
  return std::move(*log);
}

// Another one for each index and term.
inline LogEntry entry(LogIndex index, size_t body_bytes = 20, uint64_t term = 1) {
  LogEntry entry;
  entry.index = index;
  entry.term = term;
  entry.time_ms = static_cast<int64_t>(1000 * index);
  entry.type = Type::MakeDir;
  entry.body = std::string(body_bytes, static_cast<char>('a' + (index + 5 * term) % 26));
  entry.client = "client/" + std::to_string(index % 3);
  entry.request = index * 7 + term;
  entry.trace = index * 11;
  return entry;
}

inline LogEntry change_entry(LogIndex index, uint64_t term = 1) {
  ChangeMembers change;
  change.members.push_back({index, "tcp://127.0.0.1:" + std::to_string(index), "", "", {}});
  change.members.back().standing = Standing::voter;
  change.last_id = index + term;
  LogEntry changed = entry(index, 0, term);
  changed.type = Type::ChangeMembers;
  changed.body = encode(change);
  return changed;
}

inline LogEntries only(LogEntry entry) {
  return {std::make_shared<const LogEntry>(std::move(entry))};
}

inline LogEntries entries(LogIndex from, size_t count, size_t body_bytes = 20, uint64_t term = 1) {
  LogEntries batch;
  for (size_t i = 0; i < count; ++i) {
    batch.push_back(std::make_shared<const LogEntry>(entry(from + i, body_bytes, term)));
  }
  return batch;
}

inline bool same(const LogEntry& a, const LogEntry& b) {
  return a.index == b.index && a.term == b.term && a.time_ms == b.time_ms && a.type == b.type &&
         a.body == b.body && a.client == b.client && a.request == b.request && a.trace == b.trace &&
         a.requester == b.requester;
}

inline LogEntries all(LogStore& log) {
  LogEntries entries;
  for (LogIndex at = log.first(); at <= log.last();) {
    const auto some = log.read(at, 1000);
    REQUIRE(some.ok());
    REQUIRE(!some->empty());
    at += some->size();
    entries.insert(entries.end(), some->begin(), some->end());
  }
  return entries;
}

// The log is what `expected` makes of each index.
template <class Expected>
void check_log(LogStore& log, LogIndex first, LogIndex last, const Expected& expected) {
  REQUIRE(log.first() == first);
  REQUIRE(log.last() == last);
  const auto found = all(log);
  REQUIRE(found.size() == last + 1 - first);
  std::vector<raft::TermRun> terms;
  for (const auto& at : found) {
    REQUIRE(same(*at, expected(first++)));
    if (terms.empty() || terms.back().term != at->term) terms.push_back({at->index, at->term});
  }
  CHECK(log.terms() == terms);
  CHECK(log.last_term() == (found.empty() ? log.base_term() : found.back()->term));
  CHECK(log.last_time_ms() == (found.empty() ? 0 : found.back()->time_ms));
}

inline void check_entries(LogStore& log, LogIndex first, LogIndex last, size_t body_bytes = 20) {
  check_log(log, first, last, [&](LogIndex index) { return entry(index, body_bytes); });
}

// Where the record of `index` begins in the first segment.
inline size_t offset_of(sim::SimDisk& disk, LogIndex index, uint64_t* end = nullptr) {
  const auto bytes = read_file(disk, kFirstSegment, 1 << 24);
  REQUIRE(bytes.ok());
  const auto header = parse_log_header(*bytes);
  REQUIRE(header.has_value());
  size_t at = kLogHeaderBytes;
  while (const auto record = parse_record(*bytes, at, header->salt)) {
    if (record->entry.index == index) {
      if (end != nullptr) *end = at + record->bytes;
      return at;
    }
    at += record->bytes;
  }
  FAIL("no such record");
  return 0;
}

inline size_t segment_files(sim::SimDisk& disk) {
  const auto names = disk.list("/log");
  REQUIRE(names.ok());
  return static_cast<size_t>(
      std::count_if(names->begin(), names->end(),
                    [](const std::string& name) { return name.ends_with(".log"); }));
}

}  // namespace dfs
