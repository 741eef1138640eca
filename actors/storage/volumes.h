// The blocks of a node, over its data directories. Each directory has a store and an index of its
// own, so that a dead one takes nothing with it. A block is in one directory only.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "actors/storage/block_store.h"
#include "actors/storage/directories.h"

namespace dfs::storage {

struct Directory {
  std::string path;
  Table* index = nullptr;        // below `path`; null when it could not be opened
  std::optional<Error> failure;  // why the directory cannot be used
};

struct VolumesStats {
  BlockStoreStats sum;  // over the directories in use
  uint32_t directories = 0;
  uint32_t failed = 0;
};

// The contracts are those of BlockStore. What a failed directory held is as if it had never been
// here, but a read of what is not found fails with `io_error` then: it may be whole, and back after
// a restart. With all directories failed writes fail with `io_error` too.
class Volumes {
 public:
  // `settings.directory` is not used. Each directory gets `settings.capacity_bytes`.
  Volumes(Bus& bus, Disk& disk, std::vector<Directory> directories, BlockStoreSettings settings,
          Notify notify);
  Volumes(const Volumes&) = delete;
  Volumes& operator=(const Volumes&) = delete;

  // Fails when a directory is another cluster's or of a newer format, and when none can be used;
  // else those that cannot be read are left out. The report is the sum.
  void open(std::string cluster, std::function<void(Result<RecoveryReport>)> done);
  void set_cluster(const std::string& cluster);
  // Before open(): a directory that is not to be used, and one that the node had and is not given.
  void exclude(const std::string& path, const Error& error);
  void note_gone(const std::string& path);

  using WriteId = BlockStore::WriteId;
  WriteId begin(BlockSpec spec);
  void write(WriteId id, Part part, std::function<void(Result<Written>)> done);
  void abandon(WriteId id);

  void read(BlockKey key, uint64_t offset, uint64_t length,
            std::function<void(Result<ReadOutcome>)> done);
  void remove(std::vector<BlockKey> keys, const DeletionProof& proof,
              std::function<void(Result<void>)> done);
  Result<std::optional<BlockRow>> find(const BlockKey& key);
  bool has_good(const BlockKey& key, uint64_t length, uint32_t crc32c);
  Result<ListBlocksReply> list(const ListBlocks& request);
  using Headers = BlockStore::Headers;
  void headers(const std::vector<BlockKey>& keys, std::function<void(Headers)> done);

  Digest digest(GroupId group) const;
  std::vector<GroupId> groups() const;  // in order
  // Grows with each block found damaged or gone, and with each directory lost.
  uint64_t losses() const;

  // The store of the directory that has the block, good or bad, or null.
  BlockStore* holder_of(const BlockKey& key) {
    Volume* const volume = volume_of(key);
    return volume == nullptr ? nullptr : volume->store.get();
  }
  // The directories one by one; null for one that cannot be used.
  size_t size() const { return volumes_.size(); }
  BlockStore* store(size_t number) {
    return volumes_[number].usable() ? volumes_[number].store.get() : nullptr;
  }

  void flush(std::function<void()> done);
  void refresh_space();
  VolumesStats stats() const;
  size_t writes() const;

 private:
  struct Volume {
    std::string path;
    Table* index = nullptr;
    std::unique_ptr<BlockStore> store;  // null: it could not even be opened
    std::optional<Error> failure;
    bool usable() const { return store != nullptr && !failure; }
  };
  void fence(Volume& volume, const Error& error);
  void report(const std::string& path, const std::string& why);  // a lost directory
  void drop_doubles(RecoveryReport report, std::function<void(Result<RecoveryReport>)> done);
  void opened(std::vector<Result<RecoveryReport>> reports,
              std::function<void(Result<RecoveryReport>)> done);
  Volume* volume_of(const BlockKey& key);  // which has it, good or bad, or null
  Volume* volume_for(const BlockSpec& spec);
  size_t number_of(const Volume& volume) const;
  template <class Each>
  void on_each(const Each& each);

  Bus& bus_;
  const Notify notify_;
  std::vector<Volume> volumes_;
  uint64_t directories_lost_ = 0;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // outcomes that come too late
};

}  // namespace dfs::storage
