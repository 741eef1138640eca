// The log of a replica: commands in order, checksummed, in segment files. See README.md for the
// format and for what recovery accepts.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "actors/disk.h"
#include "actors/replica/state_machine.h"

namespace dfs {

struct LogSettings {
  std::string directory;
  uint64_t segment_bytes = 16 << 20;  // a larger batch makes a larger segment
  uint64_t salt = 0;  // anything others cannot guess; keeps contents from posing as records
};

// Every call blocks and belongs on the pool; one at a time. After an append, truncate_from or
// drop_before that failed with anything but `no_space` or `too_large`, every further change fails
// too: what is on the disk is then known only after a new open().
class LogStore {
 public:
  // Recovers what is there, or begins at index 1. A torn tail of the last append is cut. `corrupt`,
  // naming file and place, when anything before it does not check out; `busy` when another process
  // has the directory.
  static Result<std::unique_ptr<LogStore>> open(Disk& disk, LogSettings settings);

  ~LogStore();
  LogStore(const LogStore&) = delete;
  LogStore& operator=(const LogStore&) = delete;

  LogIndex first() const;  // of the entries kept; last() + 1 when there is none
  LogIndex last() const;   // 0 when nothing was ever appended
  uint64_t last_term() const { return last_term_; }    // of the entry at last(), 0 without one
  int64_t last_time_ms() const { return last_time_; }  // likewise
  uint64_t bytes() const;                              // taken by the entries
  size_t segments() const { return segments_.size(); }
  uint64_t torn_bytes() const { return torn_bytes_; }  // cut by open()

  // One write and one sync. The indexes go on from last(). Fails with `no_space` or `too_large`
  // when nothing was written, and the log is as before; with `io_error` when that is not known.
  Result<void> append(const std::vector<Command>& batch);

  // Entries from `from`, which must be kept, on: at least one, then as many as fit in `bytes_max`;
  // perhaps fewer. `corrupt` when one does not check out.
  Result<std::vector<Command>> read(LogIndex from, size_t bytes_max);

  // Forgets the entries from `index` on, which must be in first() … last() + 1. Durable on return.
  Result<void> truncate_from(LogIndex index);

  // Forgets whole segments of entries before `index`. The last segment always stays.
  Result<void> drop_before(LogIndex index);

 private:
  struct Segment {
    std::string path;
    LogIndex first = 0;
    uint32_t salt = 0;
    std::vector<uint32_t> offsets;  // of each record
    uint64_t used = 0;              // where the next record goes
  };

  LogStore(Disk& disk, LogSettings settings) : disk_(disk), settings_(std::move(settings)) {}
  Result<void> recover();
  Result<void> recover_segment(LogIndex first, bool is_last);
  Result<void> cut_tail();
  Result<void> begin_segment(LogIndex first);
  Result<void> write_tail(std::string bytes);
  Result<void> reserve();
  Result<void> usable() const;
  Result<void> broken(Result<void> outcome);
  std::string path_of(LogIndex first) const;

  Disk& disk_;
  const LogSettings settings_;
  std::unique_ptr<DiskLock> lock_;
  std::vector<Segment> segments_;  // in order, never empty once open
  std::unique_ptr<File> tail_;     // the last segment
  uint64_t zeroed_ = 0;            // up to here zeros were written ahead of the records
  bool reserved_ = false;          // the last segment's space is its own
  bool broken_ = false;
  uint64_t last_term_ = 0;
  int64_t last_time_ = 0;
  uint64_t torn_bytes_ = 0;
};

}  // namespace dfs
