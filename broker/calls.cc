#include "broker/calls.h"

#include <algorithm>
#include <deque>
#include <optional>

namespace dfs {

using std::chrono::duration_cast;
using std::chrono::milliseconds;

Calls::Calls(Bus& bus) : bus_(bus) {}

Calls::~Calls() {
  for (auto& [id, pending] : pending_) bus_.cancel(pending.timer);
}

uint64_t Calls::fresh_request() {
  // Random rather than counted: a process that restarts under the same address must not reuse ids.
  uint64_t request = 0;
  while (request == 0) request = bus_.random();
  return request;
}

uint64_t Calls::begin(const Link& link, Envelope envelope, Duration deadline,
                      std::function<void(Result<Envelope>)> done) {
  const uint64_t id = ++last_id_;
  const uint64_t request = envelope.header.request;
  envelope.header.deadline_ms = static_cast<uint32_t>(
      std::clamp<int64_t>(duration_cast<milliseconds>(deadline).count(), 1, UINT32_MAX));
  const Result<void> sent = bus_.send(link, std::move(envelope));
  // A refusal comes through the timer too, so that `done` never runs inside begin().
  const Error failure =
      sent ? Error{Code::timeout, "no answer in time from " + link, {}, 0} : sent.error();
  const Bus::TimerId timer =
      bus_.after(sent ? deadline : Duration::zero(), [this, id, failure] { finish(id, failure); });
  pending_.emplace(id, Pending{link, request, timer, std::move(done)});
  by_request_.emplace(request, id);
  return id;
}

void Calls::forget(uint64_t id) {
  const auto found = pending_.find(id);
  if (found == pending_.end()) return;
  bus_.cancel(found->second.timer);
  const auto [first, last] = by_request_.equal_range(found->second.request);
  for (auto it = first; it != last; ++it) {
    if (it->second == id) {
      by_request_.erase(it);
      break;
    }
  }
  pending_.erase(found);
}

void Calls::finish(uint64_t id, Result<Envelope> outcome) {
  const auto found = pending_.find(id);
  if (found == pending_.end()) return;
  auto done = std::move(found->second.done);
  forget(id);
  done(std::move(outcome));
}

bool Calls::receive(Envelope& envelope) {
  const auto [first, last] = by_request_.equal_range(envelope.header.request);
  for (auto it = first; it != last; ++it) {
    // The same request may be pending on two links (a hedge); the reply belongs to its own.
    if (pending_.at(it->second).link != envelope.link) continue;
    finish(it->second, std::move(envelope));
    return true;
  }
  return false;
}

void Calls::link_down(const Link& link) {
  std::vector<uint64_t> broken;
  for (const auto& [id, pending] : pending_) {
    if (pending.link == link) broken.push_back(id);
  }
  for (const uint64_t id : broken) {
    finish(id, Error{Code::unavailable, "no connection to " + link, {}, 0});
  }
}

class Calls::Attempts {
 public:
  struct Outcome {
    size_t index;  // of the broker
    Result<Envelope> reply;
  };

  Attempts(Calls& calls, Envelope envelope, Instant end)
      : calls_(calls), bus_(calls.bus_), envelope_(std::move(envelope)), end_(end) {}
  ~Attempts() {
    bus_.cancel(timer_);
    for (const auto& [index, id] : under_way_) calls_.forget(id);
  }
  Attempts(const Attempts&) = delete;
  Attempts& operator=(const Attempts&) = delete;

  // Takes the place of an earlier one on the same broker: its reply would do as well.
  void begin(size_t index) {
    const std::vector<Link>& brokers = bus_.brokers();
    const Link& broker = brokers[index % brokers.size()];
    if (const auto earlier = under_way_.find(broker); earlier != under_way_.end()) {
      calls_.forget(earlier->second);
    }
    under_way_[broker] = calls_.begin(broker, envelope_, end_ - bus_.now(),
                                      [this, index, broker](Result<Envelope> reply) {
                                        under_way_.erase(broker);
                                        outcomes_.push_back({index, std::move(reply)});
                                        wake();
                                      });
  }
  // The next outcome of any, or nothing when it is `until` before there is one.
  Task<std::optional<Outcome>> next(Instant until) {
    if (outcomes_.empty()) {
      Completion<bool> woken;
      wake_.emplace(woken.fire());
      timer_ = bus_.after(until - bus_.now(), [this] { wake(); });
      [[maybe_unused]] const bool awake = co_await woken;
      wake_.reset();
      bus_.cancel(timer_);
    }
    if (outcomes_.empty()) co_return std::nullopt;
    Outcome outcome = std::move(outcomes_.front());
    outcomes_.pop_front();
    co_return std::optional<Outcome>(std::move(outcome));
  }

 private:
  // Last in whoever calls it: the flow that goes on may be over, and these attempts gone.
  void wake() {
    if (!wake_) return;
    const Completion<bool>::Fire fire = *wake_;
    fire(true);
  }

  Calls& calls_;
  Bus& bus_;
  const Envelope envelope_;
  const Instant end_;
  std::map<Link, uint64_t> under_way_;  // call ids
  std::deque<Outcome> outcomes_;
  std::optional<Completion<bool>::Fire> wake_;
  Bus::TimerId timer_ = 0;
};

void Calls::leave_broker(size_t index) {
  if (broker_ == index) ++broker_;
}

// What one ask() goes by.
struct Calls::Patience {
  Instant start;
  Instant end;
  Duration pause = milliseconds(10);
  Duration silence = kAttempt;  // that a broker is allowed
  size_t silences = 0;
  size_t denials = 0;
  Error last{Code::unavailable, "no attempt was made", {}, 0};
};

// The reply that ends the asking, or nothing, when asking again may help: why is in patience.last.
std::optional<Result<Envelope>> Calls::judge(Result<Envelope> reply, size_t index,
                                             Patience& patience) {
  if (!reply) {
    leave_broker(index);
    patience.last = std::move(reply).error();
    // No broker will ever take a connection from this side: it must be told, not waited for.
    const bool never = patience.last.code == Code::denied;
    if (never && ++patience.denials >= bus_.brokers().size()) return patience.last;
    return std::nullopt;
  }
  reached_broker_ = true;
  if (reply->header.type != Type::Error) return reply;
  auto refusal = decode<ErrorReply>(reply->body);
  if (!refusal) return std::move(refusal).error();
  patience.last = refusal->to_error();
  const Code code = patience.last.code;
  if (!is_retryable(code) || code == Code::stale_map) return patience.last;
  broker_ = index;  // it is alive
  // Elections are over by then: perhaps only this broker is cut off.
  const bool long_ago = bus_.now() - patience.start >= kNobodyThere;
  if (code == Code::unavailable && long_ago) leave_broker(index);
  return std::nullopt;
}

// When to ask again after patience.last.
Instant Calls::pause_after(Patience& patience) {
  const bool electing = patience.last.code != Code::busy && bus_.now() - patience.start < kElection;
  const Duration pause = std::min(patience.pause, electing ? kElectionPause : kPauseMax);
  patience.pause = pause * 2;
  // Jitter keeps a crowd of clients from coming back in step.
  const auto jitter = Duration(bus_.random() % static_cast<uint64_t>(pause.count() + 1));
  const auto told = milliseconds(std::min(patience.last.retry_after_ms, 2000u));
  return std::min(bus_.now() + std::max<Duration>(pause / 2 + jitter, told), patience.end);
}

Task<Result<Envelope>> Calls::ask_envelope(Envelope envelope, Duration deadline) {
  const std::vector<Link>& brokers = bus_.brokers();
  const std::string service = envelope.header.to;
  if (brokers.empty()) {
    co_return Error{
        Code::usage, "no broker is configured; set `broker` to one or more addresses", {}, 0};
  }
  Patience patience{bus_.now(), bus_.now() + deadline};
  Attempts attempts(*this, std::move(envelope), patience.end);
  for (size_t begun = 1; bus_.now() < patience.end; ++begun) {
    const size_t index = broker_;
    attempts.begin(index);
    const Instant silent_at = std::min(bus_.now() + patience.silence, patience.end);
    std::optional<Instant> again_at;  // set when this broker has said, or shown, that it cannot
    while (true) {
      Task<std::optional<Attempts::Outcome>> waiting = attempts.next(again_at.value_or(silent_at));
      std::optional<Attempts::Outcome> outcome = co_await waiting;
      if (!outcome) break;
      const bool given_up = outcome->index != index && !outcome->reply;
      auto final = judge(std::move(outcome->reply), outcome->index, patience);
      if (final) co_return std::move(*final);
      if (!again_at && !given_up) again_at = pause_after(patience);
    }
    if (!again_at) {
      const Link& silent = brokers[index % brokers.size()];
      patience.last = Error{Code::timeout, "no answer in time from " + silent, {}, 0};
      leave_broker(index);
      const bool all = ++patience.silences % brokers.size() == 0;
      if (all) patience.silence = std::min(patience.silence * 2, kAttemptMax);
    }
    const bool nobody = !reached_broker_ && begun >= brokers.size();
    if (nobody && bus_.now() - patience.start >= kNobodyThere) break;
  }
  const Error& last = patience.last;
  std::string tried;
  for (const Link& broker : brokers) tried += (tried.empty() ? "" : ", ") + broker;
  const auto waited = duration_cast<milliseconds>(bus_.now() - patience.start).count();
  co_return Error{last.code == Code::timeout ? Code::timeout : Code::unavailable,
                  "`" + service + "` did not answer within " + std::to_string(waited) +
                      " ms through broker " + tried + " (last: " + last.describe() +
                      "); is the cluster running?",
                  {{"service", service}, {"brokers", tried}},
                  0};
}

}  // namespace dfs
