#include "actors/client/block_reader.h"

#include <algorithm>
#include <tuple>

#include "messages/crc32c.h"

namespace dfs {

using std::chrono::milliseconds;

// The replicas asked for one range. Requests that were given up stay in the race: a late answer is
// as good as another.
struct BlockReader::Race {
  struct Entry {
    NodeId node = 0;
    Instant sent{};
    bool open = true;       // no answer yet
    bool given_up = false;  // silent for too long; not waited for
  };
  std::vector<Entry> entries;
  std::deque<Arrival> arrivals;
  std::map<NodeId, Error> failures;
  bool over = false;
  Signal changed;

  bool open_at(NodeId node) const {
    return std::any_of(entries.begin(), entries.end(),
                       [&](const Entry& entry) { return entry.node == node && entry.open; });
  }
  bool waiting() const {
    return std::any_of(entries.begin(), entries.end(),
                       [](const Entry& entry) { return entry.open && !entry.given_up; });
  }
};

namespace {

constexpr Duration kPauseMin = milliseconds(50);
constexpr Duration kPauseMax = milliseconds(1000);
constexpr uint32_t kRenewalsMax = 3;                            // of a grant, for one range
constexpr Duration kAnswerDeadline = std::chrono::seconds(10);  // then a late answer is dropped

bool has_no_good_copy(Code code) {
  return code == Code::corrupt || code == Code::no_such_block;
}

}  // namespace

void BlockReader::begin(const OpenFileReply& opened) {
  layout_ = opened.layout;
  if (opened.seal.cipher != Cipher::none) {
    cipher_ =
        std::make_shared<PartCipher>(opened.seal.cipher, opened.seal.key.bytes, layout_.object);
  }
  grant_ = opened.grant;
  routes_.clear();
  for (const GroupRoute& route : opened.routes) routes_[route.group] = route;
}

Task<Result<Part>> BlockReader::fetch(BlockRange range, std::shared_ptr<Sink> sink) {
  const auto race = std::make_shared<Race>();
  struct Over {
    RacePointer race;
    ~Over() {
      race->over = true;
      race->arrivals.clear();
    }
  } over{race};
  Duration pause = kPauseMin;
  uint32_t renewals = 0;
  while (true) {
    const uint32_t opens = opens_;
    Task<Result<Part>> trying = round(range, race, sink);
    Result<Part> part = co_await trying;
    if (part || part.code() >= Code::local_io) co_return part;
    Task<Result<bool>> renewing = renew_grant(race, opens, &renewals);
    const Result<bool> renewed = co_await renewing;
    if (!renewed) co_return renewed.error();
    if (*renewed) continue;
    const bool definite =
        !race->failures.empty() &&
        std::all_of(race->failures.begin(), race->failures.end(),
                    [](const auto& f) { return has_no_good_copy(f.second.code); });
    if (opens_ == 1 || reopening_) {
      Task<Result<void>> reopening = reopen();
      const Result<void> fresh = co_await reopening;
      if (!fresh && !is_retryable(fresh.code())) co_return fresh.error();
      if (fresh) continue;
    } else if (definite && opens == opens_) {
      co_return no_good_replica(range, *race);
    }
    if (transfer_.out_of_time()) co_return no_good_replica(range, *race);
    if (transfer_.failed()) co_return transfer_.error();
    Task<void> pausing = sleep(transfer_.bench.bus, pause);
    co_await pausing;
    pause = std::min(pause * 2, kPauseMax);
  }
}

// Asks the replicas one after the other, the next one when those before failed or are silent.
// Fails with `unavailable` when none is left to wait for.
Task<Result<Part>> BlockReader::round(BlockRange range, RacePointer race,
                                      std::shared_ptr<Sink> sink) {
  const std::vector<GroupMember> order = order_of(range);
  size_t next = 0;
  while (true) {
    while (!race->arrivals.empty()) {
      Arrival arrival = std::move(race->arrivals.front());
      race->arrivals.pop_front();
      const NodeId node = arrival.node;
      Task<Result<Part>> accepting = accept(range, std::move(arrival), sink);
      Result<Part> part = co_await accepting;
      if (part && node != race->entries.front().node) ++failed_over_;
      if (part || part.code() >= Code::local_io) co_return part;
      race->failures[node] = part.error();
      report_corrupt(range, node, part.error().text);
    }
    judge_silence(*race);
    while (next < order.size() && race->open_at(order[next].node)) ++next;
    const bool waiting = race->waiting();
    if (next < order.size() && (!waiting || hedge_due(*race))) {
      if (waiting) ++hedged_;
      race->entries.push_back({order[next].node, transfer_.bench.bus.now()});
      transfer_.scope.spawn(ask(range, race, race->entries.size() - 1, order[next]));
      ++next;
      continue;
    }
    if (!waiting) co_return Error{Code::unavailable, "no replica answered", {}, 0};
    Task<void> pausing = wait_a_little(race);
    co_await pausing;
  }
}

// Live ones first, of those the complete ones, of those the members that stay, then the one asked
// for, then the least busy. Replicas of equal merit take turns
// each time the layout repeats: a block's parts come from one disk in order as long as that keeps
// up, and the layout has spread the first members already.
std::vector<GroupMember> BlockReader::order_of(const BlockRange& range) const {
  const auto route = routes_.find(layout_.group_of(range.block));
  if (route == routes_.end()) return {};
  std::vector<GroupMember> members = route->second.members;
  if (members.empty()) return {};
  const size_t turn = range.block / layout_.groups.size() % members.size();
  std::rotate(members.begin(), members.begin() + static_cast<std::ptrdiff_t>(turn), members.end());
  const auto merit = [&](const GroupMember& member) {
    const auto asked = asked_.find(member.node);
    const uint32_t busy = asked == asked_.end() ? 0 : asked->second;
    return std::tuple(bad_.contains({range.block, member.node}),
                      transfer_.health.failed(member.node), !member.up, !member.complete,
                      transfer_.health.is_slow(member.node), member.leaving,
                      member.node != transfer_.options.from, busy / transfer_.options.window_parts);
  };
  std::stable_sort(members.begin(), members.end(),
                   [&](const GroupMember& a, const GroupMember& b) { return merit(a) < merit(b); });
  return members;
}

Task<void> BlockReader::ask(BlockRange range, RacePointer race, size_t entry, GroupMember member) {
  ReadBlock request;
  request.object = layout_.object;
  request.index = range.block;
  request.group = layout_.group_of(range.block);
  request.offset = range.offset;
  request.length = range.length;
  request.grant = grant_;
  CallOptions call;
  call.deadline = kAnswerDeadline;
  call.trace = transfer_.options.trace;
  ++asked_[member.node];
  Task<Result<Answer<ReadBlock>>> calling = transfer_.bench.calls.call<ReadBlock>(
      member.endpoint, storage_address(member.node), request, std::move(call));
  Result<Answer<ReadBlock>> answer = co_await calling;
  --asked_[member.node];
  race->entries[entry].open = false;
  if (answer) {
    transfer_.health.heard(member.node);
    transfer_.health.forgive(member.node);
    if (!race->over) {
      race->arrivals.push_back({member.node, answer->message.crc32c, std::move(answer->payload)});
    }
  } else {
    const Error& error = answer.error();
    race->failures[member.node] = error;
    if (has_no_good_copy(error.code)) {
      transfer_.health.heard(member.node);
      const bool known_to_lack = !member.complete || member.leaving;
      if (error.code == Code::no_such_block && known_to_lack) {
        bad_.emplace(range.block, member.node);
      } else {
        report_corrupt(range, member.node, error.text);
      }
    } else if (error.code == Code::unavailable || error.code == Code::stopping ||
               error.code == Code::timeout) {
      transfer_.health.fail(member.node, error.describe());
    }
  }
  race->changed.notify();
}

// What is to become of bytes that arrived, on the pool.
struct BlockReader::Acceptance {
  BlockRange range;
  Payload payload;
  uint32_t crc = 0;
  std::shared_ptr<Sink> sink;
  std::shared_ptr<const PartCipher> cipher;
  std::shared_ptr<AlignedBuffer> content;  // of an encrypted part
  Result<void> outcome = {};

  void run() {
    outcome = cipher == nullptr ? check() : decrypt();
    if (outcome && sink != nullptr) {
      outcome = sink->write(range.file_offset, payload.data(), payload.size());
    }
  }
  Result<void> check() const {
    if (crc32c(payload.view()) == crc) return {};
    return Result<void>(Code::corrupt, "sent bytes that do not match their checksum");
  }
  Result<void> decrypt() {
    const PartPlace place{range.block, static_cast<uint32_t>(range.offset / kPartBytes)};
    if (!cipher->open(place, payload.data(), payload.size(), content->data())) {
      return Result<void>(Code::corrupt,
                          "sent other bytes than were encrypted there, their tag is "
                          "wrong: part " +
                              std::to_string(place.part));
    }
    const uint8_t* const data = content->data();
    payload = Payload(content, data, payload.size() - kTagBytes);
    crc = crc32c(payload.view());
    return {};
  }
};

// Checks the bytes, decrypts them if need be, and writes them, in one job.
Task<Result<Part>> BlockReader::accept(BlockRange range, Arrival arrival,
                                       std::shared_ptr<Sink> sink) {
  if (arrival.payload.size() != range.length) {
    co_return Error{Code::corrupt,
                    "sent " + std::to_string(arrival.payload.size()) + " bytes instead of " +
                        std::to_string(range.length),
                    {},
                    0};
  }
  auto job = std::make_shared<Acceptance>();
  job->range = range;
  job->payload = std::move(arrival.payload);
  job->crc = arrival.crc;
  job->sink = std::move(sink);
  job->cipher = cipher_;
  if (cipher_ != nullptr) job->content = transfer_.bench.buffers.take();
  Task<Result<void>> working = transfer_.on_pool([job] { job->run(); });
  const Result<void> ran = co_await working;
  if (!ran) co_return Error{Code::local_io, ran.error().text, {}, 0};
  if (!job->outcome) co_return job->outcome.error();
  co_return Part{std::move(job->payload), job->crc};
}

Task<void> BlockReader::wait_a_little(RacePointer race) {
  Bus& bus = transfer_.bench.bus;
  struct Timer {
    Bus& bus;
    Bus::TimerId id;
    ~Timer() { bus.cancel(id); }
  } timer{bus, bus.after(transfer_.options.hedge_after / 4, [race] { race->changed.notify(); })};
  Signal::Waiter step = race->changed.wait();
  co_await step;
}

// Slow is not dead: a replica counts as silent only when nothing at all came from it meanwhile.
void BlockReader::judge_silence(Race& race) {
  const Instant now = transfer_.bench.bus.now();
  for (Race::Entry& entry : race.entries) {
    if (!entry.open || entry.given_up) continue;
    const Duration silence = now - std::max(entry.sent, transfer_.health.last_heard(entry.node));
    if (silence < transfer_.options.hedge_after) continue;
    const auto ms = std::chrono::duration_cast<milliseconds>(silence).count();
    const Error error{Code::timeout, "no answer for " + std::to_string(ms) + " ms", {}, 0};
    if (transfer_.health.slow(entry.node, error.describe())) {
      transfer_.scope.spawn(confirm_silence(entry.node));
    }
    if (silence < transfer_.options.part_deadline) continue;
    entry.given_up = true;
    race.failures[entry.node] = error;
  }
}

// The range that found a node slow is soon served by another, so this goes on looking. The node has
// a request to answer; nothing from it by the deadline means that it has failed.
Task<void> BlockReader::confirm_silence(NodeId node) {
  const Duration deadline = transfer_.options.part_deadline;
  const Instant heard = transfer_.health.last_heard(node);
  Task<void> pausing =
      sleep(transfer_.bench.bus,
            std::max<Duration>(deadline - transfer_.options.hedge_after, milliseconds(1)));
  co_await pausing;
  if (transfer_.health.last_heard(node) != heard) co_return;
  const auto ms = std::chrono::duration_cast<milliseconds>(deadline).count();
  const Error error{Code::timeout, "no answer for " + std::to_string(ms) + " ms", {}, 0};
  transfer_.health.fail(node, error.describe());
}

bool BlockReader::hedge_due(const Race& race) const {
  const Instant now = transfer_.bench.bus.now();
  return std::all_of(race.entries.begin(), race.entries.end(), [&](const Race::Entry& entry) {
    if (!entry.open) return true;
    const Instant heard = std::max(entry.sent, transfer_.health.last_heard(entry.node));
    return now - heard >= transfer_.options.hedge_after ||
           now - entry.sent >= 2 * transfer_.options.hedge_after;
  });
}

void BlockReader::report_corrupt(const BlockRange& range, NodeId node, const std::string& why) {
  // Once per block and node, not for each part of it.
  if (!bad_.emplace(range.block, node).second) return;
  Bus& bus = transfer_.bench.bus;
  const std::string block = to_string(BlockId{layout_.object, range.block});
  bus.log(Level::warn, "bad replica of a block, using another",
          {{"block", block},
           {"node", storage_address(node)},
           {"why", why},
           {"path", path_},
           {"trace", transfer_.options.trace}});
  Event event;
  event.topic = "block-corrupt";
  event.time_ms = bus.wall_ms();
  event.actor = bus.address();
  event.trace = transfer_.options.trace;
  event.fields = {{"block", block}, {"node", storage_address(node)}, {"why", why}};
  bus.publish(kEventTopic + event.topic, envelope_of(event));
}

// The members of the groups may have changed since the file was opened; its object has not, unless
// the file was replaced.
// A long download outlives its grant: then the file is opened again. True when another round, with
// another grant, is worth it.
Task<Result<bool>> BlockReader::renew_grant(RacePointer race, uint32_t opens, uint32_t* renewals) {
  std::optional<Error> denied;
  for (auto failure = race->failures.begin(); failure != race->failures.end();) {
    if (failure->second.code == Code::denied) {
      denied = failure->second;
      failure = race->failures.erase(failure);
    } else {
      ++failure;
    }
  }
  if (!denied) co_return false;
  if (++*renewals > kRenewalsMax) co_return std::move(*denied);
  if (opens == opens_ || reopening_) {
    Task<Result<void>> reopening = reopen();
    const Result<void> fresh = co_await reopening;
    if (!fresh && !is_retryable(fresh.code())) co_return fresh.error();
    if (!fresh) co_return false;
  }
  co_return true;
}

Task<Result<void>> BlockReader::reopen() {
  if (reopening_) {
    while (reopening_) {
      Signal::Waiter done = reopened_.wait();
      co_await done;
    }
    co_return Result<void>();  // the caller looks again
  }
  reopening_ = true;
  ++opens_;
  Task<Result<Answer<OpenFile>>> asking =
      transfer_.ask_monitor(OpenFile{path_, transfer_.options.stale, transfer_.options.at});
  const Result<Answer<OpenFile>> answer = co_await asking;
  reopening_ = false;
  if (answer && answer->message.layout.object == layout_.object) begin(answer->message);
  reopened_.notify();
  if (!answer) co_return answer.error();
  if (answer->message.layout.object != layout_.object) {
    co_return Error{Code::conflict, path_ + " was replaced while it was read; get it again", {}, 0};
  }
  co_return Result<void>();
}

Error BlockReader::no_good_replica(const BlockRange& range, const Race& race) const {
  Error error{Code::unavailable, "", {}, 0};
  bool all_bad = !race.failures.empty();
  std::string nodes;
  for (const auto& [node, failure] : race.failures) {
    all_bad = all_bad && has_no_good_copy(failure.code);
    nodes += (nodes.empty() ? "" : ", ") + storage_address(node) + " (" + failure.describe() + ")";
  }
  if (all_bad) error.code = Code::corrupt;
  if (nodes.empty()) nodes = "its group has no members";
  error.text = "block " + std::to_string(range.block) + " of " + path_ +
               " has no good replica: " + nodes +
               (all_bad ? "; restore it from another copy of the file"
                        : "; start these nodes, or see `cluster status`");
  error.cause = {{"block", to_string(BlockId{layout_.object, range.block})}};
  return error;
}

}  // namespace dfs
