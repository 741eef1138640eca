#include "actors/client/upload.h"

#include <algorithm>

#include "messages/crc32c.h"

namespace dfs {

using std::chrono::milliseconds;

namespace {

constexpr uint32_t kAttemptsMax = 32;  // of one block; those after the second are paced
constexpr Duration kRetryPauseMin = milliseconds(50);
constexpr Duration kRetryPauseMax = milliseconds(2000);

// Another group or a later time will not help.
bool is_final(Code code) {
  switch (code) {
    case Code::malformed:
    case Code::too_large:
    case Code::unsupported:
    case Code::expired:
    case Code::denied:
      return true;
    default:
      return code >= Code::local_io;
  }
}

// After a long sleep of this machine, for example.
bool is_expired_grant(const Error& error) {
  const auto reason = error.cause.find("reason");
  return error.code == Code::denied && reason != error.cause.end() && reason->second == "expired";
}

Error local_change(const std::string& what) {
  return Error{Code::local_changed, "the local file " + what + "; nothing was stored", {}, 0};
}

Duration pause_before(uint32_t attempt, uint64_t random) {
  if (attempt <= 2) return Duration::zero();
  const Duration pause =
      std::min(kRetryPauseMin * (1u << std::min(attempt - 3, 6u)), Duration(kRetryPauseMax));
  return pause / 2 + Duration(random % static_cast<uint64_t>(pause.count() / 2 + 1));
}

}  // namespace

Upload::Upload(Workbench bench, std::shared_ptr<Source> source, std::string path,
               TransferOptions options)
    : transfer_(bench, std::move(options)),
      owner_(bench.locks, transfer_.options.lock.owner),
      source_(std::move(source)),
      path_(std::move(path)),
      placement_(transfer_, path_),
      writer_(transfer_, [this](std::shared_ptr<Block> block, uint64_t offset) {
        return read_part(std::move(block), offset);
      }) {}

// The flows in the scope use everything above it.
Upload::~Upload() {
  transfer_.scope.clear();
}

Task<Result<TransferReport>> Upload::run() {
  const uint64_t size = source_->size();
  transfer_.total_bytes = size;
  seekable_ = source_->seekable() && size != Source::kUnknownSize;
  content_size_ = seekable_ ? size : 0;
  // It is needed at the commit only, so nothing waits for it until then.
  const bool small = seekable_ && size <= kInlineBytesMax;
  locking_ = transfer_.options.lock.take && !small;
  if (locking_) transfer_.scope.spawn(take_lock());
  if (!seekable_) {
    Task<Result<TransferReport>> putting = put_stream();
    Result<TransferReport> report = co_await putting;
    co_return report;
  }
  if (size > kInlineBytesMax) {
    Task<Result<TransferReport>> putting = put_seekable(size);
    Result<TransferReport> report = co_await putting;
    co_return report;
  }
  Task<Result<Part>> reading = read_source(0, size);
  const Result<Part> part = co_await reading;
  if (!part) co_return part.error();
  Task<Result<void>> checking = check_source();
  const Result<void> unchanged = co_await checking;
  if (!unchanged) co_return unchanged.error();
  Task<void> pacing = transfer_.pace(size);
  co_await pacing;
  Task<Result<TransferReport>> putting = put_inline(std::string(part->payload.view()));
  Result<TransferReport> report = co_await putting;
  co_return report;
}

Task<Result<TransferReport>> Upload::put_inline(std::string content) {
  Task<Result<LockReply>> passing = pass_lock();
  const Result<LockReply> lock = co_await passing;
  if (!lock) co_return lock.error();
  CommitFile request;
  request.path = path_;
  request.fence = lock->fence;
  request.fence_proof = lock->fence_proof;
  request.size = content.size();
  request.crc32c = crc32c(content);
  request.mode = transfer_.options.mode;
  request.content.bytes = std::move(content);
  request.expected_version = transfer_.options.expected_version;
  InodeInfo info;
  info.size = request.size;
  info.crc32c = request.crc32c;
  Task<Result<Answer<CommitFile>>> asking = transfer_.ask_monitor(std::move(request));
  const Result<Answer<CommitFile>> answer = co_await asking;
  if (!answer) co_return answer.error();
  transfer_.progressed(info.size);
  co_return report_of(answer->message, info);
}

Task<Result<TransferReport>> Upload::put_seekable(uint64_t size) {
  Task<Result<void>> planning = placement_.begin(size, transfer_.options.block_bytes);
  const Result<void> planned = co_await planning;
  if (!planned) co_return planned.error();
  begin_sealing();
  size_ = sealed_ ? sealed_bytes(size) : size;
  transfer_.total_bytes = size_;
  const uint64_t blocks = (size_ + placement_.block_bytes() - 1) / placement_.block_bytes();
  if (blocks > UINT32_MAX) {
    co_return Error{
        Code::too_large, "the file has too many blocks; use a larger block size", {}, 0};
  }
  stored_.resize(blocks);
  transfer_.scope.spawn(writer_.watch());
  transfer_.scope.spawn(keep_lease());
  std::vector<uint32_t> all(blocks);
  for (uint32_t i = 0; i < blocks; ++i) all[i] = i;
  Task<Result<void>> sending = send_blocks(std::move(all));
  const Result<void> sent = co_await sending;
  if (!sent) co_return sent.error();
  Task<Result<TransferReport>> finishing = finish();
  Result<TransferReport> report = co_await finishing;
  co_return report;
}

// The plan says whether the content is to be encrypted.
void Upload::begin_sealing() {
  if (placement_.wrapped_key().bytes.empty()) return;
  sealed_.emplace(placement_.key().bytes, placement_.wrapped_key(), placement_.object(),
                  placement_.block_bytes());
  sealed_path_ = sealed_->path(path_, transfer_.bench.random_bytes);
}

// Sends the blocks by parallel streams and returns when all are durable.
Task<Result<void>> Upload::send_blocks(std::vector<uint32_t> indices) {
  const auto streams = static_cast<uint32_t>(
      std::min<size_t>(transfer_.options.jobs, std::max<size_t>(indices.size(), 1)));
  left_ = indices.size();
  queue_ = BlockQueue(std::move(indices), streams);
  lanes_.clear();
  for (uint32_t i = 0; i < streams; ++i) lanes_.push_back(std::make_shared<Lane>());
  for (uint32_t i = 0; i < streams; ++i) transfer_.scope.spawn(stream(i));
  Task<void> waiting = transfer_.until([this] { return left_ == 0; });
  co_await waiting;
  if (!transfer_.failed()) co_return Result<void>();
  writer_.abort_all(transfer_.error());
  co_return transfer_.error();
}

// Begins the next block when all of the last one was sent: the receipt of one block, which waits
// for the disks, is awaited while the next is under way. Small blocks want more of that.
Task<void> Upload::stream(uint32_t number) {
  const auto lane = lanes_[number];
  const uint64_t window_bytes = transfer_.options.window_parts * uint64_t{kPartBytes};
  const uint64_t ahead = 1 + std::max<uint64_t>(1, window_bytes / placement_.block_bytes());
  while (!transfer_.failed()) {
    if (lane->sending || lane->under_way >= ahead) {
      Signal::Waiter step = transfer_.changed.wait();
      co_await step;
      continue;
    }
    const std::optional<uint32_t> index = queue_.take(number);
    if (!index) break;
    auto block = std::make_shared<Block>();
    block->index = *index;
    block->offset = *index * placement_.block_bytes();
    block->length = std::min(placement_.block_bytes(), size_ - block->offset);
    block->window = lane->window;
    block->counted = stored_[*index].length;  // sent again after a refused commit
    transfer_.scope.spawn(store_for(lane, std::move(block)));
  }
}

Task<void> Upload::store_for(std::shared_ptr<Lane> lane, std::shared_ptr<Block> block) {
  ++lane->under_way;
  lane->sending = true;
  block->on_all_sent = [this, lane] {
    lane->sending = false;
    transfer_.changed.notify();
  };
  Task<Result<void>> storing = store(block);
  const Result<void> stored = co_await storing;
  --lane->under_way;
  if (block->on_all_sent) lane->sending = false;  // given up before all was sent
  if (!stored) {
    transfer_.fail(stored.error());
    co_return;
  }
  --left_;
  transfer_.changed.notify();
}

// Sends the block to its group, and to others as long as that fails.
Task<Result<void>> Upload::store(std::shared_ptr<Block> block) {
  Error last;
  for (uint32_t attempt = 1; attempt <= kAttemptsMax; ++attempt) {
    if (transfer_.failed()) co_return transfer_.error();
    if (attempt > 1 && transfer_.out_of_time()) break;
    Duration pause = pause_before(attempt, transfer_.bench.bus.random());
    pause = std::max<Duration>(pause, milliseconds(std::min(last.retry_after_ms, 2000u)));
    if (pause > Duration::zero()) {
      Task<void> pausing = sleep(transfer_.bench.bus, pause);
      co_await pausing;
    }
    Task<Result<BlockTarget>> choosing = placement_.choose(block->index, block->shunned);
    Result<BlockTarget> target = co_await choosing;
    if (!target) co_return target.error();
    Stored stored{target->group, target->epoch, 0, block->length, {}};
    Task<Result<WriteBlockReply>> writing = writer_.write(
        block, std::move(*target), {placement_.object(), placement_.grant()}, name_for(*block));
    Result<WriteBlockReply> receipt = co_await writing;
    if (receipt && receipt->nodes.size() >= placement_.min_copies()) {
      stored.crc = receipt->crc32c;
      stored.nodes = std::move(receipt->nodes);
      if (attempt > 1) ++blocks_resent_;
      stored_[block->index] = std::move(stored);
      co_return Result<void>();
    }
    last = receipt ? Error{Code::too_few_nodes, "fewer nodes than wanted kept the block", {}, 0}
                   : std::move(receipt).error();
    if (is_final(last.code) && !is_expired_grant(last)) co_return last;
    learn_from(last, *block, stored.group);
  }
  co_return given_up(*block, last);
}

// The size of a stream is not known yet, unless its end is in the first block.
FileName Upload::name_for(const Block& first) const {
  const bool whole = first.length < placement_.block_bytes();
  FileHint hint;
  hint.size = seekable_ ? size_ : whole ? first.length : Source::kUnknownSize;
  hint.block_bytes = placement_.block_bytes();
  hint.mode = transfer_.options.mode;
  hint.written_ms = transfer_.bench.bus.wall_ms();
  if (!sealed_) return {path_, std::move(hint)};
  hint.seal = sealed_->seal();
  hint.sealed_path = sealed_path_;
  return {{}, std::move(hint)};
}

void Upload::learn_from(const Error& error, Block& block, GroupId group) {
  switch (error.code) {
    case Code::stale_map:
    case Code::denied:  // the grant has expired; the next plan brings another
      placement_.mark_stale(group);
      break;
    case Code::busy:
    case Code::invalid:
    case Code::corrupt:
      break;  // the same group once more
    default:
      block.shunned.insert(group);
      break;
  }
}

Error Upload::given_up(const Block& block, const Error& last) const {
  const std::string nodes = transfer_.health.describe();
  return Error{last.code == Code::no_space ? Code::no_space : Code::unavailable,
               "block " + std::to_string(block.index) + " of " + path_ +
                   " could not be stored on any group; last: " + last.describe() +
                   (nodes.empty() ? "" : "; nodes that failed: " + nodes) +
                   ". The file was not changed; see `cluster status`",
               last.cause, 0};
}

Task<Result<Part>> Upload::read_part(std::shared_ptr<Block> block, uint64_t offset) {
  if (!block->kept.empty()) co_return block->kept[offset / kPartBytes];
  const auto size = static_cast<size_t>(std::min<uint64_t>(kPartBytes, block->length - offset));
  const uint64_t part_number = (block->offset + offset) / kPartBytes;
  Task<void> pacing = transfer_.pace(size);
  co_await pacing;
  Task<Result<Part>> reading =
      sealed_ ? read_source(part_number * kSealedPartBytes, size - kTagBytes, part_number)
              : read_source(block->offset + offset, size);
  Result<Part> part = co_await reading;
  co_return part;
}

// One look at the source, on the pool.
struct Upload::Reading {
  std::shared_ptr<Source> source;
  std::shared_ptr<AlignedBuffer> buffer;
  std::string ahead;                         // of the bytes wanted: read before
  std::shared_ptr<const PartCipher> cipher;  // nullptr: they are stored as they are
  PartPlace place;
  bool all = false;  // the source is read to its end
  Result<size_t> got = size_t{0};
  size_t stored = 0;
  uint32_t content_crc = 0;
  uint32_t crc = 0;  // of what is stored
  std::optional<Result<void>> unchanged;

  void run(uint64_t offset, size_t size) {
    uint8_t* const data = buffer->data();
    std::copy(ahead.begin(), ahead.end(), data);
    const size_t known = ahead.size();
    got = source->read(offset + known, data + known, size - known);
    if (!got) return;
    stored = *got += known;
    crc = content_crc = crc32c(data, stored);
    if (cipher != nullptr && stored > 0) {
      cipher->seal(place, data, stored);
      stored += kTagBytes;
      crc = crc32c(data, stored);
    }
    if (all) unchanged = source->unchanged();
  }
};

// Reads bytes of the source straight into the memory that will be sent, and encrypts them there
// when they are `part` of an encrypted object. Of a seekable source it is all of `size` bytes or an
// error.
Task<Result<Part>> Upload::read_source(uint64_t offset, size_t size, std::optional<uint64_t> part) {
  auto job = std::make_shared<Reading>();
  job->source = source_;
  job->buffer = transfer_.bench.buffers.take();
  job->ahead = std::exchange(ahead_, {});
  job->all = offset == 0 && seekable_ && size == content_size_;
  if (part) {
    job->cipher = sealed_->cipher();
    job->place = sealed_->place(*part);
  }
  Task<Result<void>> reading = transfer_.on_pool([job, offset, size] { job->run(offset, size); });
  const Result<void> ran = co_await reading;
  if (!ran) co_return ran.error();
  checked_ = std::move(job->unchanged);
  if (!job->got) co_return job->got.error();
  const uint8_t* data = job->buffer->data();
  if (seekable_ && *job->got != size) {
    co_return local_change("became shorter while it was read, at byte " +
                           std::to_string(offset + *job->got));
  }
  // Two contents in one place would give both away; see sealed_parts.h.
  if (part && job->stored > 0 && !sealed_->note(*part, data, job->stored, job->content_crc)) {
    co_return local_change("was changed between two readings of byte " + std::to_string(offset));
  }
  co_return Part{Payload(std::move(job->buffer), data, job->stored), job->crc};
}

Task<Result<void>> Upload::check_source() {
  if (checked_) co_return *checked_;
  auto outcome = std::make_shared<Result<void>>();
  Task<Result<void>> checking =
      transfer_.on_pool([outcome, source = source_] { *outcome = source->unchanged(); });
  const Result<void> ran = co_await checking;
  if (!ran) co_return ran.error();
  co_return *outcome;
}

}  // namespace dfs
