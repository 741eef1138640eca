// The storage engine: blocks on one disk. Decisions (where an extent goes, what is finished, what
// the index says) are made here, on the actor's thread; segment_io does the work on the pool.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "actors/storage/block_digest.h"
#include "actors/storage/block_index.h"
#include "actors/storage/deletion_proof.h"
#include "actors/storage/recovery.h"
#include "actors/storage/segments.h"
#include "actors/storage/table_cache.h"
#include "broker/bus.h"
#include "messages/blocks.h"

namespace dfs::storage {

struct BlockStoreSettings {
  std::string directory;
  uint64_t segment_bytes = 1ull << 30;
  uint64_t capacity_bytes = 0;       // 0: what the file system has
  uint64_t flush_bytes = 256 << 20;  // of blocks; the index is made durable after so many,
  Duration flush_period = std::chrono::seconds(5);  // or so long after the first
  size_t table_cache_bytes = 8 << 20;
  size_t open_readers_max = 256;
  size_t reads_max = 64;            // buffers of reads under way and of payloads not yet sent
  size_t reads_waiting_max = 4096;  // for a buffer
  uint32_t full_percent = 95;       // of the space in use: then only repairs are taken
};

struct BlockSpec {
  BlockKey key;
  Epoch epoch = 0;
  uint64_t capacity = 0;
  std::string path_hint;
  bool repair = false;  // makes good what is missing; goes in when the disk is full for others
  FileHint file_hint = {};
};

struct Part {
  uint64_t offset = 0;
  Payload payload;
  uint32_t crc32c = 0;
  bool last = false;
};

struct Written {
  bool durable = false;  // of the last part: the whole block is on stable storage and in the index
  uint64_t length = 0;   // of the whole block, when durable
  uint32_t crc32c = 0;
};

struct ReadOutcome {
  Payload payload;
  uint32_t crc32c = 0;
  uint64_t block_length = 0;
};

struct BlockStoreStats {
  uint64_t total_bytes = 0;
  uint64_t used_bytes = 0;
  uint64_t live_bytes = 0;  // of extents
  uint64_t blocks = 0;      // good and bad
  uint64_t bad = 0;         // found damaged and not yet replaced
  uint32_t jobs = 0;        // on the pool
  uint64_t bytes_written = 0;
  uint64_t bytes_read = 0;
  uint64_t syncs = 0;
  bool accepts_writes = false;
};

// What the node should tell the world: `topic` of an Event and its fields.
using Notify = std::function<void(std::string topic, std::map<std::string, std::string> fields)>;

// All calls on the actor's thread. A `done` is called exactly once, on the same thread, perhaps
// before the call returns; never after the store is destroyed or, for a write, abandoned.
class BlockStore {
 public:
  // `failed` is told once when the directory cannot be worked with any more.
  using Failed = std::function<void(const Error&)>;
  BlockStore(Bus& bus, Disk& disk, Table& index, BlockStoreSettings settings, Notify notify,
             Failed failed = nullptr);
  BlockStore(const BlockStore&) = delete;
  BlockStore& operator=(const BlockStore&) = delete;

  // Recovers what is there; comes first. `cluster` is empty when the node belongs to none yet.
  void open(std::string cluster, std::function<void(Result<RecoveryReport>)> done);
  // Needed before the first write.
  void set_cluster(std::string cluster) { cluster_ = std::move(cluster); }

  // An unfinished block. A good block of that key is compared with what comes; a bad one is
  // replaced when the new copy is durable. Several of the same key may be under way; the first that
  // finishes is kept, the others succeed if they are equal to it and fail with `invalid` if not.
  using WriteId = uint64_t;
  WriteId begin(BlockSpec spec);
  // Parts come in order. After an error the write is over, every part of it has failed and its
  // space is freed. `corrupt`: the payload does not match; `invalid`: out of order, or the block is
  // here with other content; `no_space`; `io_error`; `busy`: the block is being removed.
  void write(WriteId id, Part part, std::function<void(Result<Written>)> done);
  // Forgets a write and frees its space. When all parts were given, a crash may keep the block.
  void abandon(WriteId id);

  // `no_such_block`, `corrupt`, `io_error`, `busy`. A block found damaged, or that cannot be read,
  // is flagged bad, to be replaced. Whoever asks for a bad one gets the bytes that prove right, and
  // has the whole block looked at again. Waits while reads_max payloads have not left the machine
  // yet, so that slow readers do not fill the memory.
  void read(BlockKey key, uint64_t offset, uint64_t length,
            std::function<void(Result<ReadOutcome>)> done);
  // Returns once none of the blocks is in the index any more, durably. Absent ones are no error.
  // Their space is punched soon after, or by the next start.
  void remove(std::vector<BlockKey> keys, const DeletionProof& proof,
              std::function<void(Result<void>)> done);
  Result<std::optional<BlockRow>> find(const BlockKey& key) { return find_block(index_, key); }
  // Finished, on stable storage, neither bad nor being removed, with just this content.
  bool has_good(const BlockKey& key, uint64_t length, uint32_t crc32c);
  Result<ListBlocksReply> list(const ListBlocks& request);
  // The headers of these blocks, good or bad, read from the disk; nothing for one that is not here
  // or whose header cannot be read. At most as many as a message asks for.
  using Headers = std::vector<std::optional<ExtentHeader>>;
  void headers(const std::vector<BlockKey>& keys, std::function<void(Headers)> done);

  // Of the good blocks, from memory.
  Digest digest(GroupId group) const { return digests_.of(group); }
  std::vector<GroupId> groups() const { return digests_.groups(); }
  // Grows with each block found damaged or gone. Those that a start finds so count again.
  uint64_t losses() const { return losses_; }

  // For the scrub: the first block behind a key, or behind none; and what is known of it. Bad ones
  // too: what could not be read may have been a cable.
  using Found = std::optional<std::pair<BlockKey, BlockRow>>;
  Result<Found> next_block(const std::optional<BlockKey>& after);
  // To verify a block part by part; `last` is the job for the block before, or null.
  std::shared_ptr<ReadJob> check_of(const BlockKey& key, const BlockRow& row,
                                    const std::shared_ptr<ReadJob>& last);
  // Verifies the next part, at most 1 MiB. A block found damaged is flagged bad; `no_such_block`
  // when it was removed or replaced meanwhile.
  void check(std::shared_ptr<ReadJob> job, std::function<void(Result<void>)> done);
  // A bad block of which every byte was found right by check() is good again.
  void absolve(const BlockKey& key, const BlockRow& seen);
  // How far the scrub is. The index keeps what save_scrub() was given last.
  const ScrubRow& scrub() const { return scrub_; }
  void set_scrub(ScrubRow row) { scrub_ = row; }
  void save_scrub();

  // Makes the index durable, so that the next start has nothing to scan. Happens by itself too, by
  // flush_bytes and flush_period.
  void flush(std::function<void()> done);
  // Asks the file system for its free space, in the background.
  void refresh_space();
  BlockStoreStats stats() const;
  bool is_writing(const BlockKey& key) const;
  // Writes begun and neither finished, failed nor abandoned.
  size_t writes() const { return writes_.size(); }

 private:
  using Done = std::function<void(Result<Written>)>;
  enum class Stage { waiting, open, comparing, finishing };
  struct Write {
    WriteId id = 0;
    BlockSpec spec;
    Stage stage = Stage::waiting;
    std::shared_ptr<Extent> extent;             // from `open` on
    uint64_t extent_bytes = 0;                  // allocated
    BlockRow existing;                          // when comparing
    std::vector<std::pair<Part, Done>> queued;  // while waiting for an extent
    std::map<uint64_t, Done> pending;           // parts on the pool, by offset
    uint64_t next_offset = 0;                   // of the part that must come next
    uint32_t jobs = 0;                          // on the pool; they write into the extent
    bool last_seen = false;
    uint64_t last_offset = 0;  // known with the last part
    uint64_t length = 0;
    uint32_t crc32c = 0;           // known when finished
    bool sealed = false;           // the header may be on the disk
    std::optional<Error> failure;  // found by begin(), told to the first part
    bool over = false;             // failed, abandoned or finished
  };
  using WritePtr = std::shared_ptr<Write>;

  // Pool
  void run(std::function<void()> work, std::function<void()> done);
  Result<void> try_run(std::function<void()> work, std::function<void()> done);

  // Writing (block_store.cc)
  Result<void> accept(Write& write, const Part& part) const;
  void submit(const WritePtr& write, Part part, Done done);
  void submit_compare(const WritePtr& write, Part part, Done done);
  void part_done(const WritePtr& write, uint64_t offset, Result<uint32_t> outcome);
  void finish(const WritePtr& write);
  void finished(const WritePtr& write, Result<uint32_t> outcome);
  void compared(const WritePtr& write);
  void fail(WritePtr write, Error error);
  void write_failed(const WritePtr& write, const Error& error);
  void drop_extent_when_idle(Write& write);
  void end(const WritePtr& write);
  void commit();
  void flush_soon(uint64_t bytes);
  void synced(const std::vector<WritePtr>& writes,
              const std::map<uint32_t, Result<void>>& outcomes);
  struct Commit {  // what one sync made durable, on its way into the index
    Batch batch;
    std::map<BlockKey, BlockRow> fresh;
    std::vector<WritePtr> writes;
    std::vector<std::pair<BlockKey, BlockRow>> replaced;  // bad copies that have a successor
  };
  Result<void> index_block(Write& write, Commit& commit);
  void indexed(std::shared_ptr<Commit> commit);

  // Small blocks (block_store_small.cc)
  static bool is_small(const Write& write);
  void submit_small(const WritePtr& write, Part part, Done done);
  void write_small();
  void small_written(const std::vector<WritePtr>& writes, const std::vector<WholeBlock>& blocks,
                     const std::map<uint32_t, Result<void>>& outcomes);

  // A disk that fails
  void trouble(const Error& error);  // of a write; too many in a row are the end
  void give_up(const Error& error);  // of the whole directory

  // Space (block_store_space.cc)
  Result<void> place(const WritePtr& write);  // gives it an extent, or has a segment made
  void want_segment(uint64_t bytes_min);
  void segment_made(Result<NewSegment> made);
  void fail_waiting(const Error& error);
  void place_waiting();
  void fence(Segment& segment, const Error& error);
  void free_later(std::optional<FreeRange> range);
  void reclaim();
  void reclaimed(const std::vector<FreeRange>& ranges, const std::vector<Result<void>>& outcomes);
  void removed(const std::vector<std::pair<BlockKey, BlockRow>>& blocks);
  void close_if_done(Segment& segment);
  void remove_segment(uint32_t number);
  uint64_t capacity() const;
  uint64_t reserve_bytes() const;
  uint64_t available_bytes(bool repair) const;
  void refused(uint64_t bytes, bool repair);  // for want of space
  void note_space();

  // Reading (block_store_read.cc)
  struct WaitingRead {
    BlockKey key;
    uint64_t offset;
    uint64_t length;
    std::function<void(Result<ReadOutcome>)> done;
  };
  void start_reads();
  void start_read(WaitingRead read);
  std::shared_ptr<ReadJob> read_job(const BlockKey& key, const BlockRow& row);
  void read_done(ReadJob& job);
  int64_t verified_ms(const BlockKey& key, const BlockRow& row) const;
  BlockView view_of(const BlockKey& key, const BlockRow& row) const;

  // Bad blocks (block_store_bad.cc)
  // False when that copy is not the block's any more.
  bool quarantine(const BlockKey& key, const BlockRow& seen, const Error& error);
  void replaced(const std::vector<std::pair<BlockKey, BlockRow>>& blocks);
  void recheck(const BlockKey& key, const BlockRow& row);
  void recheck_part(const std::shared_ptr<ReadJob>& job);

  Bus& bus_;
  Disk& disk_;
  Table& index_;
  const BlockStoreSettings settings_;
  const Notify notify_;
  const Failed failed_;
  std::string cluster_;
  BufferPool buffers_;
  Segments segments_;
  TableCache tables_;
  Digests digests_;
  ScrubRow scrub_;
  uint64_t bad_ = 0;
  uint64_t losses_ = 0;
  bool rechecking_ = false;  // a bad block

  std::deque<WaitingRead> reads_;  // waiting for a buffer
  bool reads_timer_ = false;
  std::map<WriteId, WritePtr> writes_;
  WriteId last_id_ = 0;
  std::vector<WritePtr> waiting_;                // for a segment
  std::deque<std::pair<WritePtr, Part>> small_;  // blocks of one part, to be written together
  bool writing_small_ = false;
  std::vector<WritePtr> written_;  // waiting for a sync
  bool committing_ = false;
  bool creating_ = false;
  uint64_t unflushed_bytes_ = 0;  // of blocks whose rows may be lost by a crash
  bool flush_timer_ = false;
  std::optional<Error> failure_;  // nothing can be promised any more
  uint32_t troubles_ = 0;         // failed segments since the last good sync
  std::set<BlockKey> removing_;   // rows about to go
  std::vector<FreeRange> dead_;   // to be punched
  bool reclaiming_ = false;
  bool full_ = false;
  uint64_t full_until_bytes_ = 0;  // no longer full when so much is available
  bool refreshing_ = false;
  DiskSpace space_;
  uint32_t jobs_ = 0;
  uint64_t bytes_written_ = 0;
  uint64_t bytes_read_ = 0;
  uint64_t syncs_ = 0;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // outcomes that come too late
};

}  // namespace dfs::storage
