#include "actors/storage/volumes.h"

#include <algorithm>
#include <set>
#include <tuple>

namespace dfs::storage {

namespace {

// A write's id is its store's, with the number of the directory in the lowest bits.
constexpr BlockStore::WriteId kUnplaced = 0;  // no directory took it
constexpr uint64_t kFreeSteps = 64;           // how finely free space is told apart

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
  sum.unreadable += one.unreadable;
}

void add(BlockStoreStats& sum, const BlockStoreStats& one) {
  sum.total_bytes += one.total_bytes;
  sum.used_bytes += one.used_bytes;
  sum.live_bytes += one.live_bytes;
  sum.blocks += one.blocks;
  sum.bad += one.bad;
  sum.jobs += one.jobs;
  sum.bytes_written += one.bytes_written;
  sum.bytes_read += one.bytes_read;
  sum.syncs += one.syncs;
  sum.accepts_writes = sum.accepts_writes || one.accepts_writes;
}

using Doubles = std::vector<std::vector<BlockKey>>;  // by directory: which of its blocks are to go

// The index of one directory, in order, a page at a time.
class Rows {
 public:
  explicit Rows(Table* table) : table_(table) {}
  // Null when there are no more.
  Result<const std::pair<BlockKey, BlockRow>*> head() {
    if (at_ == page_.size() && table_ != nullptr) DFS_CHECK(load());
    return at_ == page_.size() ? nullptr : &page_[at_];
  }
  void next() { ++at_; }

 private:
  Result<void> load() {
    std::optional<BlockKey> last;
    if (!page_.empty()) last = page_.back().first;
    page_.clear();
    at_ = 0;
    const auto visit = [&](const BlockKey& key, const BlockRow& row) {
      if (!last || key > *last) page_.emplace_back(key, row);
      return page_.size() < kPageRows;
    };
    DFS_CHECK(scan_blocks(*table_, last.value_or(BlockKey{}), visit));
    if (page_.empty()) table_ = nullptr;
    return {};
  }
  static constexpr size_t kPageRows = 1000;
  Table* table_;
  std::vector<std::pair<BlockKey, BlockRow>> page_;
  size_t at_ = 0;
};

bool better(const BlockRow& a, const BlockRow& b) {
  return std::tuple(!a.bad, a.epoch, a.created_ms) > std::tuple(!b.bad, b.epoch, b.created_ms);
}

Result<Doubles> find_doubles(const std::vector<Table*>& indexes) {
  std::vector<Rows> rows(indexes.begin(), indexes.end());
  Doubles doubles(indexes.size());
  while (true) {
    std::vector<size_t> first;  // the directories that have the least key
    std::optional<BlockKey> least;
    std::vector<const std::pair<BlockKey, BlockRow>*> heads;
    for (size_t i = 0; i < rows.size(); ++i) {
      auto head = rows[i].head();
      if (!head) return std::move(head).error();
      heads.push_back(*head);
      if (*head == nullptr || (least && (*head)->first > *least)) continue;
      if (!least || (*head)->first < *least) first.clear();
      least = (*head)->first;
      first.push_back(i);
    }
    if (!least) return doubles;
    size_t best = first.front();
    for (const size_t i : first) {
      if (better(heads[i]->second, heads[best]->second)) best = i;
    }
    for (const size_t i : first) {
      if (i != best) doubles[i].push_back(*least);
      rows[i].next();
    }
  }
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
    volume.index = directories[i].index;
    const auto notify = [this, path = volume.path](std::string topic,
                                                   std::map<std::string, std::string> fields) {
      fields["directory"] = path;
      notify_(std::move(topic), std::move(fields));
    };
    volume.store =
        std::make_unique<BlockStore>(bus, disk, *volume.index, settings, notify,
                                     [this, &volume](const Error& error) { fence(volume, error); });
  }
}

void Volumes::fence(Volume& volume, const Error& error) {
  if (volume.failure) return;
  volume.failure = error;
  report(volume.path, error.text);
}

void Volumes::report(const std::string& path, const std::string& why) {
  ++directories_lost_;
  bus_.log(Level::error, "directory failed", {{"directory", path}, {"error", why}});
  notify_("directory-failed", {{"directory", path}, {"why", why}});
}

void Volumes::exclude(const std::string& path, const Error& error) {
  for (Volume& volume : volumes_) {
    if (volume.path == path && !volume.failure) volume.failure = error;
  }
}

void Volumes::note_gone(const std::string& path) {
  report(path, "the node had it and is started without it");
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
    if (volume.failure) report(volume.path, volume.failure->text);
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
                     std::function<void(Result<RecoveryReport>)> done) {
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
  const auto usable = std::count_if(volumes_.begin(), volumes_.end(),
                                    [](const Volume& volume) { return volume.usable(); });
  if (usable == 0) return done(*volumes_.front().failure);
  if (usable == 1) return done(sum);
  drop_doubles(sum, std::move(done));
}

// A directory that was away holds blocks that were fetched anew meanwhile. Of two good copies the
// one of the newer epoch stays, and a bad one never.
void Volumes::drop_doubles(RecoveryReport report,
                           std::function<void(Result<RecoveryReport>)> done) {
  std::vector<Table*> indexes;  // null for those that cannot be used
  for (const Volume& volume : volumes_) {
    indexes.push_back(volume.usable() ? volume.index : nullptr);
  }
  auto doubles = std::make_shared<Result<Doubles>>(Doubles());
  const auto look = [doubles, indexes] { *doubles = find_doubles(indexes); };
  const auto drop = [this, alive = std::weak_ptr<bool>(alive_), doubles, report, done] {
    if (alive.expired()) return;
    if (!*doubles) return done(doubles->error());
    // A directory that fails at this is fenced by it.
    auto left = std::make_shared<size_t>(1);
    const auto one_done = [left, report, done](const Result<void>&) {
      if (--*left == 0) done(report);
    };
    for (size_t i = 0; i < volumes_.size(); ++i) {
      if ((**doubles)[i].empty()) continue;
      ++*left;
      bus_.log(Level::info, "blocks are in another directory too",
               {{"directory", volumes_[i].path}, {"blocks", uint64_t{(**doubles)[i].size()}}});
      volumes_[i].store->remove((**doubles)[i], DeletionProof("double"), one_done);
    }
    one_done({});
  };
  if (auto queued = bus_.run(look, drop); !queued) done(queued.error());
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
// Directories about equally free, as those of one disk are, take turns by what they hold.
Volumes::Volume* Volumes::volume_for(const BlockSpec& spec) {
  if (Volume* volume = volume_of(spec.key)) return volume;
  Volume* best = nullptr;
  std::tuple<bool, uint64_t, uint64_t> best_worth;
  for (Volume& volume : volumes_) {
    if (!volume.usable()) continue;
    if (volume.store->is_writing(spec.key)) return &volume;
    const BlockStoreStats stats = volume.store->stats();
    const uint64_t free = stats.total_bytes - std::min(stats.used_bytes, stats.total_bytes);
    const std::tuple worth(stats.accepts_writes, free / (stats.total_bytes / kFreeSteps + 1),
                           UINT64_MAX - stats.live_bytes);
    if (best != nullptr && worth <= best_worth) continue;
    best = &volume;
    best_worth = worth;
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

// What a working directory does not have, a failed one may.
void Volumes::read(BlockKey key, uint64_t offset, uint64_t length,
                   std::function<void(Result<ReadOutcome>)> done) {
  const auto failed = std::count_if(volumes_.begin(), volumes_.end(),
                                    [](const Volume& volume) { return !volume.usable(); });
  if (failed > 0) {
    done = [key, failed, done = std::move(done)](Result<ReadOutcome> outcome) {
      if (outcome.code() != Code::no_such_block) return done(std::move(outcome));
      done(Error{Code::io_error,
                 "block " + to_string(key) + " cannot be found: " + std::to_string(failed) +
                     " of this node's data directories failed",
                 {},
                 0});
    };
  }
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

void Volumes::headers(const std::vector<BlockKey>& keys, std::function<void(Headers)> done) {
  struct Search {
    Headers found;
    size_t left = 1;
  };
  const auto search = std::make_shared<Search>();
  search->found.resize(keys.size());
  const auto one_done = [search, done = std::move(done)] {
    if (--search->left == 0) done(std::move(search->found));
  };
  on_each([&](Volume& volume) {
    ++search->left;
    volume.store->headers(keys, [search, one_done](Headers found) {
      for (size_t i = 0; i < found.size(); ++i) {
        if (found[i]) search->found[i] = std::move(found[i]);
      }
      one_done();
    });
  });
  one_done();
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
