#include "actors/client/block_writer.h"

#include <algorithm>
#include <charconv>

#include "messages/cluster.h"
#include "messages/crc32c.h"

namespace dfs {

struct BlockWriter::Attempt {
  std::shared_ptr<Block> block;
  BlockTarget target;
  WriteBlock head;              // what all parts have in common
  uint32_t slots = 0;           // of the transfer's, for parts read or unacknowledged
  uint32_t in_window = 0;       // the same, of the stream's window
  uint32_t unacknowledged = 0;  // parts on their way
  uint64_t acknowledged_bytes = 0;
  Instant last_activity{};  // acknowledgement, or sending after a time of nothing on its way
  bool probed = false;      // its nodes were asked for a sign of life since
  std::optional<Error> error;
  std::optional<WriteBlockReply> receipt;
  Signal changed;

  bool closed() const { return error.has_value() || receipt.has_value(); }
};

namespace {

// The node an error names, or 0. "7" and "storage/7" mean the same.
NodeId node_in(const Error& error) {
  const auto found = error.cause.find("node");
  if (found == error.cause.end()) return 0;
  std::string_view digits = found->second;
  if (digits.starts_with("storage/")) digits.remove_prefix(8);
  NodeId node = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), node);
  return node;
}

std::optional<Error> what_is_wrong(const WriteBlockReply& receipt, uint64_t length, uint32_t crc) {
  if (receipt.length == length && receipt.crc32c == crc && !receipt.nodes.empty()) return {};
  return Error{Code::corrupt,
               "the storage nodes acknowledged block " + std::to_string(receipt.index) +
                   " with another length or checksum than was sent",
               {},
               0};
}

}  // namespace

Task<Result<WriteBlockReply>> BlockWriter::write(std::shared_ptr<Block> block, BlockTarget target,
                                                 ObjectToWrite object, FileName name) {
  auto attempt = std::make_shared<Attempt>();
  attempt->block = block;
  attempt->target = std::move(target);
  WriteBlock& head = attempt->head;
  head.object = object.object;
  head.grant = std::move(object.grant);
  head.index = block->index;
  head.group = attempt->target.group;
  head.epoch = attempt->target.epoch;
  while (head.upload == 0) head.upload = transfer_.bench.bus.random();
  head.capacity = block->length;
  if (block->index == 0) {
    head.path_hint = std::move(name.path);
    head.file_hint = name.hint;
  }
  for (size_t i = 1; i < attempt->target.chain.size(); ++i) {
    head.chain.push_back({attempt->target.chain[i].node, attempt->target.chain[i].endpoint});
  }
  running_.push_back(attempt);
  struct Leave {
    BlockWriter& writer;
    AttemptPointer attempt;
    ~Leave() {
      std::erase(writer.running_, attempt);
      writer.leave_window(*attempt, attempt->in_window);
      writer.transfer_.give_slots(std::exchange(attempt->slots, 0));
    }
  } leave{*this, attempt};

  uint32_t crc = 0;
  for (uint64_t offset = 0; offset < block->length; offset += kPartBytes) {
    const bool last = offset + kPartBytes >= block->length;
    Task<bool> entering = enter_window(attempt, last);
    const bool open = co_await entering;
    if (!open) break;
    Task<Result<Part>> reading = read_part_(block, offset);
    Result<Part> part = co_await reading;
    if (!part) fail(*attempt, std::move(part).error());
    if (attempt->error) break;
    crc = crc32c_combine(crc, part->crc, part->payload.size());
    WriteBlock message = attempt->head;
    message.offset = offset;
    message.last = last;
    message.crc32c = part->crc;
    transfer_.scope.spawn(send_part(attempt, std::move(message), std::move(part->payload)));
  }
  if (!attempt->error && block->on_all_sent) std::exchange(block->on_all_sent, nullptr)();
  while (!attempt->closed()) {
    Signal::Waiter step = attempt->changed.wait();
    co_await step;
  }
  if (!attempt->error) attempt->error = what_is_wrong(*attempt->receipt, block->length, crc);
  if (!attempt->error) co_return std::move(*attempt->receipt);
  blame(*attempt, *attempt->error);
  call_off(*attempt);
  co_return std::move(*attempt->error);
}

// Waits for room for one more part; false when the attempt failed meanwhile.
Task<bool> BlockWriter::enter_window(AttemptPointer attempt, bool last) {
  const std::shared_ptr<SendWindow> window = attempt->block->window;
  while (!last && !attempt->error && window->used >= transfer_.options.window_parts) {
    Signal::Waiter step = window->changed.wait();
    co_await step;
  }
  if (attempt->error) co_return false;
  attempt->in_window += last ? 0 : 1;
  window->used += last ? 0 : 1;
  Task<void> taking = transfer_.take_slot();
  co_await taking;
  if (attempt->error) {
    transfer_.give_slots(1);
    co_return false;
  }
  ++attempt->slots;
  co_return true;
}

void BlockWriter::leave_window(Attempt& attempt, uint32_t parts) {
  if (parts == 0) return;
  attempt.in_window -= parts;
  attempt.block->window->used -= parts;
  attempt.block->window->changed.notify();
}

Task<void> BlockWriter::send_part(AttemptPointer attempt, WriteBlock part, Payload payload) {
  const uint64_t length = payload.size();
  if (attempt->unacknowledged++ == 0) {
    attempt->last_activity = transfer_.bench.bus.now();
    attempt->probed = false;
  }
  CallOptions call;
  // Silence is judged by watch(), which tells a slow node from a dead one.
  call.deadline = transfer_.options.deadline;
  call.payload = std::move(payload);
  call.trace = transfer_.options.trace;
  const GroupMember& first = attempt->target.chain.front();
  Task<Result<Answer<WriteBlock>>> calling = transfer_.bench.calls.call<WriteBlock>(
      first.endpoint, storage_address(first.node), part, std::move(call));
  Result<Answer<WriteBlock>> answer = co_await calling;
  if (attempt->closed()) co_return;
  if (answer) {
    acknowledged(*attempt, part, length, answer->message);
  } else {
    fail(*attempt, std::move(answer).error());
  }
}

void BlockWriter::acknowledged(Attempt& attempt, const WriteBlock& part, uint64_t length,
                               const WriteBlockReply& reply) {
  // An acknowledgement speaks for the whole chain.
  for (const GroupMember& member : attempt.target.chain) transfer_.health.heard(member.node);
  attempt.last_activity = transfer_.bench.bus.now();
  attempt.probed = false;
  --attempt.unacknowledged;
  attempt.acknowledged_bytes += length;
  // A block sent again counts from where it got before.
  Block& block = *attempt.block;
  const uint64_t fresh = std::max(attempt.acknowledged_bytes, block.counted) - block.counted;
  block.counted += fresh;
  transfer_.progressed(fresh);
  if (part.last && !reply.durable) {
    fail(attempt, {Code::malformed, "the last part was acknowledged without a receipt", {}, 0});
    return;
  }
  if (part.last) attempt.receipt = reply;
  --attempt.slots;
  transfer_.give_slots(1);
  leave_window(attempt, part.last ? 0 : 1);
  attempt.changed.notify();
}

void BlockWriter::fail(Attempt& attempt, Error error) {
  if (attempt.closed()) return;
  attempt.error = std::move(error);
  transfer_.give_slots(std::exchange(attempt.slots, 0));
  leave_window(attempt, attempt.in_window);
  attempt.block->window->changed.notify();
  attempt.changed.notify();
}

// Decides which node, if any, a failed attempt speaks against.
void BlockWriter::blame(const Attempt& attempt, const Error& error) {
  const NodeId named = node_in(error);
  const NodeId node = named != 0 ? named : attempt.target.chain.front().node;
  switch (error.code) {
    case Code::unavailable:
    case Code::stopping:
      node_silent(node, error);
      break;
    case Code::no_space:
    case Code::io_error:
      transfer_.health.fail(node, error.describe());
      break;
    case Code::timeout:
      if (named != 0) node_silent(node, error);
      break;
    default:
      break;
  }
}

// Everything under way at a node that does not answer fails over at once.
void BlockWriter::node_silent(NodeId node, const Error& error) {
  transfer_.health.fail(node, error.describe());
  Error failure = error;
  failure.cause["node"] = std::to_string(node);
  const std::vector<AttemptPointer> attempts = running_;
  for (const AttemptPointer& attempt : attempts) {
    const auto& chain = attempt->target.chain;
    const bool involved = std::any_of(chain.begin(), chain.end(),
                                      [&](const GroupMember& m) { return m.node == node; });
    if (involved) fail(*attempt, failure);
  }
}

// Best effort: a node that misses it gives the block up by itself after a while.
void BlockWriter::call_off(const Attempt& attempt) {
  const AbortBlock abort{attempt.head.object, attempt.head.index, attempt.head.group,
                         attempt.head.upload, attempt.head.grant};
  for (const GroupMember& member : attempt.target.chain) {
    if (transfer_.health.failed(member.node)) continue;
    Envelope envelope = envelope_of(abort, storage_address(member.node));
    envelope.header.trace = transfer_.options.trace;
    (void)transfer_.bench.bus.send(member.endpoint, std::move(envelope));
  }
}

void BlockWriter::abort_all(const Error& error) {
  const std::vector<AttemptPointer> attempts = running_;
  for (const AttemptPointer& attempt : attempts) fail(*attempt, error);
}

Task<void> BlockWriter::watch() {
  const Duration deadline = transfer_.options.part_deadline;
  while (true) {
    Task<void> pausing = sleep(transfer_.bench.bus, deadline / 15);
    co_await pausing;
    const std::vector<AttemptPointer> attempts = running_;
    for (const AttemptPointer& attempt : attempts) {
      if (attempt->closed() || attempt->unacknowledged == 0) continue;
      const Duration silence = transfer_.bench.bus.now() - attempt->last_activity;
      if (silence >= deadline / 3 && !attempt->probed) {
        attempt->probed = true;
        for (const GroupMember& member : attempt->target.chain) {
          transfer_.scope.spawn(probe(member));
        }
      }
      // All its nodes live, yet the block does not move. That is no hurry while others do.
      const bool stuck = silence >= 4 * deadline && transfer_.since_progress() >= 4 * deadline;
      if (stuck || silence >= 20 * deadline) {
        const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(silence).count();
        fail(*attempt, {Code::timeout,
                        "group " + std::to_string(attempt->target.group) +
                            " did not acknowledge anything for " + std::to_string(ms) + " ms",
                        {},
                        0});
      }
    }
  }
}

// A node that is slow answers this between two parts; a frozen one does not.
Task<void> BlockWriter::probe(GroupMember member) {
  if (!probing_.insert(member.node).second) co_return;
  const Instant asked = transfer_.bench.bus.now();
  CallOptions call;
  call.deadline = transfer_.options.part_deadline * 2 / 3;
  call.trace = transfer_.options.trace;
  Task<Result<Answer<Ping>>> calling = transfer_.bench.calls.call<Ping>(
      member.endpoint, storage_address(member.node), Ping{transfer_.bench.bus.random()}, call);
  const Result<Answer<Ping>> answer = co_await calling;
  probing_.erase(member.node);
  const bool silent = answer.code() == Code::timeout || answer.code() == Code::unavailable;
  if (!silent) {
    transfer_.health.heard(member.node);
  } else if (transfer_.health.last_heard(member.node) <= asked) {
    node_silent(member.node, answer.error());
  }
}

}  // namespace dfs
