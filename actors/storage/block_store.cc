#include "actors/storage/block_store.h"

#include <algorithm>

namespace dfs::storage {

namespace {

constexpr uint32_t kTroublesMax = 3;

}  // namespace

BlockStore::BlockStore(Bus& bus, Disk& disk, Table& index, BlockStoreSettings settings,
                       Notify notify, Failed failed)
    : bus_(bus),
      disk_(disk),
      index_(index),
      settings_(std::move(settings)),
      notify_(std::move(notify)),
      failed_(std::move(failed)),
      tables_(settings_.table_cache_bytes) {}

void BlockStore::open(std::string cluster, std::function<void(Result<RecoveryReport>)> done) {
  cluster_ = std::move(cluster);
  struct Outcome {
    Result<Recovered> recovered{Code::io_error, "recovery did not run"};
    Result<DiskSpace> space{Code::io_error, "recovery did not run"};
    Result<ScrubRow> scrub{Code::io_error, "recovery did not run"};
  };
  auto outcome = std::make_shared<Outcome>();
  run(
      [outcome, &disk = disk_, &index = index_, directory = settings_.directory,
       cluster = cluster_] {
        outcome->recovered = recover(disk, index, directory, cluster);
        outcome->space = disk.space(directory);
        outcome->scrub = find_scrub(index);
      },
      [this, outcome, done = std::move(done)] {
        if (!outcome->recovered) return done(outcome->recovered.error());
        if (!outcome->space) return done(outcome->space.error());
        if (!outcome->scrub) return done(outcome->scrub.error());
        scrub_ = *outcome->scrub;
        space_ = *outcome->space;
        segments_.adopt(*outcome->recovered);
        digests_ = std::move(outcome->recovered->digests);
        bad_ = outcome->recovered->report.bad;
        losses_ = bad_ + outcome->recovered->report.unreadable;
        note_space();
        done(outcome->recovered->report);
      });
}

Result<void> BlockStore::try_run(std::function<void()> work, std::function<void()> done) {
  const Result<void> queued = bus_.run(
      std::move(work), [this, alive = std::weak_ptr<bool>(alive_), done = std::move(done)] {
        if (alive.expired()) return;
        --jobs_;
        done();
      });
  if (queued) ++jobs_;
  return queued;
}

// For work that must happen: it waits its turn when the pool's queue is full. What it can amount to
// is limited by the limits on writes.
void BlockStore::run(std::function<void()> work, std::function<void()> done) {
  if (try_run(work, done)) return;
  bus_.after(std::chrono::milliseconds(1), [this, alive = std::weak_ptr<bool>(alive_),
                                            work = std::move(work), done = std::move(done)] {
    if (!alive.expired()) run(work, done);
  });
}

BlockStore::WriteId BlockStore::begin(BlockSpec spec) {
  auto write = std::make_shared<Write>();
  write->id = ++last_id_;
  write->spec = std::move(spec);
  writes_.emplace(write->id, write);
  const auto existing = find_block(index_, write->spec.key);
  if (failure_) {
    write->failure = *failure_;
  } else if (removing_.contains(write->spec.key)) {
    write->failure = Error{
        Code::busy, "block " + to_string(write->spec.key) + " is just being removed", {}, 100};
  } else if (!existing) {
    write->failure = existing.error();
  } else if (existing->has_value() && !(*existing)->bad) {
    write->stage = Stage::comparing;
    write->existing = **existing;
  } else if (auto placed = place(write); !placed) {
    write->failure = placed.error();
  }
  return write->id;
}

bool BlockStore::is_writing(const BlockKey& key) const {
  return std::any_of(writes_.begin(), writes_.end(),
                     [&](const auto& write) { return write.second->spec.key == key; });
}

Result<void> BlockStore::accept(Write& write, const Part& part) const {
  if (write.failure) return *write.failure;
  if (part.offset != write.next_offset || write.last_seen) {
    return {Code::invalid, "part at " + std::to_string(part.offset) + " of block " +
                               to_string(write.spec.key) + " came when " +
                               std::to_string(write.next_offset) +
                               " was next; start the block again from part 0"};
  }
  const uint64_t end = part.offset + part.payload.size();
  if (part.payload.size() > kPartBytes || (!part.last && part.payload.size() != kPartBytes)) {
    return {Code::invalid, "every part but the last has 1 MiB"};
  }
  if (end > write.spec.capacity) {
    return {Code::invalid, "the part reaches past the block's capacity"};
  }
  return {};
}

void BlockStore::write(WriteId id, Part part, Done done) {
  const auto found = writes_.find(id);
  if (found == writes_.end()) {
    return done(Error{Code::invalid, "this write is over; start the block again", {}, 0});
  }
  const WritePtr write = found->second;
  if (auto accepted = accept(*write, part); !accepted) {
    fail(write, accepted.error());
    return done(accepted.error());
  }
  write->next_offset += part.payload.size();
  if (part.last) {
    write->last_seen = true;
    write->last_offset = part.offset;
    write->length = write->next_offset;
  }
  switch (write->stage) {
    case Stage::waiting:
      write->queued.emplace_back(std::move(part), std::move(done));
      return;
    case Stage::comparing:
      return submit_compare(write, std::move(part), std::move(done));
    default:
      return submit(write, std::move(part), std::move(done));
  }
}

void BlockStore::submit(const WritePtr& write, Part part, Done done) {
  const uint64_t offset = part.offset;
  const bool whole = part.last && offset == 0;
  if (whole && is_small(*write)) return submit_small(write, std::move(part), std::move(done));
  write->pending.emplace(offset, std::move(done));
  write->sealed = whole;
  ++write->jobs;
  bytes_written_ += part.payload.size();
  auto outcome = std::make_shared<Result<uint32_t>>(0u);
  run(
      [outcome, whole, extent = write->extent, buffers = buffers_,
       part = std::move(part)]() mutable {
        if (whole) {
          *outcome = write_whole(*extent, buffers, std::move(part.payload), part.crc32c);
        } else if (auto done = write_part(*extent, buffers, part.offset, std::move(part.payload),
                                          part.crc32c);
                   !done) {
          *outcome = done.error();
        }
      },
      [this, write, offset, outcome] { part_done(write, offset, *outcome); });
}

void BlockStore::submit_compare(const WritePtr& write, Part part, Done done) {
  const uint64_t offset = part.offset;
  write->pending.emplace(offset, std::move(done));
  ++write->jobs;
  auto job = read_job(write->spec.key, write->existing);
  job->offset = offset;
  auto outcome = std::make_shared<Result<uint32_t>>(0u);
  run(
      [outcome, job, &disk = disk_, part = std::move(part)] {
        if (auto same = compare_part(disk, *job, part.payload, part.crc32c); !same) {
          *outcome = same.error();
        }
      },
      [this, write, offset, outcome, job] {
        read_done(*job);
        if (job->damaged) {
          quarantine(write->spec.key, write->existing, outcome->error());
          *outcome = Error{Code::busy, outcome->error().text + "; write it again", {}, 50};
        }
        part_done(write, offset, *outcome);
      });
}

void BlockStore::part_done(const WritePtr& write, uint64_t offset, Result<uint32_t> outcome) {
  --write->jobs;
  if (write->over) return drop_extent_when_idle(*write);
  if (!outcome) return write_failed(write, outcome.error());
  const bool is_last = write->last_seen && offset == write->last_offset;
  Done done;
  if (!is_last) {
    done = std::move(write->pending.at(offset));
    write->pending.erase(offset);
  }
  if (write->last_seen && write->jobs == 0) {
    if (write->stage == Stage::comparing) {
      compared(write);
    } else if (write->sealed) {
      finished(write, outcome);
    } else {
      finish(write);
    }
  }
  if (done) done(Written{});
}

// A disk that fails a write will not do better with the next one nearby.
void BlockStore::write_failed(const WritePtr& write, const Error& error) {
  Segment* segment =
      write->extent != nullptr ? segments_.find(write->extent->place.segment) : nullptr;
  if (error.code == Code::io_error && segment != nullptr) return fence(*segment, error);
  if (error.code == Code::no_space) refused(write->extent_bytes, write->spec.repair);
  fail(write, error);
}

void BlockStore::finish(const WritePtr& write) {
  write->sealed = true;
  ++write->jobs;
  auto outcome = std::make_shared<Result<uint32_t>>(0u);
  run([outcome, extent = write->extent, buffers = buffers_,
       length = write->length]() mutable { *outcome = finish_extent(*extent, buffers, length); },
      [this, write, outcome] {
        --write->jobs;
        finished(write, *outcome);
      });
}

void BlockStore::finished(const WritePtr& write, Result<uint32_t> outcome) {
  if (write->over) return drop_extent_when_idle(*write);
  if (!outcome) return write_failed(write, outcome.error());
  write->crc32c = *outcome;
  write->stage = Stage::finishing;
  written_.push_back(write);
  commit();
}

void BlockStore::compared(const WritePtr& write) {
  const BlockKey& key = write->spec.key;
  if (removing_.contains(key)) {
    return fail(write, {Code::busy, "block " + to_string(key) + " is being removed", {}, 100});
  }
  const auto now = find_block(index_, key);
  if (!now || !now->has_value() || (*now)->bad || !(*now)->same_extent(write->existing)) {
    return fail(write, {Code::busy,
                        "the copy of block " + to_string(key) +
                            " here has changed meanwhile; write it again",
                        {},
                        50});
  }
  if (write->length != write->existing.length) {
    return fail(write,
                {Code::invalid, "block " + to_string(key) + " is here already, longer", {}, 0});
  }
  write->crc32c = write->existing.crc32c;
  end(write);
}

void BlockStore::commit() {
  std::erase_if(written_, [](const WritePtr& write) { return write->over; });
  if (committing_ || written_.empty()) return;
  committing_ = true;
  auto writes = std::exchange(written_, {});
  std::map<uint32_t, std::shared_ptr<File>> files;
  for (const WritePtr& write : writes) {
    ++write->jobs;
    files[write->extent->place.segment] = write->extent->file;
  }
  auto outcomes = std::make_shared<std::map<uint32_t, Result<void>>>();
  syncs_ += files.size();
  run(
      [outcomes, files = std::move(files)] {
        for (const auto& [number, file] : files) outcomes->emplace(number, file->sync());
      },
      [this, writes = std::move(writes), outcomes] {
        committing_ = false;
        synced(writes, *outcomes);
        commit();
      });
}

// Of finished blocks the segments were synced, or could not be.
void BlockStore::synced(const std::vector<WritePtr>& writes,
                        const std::map<uint32_t, Result<void>>& outcomes) {
  for (const WritePtr& write : writes) --write->jobs;
  for (const auto& [number, outcome] : outcomes) {
    Segment* segment = segments_.find(number);
    if (!outcome && segment != nullptr) fence(*segment, outcome.error());
    if (outcome) troubles_ = 0;
  }
  auto commit = std::make_shared<Commit>();
  for (const WritePtr& write : writes) {
    if (write->over) {
      drop_extent_when_idle(*write);
      continue;
    }
    const uint32_t number = write->extent->place.segment;
    if (auto row = index_block(*write, *commit); !row) {
      fail(write, row.error());
    } else {
      commit->writes.push_back(write);
    }
    const Segment& segment = *segments_.find(number);
    put_mark(commit->batch, number, {segment.nonce, segment.mark()});
  }
  indexed(commit);
  for (const auto& [number, outcome] : outcomes) {
    if (Segment* segment = segments_.find(number)) close_if_done(*segment);
  }
}

// The extents are on stable storage and describe themselves: a recovery finds what the batch says
// even if it is lost. Only the successor of a bad copy is not believed against an old row.
void BlockStore::indexed(std::shared_ptr<Commit> commit) {
  const Result<void> kept = commit->batch.empty() ? Result<void>() : index_.write(commit->batch);
  if (!kept) give_up(kept.error());
  uint64_t bytes = 0;
  for (const WritePtr& write : commit->writes) bytes += write->extent_bytes;
  const auto tell = [this, commit](const Result<void>& outcome) {
    for (const WritePtr& write : commit->writes) {
      if (outcome) {
        end(write);
      } else {
        fail(write, outcome.error());
      }
    }
  };
  if (!kept || commit->replaced.empty()) {
    tell(kept);
    return flush_soon(bytes);
  }
  auto flushed = std::make_shared<Result<void>>();
  unflushed_bytes_ = 0;
  run([flushed, &index = index_] { *flushed = index.flush(); },
      [this, commit, flushed, tell] {
        if (!*flushed) give_up(flushed->error());
        tell(*flushed);
        if (*flushed) replaced(commit->replaced);
      });
}

// One bad place costs a segment. A disk that fails everywhere, or was made read-only by its file
// system, is not worth another try.
void BlockStore::trouble(const Error& error) {
  if (error.code != Code::io_error) return;
  if (++troubles_ >= kTroublesMax || error.cause.contains("read_only")) give_up(error);
}

// Above all when the index takes no rows: what it does not know, no later start will know.
void BlockStore::give_up(const Error& error) {
  if (failure_) return;
  failure_ = Error{Code::io_error,
                   "the data directory " + settings_.directory + " has failed (" + error.text + ")",
                   {},
                   0};
  bus_.after(Duration::zero(), [this, alive = std::weak_ptr<bool>(alive_)] {
    if (alive.expired()) return;
    const auto writes = writes_;
    for (const auto& [id, write] : writes) fail(write, *failure_);
    waiting_.clear();
    if (failed_) failed_(*failure_);
  });
}

// Lost rows cost the next start a scan of the blocks they were about; this bounds it.
void BlockStore::flush_soon(uint64_t bytes) {
  unflushed_bytes_ += bytes;
  if (unflushed_bytes_ >= settings_.flush_bytes) return flush([] {});
  if (unflushed_bytes_ == 0 || std::exchange(flush_timer_, true)) return;
  bus_.after(settings_.flush_period, [this, alive = std::weak_ptr<bool>(alive_)] {
    if (alive.expired()) return;
    flush_timer_ = false;
    if (unflushed_bytes_ != 0) flush([] {});
  });
}

// Puts the row of a block that is on stable storage into the batch. Its extent is settled then.
Result<void> BlockStore::index_block(Write& write, Commit& commit) {
  const BlockKey& key = write.spec.key;
  const Place place = write.extent->place;
  if (removing_.contains(key)) {
    return {Code::busy, "block " + to_string(key) + " is being removed"};
  }
  auto known = find_block(index_, key);
  if (!known) return std::move(known).error();
  if (const auto found = commit.fresh.find(key); found != commit.fresh.end())
    *known = found->second;
  const bool was_bad = known->has_value() && (*known)->bad;
  if (known->has_value() && !was_bad) {
    const BlockRow& first = **known;
    if (first.length != write.length || first.crc32c != write.crc32c) {
      return {Code::invalid, "block " + to_string(key) + " is here already with other content"};
    }
    free_later(segments_.give_up(*segments_.find(place.segment), place.offset, true));
    write.extent.reset();
    return {};
  }
  if (was_bad) {
    const BlockRow& old = **known;
    if (segments_.find(old.segment) != nullptr) {
      put_free(commit.batch, {old.segment, old.offset, old.bytes()});
    }
    commit.replaced.emplace_back(key, old);
    --bad_;
  }
  const BlockRow row{.segment = place.segment,
                     .offset = place.offset,
                     .header = write.extent->header,
                     .length = write.length,
                     .crc32c = write.crc32c,
                     .epoch = write.spec.epoch,
                     .created_ms = write.extent->created_ms};
  put_block(commit.batch, key, row);
  commit.fresh[key] = row;
  digests_.add(key, row.length, row.crc32c);
  tables_.insert(place.segment, place.offset,
                 std::make_shared<const ChunkTable>(std::move(write.extent->table)));
  free_later(segments_.settle(*segments_.find(place.segment), place.offset, row.bytes()));
  write.extent.reset();
  return {};
}

// The last part's answer: the block is here for good.
void BlockStore::end(const WritePtr& write) {
  write->over = true;
  writes_.erase(write->id);
  auto pending = std::exchange(write->pending, {});
  for (auto& [offset, done] : pending) done(Written{true, write->length, write->crc32c});
}

void BlockStore::fail(WritePtr write, Error error) {
  if (write->over) return;
  write->over = true;
  writes_.erase(write->id);
  drop_extent_when_idle(*write);
  auto pending = std::exchange(write->pending, {});
  auto queued = std::exchange(write->queued, {});
  for (auto& [offset, done] : pending) done(error);
  for (auto& [part, done] : queued) done(error);
}

void BlockStore::abandon(WriteId id) {
  const auto found = writes_.find(id);
  if (found == writes_.end()) return;
  const WritePtr write = found->second;
  write->over = true;
  write->pending.clear();
  write->queued.clear();
  writes_.erase(found);
  drop_extent_when_idle(*write);
}

// While a job is under way it writes into the extent, which nobody else may have yet.
void BlockStore::drop_extent_when_idle(Write& write) {
  if (write.jobs != 0 || write.extent == nullptr) return;
  Segment* segment = segments_.find(write.extent->place.segment);
  if (segment == nullptr) return;
  free_later(segments_.give_up(*segment, write.extent->place.offset, write.sealed));
  write.extent.reset();
  close_if_done(*segment);
}

}  // namespace dfs::storage
