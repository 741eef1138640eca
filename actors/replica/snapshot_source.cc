#include "actors/replica/snapshot_source.h"

#include <algorithm>
#include <cstdio>

#include "messages/crc32c.h"

namespace dfs {

namespace {

constexpr Duration kKeptIdle = std::chrono::seconds(10);
constexpr Duration kRetry = std::chrono::seconds(1);
constexpr size_t kReadingMax = 16;

std::string hex(uint64_t number) {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(number));
  return text;
}

Result<SnapshotSource::Snapshot> checkpoint(Disk& disk, Table& table, std::string directory) {
  const auto value = table.checkpoint(disk, directory, kAppliedKey);
  if (!value) return value.error();
  if (!*value) return {Code::corrupt, "the checkpoint does not say which entry it was made after"};
  const auto row = decode<AppliedRow>(**value);
  if (!row) return {Code::corrupt, "the checkpoint's applied index does not decode"};
  SnapshotSource::Snapshot snapshot;
  snapshot.at = *row;
  const auto names = disk.list(directory);
  if (!names) return names.error();
  if (names->size() > kBatchMax) {
    return {Code::too_large, "a snapshot of " + std::to_string(names->size()) + " files"};
  }
  for (const std::string& name : *names) {
    const auto file = disk.open(directory + "/" + name, OpenOptions{false, true, false});
    if (!file) return file.error();
    const auto bytes = (*file)->size();
    if (!bytes) return bytes.error();
    snapshot.files.push_back({name, *bytes});
  }
  snapshot.directory = std::move(directory);
  return snapshot;
}

Result<std::string> read_part(Disk& disk, const std::string& path, uint64_t offset, size_t length) {
  const auto file = disk.open(path, OpenOptions{false, true, false});
  if (!file) return file.error();
  std::string bytes(length, '\0');
  const auto read = (*file)->read_at(offset, bytes.data(), length);
  if (!read) return read.error();
  if (*read != length) return {Code::corrupt, path + " is shorter than when it was made"};
  return bytes;
}

}  // namespace

SnapshotSource::SnapshotSource(Bus& bus, Jobs& jobs, Disk& disk, Table& table,
                               std::string directory)
    : bus_(bus), jobs_(jobs), disk_(disk), table_(table), directory_(std::move(directory)) {}

const SnapshotSource::Snapshot* SnapshotSource::offer(LogIndex index) {
  if (!kept_ || kept_->at.index < index) return nullptr;
  used_ = bus_.now();
  return &*kept_;
}

std::optional<LogIndex> SnapshotSource::needs_log_after() const {
  if (making_) return making_after_;
  if (kept_) return kept_->at.index;
  return std::nullopt;
}

void SnapshotSource::make(LogIndex applied) {
  if (making_ || (failed_ && bus_.now() - failed_at_ < kRetry)) return;
  making_ = true;
  making_after_ = applied;
  drop();
  uint64_t id = 0;
  while (id == 0) id = bus_.random();
  auto outcome = std::make_shared<Result<Snapshot>>(Snapshot());
  jobs_.run(
      [outcome, &disk = disk_, &table = table_, path = directory_ + "/made-" + hex(id)] {
        *outcome = checkpoint(disk, table, path);
        if (!*outcome) {
          (void)disk.remove_tree(path);
          (void)disk.remove_tree(path + ".tmp");
        }
      },
      [this, outcome, id] {
        if (*outcome) (*outcome)->id = id;
        made(std::move(*outcome));
      });
}

void SnapshotSource::made(Result<Snapshot> outcome) {
  making_ = false;
  failed_ = !outcome.ok();
  if (failed_) {
    failed_at_ = bus_.now();
    return bus_.log(Level::error, "no snapshot made", {{"why", outcome.error().text}});
  }
  kept_ = std::move(*outcome);
  used_ = bus_.now();
  uint64_t bytes = 0;
  for (const SnapshotFile& file : kept_->files) bytes += file.bytes;
  bus_.log(Level::info, "snapshot made", {{"index", kept_->at.index}, {"bytes", bytes}});
}

void SnapshotSource::serve(const Envelope& request, const ReadSnapshot& read) {
  const auto refuse = [&](Code code, const char* why) {
    (void)bus_.reply(reply_to(request, Error{code, why, {}, code == Code::busy ? 50u : 0u}));
  };
  if (!kept_ || kept_->id != read.snapshot) {
    return refuse(Code::not_found, "this snapshot is no longer kept; wait for the next offer");
  }
  const auto file = std::find_if(kept_->files.begin(), kept_->files.end(),
                                 [&](const SnapshotFile& f) { return f.name == read.name; });
  if (file == kept_->files.end()) return refuse(Code::invalid, "the snapshot has no such file");
  if (read.offset > file->bytes || read.length > file->bytes - read.offset) {
    return refuse(Code::invalid, "the file is shorter than that");
  }
  if (reading_ >= kReadingMax) return refuse(Code::busy, "many parts are read already");
  used_ = bus_.now();
  ++reading_;
  auto part = std::make_shared<Result<std::string>>(std::string());
  auto crc = std::make_shared<uint32_t>(0);
  jobs_.run(
      [part, crc, &disk = disk_, path = kept_->directory + "/" + file->name, read] {
        *part = read_part(disk, path, read.offset, read.length);
        if (*part) *crc = crc32c(**part);
      },
      [this, part, crc, request] {
        --reading_;
        if (!*part) return (void)bus_.reply(reply_to(request, part->error()));
        (void)bus_.reply(
            reply_to(request, ReadSnapshotReply{*crc}, Payload::of(std::move(**part))));
      });
}

void SnapshotSource::expire() {
  if (kept_ && reading_ == 0 && bus_.now() - used_ >= kKeptIdle) drop();
}

void SnapshotSource::drop() {
  if (!kept_) return;
  auto removed = std::make_shared<Result<void>>();
  jobs_.run(
      [removed, &disk = disk_, path = kept_->directory] { *removed = disk.remove_tree(path); },
      [this, removed] {
        if (*removed) return;
        bus_.log(Level::warn, "snapshot not removed", {{"why", removed->error().text}});
      });
  kept_.reset();
}

}  // namespace dfs
