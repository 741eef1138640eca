#include "actors/client/download.h"

#include <algorithm>
#include <cstdio>

#include "messages/crc32c.h"

namespace dfs {

Download::Download(Workbench bench, std::string path, std::shared_ptr<Sink> sink,
                   TransferOptions options)
    : transfer_(bench, std::move(options)),
      owner_(bench.locks, transfer_.options.lock.owner),
      path_(std::move(path)),
      sink_(std::move(sink)),
      reader_(transfer_, path_) {}

// The flows in the scope use everything above it.
Download::~Download() {
  transfer_.scope.clear();
}

Task<Result<void>> Download::take_lock() {
  if (!transfer_.options.lock.take) co_return Result<void>();
  LockWish wish;
  wish.target.path = path_;
  wish.mode = LockMode::shared;
  wish.wait = transfer_.options.lock.wait;
  wish.label = "get";
  wish.waiting = transfer_.options.lock.waiting;
  Task<Result<LockReply>> acquiring = owner_.acquire(std::move(wish));
  const Result<LockReply> reply = co_await acquiring;
  if (!reply) co_return reply.error();
  co_return Result<void>();
}

Task<Result<TransferReport>> Download::run() {
  Task<Result<void>> locking = take_lock();
  const Result<void> locked = co_await locking;
  if (!locked) co_return locked.error();
  transfer_.not_stalled();
  Task<Result<Answer<OpenFile>>> opening =
      transfer_.ask_monitor(OpenFile{path_, transfer_.options.stale, transfer_.options.at});
  Result<Answer<OpenFile>> opened = co_await opening;
  if (!opened) co_return opened.error();
  info_ = opened->message.info;
  freshness_ = opened->message.freshness;
  if (info_.type == FileType::directory) {
    co_return Error{Code::is_directory, path_ + " is a directory", {}, 0};
  }
  const uint64_t expected = transfer_.options.expected_version;
  if (expected != UINT64_MAX && expected != info_.version) {
    co_return Error{Code::conflict,
                    path_ + " is at version " + std::to_string(info_.version) + " and not at " +
                        std::to_string(expected) + " any more",
                    {},
                    0};
  }
  encrypted_ = opened->message.seal.cipher != Cipher::none;
  stored_ = encrypted_ && info_.object != 0 ? sealed_bytes(info_.size) : info_.size;
  choose_range();
  transfer_.total_bytes = wanted_stored_;
  Task<Result<void>> preparing =
      call_sink([size = wanted_bytes()](Sink& sink) { return sink.prepare(size); });
  const Result<void> prepared = co_await preparing;
  if (!prepared) co_return prepared.error();
  transfer_.not_stalled();

  if (info_.object == 0) {
    const Payload content = Payload::of(std::move(opened->message.content.bytes));
    block_crcs_ = {crc32c(content.view())};
    Task<Result<void>> putting = put_in_sink(content, 0);
    const Result<void> put = co_await putting;
    if (!put) co_return put.error();
    arrived_ = content.size() == stored_ ? wanted_stored_ : 0;
    transfer_.progressed(arrived_);
  } else {
    const Layout& layout = opened->message.layout;
    if (layout.groups.empty() || layout.block_bytes < kBlockBytesMin ||
        layout.block_bytes % kPartBytes != 0) {
      co_return Error{Code::malformed, "the layout of " + path_ + " makes no sense", {}, 0};
    }
    info_.block_bytes = layout.block_bytes;
    reader_.begin(opened->message);
    blocks_ = static_cast<uint32_t>((stored_ + info_.block_bytes - 1) / info_.block_bytes);
    block_crcs_.resize(blocks_);
    if (sink_->seekable() && wanted_bytes() == info_.size) {
      Task<void> reading = read_parallel();
      co_await reading;
    } else {
      transfer_.scope.spawn(read_in_order());
      Task<void> waiting = transfer_.until([this] { return arrived_ == wanted_stored_; });
      co_await waiting;
    }
    if (transfer_.failed()) co_return transfer_.error();
  }
  Task<Result<TransferReport>> finishing = finish();
  Result<TransferReport> report = co_await finishing;
  co_return report;
}

// The range as far as there are such bytes, and the stored parts that it lies in.
void Download::choose_range() {
  const ByteRange& range = transfer_.options.range;
  wanted_begin_ = std::min(range.offset, info_.size);
  wanted_end_ = wanted_begin_ + std::min(range.length, info_.size - wanted_begin_);
  const uint64_t part = encrypted_ ? kSealedPartBytes : kPartBytes;
  stored_begin_ = std::min(stored_, wanted_begin_ / part * kPartBytes);
  const uint64_t end = std::min(stored_, (wanted_end_ + part - 1) / part * kPartBytes);
  wanted_stored_ = wanted_bytes() > 0 ? end - stored_begin_ : 0;
}

// What lies in the range of the content that begins at `file_offset`.
Payload Download::wanted_of(Payload part, uint64_t file_offset) const {
  const uint64_t begin = std::max(wanted_begin_, file_offset);
  const uint64_t end = std::min(wanted_end_, file_offset + part.size());
  return begin < end ? part.slice(begin - file_offset, end - begin) : Payload();
}

Task<void> Download::read_parallel() {
  streams_ = std::max(1u, std::min(transfer_.options.jobs, blocks_));
  std::vector<uint32_t> all(blocks_);
  for (uint32_t i = 0; i < blocks_; ++i) all[i] = i;
  queue_ = BlockQueue(std::move(all), streams_);
  for (uint32_t i = 0; i < streams_; ++i) transfer_.scope.spawn(stream(i));
  Task<void> waiting = transfer_.until([this] { return arrived_ == stored_; });
  co_await waiting;
}

// A file of fewer blocks than jobs gets as many parts in flight as a larger one.
Task<void> Download::stream(uint32_t number) {
  const auto lane = std::make_shared<Lane>();
  const uint32_t window = transfer_.options.window_parts * transfer_.options.jobs / streams_;
  while (!transfer_.failed()) {
    const std::optional<uint32_t> block = queue_.take(number);
    if (!block) break;
    const uint64_t begin = *block * info_.block_bytes;
    const uint64_t end = begin + block_length(*block);
    for (uint64_t offset = begin; offset < end && !transfer_.failed(); offset += kPartBytes) {
      while (lane->in_flight >= window && !transfer_.failed()) {
        Signal::Waiter step = transfer_.changed.wait();
        co_await step;
      }
      Task<void> taking = transfer_.take_slot();
      co_await taking;
      ++lane->in_flight;
      transfer_.scope.spawn(fetch_to_sink(lane, range_at(offset)));
    }
  }
}

Task<void> Download::fetch_to_sink(std::shared_ptr<Lane> lane, BlockRange range) {
  Task<void> pacing = transfer_.pace(range.length);
  co_await pacing;
  Task<Result<Part>> fetching = reader_.fetch(range, sink_);
  const Result<Part> part = co_await fetching;
  --lane->in_flight;
  transfer_.give_slots(1);
  if (!part) {
    transfer_.fail(part.error());
    co_return;
  }
  note_crc(range, part->crc);
  arrived_ += range.length;
  transfer_.progressed(range.length);
  transfer_.changed.notify();
}

Task<void> Download::read_in_order() {
  std::deque<std::shared_ptr<Ahead>> window;
  const size_t ahead_max = std::min<size_t>(
      Transfer::kPartsInFlightMax, transfer_.options.jobs * transfer_.options.window_parts);
  uint64_t asked = stored_begin_;
  const uint64_t end = stored_begin_ + wanted_stored_;
  while (arrived_ < wanted_stored_ && !transfer_.failed()) {
    while (asked < end && window.size() < ahead_max) {
      auto ahead = std::make_shared<Ahead>();
      ahead->range = range_at(asked);
      asked += ahead->range.length;
      window.push_back(ahead);
      transfer_.scope.spawn(fetch_ahead(std::move(ahead)));
    }
    const std::shared_ptr<Ahead> first = window.front();
    if (!first->part) {
      Signal::Waiter step = transfer_.changed.wait();
      co_await step;
      continue;
    }
    window.pop_front();
    Task<Result<void>> putting =
        put_in_sink(std::move(first->part->payload), first->range.file_offset);
    const Result<void> put = co_await putting;
    if (!put) {
      transfer_.fail(put.error());
      co_return;
    }
    note_crc(first->range, first->part->crc);
    arrived_ += first->range.length;
    transfer_.progressed(first->range.length);
  }
  transfer_.changed.notify();
}

Task<void> Download::fetch_ahead(std::shared_ptr<Ahead> ahead) {
  Task<void> pacing = transfer_.pace(ahead->range.length);
  co_await pacing;
  Task<Result<Part>> fetching = reader_.fetch(ahead->range, nullptr);
  Result<Part> part = co_await fetching;
  if (!part) {
    transfer_.fail(part.error());
    co_return;
  }
  ahead->part = std::move(*part);
  transfer_.not_stalled();  // a slow reader of our output is not the cluster's fault
  transfer_.changed.notify();
}

Task<Result<void>> Download::put_in_sink(Payload part, uint64_t file_offset) {
  const Payload payload = wanted_of(std::move(part), file_offset);
  const uint64_t offset = std::max(file_offset, wanted_begin_) - wanted_begin_;
  Task<Result<void>> putting = call_sink([payload, offset](Sink& sink) {
    return payload.empty() ? Result<void>() : sink.write(offset, payload.data(), payload.size());
  });
  Result<void> put = co_await putting;
  co_return put;
}

Task<Result<void>> Download::call_sink(std::function<Result<void>(Sink&)> call) {
  auto outcome = std::make_shared<Result<void>>();
  Task<Result<void>> working = transfer_.on_pool(
      [outcome, sink = sink_, call = std::move(call)] { *outcome = call(*sink); });
  const Result<void> ran = co_await working;
  if (!ran) co_return ran.error();
  co_return *outcome;
}

Task<Result<TransferReport>> Download::finish() {
  uint32_t crc = block_crcs_.empty() ? 0 : block_crcs_[0];
  for (uint32_t i = 1; i < blocks_; ++i) {
    crc = crc32c_combine(crc, block_crcs_[i], content_length(block_length(i)));
  }
  const bool right = crc == info_.crc32c || !info_.crc32c_known || !reads_all();
  if (!right || arrived_ != wanted_stored_) {
    char sums[64];
    std::snprintf(sums, sizeof sums, "%08x instead of %08x", crc, info_.crc32c);
    co_return Error{Code::corrupt,
                    "the content of " + path_ + " has the checksum " + sums +
                        "; nothing was kept. Its blocks are each intact, so the file's record and "
                        "its blocks disagree",
                    {{"path", path_}},
                    0};
  }
  Task<Result<void>> finishing = call_sink([](Sink& sink) { return sink.finish(); });
  const Result<void> finished = co_await finishing;
  if (!finished) co_return finished.error();
  TransferReport report = transfer_.report();
  report.info = info_;
  report.freshness = freshness_;
  report.bytes = wanted_bytes();
  report.blocks = blocks_;
  report.reads_hedged = reader_.hedged();
  report.reads_failed_over = reader_.failed_over();
  co_return report;
}

uint64_t Download::block_length(uint32_t block) const {
  return std::min(info_.block_bytes, stored_ - block * info_.block_bytes);
}

uint64_t Download::content_length(uint64_t stored) const {
  return encrypted_ ? content_bytes(stored) : stored;
}

BlockRange Download::range_at(uint64_t stored_offset) const {
  BlockRange range;
  range.block = static_cast<uint32_t>(stored_offset / info_.block_bytes);
  range.offset = stored_offset % info_.block_bytes;
  range.length = static_cast<uint32_t>(
      std::min<uint64_t>(kPartBytes, block_length(range.block) - range.offset));
  range.file_offset = content_length(stored_offset);
  return range;
}

void Download::note_crc(const BlockRange& range, uint32_t crc) {
  if (!reads_all()) return;
  Pieces& pieces = pieces_[range.block];
  const uint64_t length = block_length(range.block);
  if (pieces.crcs.empty()) {
    pieces.crcs.resize((length + kPartBytes - 1) / kPartBytes);
    pieces.left = static_cast<uint32_t>(pieces.crcs.size());
  }
  pieces.crcs[range.offset / kPartBytes] = crc;
  if (--pieces.left > 0) return;
  uint32_t whole = 0;
  for (size_t i = 0; i < pieces.crcs.size(); ++i) {
    const uint64_t size = std::min<uint64_t>(kPartBytes, length - i * kPartBytes);
    whole = crc32c_combine(whole, pieces.crcs[i], content_length(size));
  }
  block_crcs_[range.block] = whole;
  pieces_.erase(range.block);
}

}  // namespace dfs
