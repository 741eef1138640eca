// Uploads of sources that can be read only once and whose size is not known.
#include "actors/client/upload.h"

namespace dfs {

namespace {
constexpr uint64_t kStreamBlockBytesMax = 16ull << 20;  // blocks are held in memory …
constexpr size_t kKeptBlocksMax = 3;                    // … so many at once, one being read
}  // namespace

Task<Result<TransferReport>> Upload::put_stream() {
  uint64_t block_bytes = transfer_.options.block_bytes;
  if (block_bytes == 0) block_bytes = kBlockBytesDefault;
  // The first block decides whether the content travels inline, so it is read before the plan.
  kept_block_bytes_ = std::min(block_bytes, kStreamBlockBytesMax);
  Task<Result<std::shared_ptr<Block>>> reading_first = read_block(0, 0);
  Result<std::shared_ptr<Block>> block = co_await reading_first;
  if (!block) co_return block.error();
  if ((*block)->length <= kInlineBytesMax) {
    std::string content;
    for (const Part& part : (*block)->kept) content += part.payload.view();
    Task<Result<TransferReport>> putting = put_inline(std::move(content));
    Result<TransferReport> report = co_await putting;
    co_return report;
  }
  Task<Result<void>> planning = placement_.begin(Source::kUnknownSize, kept_block_bytes_);
  const Result<void> planned = co_await planning;
  if (!planned) co_return planned.error();
  if (placement_.block_bytes() != kept_block_bytes_) {
    co_return Error{Code::malformed, "the plan has another block size than was asked for", {}, 0};
  }
  transfer_.scope.spawn(writer_.watch());
  transfer_.scope.spawn(keep_lease());
  transfer_.not_stalled();
  size_ = 0;
  while ((*block)->length > 0) {
    size_ += (*block)->length;
    const bool last = (*block)->length < kept_block_bytes_;
    stored_.emplace_back();
    ++left_;
    transfer_.scope.spawn(store_kept(std::move(*block)));
    if (last) break;
    Task<void> waiting = transfer_.until([this] { return left_ < kKeptBlocksMax; });
    co_await waiting;
    if (transfer_.failed()) break;
    Task<Result<std::shared_ptr<Block>>> reading =
        read_block(static_cast<uint32_t>(stored_.size()), size_);
    block = co_await reading;
    if (!block) transfer_.fail(block.error());
    if (transfer_.failed()) break;
    if (left_ == 0) transfer_.not_stalled();  // we waited for the source alone
  }
  Task<void> waiting = transfer_.until([this] { return left_ == 0; });
  co_await waiting;
  if (transfer_.failed()) {
    writer_.abort_all(transfer_.error());
    co_return transfer_.error();
  }
  Task<Result<TransferReport>> finishing = finish();
  Result<TransferReport> report = co_await finishing;
  co_return report;
}

// Reads up to one block; fewer bytes than a block are the end of the stream.
Task<Result<std::shared_ptr<Block>>> Upload::read_block(uint32_t index, uint64_t offset) {
  auto block = std::make_shared<Block>();
  block->index = index;
  block->offset = offset;
  while (block->length < kept_block_bytes_) {
    Task<Result<Part>> reading = read_source(offset + block->length, kPartBytes);
    Result<Part> part = co_await reading;
    if (!part) co_return part.error();
    const size_t got = part->payload.size();
    block->length += got;
    if (got > 0) block->kept.push_back(std::move(*part));
    if (got < kPartBytes) break;
  }
  co_return block;
}

Task<void> Upload::store_kept(std::shared_ptr<Block> block) {
  Task<Result<void>> storing = store(block);
  const Result<void> stored = co_await storing;
  if (!stored) {
    transfer_.fail(stored.error());
    co_return;
  }
  --left_;
  transfer_.changed.notify();
}

}  // namespace dfs
