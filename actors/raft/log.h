// The log as the core sees it: all terms, the newest entries, and what of it is on disk.
#pragma once

#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "messages/raft.h"

namespace dfs::raft {

// Entries from `first` on, until the next run begins, are of this term.
struct TermRun {
  LogIndex first = 0;
  uint64_t term = 0;
  bool operator==(const TermRun&) const = default;
};

class Log {
 public:
  // `base` is the entry before the first one kept on disk (0, 0 at the beginning of time); `runs`
  // are the terms of those kept, up to `last`. All of them are on disk.
  Log(LogIndex base, uint64_t base_term, std::vector<TermRun> runs, LogIndex last);

  LogIndex first() const { return base_ + 1; }  // of the entries kept, on disk at least
  LogIndex last() const { return last_; }
  uint64_t last_term() const;
  LogIndex stable() const { return stable_; }  // on disk up to here
  // Of any entry from first() - 1 to last(); nothing for others.
  std::optional<uint64_t> term_at(LogIndex index) const;
  // The last entry at or before `index` whose term is at most `term`: where a log that has another
  // term at `index` may agree with this one. first() - 1 at least.
  LogIndex last_at_most(LogIndex index, uint64_t term) const;

  // Entries follow each other and last(); a term never falls.
  void append(std::shared_ptr<const LogEntry> entry);
  // Forgets the entries from `index` on, which must be after first() - 1.
  void truncate_from(LogIndex index);
  // The entries before `first` are gone from the disk.
  void compact(LogIndex first);
  // Everything is replaced by a snapshot that ends with this entry.
  void restart_after(LogIndex index, uint64_t term);

  // Entries from `from` on while they fit in `bytes_max`, at least one; nothing when `from` is no
  // longer in memory. `from` must be in first() … last().
  std::optional<LogEntries> entries(LogIndex from, size_t bytes_max) const;
  bool cached(LogIndex index) const { return index >= cache_first_ && index <= last_; }
  size_t unstable_bytes() const { return unstable_bytes_; }

  // What the disk does not have and has not been given: (truncate_from or 0, entries).
  bool has_unsaved() const { return truncate_ != 0 || handed_ < last_; }
  std::pair<LogIndex, LogEntries> take_unsaved();
  // What was taken last is on disk.
  void saved();
  // Forgets cached entries up to `index`, oldest first, while they take more than `bytes_max`.
  // Those not on disk stay.
  void trim_cache(LogIndex index, size_t bytes_max);

 private:
  static size_t bytes_of(const LogEntry& entry);

  LogIndex base_;
  uint64_t base_term_;
  std::vector<TermRun> runs_;
  LogIndex last_;
  LogIndex stable_;
  LogIndex handed_;        // given to the disk up to here
  LogIndex in_flight_;     // what was taken last and is still the log's, up to here
  LogIndex truncate_ = 0;  // not 0: the disk has entries from here on that are no longer the log's
  std::deque<std::shared_ptr<const LogEntry>> cache_;  // the newest entries, the last one included
  LogIndex cache_first_;                               // last_ + 1 when there is none
  size_t cache_bytes_ = 0;
  size_t unstable_bytes_ = 0;  // of the entries that are not on disk
};

}  // namespace dfs::raft
