// The log of a replica: entries in order, checksummed, in segment files; and the term and vote that
// this member promised. See README.md for the format and for what recovery accepts.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "actors/disk.h"
#include "actors/raft/raft.h"
#include "messages/raft.h"

namespace dfs {

struct LogStoreSettings {
  std::string directory;
  uint64_t segment_bytes = 16 << 20;  // a larger batch makes a larger segment
  uint64_t salt = 0;  // anything others cannot guess; keeps contents from posing as records
};

// Every call blocks and belongs on the pool, one at a time; only the counters may be asked at any
// time, from anywhere. After a change that failed with anything but `no_space`, `too_large` or
// `malformed`, every further change fails too: what is on the disk is then known only after a new
// open(). After one of those three the log is as before.
class LogStore {
 public:
  // Recovers what is there, or begins at index 1. A torn tail of the last append is cut. `corrupt`,
  // naming file and place, when anything before it does not check out, or the hard state is damaged
  // or missing; `busy` when another process has the directory.
  static Result<std::unique_ptr<LogStore>> open(Disk& disk, LogStoreSettings settings);

  ~LogStore();
  LogStore(const LogStore&) = delete;
  LogStore& operator=(const LogStore&) = delete;

  // Of the entries kept; last() + 1 when there is none.
  LogIndex first() const { return segments_.front().first; }
  LogIndex last() const { return segments_.back().first + segments_.back().offsets.size() - 1; }
  // The entry before first(): the last one dropped, or the one restart_after() named; 0, 0 at the
  // beginning of time.
  LogIndex base() const { return first() - 1; }
  uint64_t base_term() const { return segments_.front().base_term; }
  // Of the entry at last(), which may be base().
  uint64_t last_term() const { return terms_.empty() ? base_term() : terms_.back().term; }
  int64_t last_time_ms() const { return last_time_; }  // likewise; 0 when last() is base()
  // The terms of the entries first() … last(), in order; neighbours differ.
  const std::vector<raft::TermRun>& terms() const { return terms_; }
  // The entries after `applied` that change the group's members, in order.
  std::vector<std::pair<LogIndex, ChangeMembers>> changes_after(LogIndex applied) const;
  // As saved last; term 0, vote 0 when it never was.
  const raft::HardState& state() const { return state_; }
  size_t segments() const { return segments_.size(); }
  uint64_t torn_bytes() const { return torn_bytes_; }  // cut by open()

  // Counters.
  uint64_t bytes() const { return bytes_; }                      // taken by the entries
  uint64_t syncs() const { return syncs_; }                      // of files, since open() began
  uint64_t entries_written() const { return entries_written_; }  // since open()

  // Remembers the term and the vote. Durable on return; a crash leaves the old state or the new.
  // The term never falls. Fails with `no_space` when nothing was promised yet.
  Result<void> save_state(const raft::HardState& state);

  // One write and one sync. The indexes go on from last(), and terms never fall. Fails with
  // `no_space`, `too_large` or `malformed` (a change of members that is none) when nothing was
  // written; with `io_error` when that is not known.
  Result<void> append(const LogEntries& batch);

  // Entries from `from`, which must be kept, on: at least one, then as many as fit in `bytes_max`;
  // perhaps fewer. `corrupt` when one does not check out.
  Result<LogEntries> read(LogIndex from, size_t bytes_max);

  // Forgets the entries from `index` on, which must be in first() … last() + 1. Durable on return;
  // a crash may leave some of them, always the older ones. Syncs on its own: what is appended next
  // never lies beside records that were to be forgotten.
  Result<void> truncate_from(LogIndex index);

  // Forgets whole segments of entries before `index`. The last segment always stays.
  Result<void> drop_before(LogIndex index);

  // Forgets every entry; the next append is `index` + 1. For a replica whose table was replaced by
  // the state after the entry `index`, of `term`. Durable on return; a crash leaves the old log or
  // the new, empty one. The hard state stays.
  Result<void> restart_after(LogIndex index, uint64_t term);

 private:
  struct Segment {
    std::string path;
    LogIndex first = 0;
    uint32_t salt = 0;
    uint64_t base_term = 0;         // of the entry before `first`
    std::vector<uint32_t> offsets;  // of each record
    uint64_t used = 0;              // where the next record goes
  };

  LogStore(Disk& disk, LogStoreSettings settings) : disk_(disk), settings_(std::move(settings)) {}
  // log_recovery.cc
  Result<void> recover();
  Result<bool> recover_state();
  Result<std::vector<LogIndex>> find_segments(const std::vector<std::string>& names);
  Result<void> recover_segment(LogIndex first, bool is_last);
  Result<void> recover_entries(std::string_view bytes);
  Result<void> recover_tail(std::unique_ptr<File> file, std::string_view bytes);

  // log_store.cc
  Result<void> remember(const LogEntry& entry);
  void forget_from(LogIndex index);
  void forget_before(LogIndex index);
  Result<void> cut_tail();
  Result<Segment> make_segment(LogIndex first, uint64_t base_term, uint32_t generation,
                               std::unique_ptr<File>& file);
  Result<void> begin_segment();
  void go_on_in(Segment segment, std::unique_ptr<File> file);
  Result<void> write_tail(std::string bytes);
  Result<void> reserve(uint64_t bytes);
  Result<void> sync(File& file);
  Result<void> write_state(const raft::HardState& state);
  Result<void> usable() const;
  Result<void> broken(Result<void> outcome);
  void count_bytes();
  std::string path_of(LogIndex first) const;

  Disk& disk_;
  const LogStoreSettings settings_;
  std::unique_ptr<DiskLock> lock_;
  raft::HardState state_;
  uint32_t generation_ = 0;        // of all segments
  std::vector<Segment> segments_;  // in order, never empty once open
  std::unique_ptr<File> tail_;     // the last segment
  uint64_t zeroed_ = 0;            // up to here zeros were written ahead of the records
  bool reserved_ = false;          // the last segment's space is its own
  bool broken_ = false;
  std::vector<raft::TermRun> terms_;
  std::vector<std::pair<LogIndex, ChangeMembers>> changes_;  // of the members, in the entries kept
  int64_t last_time_ = 0;
  uint64_t torn_bytes_ = 0;
  std::atomic<uint64_t> bytes_ = 0;
  std::atomic<uint64_t> syncs_ = 0;
  std::atomic<uint64_t> entries_written_ = 0;
};

}  // namespace dfs
