// One get, from the open to the rename.
#pragma once

#include <map>
#include <memory>

#include "actors/client/block_queue.h"
#include "actors/client/block_reader.h"
#include "actors/client/transfer.h"

namespace dfs {

// Lives while its run() is awaited. A sink that can seek is filled by several streams at once, each
// with its share of the blocks; any other gets its parts in order, some of them read ahead.
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
  Task<Result<void>> put_in_sink(Payload payload, uint64_t offset);
  Task<Result<void>> call_sink(std::function<Result<void>(Sink&)> call);
  Task<Result<TransferReport>> finish();
  Task<Result<void>> take_lock();

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
  uint64_t stored_ = 0;   // bytes of the file, as stored
  uint64_t arrived_ = 0;  // of those: their content is in the sink
  std::map<uint32_t, Pieces> pieces_;
  std::vector<uint32_t> block_crcs_;
};

}  // namespace dfs
