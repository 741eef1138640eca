// Small blocks: many of them share a job, a write and a sync.
#include "actors/storage/block_store.h"

namespace dfs::storage {

namespace {

// For such an extent a job and a write of its own cost more than what several workers gain by
// hashing and copying at once.
constexpr uint64_t kSmallBytes = 128 << 10;
constexpr uint64_t kTogetherBytesMax = 4 << 20;

}  // namespace

bool BlockStore::is_small(const Write& write) {
  return write.extent_bytes <= kSmallBytes;
}

void BlockStore::submit_small(const WritePtr& write, Part part, Done done) {
  write->pending.emplace(part.offset, std::move(done));
  bytes_written_ += part.payload.size();
  small_.emplace_back(write, std::move(part));
  write_small();
}

// One batch is under way at a time, in one job that ends with the sync: what comes meanwhile waits
// and goes with the next one. So the number of jobs, writes and syncs follows the disk.
void BlockStore::write_small() {
  if (writing_small_) return;
  std::vector<WritePtr> writes;
  auto blocks = std::make_shared<std::vector<WholeBlock>>();
  for (uint64_t bytes = 0; !small_.empty() && bytes < kTogetherBytesMax; small_.pop_front()) {
    auto& [write, part] = small_.front();
    if (write->over) continue;
    bytes += write->extent_bytes;
    write->sealed = true;
    ++write->jobs;
    blocks->push_back({write->extent, std::move(part.payload), part.crc32c});
    writes.push_back(std::move(write));
  }
  if (writes.empty()) return;
  writing_small_ = true;
  auto outcomes = std::make_shared<std::map<uint32_t, Result<void>>>();
  run([blocks, outcomes,
       buffers = buffers_]() mutable { *outcomes = write_together(*blocks, buffers); },
      [this, writes = std::move(writes), blocks, outcomes] {
        writing_small_ = false;
        small_written(writes, *blocks, *outcomes);
        write_small();
      });
}

void BlockStore::small_written(const std::vector<WritePtr>& writes,
                               const std::vector<WholeBlock>& blocks,
                               const std::map<uint32_t, Result<void>>& outcomes) {
  syncs_ += outcomes.size();
  std::vector<WritePtr> good;
  for (size_t i = 0; i < writes.size(); ++i) {
    const WritePtr& write = writes[i];
    if (const auto& crc = blocks[i].written) {
      write->crc32c = *crc;
      write->stage = Stage::finishing;
      good.push_back(write);
      continue;
    }
    --write->jobs;
    if (write->over) {
      drop_extent_when_idle(*write);
    } else {
      write_failed(write, blocks[i].written.error());
    }
  }
  synced(good, outcomes);
}

}  // namespace dfs::storage
