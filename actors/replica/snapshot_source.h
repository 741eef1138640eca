// The snapshot that a leader feeds to members whose lack is no longer in the log: a checkpoint of
// the table, made when it is needed and removed when nobody fetches it any more. There is one at a
// time, shared by all who need one.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "actors/disk.h"
#include "actors/replica/jobs.h"
#include "actors/replica/replica_rows.h"
#include "actors/table.h"
#include "messages/raft.h"

namespace dfs {

class SnapshotSource {
 public:
  struct Snapshot {
    uint64_t id = 0;
    AppliedRow at;
    std::vector<SnapshotFile> files;
    std::string directory;
  };

  // `directory` exists, and whatever is in it was left by an earlier process and is gone by now.
  SnapshotSource(Bus& bus, Jobs& jobs, Disk& disk, Table& table, std::string directory);

  // The one that is kept, when it is the state after entry `index` or a later one.
  const Snapshot* offer(LogIndex index);
  // Begins to make one, unless it is doing so, or failed to a moment ago. The table is at
  // `applied`.
  void make(LogIndex applied);
  bool making() const { return making_; }
  // Who installs the kept one, or the one in the making, goes on with the log after this entry.
  std::optional<LogIndex> needs_log_after() const;

  // Answers, now or later, on the request's link.
  void serve(const Envelope& request, const ReadSnapshot& read);

  // Removes what nobody asked for in a while. To be called from time to time.
  void expire();

 private:
  void made(Result<Snapshot> outcome);
  void drop();

  Bus& bus_;
  Jobs& jobs_;
  Disk& disk_;
  Table& table_;
  const std::string directory_;
  std::optional<Snapshot> kept_;
  Instant used_{};  // when it was offered or read last
  Instant failed_at_{};
  bool failed_ = false;  // the last attempt to make one
  bool making_ = false;
  LogIndex making_after_ = 0;
  size_t reading_ = 0;  // parts under way on the pool
};

}  // namespace dfs
