#include "actors/rocks_table.h"

#include <rocksdb/cache.h>
#include <rocksdb/convenience.h>
#include <rocksdb/db.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/table.h>
#include <rocksdb/write_batch.h>

#include <algorithm>

#include "actors/posix_disk.h"

namespace dfs {

namespace {

rocksdb::Slice slice_of(std::string_view bytes) {
  return {bytes.data(), bytes.size()};
}

class RocksTable : public Table {
 public:
  RocksTable(RocksTableSettings settings, std::unique_ptr<rocksdb::DB> db)
      : settings_(std::move(settings)), db_(std::move(db)) {}

  ~RocksTable() override {
    // Without this, closing waits for a compaction to finish.
    rocksdb::CancelAllBackgroundWork(db_.get(), true);
    (void)db_->Close();
  }

  static Error error_of(const rocksdb::Status& status, const char* action,
                        const std::string& directory) {
    const std::string what =
        std::string("cannot ") + action + " the table in " + directory + ": " + status.ToString();
    if (status.IsCorruption()) {
      return {Code::corrupt, what + "; restore the directory from a good copy", {}, 0};
    }
    return {Code::io_error, what + "; check the disk and its free space, then start again", {}, 0};
  }

  Result<std::optional<std::string>> get(std::string_view key) override {
    std::string value;
    const rocksdb::Status status = db_->Get(rocksdb::ReadOptions(), slice_of(key), &value);
    if (status.IsNotFound()) return std::optional<std::string>();
    if (!status.ok()) return error("read", status);
    return std::optional<std::string>(std::move(value));
  }

  Result<void> write(const Batch& batch, Durability durability) override {
    rocksdb::WriteBatch changes;
    for (const auto& [key, value] : batch.changes()) {
      const rocksdb::Status status = value ? changes.Put(key, *value) : changes.Delete(key);
      if (!status.ok()) return error("write", status);
    }
    rocksdb::WriteOptions options;
    options.disableWAL = !settings_.write_ahead_log;
    options.sync = settings_.write_ahead_log && durability == Durability::synced;
    const rocksdb::Status status = db_->Write(options, &changes);
    if (!status.ok()) return error("write", status);
    if (durability == Durability::synced && !settings_.write_ahead_log) return flush();
    return {};
  }

  Result<void> scan(std::string_view from, std::string_view until, const Visit& visit) override {
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
      rocksdb::FlushOptions options;
      options.allow_write_stall = true;  // the caller waits anyway; writers stall only if they must
      status = db_->Flush(options);
    }
    if (!status.ok()) return error("flush", status);
    return {};
  }

 private:
  Error error(const char* action, const rocksdb::Status& status) const {
    return error_of(status, action, settings_.directory);
  }

  const RocksTableSettings settings_;
  const std::unique_ptr<rocksdb::DB> db_;
};

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

}  // namespace

Result<std::unique_ptr<Table>> open_rocks_table(RocksTableSettings settings) {
  DFS_CHECK(make_posix_disk()->make_directories(settings.directory));
  rocksdb::DB* db = nullptr;
  const rocksdb::Status status = rocksdb::DB::Open(options_of(settings), settings.directory, &db);
  if (!status.ok()) return RocksTable::error_of(status, "open", settings.directory);
  return std::unique_ptr<Table>(
      std::make_unique<RocksTable>(std::move(settings), std::unique_ptr<rocksdb::DB>(db)));
}

}  // namespace dfs
