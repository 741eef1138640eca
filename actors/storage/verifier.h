// Reads copies of this node from end to end for a node that is about to drop its own because of
// them. What the index says is not enough: a disk loses bytes without a word.
#pragma once

#include "actors/storage/pacer.h"
#include "actors/storage/volumes.h"
#include "broker/task.h"

namespace dfs::storage {

class Verifier {
 public:
  static constexpr size_t kAtOnce = 2;  // copies, with a buffer of 1 MiB each; others wait

  Verifier(Bus& bus, Volumes& store, Pacer& pacer) : bus_(bus), store_(store), pacer_(pacer) {}
  Verifier(const Verifier&) = delete;
  Verifier& operator=(const Verifier&) = delete;

  // Whether this node holds the block with just this content, finished and on stable storage, and
  // every byte of it was right when it was read from the disk, after the call and before `until`.
  // A copy found damaged is flagged as the scrub does it. Goes at the pace of repair.
  Task<bool> verify(BlockKey key, uint64_t length, uint32_t crc32c, Instant until);

  size_t verifying() const { return verifying_; }

 private:
  Task<bool> read_all(BlockKey key, Instant until);

  Bus& bus_;
  Volumes& store_;
  Pacer& pacer_;
  size_t verifying_ = 0;
  Signal over_;  // one is not being verified any more
};

}  // namespace dfs::storage
