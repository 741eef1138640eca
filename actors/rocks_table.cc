#include "actors/rocks_table.h"

#include <rocksdb/cache.h>
#include <rocksdb/convenience.h>
#include <rocksdb/db.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/slice_transform.h>
#include <rocksdb/table.h>
#include <rocksdb/utilities/checkpoint.h>
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <charconv>
#include <cstdarg>
#include <cstring>
#include <mutex>

#include "actors/held_rows.h"
#include "actors/posix_disk.h"
#include "messages/types.h"

namespace dfs {

namespace {

rocksdb::Slice slice_of(std::string_view bytes) {
  return {bytes.data(), bytes.size()};
}

// The rows are in a sub-directory, so that a whole table can take the place of another: the file
// `live` names the one that counts, and whatever else is there was left by an interrupted restore.
constexpr const char* kLiveName = "/live";
constexpr const char* kRowsName = "rows-";

std::string rows_name(uint64_t number) {
  return kRowsName + std::to_string(number);
}

Error damaged(const std::string& path, const std::string& why) {
  return {Code::corrupt, path + " " + why + "; restore the table from a good copy", {}, 0};
}

Error error_of(const rocksdb::Status& status, const char* action, const std::string& directory) {
  const std::string what =
      std::string("cannot ") + action + " the table in " + directory + ": " + status.ToString();
  if (status.IsCorruption()) {
    return {Code::corrupt, what + "; restore the directory from a good copy", {}, 0};
  }
  return {Code::io_error, what + "; check the disk and its free space, then start again", {}, 0};
}

// Of keys: what kind of row it is, and a little more.
constexpr size_t kKindBytes = 2;

// A table is used by one thread, and RocksDB's own choice makes shards of 512 KiB.
constexpr int kCacheShardBits = 2;

rocksdb::Options options_of(const RocksTableSettings& settings) {
  rocksdb::Options options;
  options.create_if_missing = true;
  options.paranoid_checks = true;
  // A crash may cost the tail of what was not synced, never something in the middle.
  options.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;

  // Memory: two write buffers and one cache, which also holds the indexes and filters.
  options.write_buffer_size = settings.write_buffer_bytes;
  options.max_write_buffer_number = 2;
  options.max_total_wal_size = 4 * settings.write_buffer_bytes;
  options.max_open_files = 256;
  rocksdb::BlockBasedTableOptions blocks;
  blocks.block_cache = rocksdb::NewLRUCache(settings.cache_bytes, kCacheShardBits);
  blocks.cache_index_and_filter_blocks = true;
  blocks.cache_index_and_filter_blocks_with_high_priority = true;
  blocks.pin_l0_filter_and_index_blocks_in_cache = true;
  blocks.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10, false));
  // The whole index or filter of a file may be larger than a shard of the cache, and would then be
  // read and unpacked again for every get. In partitions it is cached piece by piece.
  blocks.index_type = rocksdb::BlockBasedTableOptions::kTwoLevelIndexSearch;
  blocks.partition_filters = true;
  blocks.pin_top_level_index_and_filter = true;
  blocks.enable_index_compression = false;
  blocks.format_version = 5;
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(blocks));

  // Most rows that a replica adds are the last of their kind so far, and most that it looks up
  // there are not there: the place of the former is known, and a filter tells the latter.
  if (!settings.write_ahead_log) {
    options.memtable_insert_with_hint_prefix_extractor.reset(
        rocksdb::NewFixedPrefixTransform(kKindBytes));
    options.memtable_whole_key_filtering = true;
    options.memtable_prefix_bloom_size_ratio = 0.01;  // some 10 bits a row
  }

  // Threads and background writing: one flush beside one compaction, dirty pages written early so
  // that they do not pile up before somebody else's fdatasync.
  options.max_background_jobs = 2;
  options.bytes_per_sync = 1 << 20;
  options.wal_bytes_per_sync = 1 << 20;

  const auto known = rocksdb::GetSupportedCompressions();
  const bool lz4 = std::find(known.begin(), known.end(), rocksdb::kLZ4Compression) != known.end();
  options.compression = lz4 ? rocksdb::kLZ4Compression : rocksdb::kNoCompression;

  // RocksDB's own log file is for its developers; ours says what an operator must know.
  options.info_log_level = rocksdb::InfoLogLevel::WARN_LEVEL;
  options.max_log_file_size = 1 << 20;
  options.keep_log_file_num = 2;
  options.stats_dump_period_sec = 0;
  options.stats_persist_period_sec = 0;
  return options;
}

// Closes without waiting for a compaction to finish.
struct Close {
  void operator()(rocksdb::DB* db) const {
    rocksdb::CancelAllBackgroundWork(db, true);
    (void)db->Close();
    delete db;
  }
};
using Database = std::unique_ptr<rocksdb::DB, Close>;

rocksdb::Status open_database(const rocksdb::Options& options, const std::string& path,
                              Database& database) {
  rocksdb::DB* db = nullptr;
  const rocksdb::Status status = rocksdb::DB::Open(options, path, &db);
  database.reset(db);
  return status;
}

// RocksDB keeps its log beside the rows, unless it has somewhere else to write it.
class NoLog : public rocksdb::Logger {
 public:
  using Logger::Logv;
  void Logv(const char*, va_list) override {}
};

// With a write-ahead log batches go straight to RocksDB. Without one nothing is lost by holding
// them back for a while: what was not flushed would not survive a crash there either.
class RocksTable : public Table {
 public:
  RocksTable(RocksTableSettings settings, uint64_t number, Database database)
      : settings_(std::move(settings)), live_(number), last_(number), db_(std::move(database)) {}

  ~RocksTable() override { (void)hand_over(); }

  Result<std::optional<std::string>> get(std::string_view key) override {
    if (settings_.write_ahead_log) return look_up(key);
    const std::lock_guard lock(mutex_);
    if (const HeldRows::Value* row = held_.find(key)) return *row;
    auto value = look_up(key);
    if (value) held_.remember(key, *value);
    return value;
  }

  Result<void> write(const Batch& batch, Durability durability) override {
    const bool synced = durability == Durability::synced;
    if (settings_.write_ahead_log) {
      rocksdb::WriteBatch changes;
      for (const auto& [key, value] : batch.changes()) DFS_CHECK(add(changes, key, value));
      return write(changes, synced);
    }
    {
      const std::lock_guard lock(mutex_);
      held_.write(batch);
      if (held_.full()) DFS_CHECK(hand_over_locked());
    }
    return synced ? flush() : Result<void>();
  }

  Result<void> scan(std::string_view from, std::string_view until, const Visit& visit) override {
    DFS_CHECK(hand_over());
    const std::string end(until);
    const rocksdb::Slice bound(end);
    rocksdb::ReadOptions options;
    if (!end.empty()) options.iterate_upper_bound = &bound;
    const std::unique_ptr<rocksdb::Iterator> row(db_->NewIterator(options));
    for (row->Seek(slice_of(from)); row->Valid(); row->Next()) {
      if (!visit(row->key().ToStringView(), row->value().ToStringView())) break;
    }
    if (!row->status().ok()) return error("scan", row->status());
    return {};
  }

  Result<void> flush() override {
    rocksdb::Status status;
    if (settings_.write_ahead_log) {
      status = db_->FlushWAL(true);
    } else {
      DFS_CHECK(hand_over());
      rocksdb::FlushOptions options;
      options.allow_write_stall = true;  // the caller waits anyway; writers stall only if they must
      status = db_->Flush(options);
    }
    if (!status.ok()) return error("flush", status);
    return {};
  }

  Result<std::optional<std::string>> checkpoint(Disk& disk, const std::string& directory,
                                                std::string_view key) override {
    const auto there = disk.exists(directory);
    if (!there) return there.error();
    if (*there) {
      return {Code::exists, "cannot write a checkpoint to " + directory + ": it exists already"};
    }
    DFS_CHECK(hand_over());
    rocksdb::Checkpoint* made = nullptr;
    rocksdb::Status status = rocksdb::Checkpoint::Create(db_.get(), &made);
    const std::unique_ptr<rocksdb::Checkpoint> checkpoint(made);
    if (status.ok()) status = checkpoint->CreateCheckpoint(directory);
    if (!status.ok()) return error("copy", status);

    // Asked of the copy, as the table may have gone on.
    rocksdb::Options options = options_of(settings_);
    options.info_log = std::make_shared<NoLog>();
    rocksdb::DB* db = nullptr;
    status = rocksdb::DB::OpenForReadOnly(options, directory, &db);
    const Database copy(db);
    std::string value;
    if (status.ok()) status = copy->Get(rocksdb::ReadOptions(), slice_of(key), &value);
    if (status.IsNotFound()) return std::optional<std::string>();
    if (!status.ok()) return error_of(status, "read", directory);
    return std::optional<std::string>(std::move(value));
  }

  Result<void> restore(Disk& disk, const std::string& directory) override {
    auto replaced = replace(disk, directory);
    if (replaced) held_.clear();
    if (!replaced) (void)disk.remove_tree(directory);
    return replaced;
  }

 private:
  std::string path_of(uint64_t number) const {
    return settings_.directory + "/" + rows_name(number);
  }

  Error error(const char* action, const rocksdb::Status& status) const {
    return error_of(status, action, settings_.directory);
  }

  Result<std::optional<std::string>> look_up(std::string_view key) {
    std::string value;
    const rocksdb::Status status = db_->Get(rocksdb::ReadOptions(), slice_of(key), &value);
    if (status.IsNotFound()) return std::optional<std::string>();
    if (!status.ok()) return error("read", status);
    return std::optional<std::string>(std::move(value));
  }

  Result<void> add(rocksdb::WriteBatch& changes, const std::string& key,
                   const std::optional<std::string>& value) const {
    const rocksdb::Status status = value ? changes.Put(key, *value) : changes.Delete(key);
    if (!status.ok()) return error("write", status);
    return {};
  }

  Result<void> write(rocksdb::WriteBatch& changes, bool synced) {
    rocksdb::WriteOptions options;
    options.disableWAL = !settings_.write_ahead_log;
    options.sync = synced;
    const rocksdb::Status status = db_->Write(options, &changes);
    if (!status.ok()) return error("write", status);
    return {};
  }

  // Gives RocksDB what is held back, as one batch: whatever it writes to a file is whole batches.
  Result<void> hand_over() {
    const std::lock_guard lock(mutex_);
    return hand_over_locked();
  }
  Result<void> hand_over_locked() {
    changes_.Clear();
    Result<void> added;
    held_.each_change([&](const std::string& key, const HeldRows::Value& value) {
      if (added) added = add(changes_, key, value);
    });
    if (!added || changes_.Count() == 0) return added;
    DFS_CHECK(write(changes_, false));
    held_.handed_over();
    return {};
  }

  Result<void> replace(Disk& disk, const std::string& directory) {
    const auto names = disk.list(directory);
    if (!names) return names.error();
    for (const std::string& name : *names) {
      auto file = disk.open(directory + "/" + name, {});
      if (!file) return std::move(file).error();
      DFS_CHECK((*file)->sync());
    }
    DFS_CHECK(disk.sync_directory(directory));
    // A number is not used again: after a failure the file `live` may name it already.
    const uint64_t number = ++last_;
    DFS_CHECK(disk.rename(directory, path_of(number)));
    DFS_CHECK(disk.sync_directory(settings_.directory));

    rocksdb::Options options = options_of(settings_);
    options.create_if_missing = false;
    Database fresh;
    if (const auto status = open_database(options, path_of(number), fresh); !status.ok()) {
      (void)disk.remove_tree(path_of(number));
      Error failure = error_of(status, "restore", settings_.directory);
      if (status.IsNoSpace()) failure.code = Code::no_space;
      if (!status.IsIOError() || status.IsPathNotFound()) failure.code = Code::corrupt;
      return failure;
    }
    DFS_CHECK(write_file_atomically(disk, settings_.directory + kLiveName, rows_name(number)));
    db_ = std::move(fresh);
    // What stays of the old rows is removed when the table is opened again.
    (void)disk.remove_tree(path_of(std::exchange(live_, number)));
    return {};
  }

  const RocksTableSettings settings_;
  uint64_t live_;  // number of the sub-directory that counts
  uint64_t last_;  // the highest number that was used
  Database db_;
  std::mutex mutex_;             // of held_, which flush() and checkpoint() hand over on the pool
  HeldRows held_;                // nothing with a write-ahead log
  rocksdb::WriteBatch changes_;  // kept for its memory
};

struct Live {
  uint64_t number = 1;
  bool known = false;  // to the file `live`, and not just assumed
};

Result<Live> find_live(Disk& disk, const std::string& directory) {
  const std::string path = directory + kLiveName;
  const auto text = read_file(disk, path, kNameBytesMax);
  if (text) {
    Live live{0, true};
    const char* digits = text->data() + std::min(text->size(), std::strlen(kRowsName));
    std::from_chars(digits, text->data() + text->size(), live.number);
    if (*text != rows_name(live.number)) return damaged(path, "does not name the rows");
    const auto current = disk.exists(directory + "/" + *text + "/CURRENT");
    if (!current) return current.error();
    if (!*current) return damaged(directory + "/" + *text, "is named by `live` and holds no rows");
    return live;
  }
  if (text.code() == Code::too_large) return damaged(path, "does not name the rows");
  if (text.code() != Code::not_found) return text.error();
  // The first time, or a process died before it had written the file, and so before it had rows.
  const auto names = disk.list(directory);
  if (!names) return names.error();
  for (const std::string& name : *names) {
    if (name.starts_with(kRowsName) && name != rows_name(1)) return damaged(path, "is missing");
  }
  return Live{};
}

Result<void> remove_leftovers(Disk& disk, const std::string& directory, uint64_t live) {
  const auto names = disk.list(directory);
  if (!names) return names.error();
  for (const std::string& name : *names) {
    const bool rows = name.starts_with(kRowsName) && name != rows_name(live);
    const bool unfinished = "/" + name == kLiveName + std::string(".new");
    if (rows || unfinished) DFS_CHECK(disk.remove_tree(directory + "/" + name));
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<Table>> open_rocks_table(RocksTableSettings settings) {
  const auto disk = make_posix_disk();
  DFS_CHECK(disk->make_directories(settings.directory));
  const auto live = find_live(*disk, settings.directory);
  if (!live) return live.error();
  const std::string name = rows_name(live->number);
  rocksdb::Options options = options_of(settings);
  options.create_if_missing = !live->known;
  Database database;
  const auto status = open_database(options, settings.directory + "/" + name, database);
  if (!status.ok()) return error_of(status, "open", settings.directory);
  // Nobody else is in the table from here on.
  if (!live->known) {
    DFS_CHECK(disk->sync_directory(settings.directory));
    DFS_CHECK(write_file_atomically(*disk, settings.directory + kLiveName, name));
  }
  DFS_CHECK(remove_leftovers(*disk, settings.directory, live->number));
  return std::unique_ptr<Table>(
      std::make_unique<RocksTable>(std::move(settings), live->number, std::move(database)));
}

}  // namespace dfs
