// One put, from the plan to the commit.
#pragma once

#include <map>
#include <memory>
#include <set>

#include "actors/client/block_queue.h"
#include "actors/client/block_writer.h"
#include "actors/client/placement.h"
#include "actors/client/sealed_parts.h"
#include "actors/client/transfer.h"

namespace dfs {

// Lives while its run() is awaited. A source of known size that can seek is sent by several streams
// at once, each with its share of the blocks; any other is read in order, block by block, and each
// block is kept in memory until it is durable.
class Upload {
 public:
  Upload(Workbench bench, std::shared_ptr<Source> source, std::string path,
         TransferOptions options);
  ~Upload();

  Task<Result<TransferReport>> run();

 private:
  // Where a stored block is.
  struct Stored {
    GroupId group = 0;
    Epoch epoch = 0;
    uint32_t crc = 0;
    uint64_t length = 0;
    std::vector<NodeId> nodes;
  };
  struct Reading;
  // One of the parallel streams of a seekable source.
  struct Lane {
    uint32_t under_way = 0;  // blocks sent in part, or waiting for their receipt
    bool sending = false;
    std::shared_ptr<SendWindow> window = std::make_shared<SendWindow>();
  };

  Task<Result<TransferReport>> put_seekable(uint64_t size);
  Task<Result<TransferReport>> put_stream();
  Task<void> send_stream();
  Task<Result<TransferReport>> put_inline(std::string content);
  Task<Result<TransferReport>> finish();
  void begin_sealing();

  Task<Result<void>> send_blocks(std::vector<uint32_t> indices);
  Task<void> stream(uint32_t number);
  Task<void> store_for(std::shared_ptr<Lane> lane, std::shared_ptr<Block> block);
  Task<void> store_kept(std::shared_ptr<Block> block);
  Task<Result<void>> store(std::shared_ptr<Block> block);
  FileName name_for(const Block& first) const;
  void learn_from(const Error& error, Block& block, GroupId group);
  Error given_up(const Block& block, const Error& last) const;

  Task<Result<Part>> read_part(std::shared_ptr<Block> block, uint64_t offset);
  Task<Result<Part>> read_source(uint64_t offset, size_t size,
                                 std::optional<uint64_t> part = std::nullopt);
  Task<Result<std::shared_ptr<Block>>> read_block(uint32_t index);
  Task<Result<void>> check_source();

  Task<void> keep_lease();
  LockWish lock_wish() const;
  Task<void> take_lock();
  Task<Result<LockReply>> await_lock();
  Task<Result<LockReply>> pass_lock();
  Task<Result<CommitFileReply>> commit();
  CommitFile commit_request() const;
  std::vector<GroupWrites> writes() const;
  std::set<GroupId> thin_groups() const;
  std::set<GroupId> groups_refused(const Error& error) const;
  std::vector<uint32_t> blocks_in(const std::set<GroupId>& groups) const;
  TransferReport report_of(const CommitFileReply& reply, InodeInfo info);

  Transfer transfer_;
  LockOwner owner_;
  bool locking_ = false;           // the lock is being taken, or held
  std::optional<LockReply> held_;  // it, when it is
  std::shared_ptr<Source> source_;
  std::string path_;
  Placement placement_;
  BlockWriter writer_;
  BlockQueue queue_;
  std::vector<std::shared_ptr<Lane>> lanes_;
  std::vector<Stored> stored_;     // by block
  size_t left_ = 0;                // blocks not stored yet
  uint64_t kept_block_bytes_ = 0;  // of a stream
  bool seekable_ = false;
  uint64_t content_size_ = 0;          // of a stream: what was read of it so far
  uint64_t size_ = 0;                  // as stored
  std::string ahead_;                  // of a stream: read before it was known how to store it
  std::optional<SealedParts> sealed_;  // of an encrypted pool
  Blob sealed_path_;
  std::optional<Result<void>> checked_;  // the source, right behind a read of all of it
  uint32_t blocks_resent_ = 0;
};

}  // namespace dfs
