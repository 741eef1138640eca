// Reading blocks and listing them.
#include <algorithm>

#include "actors/storage/block_store.h"

namespace dfs::storage {

std::shared_ptr<ReadJob> BlockStore::read_job(const BlockKey& key, const BlockRow& row) {
  auto job = std::make_shared<ReadJob>();
  job->key = key;
  job->row = row;
  job->place = {row.segment, 0, row.offset};
  job->path = segment_path(settings_.directory, row.segment);
  job->table = tables_.find(row.segment, row.offset);
  if (const Segment* segment = segments_.find(row.segment)) {
    job->place.nonce = segment->nonce;
    job->file = segment->reader;
  }
  return job;
}

// Keeps what the job has opened and loaded for the next one.
void BlockStore::read_done(ReadJob& job) {
  Segment* segment = segments_.find(job.row.segment);
  if (segment == nullptr || segment->nonce != job.place.nonce) return;
  if (job.file != nullptr) {
    segments_.touch_reader(*segment, job.file, settings_.open_readers_max);
  }
  if (job.table != nullptr && tables_.find(job.row.segment, job.row.offset) == nullptr) {
    tables_.insert(job.row.segment, job.row.offset, job.table);
  }
}

void BlockStore::report_corrupt(const BlockKey& key, const Error& error) {
  bus_.log(Level::error, "block corrupt", {{"block", to_string(key)}, {"error", error.text}});
  notify_("block-corrupt", {{"object", std::to_string(key.object)},
                            {"index", std::to_string(key.index)},
                            {"group", std::to_string(key.group)},
                            {"error", error.text}});
}

void BlockStore::read(BlockKey key, uint64_t offset, uint64_t length,
                      std::function<void(Result<ReadOutcome>)> done) {
  if (reads_.size() >= settings_.reads_waiting_max) {
    return done(Error{Code::busy, "this node has as many reads waiting as it may", {}, 20});
  }
  reads_.push_back({key, offset, length, std::move(done)});
  start_reads();
}

void BlockStore::start_reads() {
  while (!reads_.empty() && buffers_.taken() < settings_.reads_max) {
    WaitingRead read = std::move(reads_.front());
    reads_.pop_front();
    start_read(std::move(read));
  }
  // Buffers come back on a thread of the bus, which cannot tell us.
  if (reads_.empty() || std::exchange(reads_timer_, true)) return;
  bus_.after(std::chrono::milliseconds(1), [this, alive = std::weak_ptr<bool>(alive_)] {
    if (alive.expired()) return;
    reads_timer_ = false;
    start_reads();
  });
}

void BlockStore::start_read(WaitingRead read) {
  const BlockKey key = read.key;
  const auto no_such_block = [key] {
    return Error{Code::no_such_block, "no block " + to_string(key) + " on this node", {}, 0};
  };
  const auto row = find_block(index_, key);
  if (!row) return read.done(row.error());
  if (!row->has_value()) return read.done(no_such_block());
  const uint64_t block_length = (*row)->length;
  if (read.offset >= block_length) return read.done(ReadOutcome{{}, 0, block_length});
  auto job = read_job(key, **row);
  job->buffer = buffers_.take();
  job->offset = read.offset;
  job->length = std::min(read.length, block_length - read.offset);
  auto outcome = std::make_shared<Result<void>>();
  const Result<void> queued =
      try_run([job, outcome, &disk = disk_] { *outcome = read_range(disk, *job); },
              [this, job, outcome, done = read.done, no_such_block, key, block_length] {
                if (*outcome) {
                  read_done(*job);
                  bytes_read_ += job->length;
                  return done(ReadOutcome{std::move(job->payload), job->crc32c, block_length});
                }
                // The block may have been removed under the reader's hands.
                const auto now = find_block(index_, key);
                if (now && (!now->has_value() || **now != job->row)) return done(no_such_block());
                tables_.erase(job->row.segment, job->row.offset);
                if (outcome->code() == Code::corrupt) report_corrupt(key, outcome->error());
                done(outcome->error());
              });
  if (!queued) read.done(queued.error());
}

Result<ListBlocksReply> BlockStore::list(const ListBlocks& request) {
  BlockKey from{request.object, 0, 0};
  if (request.after_index != UINT32_MAX) {
    from = {request.after_object, request.after_index, request.after_group};
    // The next key: one more in the last field, with carry.
    if (++from.group == 0 && ++from.index == 0) ++from.object;
    if (request.object != 0) from = std::max(from, BlockKey{request.object, 0, 0});
  }
  ListBlocksReply reply;
  const auto visit = [&](const BlockKey& key, const BlockRow& row) {
    if (request.object != 0 && key.object != request.object) return false;
    if (removing_.contains(key)) return true;
    if (reply.blocks.size() == request.limit) {
      reply.more = true;
      return false;
    }
    reply.blocks.push_back({key.group, key.object, key.index, row.length, row.crc32c});
    return true;
  };
  const auto scanned = scan_blocks(index_, from, visit);
  if (!scanned) return scanned.error();
  return reply;
}

}  // namespace dfs::storage
