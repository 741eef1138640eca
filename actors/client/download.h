// One get, from the open to the rename.
#pragma once

#include <map>
#include <memory>

#include "actors/client/block_queue.h"
#include "actors/client/block_reader.h"
#include "actors/client/transfer.h"

namespace dfs {

// Lives while its run() is awaited. A sink that can seek is filled by several streams at once, each
// with its share of the blocks; any other gets its parts in order, some of them read ahead, and so
// does one that is to get a part of the file. Of that the whole parts are read that it lies in, so
// its bytes are as good as those of a whole file; only the checksum of the whole is not looked at.
class Download {
 public:
  Download(Workbench bench, std::string path, std::shared_ptr<Sink> sink, TransferOptions options);
  ~Download();

  Task<Result<TransferReport>> run();

 private:
  struct Lane {
    uint32_t in_flight = 0;
  };
  // A part read ahead for a sink that takes them in order.
  struct Ahead {
    BlockRange range;
    std::optional<Part> part;
  };
  // Checksums of a block's parts until all are there.
  struct Pieces {
    std::vector<uint32_t> crcs;
    uint32_t left = 0;
  };

  Task<void> read_parallel();
  Task<void> stream(uint32_t number);
  Task<void> fetch_to_sink(std::shared_ptr<Lane> lane, BlockRange range);
  Task<void> read_in_order();
  Task<void> fetch_ahead(std::shared_ptr<Ahead> ahead);
  Task<Result<void>> put_in_sink(Payload part, uint64_t file_offset);
  Task<Result<void>> call_sink(std::function<Result<void>(Sink&)> call);
  Task<Result<TransferReport>> finish();
  Task<Result<void>> take_lock();

  void choose_range();
  bool reads_all() const { return wanted_stored_ == stored_; }
  uint64_t wanted_bytes() const { return wanted_end_ - wanted_begin_; }
  Payload wanted_of(Payload part, uint64_t file_offset) const;
  BlockRange range_at(uint64_t stored_offset) const;
  void note_crc(const BlockRange& range, uint32_t crc);
  uint64_t block_length(uint32_t block) const;     // as stored
  uint64_t content_length(uint64_t stored) const;  // of whole parts

  Transfer transfer_;
  LockOwner owner_;
  std::string path_;
  std::shared_ptr<Sink> sink_;
  InodeInfo info_;
  Freshness freshness_;
  BlockReader reader_;
  BlockQueue queue_;
  uint32_t blocks_ = 0;
  uint32_t streams_ = 1;
  bool encrypted_ = false;
  uint64_t stored_ = 0;         // bytes of the file, as stored
  uint64_t stored_begin_ = 0;   // of those: where the range begins, …
  uint64_t wanted_stored_ = 0;  // … how many are read for it, …
  uint64_t arrived_ = 0;        // … and of how many the content is in the sink
  uint64_t wanted_begin_ = 0;   // the range, in the content
  uint64_t wanted_end_ = 0;
  std::map<uint32_t, Pieces> pieces_;
  std::vector<uint32_t> block_crcs_;
};

}  // namespace dfs
