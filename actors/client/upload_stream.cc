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
  kept_block_bytes_ = std::min(block_bytes, kStreamBlockBytesMax);
  // Whether the content travels inline is known before the plan, which says how to store it.
  Task<Result<Part>> reading = read_source(0, kInlineBytesMax + 1);
  const Result<Part> beginning = co_await reading;
  if (!beginning) co_return beginning.error();
  std::string bytes(beginning->payload.view());
  if (bytes.size() <= kInlineBytesMax) {
    Task<Result<TransferReport>> putting = put_inline(std::move(bytes));
    Result<TransferReport> report = co_await putting;
    co_return report;
  }
  ahead_ = std::move(bytes);
  transfer_.not_stalled();
  Task<Result<void>> planning = placement_.begin(Source::kUnknownSize, kept_block_bytes_);
  const Result<void> planned = co_await planning;
  if (!planned) co_return planned.error();
  if (placement_.block_bytes() != kept_block_bytes_) {
    co_return Error{Code::malformed, "the plan has another block size than was asked for", {}, 0};
  }
  begin_sealing();
  transfer_.scope.spawn(writer_.watch());
  transfer_.scope.spawn(keep_lease());
  Task<void> sending = send_stream();
  co_await sending;
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

Task<void> Upload::send_stream() {
  for (bool last = false; !last && !transfer_.failed();) {
    Task<Result<std::shared_ptr<Block>>> reading =
        read_block(static_cast<uint32_t>(stored_.size()));
    Result<std::shared_ptr<Block>> block = co_await reading;
    if (!block) transfer_.fail(block.error());
    if (transfer_.failed()) break;
    if (left_ == 0) transfer_.not_stalled();  // we waited for the source alone
    last = (*block)->length < kept_block_bytes_;
    if ((*block)->length == 0) break;
    size_ += (*block)->length;
    stored_.emplace_back();
    ++left_;
    transfer_.scope.spawn(store_kept(std::move(*block)));
    if (last) break;
    Task<void> waiting = transfer_.until([this] { return left_ < kKeptBlocksMax; });
    co_await waiting;
  }
}

// Reads up to one block; fewer bytes than a block are the end of the stream.
Task<Result<std::shared_ptr<Block>>> Upload::read_block(uint32_t index) {
  auto block = std::make_shared<Block>();
  block->index = index;
  block->offset = index * kept_block_bytes_;
  const size_t tag = sealed_ ? kTagBytes : 0;
  while (block->length < kept_block_bytes_) {
    std::optional<uint64_t> number;
    if (sealed_) number = (block->offset + block->length) / kPartBytes;
    Task<void> pacing = transfer_.pace(kPartBytes);
    co_await pacing;
    Task<Result<Part>> reading = read_source(content_size_, kPartBytes - tag, number);
    Result<Part> part = co_await reading;
    if (!part) co_return part.error();
    const size_t stored = part->payload.size();
    if (stored == 0) break;
    block->length += stored;
    content_size_ += stored - tag;
    block->kept.push_back(std::move(*part));
    if (stored < kPartBytes) break;
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
