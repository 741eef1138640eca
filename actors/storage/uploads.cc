#include "actors/storage/uploads.h"

#include <algorithm>

namespace dfs::storage {

namespace {

constexpr Duration kWatchPeriod = std::chrono::milliseconds(100);
// A next node that answers others but not this part is given up after this long.
constexpr Duration kForwardMax = std::chrono::seconds(20);

WriteBlockReply taken(const WriteBlock& part) {
  WriteBlockReply reply;
  reply.object = part.object;
  reply.index = part.index;
  reply.offset = part.offset;
  return reply;
}

}  // namespace

Uploads::Uploads(Bus& bus, Calls& calls, Volumes& store, UploadSettings settings, Admit admit,
                 Known known)
    : bus_(bus),
      calls_(calls),
      store_(store),
      settings_(std::move(settings)),
      admit_(std::move(admit)),
      known_(std::move(known)) {}

Uploads::~Uploads() {
  bus_.cancel(watch_timer_);
  for (const auto& [key, attempt] : attempts_) {
    attempt->closed = true;
    store_.abandon(attempt->write);
  }
}

void Uploads::on(const Envelope& request, const WriteBlock& part, std::optional<uint32_t> uid) {
  auto found = attempt_of(request, part, uid);
  if (!found) {
    (void)bus_.reply(reply_to(request, found.error()));
    return;
  }
  const AttemptPtr attempt = *found;
  if (answer_again(*attempt, request, part)) return;

  PartState& state = attempt->parts[part.offset];
  state.request.header = request.header;
  state.request.link = request.link;
  state.size = request.payload.size();
  state.crc32c = part.crc32c;
  attempt->touched = bus_.now();
  attempt->grant = part.grant;
  const auto refuse = [&](Code code, std::string text, uint32_t retry_after_ms) {
    fail(attempt, Error{code, std::move(text), {}, retry_after_ms});
  };
  if (auto admitted = admit_(part.group, part.epoch); !admitted) {
    return fail(attempt, admitted.error());
  }
  if (part.offset != attempt->next_offset) {
    return refuse(Code::invalid,
                  "part at " + std::to_string(part.offset) + " came when " +
                      std::to_string(attempt->next_offset) +
                      " was next; start the block again from part 0",
                  0);
  }
  // The last quarter of the memory is for blocks that are under way already.
  const uint64_t allowed =
      part.offset == 0 ? settings_.memory_bytes_max / 4 * 3 : settings_.memory_bytes_max;
  if (memory_bytes_ + state.size > allowed) {
    return refuse(Code::busy, "this node has as many parts waiting for its disk as it may", 50);
  }
  memory_bytes_ += state.size;
  attempt->next_offset += state.size;
  if (!attempt->chain.empty()) {
    state.forwarded = bus_.now();
    scope_.spawn(forward(attempt, part, request.payload, request.header.trace));
  }
  store_.write(attempt->write, {part.offset, request.payload, part.crc32c, part.last},
               [this, attempt, offset = part.offset](Result<Written> written) {
                 own_written(attempt, offset, std::move(written));
               });
}

Result<Uploads::AttemptPtr> Uploads::attempt_of(const Envelope& request, const WriteBlock& part,
                                                std::optional<uint32_t> uid) {
  const Key key{{part.object, part.index, part.group}, part.upload};
  if (const auto found = attempts_.find(key); found != attempts_.end()) return found->second;
  return new_attempt(request, part, uid);
}

Result<Uploads::AttemptPtr> Uploads::new_attempt(const Envelope& request, const WriteBlock& part,
                                                 std::optional<uint32_t> uid) {
  using R = Result<AttemptPtr>;
  // First, for a writer whose block was fenced in its middle must hear of that.
  if (auto admitted = admit_(part.group, part.epoch); !admitted) return admitted.error();
  if (part.offset != 0) {
    return R(Code::invalid, "nothing is known of this block's earlier parts; start it again");
  }
  if (stopping_) return R(Code::stopping, "this node is shutting down; write the block elsewhere");
  for (const ChainNode& next : part.chain) {
    if (auto known = known_(next); !known) return known.error();
  }
  const Key key{{part.object, part.index, part.group}, part.upload};
  // A sender has one attempt at a block: a new one means that it gave up the old.
  std::vector<AttemptPtr> replaced;
  for (auto it = attempts_.lower_bound({key.block, 0});
       it != attempts_.end() && it->first.block == key.block; ++it) {
    if (it->second->from == request.header.from) replaced.push_back(it->second);
  }
  for (const AttemptPtr& old : replaced) {
    fail(old, {Code::cancelled, "the sender has started this block again", {}, 0});
  }
  if (auto room = check_room(uid); !room) return room.error();
  auto attempt = std::make_shared<Attempt>();
  attempt->key = key;
  attempt->epoch = part.epoch;
  attempt->from = request.header.from;
  attempt->uid = uid;
  attempt->link = request.link;
  attempt->chain = part.chain;
  attempt->grant = part.grant;
  attempt->touched = bus_.now();
  attempt->write =
      store_.begin({key.block, part.epoch, part.capacity, part.path_hint, false, part.file_hint});
  attempts_.emplace(key, attempt);
  if (watch_timer_ == 0) watch_timer_ = bus_.after(kWatchPeriod, [this] { watch(); });
  return attempt;
}

// The last quarter of the places is for whoever has less than a quarter: one user's blocks, begun
// and never finished, leave room for those of others.
Result<void> Uploads::check_room(std::optional<uint32_t> uid) const {
  const size_t places = settings_.writes_max;
  if (attempts_.size() >= places) {
    return Error{Code::busy, "this node is writing as many blocks as it may", {}, 50};
  }
  if (!uid || attempts_.size() < places - places / 4) return {};
  const auto own = std::count_if(attempts_.begin(), attempts_.end(),
                                 [&](const auto& entry) { return entry.second->uid == uid; });
  if (static_cast<size_t>(own) < places / 4) return {};
  return Error{Code::busy, "this node is writing as many blocks of one user as it may", {}, 50};
}

// A part that came before and comes again is not written again. True when that was so.
bool Uploads::answer_again(Attempt& attempt, const Envelope& request, const WriteBlock& part) {
  if (part.offset >= attempt.next_offset && !attempt.parts.contains(part.offset)) return false;
  const auto waiting = attempt.parts.find(part.offset);
  if (waiting == attempt.parts.end()) {
    (void)bus_.reply(reply_to(request, taken(part)));
  } else if (waiting->second.crc32c == part.crc32c) {
    waiting->second.request.header = request.header;  // whoever asked last is answered
    waiting->second.request.link = request.link;
  } else {
    (void)bus_.reply(
        reply_to(request, Error{Code::invalid, "this part came before with other content", {}, 0}));
  }
  return true;
}

Task<void> Uploads::forward(AttemptPtr attempt, WriteBlock part, Payload payload, uint64_t trace) {
  const uint64_t offset = part.offset;
  const ChainNode next = attempt->chain.front();
  part.chain.assign(attempt->chain.begin() + 1, attempt->chain.end());
  CallOptions options;
  options.deadline = kForwardMax;
  options.payload = std::move(payload);
  options.trace = trace;
  auto call = calls_.call<WriteBlock>(next.endpoint, "storage/" + std::to_string(next.node),
                                      std::move(part), std::move(options));
  Result<Answer<WriteBlock>> answer = co_await call;
  // Bytes from a node show that it lives, whichever block they are about.
  if (answer || answer.code() != Code::unavailable) last_heard_[next.endpoint] = bus_.now();
  next_answered(attempt, offset, std::move(answer));
}

void Uploads::next_answered(const AttemptPtr& attempt, uint64_t offset,
                            Result<Answer<WriteBlock>> answer) {
  if (attempt->closed) return;
  const auto found = attempt->parts.find(offset);
  if (found == attempt->parts.end()) return;
  if (!answer) {
    Error error = answer.error();
    if (error.code == Code::timeout) error.code = Code::unavailable;
    // The node that failed may be further down the chain; it is named already then.
    error.cause.emplace("node", std::to_string(attempt->chain.front().node));
    return fail(attempt, error, error.code == Code::unavailable);
  }
  attempt->touched = bus_.now();
  found->second.forwarded.reset();
  found->second.next = std::move(answer->message);
  answer_if_complete(attempt, offset);
}

void Uploads::own_written(const AttemptPtr& attempt, uint64_t offset, Result<Written> written) {
  if (attempt->closed) return;  // close() has given the memory back
  PartState& state = attempt->parts.at(offset);
  memory_bytes_ -= state.size;
  state.size = 0;
  if (!written) {
    Error error = written.error();
    error.cause.emplace("node", std::to_string(node_));
    return fail(attempt, error);
  }
  attempt->touched = bus_.now();
  state.own = *written;
  answer_if_complete(attempt, offset);
}

void Uploads::answer_if_complete(const AttemptPtr& attempt, uint64_t offset) {
  PartState& state = attempt->parts.at(offset);
  if (!state.own || (!attempt->chain.empty() && !state.next)) return;
  WriteBlockReply reply;
  reply.object = attempt->key.block.object;
  reply.index = attempt->key.block.index;
  reply.offset = offset;
  if (state.own->durable) {
    reply.durable = true;
    reply.crc32c = state.own->crc32c;
    reply.length = state.own->length;
    reply.nodes.push_back(node_);
    if (state.next) {
      const WriteBlockReply& next = *state.next;
      if (!next.durable || next.crc32c != reply.crc32c || next.length != reply.length) {
        return fail(attempt, {Code::corrupt,
                              "the next node of the chain wrote other bytes",
                              {{"node", std::to_string(attempt->chain.front().node)}},
                              0});
      }
      reply.nodes.insert(reply.nodes.end(), next.nodes.begin(), next.nodes.end());
    }
  }
  (void)bus_.reply(reply_to(state.request, reply));
  attempt->parts.erase(offset);
  if (reply.durable) close(attempt);
}

void Uploads::fail(const AttemptPtr& attempt, const Error& error, bool tell_next) {
  if (attempt->closed) return;
  if (tell_next) tell_next_to_abort(*attempt);
  close(attempt);
  for (const auto& [offset, state] : attempt->parts) {
    (void)bus_.reply(reply_to(state.request, error));
  }
  attempt->parts.clear();
}

void Uploads::close(const AttemptPtr& attempt) {
  attempt->closed = true;
  attempts_.erase(attempt->key);
  store_.abandon(attempt->write);
  for (const auto& [offset, state] : attempt->parts) {
    if (!state.own && offset < attempt->next_offset) memory_bytes_ -= state.size;
  }
  if (attempts_.empty()) last_heard_.clear();
  if (attempts_.empty() && stopped_) std::exchange(stopped_, nullptr)();
}

// The next node must not keep memory and space for what will not come; it hands the news on.
void Uploads::tell_next_to_abort(const Attempt& attempt) {
  if (attempt.chain.empty() || attempt.next_offset == 0) return;
  const ChainNode& next = attempt.chain.front();
  const BlockKey& block = attempt.key.block;
  const AbortBlock abort{block.object, block.index, block.group, attempt.key.upload, attempt.grant};
  (void)bus_.send(next.endpoint, envelope_of(abort, "storage/" + std::to_string(next.node)));
}

void Uploads::on(const Envelope& request, const AbortBlock& abort) {
  const auto found = attempts_.find({{abort.object, abort.index, abort.group}, abort.upload});
  if (found != attempts_.end()) {
    fail(AttemptPtr(found->second), {Code::cancelled, "the block was given up", {}, 0});
  }
  if (request.header.request != 0) (void)bus_.reply(reply_to(request, AbortBlockReply{}));
}

// Once this node tells others that it knows an epoch, nothing of an older one may be acknowledged:
// what they list of it then is all there will ever be.
void Uploads::map_changed() {
  std::vector<std::pair<AttemptPtr, Error>> fenced;
  for (const auto& [key, attempt] : attempts_) {
    const Result<void> admitted = admit_(key.block.group, attempt->epoch);
    if (!admitted) fenced.emplace_back(attempt, admitted.error());
  }
  for (const auto& [attempt, error] : fenced) fail(attempt, error);
}

void Uploads::link_down(const Link& link) {
  std::vector<AttemptPtr> orphans;
  for (const auto& [key, attempt] : attempts_) {
    if (attempt->link == link) orphans.push_back(attempt);
  }
  for (const AttemptPtr& attempt : orphans) {
    fail(attempt, {Code::cancelled, "the sender is gone", {}, 0});
  }
}

void Uploads::stop(std::function<void()> done) {
  stopping_ = true;
  if (attempts_.empty()) return done();
  stopped_ = std::move(done);
}

void Uploads::watch() {
  watch_timer_ = 0;
  const Instant now = bus_.now();
  std::vector<std::pair<AttemptPtr, Error>> over;
  for (const auto& [key, attempt] : attempts_) {
    if (now - attempt->touched > settings_.upload_idle_max) {
      over.emplace_back(attempt, Error{Code::cancelled, "the block was idle too long", {}, 0});
      continue;
    }
    const auto oldest =
        std::find_if(attempt->parts.begin(), attempt->parts.end(),
                     [](const auto& entry) { return entry.second.forwarded.has_value(); });
    if (oldest == attempt->parts.end()) continue;
    Instant since = *oldest->second.forwarded;
    if (const auto heard = last_heard_.find(attempt->chain.front().endpoint);
        heard != last_heard_.end()) {
      since = std::max(since, heard->second);
    }
    // A node nearer to the end has less time, so that the one that names the culprit is its
    // neighbour.
    const Duration patience =
        settings_.forward_deadline + settings_.forward_deadline / 4 * (attempt->chain.size() - 1);
    if (now - since >= patience) over.emplace_back(attempt, silent(*attempt));
  }
  for (const auto& [attempt, error] : over) fail(attempt, error);
  if (!attempts_.empty()) watch_timer_ = bus_.after(kWatchPeriod, [this] { watch(); });
}

Error Uploads::silent(const Attempt& attempt) const {
  const ChainNode& next = attempt.chain.front();
  return {Code::unavailable,
          "storage/" + std::to_string(next.node) + " at " + next.endpoint +
              " does not answer; write the block to another group",
          {{"node", std::to_string(next.node)}},
          0};
}

}  // namespace dfs::storage
