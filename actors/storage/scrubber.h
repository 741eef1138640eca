// Reads every good block again and again, in the order of the index, and verifies all its bytes, so
// that damage is found while another replica still has what was lost. Each data directory goes at
// its own pace; the limit is of the node.
#pragma once

#include <vector>

#include "actors/storage/volumes.h"
#include "broker/task.h"
#include "messages/cluster.h"
#include "messages/repair.h"

namespace dfs::storage {

struct ScrubSettings {
  Duration period = std::chrono::hours(14 * 24);   // from the begin of a pass to that of the next
  uint64_t bytes_per_second = 20ull << 20;         // 0: as fast as it goes
  Duration save_period = std::chrono::seconds(5);  // a restart repeats at most so much
};

class Scrubber {
 public:
  // `busy` says whether somebody waits for the disks: then it goes a quarter as fast.
  Scrubber(Bus& bus, Volumes& volumes, ScrubSettings settings, Notify notify,
           std::function<bool()> busy = nullptr);
  Scrubber(const Scrubber&) = delete;
  Scrubber& operator=(const Scrubber&) = delete;

  // Goes on where it was; once, when the volumes are open.
  void begin();
  // Remembers where it is, and ends.
  void stop();

  // `start` begins a pass now, or goes on with a paused one. `node` is left for the caller.
  ScrubStatus control(ScrubAction action);
  ScrubStatus status() const;
  NodeJob job() const;

 private:
  Task<void> scrub(size_t number);
  Task<void> wait_until_due(size_t number);
  Task<void> verify(size_t number, BlockKey key, BlockRow row);
  Task<void> take(uint64_t bytes);
  int64_t due_ms(const ScrubRow& row) const;
  void begin_pass(ScrubRow& row) const;
  void end_pass(BlockStore& store);
  void advance(size_t number, const BlockKey& key, const BlockRow& row, bool good);

  Bus& bus_;
  Volumes& volumes_;
  const ScrubSettings settings_;
  const Notify notify_;
  const std::function<bool()> busy_;
  Instant next_;                                // when the bytes read so far are paid for
  std::vector<std::shared_ptr<ReadJob>> last_;  // by directory: keeps its segment open
  std::vector<Instant> saved_;                  // by directory
  TaskScope scope_;                             // last: its flows use all of the above
};

}  // namespace dfs::storage
