// Where extents go and how their space comes back.
#include <algorithm>

#include "actors/storage/block_store.h"

namespace dfs::storage {

namespace {

constexpr uint64_t kReserveMax = 1ull << 30;
constexpr uint64_t kReservePart = 64;  // of the whole is never given to blocks

Error no_space(uint64_t bytes, uint64_t available) {
  return {Code::no_space,
          "a block of " + std::to_string(bytes) + " bytes does not fit: this node has " +
              std::to_string(available) + " left; add nodes or remove files",
          {{"available_bytes", std::to_string(available)}},
          0};
}

uint64_t minus(uint64_t a, uint64_t b) {
  return a > b ? a - b : 0;
}

}  // namespace

uint64_t BlockStore::reserve_bytes() const {
  return std::min(kReserveMax, capacity() / kReservePart);
}

uint64_t BlockStore::capacity() const {
  return settings_.capacity_bytes != 0 ? settings_.capacity_bytes : space_.total_bytes;
}

// What new extents may still take. Repairs may go on where others must stop: they bring back what
// was here, or what a dead node had, and wait for nobody's decision.
uint64_t BlockStore::available_bytes(bool repair) const {
  const uint64_t kept = capacity() / 100 * (100 - std::min(settings_.full_percent, 100u));
  const uint64_t reserve = repair ? reserve_bytes() : std::max(reserve_bytes(), kept);
  const uint64_t on_disk = space_.free_bytes + segments_.reserved_bytes();
  const uint64_t by_disk = minus(on_disk, reserve);
  if (settings_.capacity_bytes == 0) return by_disk;
  return std::min(by_disk, minus(settings_.capacity_bytes, segments_.used_bytes() + reserve));
}

// Full from the first block that did not fit until there is room for one, and a little more.
void BlockStore::refused(uint64_t bytes, bool repair) {
  if (repair) return;
  bytes = std::max(bytes, capacity() / 100);
  full_until_bytes_ = full_ ? std::min(full_until_bytes_, bytes) : bytes;
  if (std::exchange(full_, true)) return;
  const uint64_t available = available_bytes(false);
  bus_.log(Level::warn, "disk full", {{"available_bytes", available}});
  notify_("disk-full", {{"available_bytes", std::to_string(available)}});
}

void BlockStore::note_space() {
  const uint64_t available = available_bytes(false);
  if (available == 0) refused(kBlockBytesMin, false);
  if (!full_ || available < full_until_bytes_) return;
  full_ = false;
  bus_.log(Level::info, "disk has space again", {{"available_bytes", available}});
  notify_("disk-ok", {{"available_bytes", std::to_string(available)}});
}

Result<void> BlockStore::place(const WritePtr& write) {
  const BlockSpec& spec = write->spec;
  const FileHint& hint = spec.file_hint;
  const uint32_t header = header_bytes(spec.path_hint.size() + hint.sealed_path.bytes.size() +
                                       hint.seal.key.bytes.size());
  write->extent_bytes = extent_bytes(header, spec.capacity);
  const uint64_t available = available_bytes(spec.repair);
  if (write->extent_bytes > available) {
    refused(write->extent_bytes, spec.repair);
    return no_space(write->extent_bytes, available);
  }
  const auto used_before = segments_.open_numbers();
  const auto place = segments_.allocate(write->extent_bytes);
  for (const uint32_t number : used_before) {
    if (Segment* segment = segments_.find(number)) close_if_done(*segment);
  }
  if (!place) {
    waiting_.push_back(write);
    want_segment(write->extent_bytes + kAlignment);
    return {};
  }
  auto extent = std::make_shared<Extent>();
  extent->key = spec.key;
  extent->place = *place;
  extent->epoch = spec.epoch;
  extent->capacity = spec.capacity;
  extent->header = header;
  extent->cluster = cluster_;
  extent->path_hint = spec.path_hint;
  extent->file_hint = spec.file_hint;
  extent->created_ms = bus_.wall_ms();
  extent->file = segments_.find(place->segment)->writer;
  extent->table.resize(chunks_of(spec.capacity));
  write->extent = std::move(extent);
  write->stage = Stage::open;
  auto queued = std::exchange(write->queued, {});
  for (auto& [part, done] : queued) submit(write, std::move(part), std::move(done));

  // The next segment is made while this one still has room, so that nobody waits for it.
  const Segment* active = segments_.active();
  if (active->bytes - active->end < settings_.segment_bytes / 8 && !segments_.has_spare() &&
      space_.free_bytes > 2 * settings_.segment_bytes + reserve_bytes()) {
    want_segment(settings_.segment_bytes);
  }
  return {};
}

void BlockStore::want_segment(uint64_t bytes_min) {
  if (creating_) return;
  creating_ = true;
  uint64_t wanted = settings_.segment_bytes;
  if (settings_.capacity_bytes != 0) wanted = std::min(wanted, settings_.capacity_bytes);
  const uint64_t budget = minus(space_.free_bytes, reserve_bytes()) / kAlignment * kAlignment;
  const uint64_t bytes = round_up(std::max(bytes_min, std::min(wanted, budget)), kAlignment);
  SegmentHeader header{cluster_, segments_.fresh_number(), bus_.random(), bus_.wall_ms()};
  auto made = std::make_shared<Result<NewSegment>>(Code::io_error, "no segment was made");
  run(
      [made, header, bytes, bytes_min, &disk = disk_, directory = settings_.directory] {
        *made = create_segment(disk, directory, header, bytes, round_up(bytes_min, kAlignment));
      },
      [this, made] { segment_made(std::move(*made)); });
}

void BlockStore::segment_made(Result<NewSegment> made) {
  creating_ = false;
  if (!made) {
    bus_.log(Level::warn, "no new segment", {{"error", made.error().describe()}});
    // A spare that could not be made is no loss yet.
    fail_waiting(made.error());
    return trouble(made.error());
  }
  space_.free_bytes = minus(space_.free_bytes, made->bytes);
  segments_.add(*made);
  place_waiting();
}

void BlockStore::fail_waiting(const Error& error) {
  const auto waiting = std::exchange(waiting_, {});
  for (const WritePtr& write : waiting) {
    if (error.code == Code::no_space) refused(write->extent_bytes, write->spec.repair);
    // A write without parts learns of it with the first.
    if (write->queued.empty()) {
      write->failure = error;
    } else {
      fail(write, error);
    }
  }
}

void BlockStore::place_waiting() {
  const auto waiting = std::exchange(waiting_, {});
  for (const WritePtr& write : waiting) {
    if (write->over) continue;
    if (auto placed = place(write); !placed) fail(write, placed.error());
  }
}

void BlockStore::fence(Segment& segment, const Error& error) {
  if (segment.fenced) return;
  segments_.fence(segment);
  bus_.log(Level::error, "segment fenced",
           {{"segment", uint64_t{segment.number}}, {"error", error.describe()}});
  notify_("segment-fenced",
          {{"segment", std::to_string(segment.number)}, {"error", error.describe()}});
  const Error told{Code::io_error,
                   "the disk failed a write (" + error.text + "); write the block elsewhere",
                   {},
                   0};
  std::vector<WritePtr> affected;
  for (const auto& [id, write] : writes_) {
    if (write->extent != nullptr && write->extent->place.segment == segment.number) {
      affected.push_back(write);
    }
  }
  for (const WritePtr& write : affected) fail(write, told);
  trouble(error);
}

// The row comes before any mark that passes the range, so the space is never forgotten.
void BlockStore::free_later(std::optional<FreeRange> range) {
  if (!range) return;
  Batch batch;
  put_free(batch, *range);
  if (auto kept = index_.write(batch); !kept) give_up(kept.error());
  dead_.push_back(*range);
  reclaim();
}

void BlockStore::reclaim() {
  if (reclaiming_ || dead_.empty()) return;
  struct Target {
    FreeRange range;
    std::shared_ptr<File> file;
    std::string path;
  };
  std::vector<FreeRange> ranges;
  std::vector<Target> targets;
  for (const FreeRange& range : std::exchange(dead_, {})) {
    const Segment* segment = segments_.find(range.segment);
    // A fenced file is not to be changed; the next start frees the range.
    if (segment == nullptr || segment->fenced) continue;
    ranges.push_back(range);
    targets.push_back({range, segment->writer, segment_path(settings_.directory, range.segment)});
  }
  if (targets.empty()) return;
  reclaiming_ = true;
  auto outcomes = std::make_shared<std::vector<Result<void>>>(targets.size());
  run(
      [outcomes, targets, &disk = disk_]() mutable {
        std::map<uint32_t, std::shared_ptr<File>> opened;
        for (size_t i = 0; i < targets.size(); ++i) {
          auto& [range, file, path] = targets[i];
          if (file == nullptr) file = opened[range.segment];
          if (file == nullptr) {
            auto result = disk.open(path, {});
            if (!result) {
              (*outcomes)[i] = result.error();
              continue;
            }
            file = std::move(*result);
          }
          opened[range.segment] = file;
          (*outcomes)[i] = file->punch(range.offset, range.bytes);
        }
        // Only a hole that is sure to stay may be forgotten: the block in it must not come back.
        std::map<uint32_t, Result<void>> synced;
        for (const auto& [number, file] : opened) {
          if (file != nullptr) synced.emplace(number, file->sync());
        }
        for (size_t i = 0; i < targets.size(); ++i) {
          const auto found = synced.find(targets[i].range.segment);
          if (found != synced.end() && !found->second) (*outcomes)[i] = found->second;
        }
      },
      [this, ranges = std::move(ranges), outcomes] { reclaimed(ranges, *outcomes); });
}

void BlockStore::reclaimed(const std::vector<FreeRange>& ranges,
                           const std::vector<Result<void>>& outcomes) {
  reclaiming_ = false;
  Batch batch;
  std::set<uint32_t> touched;
  for (size_t i = 0; i < ranges.size(); ++i) {
    if (!outcomes[i]) {
      bus_.log(Level::warn, "space not freed; the next start tries again",
               {{"segment", uint64_t{ranges[i].segment}}, {"error", outcomes[i].error().text}});
      continue;
    }
    erase_free(batch, ranges[i]);
    --segments_.find(ranges[i].segment)->freeing;
    touched.insert(ranges[i].segment);
  }
  if (!batch.empty()) {
    if (auto kept = index_.write(batch); !kept) give_up(kept.error());
  }
  for (const uint32_t number : touched) {
    if (Segment* segment = segments_.find(number)) close_if_done(*segment);
  }
  refresh_space();
  reclaim();
}

// A segment that nobody writes to gives back what lies behind its last extent, and goes altogether
// when nobody lives in it.
void BlockStore::close_if_done(Segment& segment) {
  if (!segments_.closed(segment)) return;
  if (segment.live_blocks == 0 && segment.freeing == 0) return remove_segment(segment.number);
  if (segment.trimmed) return;
  segment.trimmed = true;
  auto file = std::exchange(segment.writer, nullptr);
  segment.bytes = segment.end;
  run([file, end = segment.end] { (void)file->truncate(end); }, [this] { refresh_space(); });
}

void BlockStore::remove_segment(uint32_t number) {
  segments_.erase(number);
  auto outcome = std::make_shared<Result<void>>();
  run(
      [outcome, &disk = disk_, directory = settings_.directory, number] {
        *outcome = disk.remove(segment_path(directory, number));
        if (*outcome) *outcome = disk.sync_directory(segments_directory(directory));
      },
      [this, number, outcome] {
        if (!*outcome) return;  // the next start removes it
        Batch batch;
        erase_mark(batch, number);
        if (auto kept = index_.write(batch); !kept) give_up(kept.error());
        refresh_space();
      });
}

void BlockStore::remove(std::vector<BlockKey> keys, const DeletionProof& proof,
                        std::function<void(Result<void>)> done) {
  std::vector<std::pair<BlockKey, BlockRow>> blocks;
  Batch batch;
  for (const BlockKey& key : keys) {
    if (removing_.contains(key)) continue;
    const auto row = find_block(index_, key);
    if (!row) return done(row.error());
    if (!row->has_value()) continue;
    removing_.insert(key);
    blocks.emplace_back(key, **row);
    erase_block(batch, key);
    put_free(batch, {(*row)->segment, (*row)->offset, (*row)->bytes()});
  }
  if (blocks.empty()) return done({});
  bus_.log(Level::debug, "blocks removed",
           {{"blocks", uint64_t{blocks.size()}}, {"why", std::string(proof.why())}});
  for (const auto& [key, row] : blocks) {
    if (!row.bad) digests_.take(key, row.length, row.crc32c);
  }
  auto outcome = std::make_shared<Result<void>>();
  run([outcome, batch, &index = index_] { *outcome = index.write(batch, Durability::synced); },
      [this, blocks, outcome, done = std::move(done)] {
        for (const auto& [key, row] : blocks) {
          removing_.erase(key);
          if (!*outcome && !row.bad) digests_.add(key, row.length, row.crc32c);
          if (*outcome && row.bad) --bad_;
        }
        if (*outcome) {
          removed(blocks);
        } else {
          give_up(outcome->error());
        }
        done(*outcome);
      });
}

void BlockStore::removed(const std::vector<std::pair<BlockKey, BlockRow>>& blocks) {
  for (const auto& [key, row] : blocks) {
    tables_.erase(row.segment, row.offset);
    Segment* segment = segments_.find(row.segment);
    if (segment == nullptr) continue;
    segments_.remove_block(*segment, row.bytes());
    dead_.push_back({row.segment, row.offset, row.bytes()});
  }
  reclaim();
}

void BlockStore::flush(std::function<void()> done) {
  unflushed_bytes_ = 0;
  auto outcome = std::make_shared<Result<void>>();
  run([outcome, &index = index_] { *outcome = index.flush(); },
      [this, outcome, done = std::move(done)] {
        if (!*outcome) give_up(outcome->error());
        done();
      });
}

void BlockStore::refresh_space() {
  if (refreshing_) return;
  refreshing_ = true;
  auto space = std::make_shared<Result<DiskSpace>>(DiskSpace{});
  run([space, &disk = disk_, directory = settings_.directory] { *space = disk.space(directory); },
      [this, space] {
        refreshing_ = false;
        if (!*space) return;
        space_ = **space;
        note_space();
      });
}

BlockStoreStats BlockStore::stats() const {
  BlockStoreStats stats;
  if (settings_.capacity_bytes != 0) {
    stats.total_bytes = settings_.capacity_bytes;
    stats.used_bytes = segments_.used_bytes();
  } else {
    stats.total_bytes = space_.total_bytes;
    stats.used_bytes = minus(space_.total_bytes, space_.free_bytes + segments_.reserved_bytes());
  }
  stats.live_bytes = segments_.used_bytes();
  stats.blocks = segments_.blocks();
  stats.bad = bad_;
  stats.jobs = jobs_;
  stats.bytes_written = bytes_written_;
  stats.bytes_read = bytes_read_;
  stats.syncs = syncs_;
  stats.accepts_writes = !full_ && !failure_;
  return stats;
}

}  // namespace dfs::storage
