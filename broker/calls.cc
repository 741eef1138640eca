#include "broker/calls.h"

#include <algorithm>

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

Task<Result<Envelope>> Calls::attempt(Link link, Envelope envelope, Duration deadline) {
  Completion<Result<Envelope>> completion;
  const uint64_t id = begin(link, std::move(envelope), deadline, completion.fire());
  Guard guard{*this, id};
  Result<Envelope> reply = co_await completion;
  co_return reply;
}

void Calls::leave_broker(size_t index) {
  if (broker_ == index) ++broker_;
}

Task<Result<Envelope>> Calls::ask_envelope(Envelope envelope, Duration deadline) {
  const std::vector<Link>& brokers = bus_.brokers();
  const std::string service = envelope.header.to;
  if (brokers.empty()) {
    co_return Error{
        Code::usage, "no broker is configured; set `broker` to one or more addresses", {}, 0};
  }
  const Instant start = bus_.now();
  Duration pause = milliseconds(10);
  Duration patience = kAttempt;
  std::string last = "no attempt was made";
  Code code = Code::unavailable;
  for (size_t attempts = 0;; ++attempts) {
    const Duration left = deadline - (bus_.now() - start);
    const bool nobody =
        !reached_broker_ && attempts >= brokers.size() && bus_.now() - start >= kNobodyThere;
    if (left <= Duration::zero() || nobody) break;
    const size_t index = broker_;
    const Link broker = brokers[index % brokers.size()];
    Task<Result<Envelope>> attempting = attempt(broker, envelope, std::min(left, patience));
    Result<Envelope> reply = co_await attempting;
    uint32_t retry_after_ms = 0;
    if (reply) {
      reached_broker_ = true;
      if (reply->header.type != Type::Error) co_return reply;
      auto refusal = decode<ErrorReply>(reply->body);
      if (!refusal) co_return std::move(refusal).error();
      const Error error = refusal->to_error();
      if (!is_retryable(error.code) || error.code == Code::stale_map) co_return error;
      last = error.describe();
      code = error.code;
      retry_after_ms = std::min(error.retry_after_ms, 2000u);
      // Elections are over by then: perhaps only this broker is cut off.
      if (code == Code::unavailable && bus_.now() - start >= kNobodyThere) leave_broker(index);
    } else {
      last = reply.error().describe();
      code = reply.error().code;
      if (code == Code::timeout) patience = std::min(patience * 2, kAttemptMax);
      leave_broker(index);  // this one is dead or frozen; any other will do
    }
    const bool electing = code != Code::busy && bus_.now() - start < kElection;
    pause = std::min(pause, electing ? kElectionPause : kPauseMax);
    // Jitter keeps a crowd of clients from coming back in step.
    const auto jitter = Duration(bus_.random() % static_cast<uint64_t>(pause.count() + 1));
    const Duration wait = std::max<Duration>(pause / 2 + jitter, milliseconds(retry_after_ms));
    const Duration rest = std::max(deadline - (bus_.now() - start), Duration::zero());
    Task<void> pausing = sleep(bus_, std::min(wait, rest));
    co_await pausing;
    pause *= 2;
  }
  std::string tried;
  for (const Link& broker : brokers) tried += (tried.empty() ? "" : ", ") + broker;
  const auto waited = duration_cast<milliseconds>(bus_.now() - start).count();
  if (code != Code::timeout) code = Code::unavailable;
  co_return Error{code,
                  "`" + service + "` did not answer within " + std::to_string(waited) +
                      " ms through broker " + tried + " (last: " + last +
                      "); is the cluster running?",
                  {{"service", service}, {"brokers", tried}},
                  0};
}

}  // namespace dfs
