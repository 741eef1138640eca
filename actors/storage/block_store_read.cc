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
                  if (job->row.bad) recheck(key, job->row);
                  return done(ReadOutcome{std::move(job->payload), job->crc32c, block_length});
                }
                // The block may have been removed under the reader's hands.
                const auto now = find_block(index_, key);
                if (now && !now->has_value()) return done(no_such_block());
                if (now && !(*now)->same_extent(job->row)) {
                  return done(Error{Code::busy, "the block was just replaced; read again", {}, 1});
                }
                tables_.erase(job->row.segment, job->row.offset);
                if (job->damaged) quarantine(key, job->row, outcome->error());
                done(outcome->error());
              });
  if (!queued) read.done(queued.error());
}

Result<ListBlocksReply> BlockStore::list(const ListBlocks& request) {
  const bool one_group = request.group != kAllGroups;
  BlockKey from{request.object, 0, one_group ? request.group : 0};
  if (request.after_index != UINT32_MAX) {
    from = std::max(from, {request.after_object, request.after_index + 1, request.after_group});
  }
  ListBlocksReply reply;
  GroupId passed = 0;  // all that this group has of the object is behind us
  const auto visit = [&](const BlockKey& key, const BlockRow& row) {
    if (one_group && key.group != request.group) return false;
    if (request.object != 0 && key.object != request.object) {
      passed = key.object > request.object ? key.group + 1 : key.group;
      return false;
    }
    if (removing_.contains(key)) return true;
    if (reply.blocks.size() == request.limit) {
      reply.more = true;
      return false;
    }
    reply.blocks.push_back(view_of(key, row));
    return true;
  };
  while (true) {
    passed = kAllGroups;
    const auto scanned = scan_blocks(index_, from, visit);
    if (!scanned) return scanned.error();
    // One object's blocks lie scattered over the groups: jump from one to the next.
    if (one_group || request.object == 0 || reply.more || passed == kAllGroups) return reply;
    from = {request.object, 0, passed};
  }
}

// One job for all of them: it opens each segment once.
void BlockStore::headers(const std::vector<BlockKey>& keys, std::function<void(Headers)> done) {
  const auto found = std::make_shared<Headers>(keys.size());
  const auto jobs = std::make_shared<std::vector<std::shared_ptr<ReadJob>>>(keys.size());
  for (size_t i = 0; i < keys.size(); ++i) {
    const auto row = find_block(index_, keys[i]);
    if (row && *row && !removing_.contains(keys[i])) (*jobs)[i] = read_job(keys[i], **row);
  }
  const Result<void> queued = try_run(
      [found, jobs, &disk = disk_] {
        std::map<std::string, std::shared_ptr<File>> files;
        for (size_t i = 0; i < jobs->size(); ++i) {
          const auto& job = (*jobs)[i];
          if (job == nullptr) continue;
          std::shared_ptr<File>& file = files[job->path];
          if (job->file == nullptr) job->file = file;
          auto header = read_header(disk, *job);
          file = job->file;
          if (header) (*found)[i] = std::move(*header);
        }
      },
      [found, done] { done(std::move(*found)); });
  if (!queued) done(Headers(keys.size()));
}

BlockView BlockStore::view_of(const BlockKey& key, const BlockRow& row) const {
  return {.group = key.group,
          .object = key.object,
          .index = key.index,
          .length = row.length,
          .crc32c = row.crc32c,
          .bad = row.bad,
          .created_ms = row.created_ms,
          .verified_ms = verified_ms(key, row)};
}

// When it was written, or when the pass began that read it last.
int64_t BlockStore::verified_ms(const BlockKey& key, const BlockRow& row) const {
  if (row.bad) return row.created_ms;
  const bool passed = !scrub_.running || (scrub_.moved && key <= scrub_.position());
  return std::max(row.created_ms, passed ? scrub_.began_ms : scrub_.previous_began_ms);
}

Result<BlockStore::Found> BlockStore::next_block(const std::optional<BlockKey>& after) {
  Found found;
  const auto visit = [&](const BlockKey& key, const BlockRow& row) {
    if (removing_.contains(key) || (after && key <= *after)) return true;
    found.emplace(key, row);
    return false;
  };
  const auto scanned = scan_blocks(index_, after.value_or(BlockKey{}), visit);
  if (!scanned) return scanned.error();
  return found;
}

std::shared_ptr<ReadJob> BlockStore::check_of(const BlockKey& key, const BlockRow& row,
                                              const std::shared_ptr<ReadJob>& last) {
  auto job = read_job(key, row);
  job->table = nullptr;  // what is remembered is not what is on the disk
  job->file = nullptr;
  if (last != nullptr && last->path == job->path && last->place.nonce == job->place.nonce) {
    job->file = last->file;
  }
  return job;
}

void BlockStore::check(std::shared_ptr<ReadJob> job, std::function<void(Result<void>)> done) {
  if (job->buffer == nullptr) job->buffer = buffers_.take();
  auto outcome = std::make_shared<Result<void>>();
  const Result<void> queued = try_run(
      [job, outcome, &disk = disk_] { *outcome = verify_part(disk, *job); },
      [this, job, outcome, done] {
        if (job->damaged && !job->row.bad && !quarantine(job->key, job->row, outcome->error())) {
          job->damaged = false;
          *outcome = Error{Code::no_such_block, "the block has gone meanwhile", {}, 0};
        }
        done(*outcome);
      });
  if (!queued) done(queued);
}

void BlockStore::save_scrub() {
  Batch batch;
  put_scrub(batch, scrub_);
  if (auto kept = index_.write(batch); !kept) give_up(kept.error());
}

}  // namespace dfs::storage
