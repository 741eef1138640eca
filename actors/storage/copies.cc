#include "actors/storage/copies.h"

#include <algorithm>

namespace dfs::storage {

void Copies::on(const Envelope& request, const ReadBlock& wanted) {
  Envelope asker;
  asker.header = request.header;
  asker.link = request.link;
  if (!wanted.background) {
    pacer_.foreground();
    return read(std::move(asker), wanted, foreground_);
  }
  if (waiting_.size() >= kWaitingMax) {
    const Error busy{
        Code::busy, "this node has as many reads for repair waiting as it may", {}, 100};
    (void)bus_.reply(reply_to(request, busy));
    return;
  }
  waiting_.push_back({std::move(asker), wanted, bus_.now()});
  serve_background();
}

void Copies::read(Envelope asker, const ReadBlock& wanted, size_t& count) {
  ++count;
  store_.read({wanted.object, wanted.index, wanted.group}, wanted.offset, wanted.length,
              [this, asker = std::move(asker), &count](Result<ReadOutcome> outcome) {
                --count;
                if (!outcome) {
                  (void)bus_.reply(reply_to(asker, outcome.error()));
                } else {
                  const ReadBlockReply reply{outcome->crc32c, outcome->block_length};
                  (void)bus_.reply(reply_to(asker, reply, std::move(outcome->payload)));
                }
                serve_background();
              });
}

void Copies::serve_background() {
  while (!waiting_.empty()) {
    const Instant now = bus_.now();
    const Waiting& first = waiting_.front();
    const Duration deadline = std::chrono::milliseconds(first.asker.header.deadline_ms);
    if (deadline != Duration::zero() && now - first.since >= deadline) {
      waiting_.pop_front();  // the asker has given it up
      continue;
    }
    if (background_ >= kBackgroundMax) return;  // one of them will come back here
    const Instant turn = std::max(first.since, served_) + kPatience;
    if (foreground_ > kForegroundFew && now < turn) {
      if (timer_ != 0) return;
      timer_ = bus_.after(turn - now, [this] {
        timer_ = 0;
        serve_background();
      });
      return;
    }
    const Waiting next = std::move(waiting_.front());
    waiting_.pop_front();
    served_ = now;
    read(next.asker, next.read, background_);
  }
}

void Copies::on(const Envelope& request, const ListBlocks& list) {
  const auto reply = store_.list(list);
  (void)bus_.reply(reply ? reply_to(request, *reply) : reply_to(request, reply.error()));
}

void Copies::on(const Envelope& request, const GetDigests& wanted) {
  const std::vector<GroupId> groups = wanted.groups.empty() ? store_.groups() : wanted.groups;
  if (groups.size() > kBatchMax) {
    const Error error{Code::too_large,
                      "this node holds blocks of " + std::to_string(groups.size()) +
                          " groups; ask for some of them by their numbers",
                      {},
                      0};
    (void)bus_.reply(reply_to(request, error));
    return;
  }
  DigestList list;
  list.epoch = membership_.epoch();
  for (const GroupId group : groups) list.digests.push_back(store_.digest(group));
  (void)bus_.reply(reply_to(request, list));
}

void Copies::on(const Envelope& request, const CheckCopies& check) {
  if (scope_.size() >= kChecksMax) {
    const Error busy{
        Code::busy, "this node is asked for as many proofs of copies as it may be", {}, 1000};
    (void)bus_.reply(reply_to(request, busy));
    return;
  }
  Envelope asker;
  asker.header = request.header;
  asker.link = request.link;
  scope_.spawn(vouch(std::move(asker), check));
}

// One copy after the other, so that one request does not keep the disk from another's.
Task<void> Copies::vouch(Envelope asker, CheckCopies check) {
  const Duration deadline = std::chrono::milliseconds(asker.header.deadline_ms);
  const Instant until = deadline == Duration::zero() ? Instant::max() : bus_.now() + deadline;
  // Of the map under which the copies are looked at: a newer one would promise too much.
  CheckCopiesReply reply;
  reply.epoch = membership_.epoch();
  for (const CopyCheck& copy : check.copies) {
    const BlockKey key{copy.object, copy.index, check.group};
    Task<bool> verifying = verifier_.verify(key, copy.length, copy.crc32c, until);
    const bool right = co_await verifying;
    if (bus_.now() >= until) co_return;  // nobody waits for the answer any more
    reply.good.push_back(right ? 1 : 0);
  }
  (void)bus_.reply(reply_to(asker, reply));
  for (size_t i = 0; i < reply.good.size(); ++i) {
    const CopyCheck& copy = check.copies[i];
    if (reply.good[i] == 1) continue;
    offered_(asker.header.from, {.group = check.group,
                                 .object = copy.object,
                                 .index = copy.index,
                                 .length = copy.length,
                                 .crc32c = copy.crc32c});
  }
}

void Copies::on(const Envelope& request, const ReadHints& wanted) {
  std::vector<BlockKey> keys;
  for (const BlockName& block : wanted.blocks) {
    keys.push_back({block.object, block.index, block.group});
  }
  Envelope asker;
  asker.header = request.header;
  asker.link = request.link;
  store_.headers(keys, [this, asker = std::move(asker), keys](Volumes::Headers headers) {
    HintList list;
    for (size_t i = 0; i < keys.size(); ++i) {
      HintView& hint = list.hints.emplace_back();
      hint.object = keys[i].object;
      hint.index = keys[i].index;
      hint.group = keys[i].group;
      hint.found = headers[i].has_value();
      if (!hint.found) continue;
      hint.path = std::move(headers[i]->path_hint);
      hint.file = headers[i]->file_hint;
      hint.epoch = headers[i]->epoch;
    }
    (void)bus_.reply(reply_to(asker, list));
  });
}

}  // namespace dfs::storage
