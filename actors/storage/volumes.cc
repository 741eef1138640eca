#include "actors/storage/volumes.h"

#include <algorithm>
#include <set>

namespace dfs::storage {

namespace {

// A write's id is its store's, with the number of the directory in the lowest bits.
constexpr BlockStore::WriteId kUnplaced = 0;  // no directory took it

void add(RecoveryReport& sum, const RecoveryReport& one) {
  sum.segments += one.segments;
  sum.blocks += one.blocks;
  sum.bytes += one.bytes;
  sum.scanned_bytes += one.scanned_bytes;
  sum.found += one.found;
  sum.dropped += one.dropped;
  sum.frees_finished += one.frees_finished;
  sum.segments_removed += one.segments_removed;
  sum.segments_missing += one.segments_missing;
  sum.bad += one.bad;
  sum.lost += one.lost;
}

void add(BlockStoreStats& sum, const BlockStoreStats& one) {
  sum.total_bytes += one.total_bytes;
  sum.used_bytes += one.used_bytes;
  sum.blocks += one.blocks;
  sum.bad += one.bad;
  sum.jobs += one.jobs;
  sum.bytes_written += one.bytes_written;
  sum.bytes_read += one.bytes_read;
  sum.syncs += one.syncs;
  sum.accepts_writes = sum.accepts_writes || one.accepts_writes;
}

}  // namespace

Volumes::Volumes(Bus& bus, Disk& disk, std::vector<Directory> directories,
                 BlockStoreSettings settings, Notify notify)
    : bus_(bus), notify_(std::move(notify)) {
  DFS_ASSERT(!directories.empty() && directories.size() <= kDirectoriesMax);
  volumes_.resize(directories.size());
  for (size_t i = 0; i < directories.size(); ++i) {
    Volume& volume = volumes_[i];
    volume.path = directories[i].path;
    if (directories[i].failure || directories[i].index == nullptr) {
      volume.failure =
          directories[i].failure.value_or(Error{Code::io_error, "it has no index", {}, 0});
      continue;
    }
    settings.directory = volume.path;
    volume.store =
        std::make_unique<BlockStore>(bus, disk, *directories[i].index, settings, notify_,
                                     [this, &volume](const Error& error) { fence(volume, error); });
  }
}

void Volumes::fence(Volume& volume, const Error& error) {
  if (volume.failure) return;
  volume.failure = error;
  report(volume);
}

void Volumes::report(const Volume& volume) {
  const Error& error = *volume.failure;
  ++directories_lost_;
  bus_.log(Level::error, "directory failed",
           {{"directory", volume.path}, {"error", error.describe()}});
  notify_("directory-failed", {{"directory", volume.path}, {"why", error.text}});
}

template <class Each>
void Volumes::on_each(const Each& each) {
  for (Volume& volume : volumes_) {
    if (volume.usable()) each(volume);
  }
}

void Volumes::open(std::string cluster, std::function<void(Result<RecoveryReport>)> done) {
  struct Opening {
    std::vector<Result<RecoveryReport>> reports;
    size_t left = 0;
  };
  auto opening = std::make_shared<Opening>();
  for (const Volume& volume : volumes_) {
    if (volume.failure) report(volume);
    opening->reports.emplace_back(volume.failure ? *volume.failure : Error{});
    if (volume.usable()) ++opening->left;
  }
  if (opening->left == 0) return opened(std::move(opening->reports), done);
  on_each([&](Volume& volume) {
    volume.store->open(cluster,
                       [this, opening, done, i = number_of(volume)](Result<RecoveryReport> report) {
                         opening->reports[i] = std::move(report);
                         if (--opening->left == 0) opened(std::move(opening->reports), done);
                       });
  });
}

void Volumes::opened(std::vector<Result<RecoveryReport>> reports,
                     const std::function<void(Result<RecoveryReport>)>& done) {
  RecoveryReport sum;
  for (size_t i = 0; i < volumes_.size(); ++i) {
    const Result<RecoveryReport>& report = reports[i];
    if (report) {
      add(sum, *report);
    } else if (volumes_[i].failure) {
      continue;  // told already
    } else if (report.code() == Code::unsupported || report.code() == Code::invalid) {
      return done(report.error());  // to be put right by a person
    } else {
      fence(volumes_[i], report.error());
    }
  }
  const bool any = std::any_of(volumes_.begin(), volumes_.end(),
                               [](const Volume& volume) { return volume.usable(); });
  if (!any) return done(*volumes_.front().failure);
  done(sum);
}

void Volumes::set_cluster(const std::string& cluster) {
  on_each([&](Volume& volume) { volume.store->set_cluster(cluster); });
}

size_t Volumes::number_of(const Volume& volume) const {
  return static_cast<size_t>(&volume - volumes_.data());
}

Volumes::Volume* Volumes::volume_of(const BlockKey& key) {
  Volume* only = nullptr;
  size_t usable = 0;
  on_each([&](Volume& volume) {
    only = &volume;
    ++usable;
  });
  if (usable <= 1) return only;
  for (Volume& volume : volumes_) {
    if (!volume.usable()) continue;
    const auto row = volume.store->find(key);
    if (row && row->has_value()) return &volume;
  }
  return nullptr;
}

// Where the block is, good or bad, or another attempt at it is under way; else where most is free.
Volumes::Volume* Volumes::volume_for(const BlockSpec& spec) {
  if (Volume* volume = volume_of(spec.key)) return volume;
  Volume* best = nullptr;
  uint64_t best_free = 0;
  bool best_accepts = false;
  for (Volume& volume : volumes_) {
    if (!volume.usable()) continue;
    if (volume.store->is_writing(spec.key)) return &volume;
    const BlockStoreStats stats = volume.store->stats();
    const bool accepts = stats.accepts_writes;
    const uint64_t free = stats.total_bytes - std::min(stats.used_bytes, stats.total_bytes);
    if (best != nullptr && std::pair(accepts, free) <= std::pair(best_accepts, best_free)) continue;
    best = &volume;
    best_free = free;
    best_accepts = accepts;
  }
  return best;
}

Volumes::WriteId Volumes::begin(BlockSpec spec) {
  Volume* volume = volume_for(spec);
  if (volume == nullptr) return kUnplaced;
  const size_t number = number_of(*volume);
  return volume->store->begin(std::move(spec)) * kDirectoriesMax + number;
}

void Volumes::write(WriteId id, Part part, std::function<void(Result<Written>)> done) {
  Volume& volume = volumes_[id % kDirectoriesMax];
  if (id == kUnplaced || volume.store == nullptr) {
    return done(Error{Code::io_error, "no data directory of this node can be written to", {}, 0});
  }
  volume.store->write(id / kDirectoriesMax, std::move(part), std::move(done));
}

void Volumes::abandon(WriteId id) {
  if (id == kUnplaced) return;
  volumes_[id % kDirectoriesMax].store->abandon(id / kDirectoriesMax);
}

void Volumes::read(BlockKey key, uint64_t offset, uint64_t length,
                   std::function<void(Result<ReadOutcome>)> done) {
  if (Volume* volume = volume_of(key)) {
    return volume->store->read(key, offset, length, std::move(done));
  }
  done(Error{Code::no_such_block, "no block " + to_string(key) + " on this node", {}, 0});
}

void Volumes::remove(std::vector<BlockKey> keys, const DeletionProof& proof,
                     std::function<void(Result<void>)> done) {
  struct Removal {
    Result<void> outcome;
    size_t left = 1;
  };
  auto removal = std::make_shared<Removal>();
  const auto one_done = [removal, done = std::move(done)](const Result<void>& outcome) {
    if (!outcome) removal->outcome = outcome;
    if (--removal->left == 0) done(removal->outcome);
  };
  on_each([&](Volume& volume) {
    ++removal->left;
    volume.store->remove(keys, proof, one_done);
  });
  one_done({});
}

Result<std::optional<BlockRow>> Volumes::find(const BlockKey& key) {
  Volume* volume = volume_of(key);
  return volume == nullptr ? std::optional<BlockRow>() : volume->store->find(key);
}

bool Volumes::has_good(const BlockKey& key, uint64_t length, uint32_t crc32c) {
  Volume* volume = volume_of(key);
  return volume != nullptr && volume->store->has_good(key, length, crc32c);
}

Result<ListBlocksReply> Volumes::list(const ListBlocks& request) {
  ListBlocksReply all;
  size_t listed = 0;
  for (Volume& volume : volumes_) {
    if (!volume.usable()) continue;
    auto page = volume.store->list(request);
    if (!page) return page;
    all.blocks.insert(all.blocks.end(), page->blocks.begin(), page->blocks.end());
    all.more = all.more || page->more;
    ++listed;
  }
  if (listed <= 1) return all;
  std::sort(all.blocks.begin(), all.blocks.end(), [](const BlockView& a, const BlockView& b) {
    return std::tie(a.group, a.object, a.index) < std::tie(b.group, b.object, b.index);
  });
  if (all.blocks.size() > request.limit) {
    all.blocks.resize(request.limit);
    all.more = true;
  }
  return all;
}

Digest Volumes::digest(GroupId group) const {
  Digest total;
  total.group = group;
  for (const Volume& volume : volumes_) {
    if (volume.usable()) total = sum(total, volume.store->digest(group));
  }
  return total;
}

std::vector<GroupId> Volumes::groups() const {
  std::set<GroupId> groups;
  for (const Volume& volume : volumes_) {
    if (!volume.usable()) continue;
    for (const GroupId group : volume.store->groups()) groups.insert(group);
  }
  return {groups.begin(), groups.end()};
}

uint64_t Volumes::losses() const {
  uint64_t losses = directories_lost_;
  for (const Volume& volume : volumes_) {
    if (volume.store != nullptr) losses += volume.store->losses();
  }
  return losses;
}

void Volumes::flush(std::function<void()> done) {
  auto left = std::make_shared<size_t>(1);
  const auto one_done = [left, done = std::move(done)] {
    if (--*left == 0) done();
  };
  on_each([&](Volume& volume) {
    ++*left;
    volume.store->flush(one_done);
  });
  one_done();
}

void Volumes::refresh_space() {
  on_each([](Volume& volume) { volume.store->refresh_space(); });
}

VolumesStats Volumes::stats() const {
  VolumesStats stats;
  for (const Volume& volume : volumes_) {
    ++stats.directories;
    if (volume.usable()) {
      add(stats.sum, volume.store->stats());
    } else {
      ++stats.failed;
    }
  }
  return stats;
}

size_t Volumes::writes() const {
  size_t writes = 0;
  for (const Volume& volume : volumes_) {
    if (volume.store != nullptr) writes += volume.store->writes();
  }
  return writes;
}

}  // namespace dfs::storage
