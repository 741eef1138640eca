// How one block comes from another node.
#include "actors/storage/filler_flight.h"
#include "messages/crc32c.h"

namespace dfs::storage {

namespace {

constexpr int kBusyRetries = 40;
constexpr Duration kBusyPause = std::chrono::milliseconds(50);

Error error_of(Code code, const FillSource& source, const BlockKey& key, std::string what) {
  return {code,
          name_of(source) + ", block " + to_string(key) + ": " + what,
          {{"node", std::to_string(source.node)}},
          0};
}

}  // namespace

Task<void> Filler::pull(Fill& fill, BlockView block, size_t lister) {
  const Flight flight(*this, fill, block.length);
  std::vector<Error> errors;
  for (const size_t i : order_of_sources(fill, lister)) {
    if (fill.failure) co_return;
    Task<Copied> copying = copy(fill.request.epoch, block, fill.request.sources[i]);
    Copied copied = co_await copying;
    if (copied.trouble == Trouble::none) {
      ++fill.progress.blocks_done;
      fill.progress.bytes_done += block.length;
      co_return;
    }
    if (copied.trouble == Trouble::own) {
      fill.failure = std::move(copied.error);
      co_return;
    }
    errors.push_back(std::move(copied.error));
    if (copied.trouble == Trouble::other_content) break;
  }
  conclude(fill, block, errors);
}

void Filler::offered(const std::string& by, const BlockView& block) {
  const GroupView* const group = membership_.group(block.group);
  const bool member = group != nullptr && group->has_member(membership_.identity().node);
  const BlockKey key{block.object, block.index, block.group};
  if (!member || removing_(block.group) || block.length > kBlockBytesMax ||
      offered_.size() >= kOfferedMax || store_.has_good(key, block.length, block.crc32c)) {
    return;
  }
  for (const NodeView& node : membership_.map().nodes) {
    const FillSource source{node.node, node.endpoint, false};
    if (name_of(source) == by) return offered_.spawn(take_offered(block, source));
  }
}

Task<void> Filler::take_offered(BlockView block, FillSource source) {
  const GroupView* const group = membership_.group(block.group);
  Task<Copied> copying = copy(group->epoch, block, source);
  const Copied copied = co_await copying;
  const BlockKey key{block.object, block.index, block.group};
  if (copied.trouble == Trouble::none) {
    bus_.log(Level::info, "a block came back from a node that was about to drop it",
             {{"block", to_string(key)}, {"from", name_of(source)}});
  } else {
    bus_.log(Level::warn, "an offered block could not be had",
             {{"block", to_string(key)}, {"error", copied.error.describe()}});
  }
}

// All parts of a block from one source, verified one by one and, before the last is written, as
// what was listed.
Task<Filler::Copied> Filler::copy(Epoch epoch, BlockView block, FillSource source) {
  const BlockKey key{block.object, block.index, block.group};
  HintView hint;
  if (key.index == 0) {
    Task<Result<HintView>> asking = hint_of(key, source);
    Result<HintView> told = co_await asking;
    if (!told) co_return Copied{Trouble::source, std::move(told).error()};
    hint = std::move(*told);
  }
  Writing writing(store_, {.key = key,
                           .epoch = epoch,
                           .capacity = std::max<uint64_t>(block.length, 1),
                           .path_hint = std::move(hint.path),
                           .repair = true,
                           .file_hint = hint.file});
  uint64_t offset = 0;
  uint32_t crc = 0;
  bool last = false;
  while (!last) {
    const uint64_t size = std::min<uint64_t>(kPartBytes, block.length - offset);
    Part part;
    if (size > 0) {
      Task<void> pacing = pacer_.take(size);
      co_await pacing;
      ReadBlock request{key.object,
                        key.index,
                        key.group,
                        offset,
                        static_cast<uint32_t>(size),
                        true,
                        membership_.grant_to_read(key.object)};
      Task<Result<Answer<ReadBlock>>> reading = ask(source, std::move(request));
      Result<Answer<ReadBlock>> answer = co_await reading;
      if (!answer) {
        co_return Copied{Trouble::source,
                         error_of(answer.code(), source, key, answer.error().text)};
      }
      if (answer->payload.size() != size || answer->message.block_length != block.length) {
        co_return Copied{Trouble::source,
                         error_of(Code::malformed, source, key, "it sent another length")};
      }
      part.payload = std::move(answer->payload);
      part.crc32c = answer->message.crc32c;
    }
    crc = crc32c_combine(crc, part.crc32c, size);
    part.offset = offset;
    offset += size;
    last = part.last = offset == block.length;
    if (last && crc != block.crc32c) {
      co_return Copied{Trouble::source,
                       error_of(Code::invalid, source, key, "it is not what was listed")};
    }
    if (writing.given()) {
      Completion<Result<Written>>& before = writing.last();
      const Result<Written> written = co_await before;
      if (!written) co_return own_trouble(written.error(), source, key);
    }
    writing.give(std::move(part));
  }
  Completion<Result<Written>>& end = writing.last();
  const Result<Written> written = co_await end;
  if (!written) co_return own_trouble(written.error(), source, key);
  DFS_ASSERT(written->durable && written->crc32c == block.crc32c);
  co_return Copied{};
}

// Why the own store did not take it: the source's doing, or this node's.
Filler::Copied Filler::own_trouble(const Error& error, const FillSource& source,
                                   const BlockKey& key) {
  switch (error.code) {
    case Code::corrupt:  // the bytes are not those that the source vouched for
      return {Trouble::source, error_of(Code::malformed, source, key, error.text)};
    case Code::invalid:  // here already, good, with other content
      return {Trouble::other_content, error_of(Code::invalid, source, key, error.text)};
    case Code::busy:  // being removed here: to be looked at again
      return {Trouble::other_content, error_of(Code::no_such_block, source, key, error.text)};
    default:
      return {Trouble::own, error};
  }
}

// A first block is not copied without what it says of its file: were this copy the last one, and
// the heads gone, the file would have lost its name. A node too old to be asked has no such hint
// read.
Task<Result<HintView>> Filler::hint_of(BlockKey key, FillSource source) {
  ReadHints request;
  request.blocks.push_back({key.object, key.index, key.group});
  Task<Result<Answer<ReadHints>>> asking = ask(source, std::move(request));
  Result<Answer<ReadHints>> answer = co_await asking;
  if (answer.code() == Code::unsupported) co_return HintView();
  if (!answer) co_return error_of(answer.code(), source, key, answer.error().text);
  std::vector<HintView>& hints = answer->message.hints;
  if (hints.size() != 1 || !hints.front().found || hints.front().path.size() > kPathBytesMax) {
    co_return error_of(Code::no_such_block, source, key, "its header could not be read");
  }
  co_return std::move(hints.front());
}

template <Request R>
Task<Result<Answer<R>>> Filler::ask(FillSource source, R request) {
  const std::string to = name_of(source);
  for (int attempt = 1;; ++attempt) {
    CallOptions options;
    options.deadline = settings_.source_deadline;
    auto calling = calls_.call<R>(source.endpoint, to, request, std::move(options));
    Result<Answer<R>> answer = co_await calling;
    if (answer || answer.code() != Code::busy || attempt == kBusyRetries) co_return answer;
    const Duration told = std::chrono::milliseconds(answer.error().retry_after_ms);
    Task<void> pausing = sleep(bus_, std::max(told, kBusyPause));
    co_await pausing;
  }
}

}  // namespace dfs::storage
