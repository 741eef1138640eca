#include "actors/client/locks.h"

#include <algorithm>

#include "messages/cluster.h"

namespace dfs {

using std::chrono::milliseconds;

namespace {

constexpr Duration kFirstTry = milliseconds(1500);  // then it is asked whether anybody is there
constexpr Duration kLookForService = milliseconds(700);
constexpr Duration kAbsentFor = std::chrono::minutes(1);
constexpr Duration kLeaseMin = milliseconds(300);

bool is_silence(Code code) {
  return code == Code::unavailable || code == Code::timeout;
}

// Of the first in the way, so that a change of it is seen.
LockId first_blocker(const LockReply& reply) {
  return reply.blockers.empty() ? 0 : reply.blockers.front().lock;
}

}  // namespace

void Locks::release_later(LockId lock, std::string owner) {
  ++releasing_;
  scope_.spawn(release(lock, std::move(owner)));
}

Task<void> Locks::release(LockId lock, std::string owner) {
  CallOptions options;
  options.deadline = deadline_;
  Task<Result<Answer<ReleaseLock>>> asking =
      calls_.ask<ReleaseLock>("lock", ReleaseLock{lock, std::move(owner)}, std::move(options));
  const Result<Answer<ReleaseLock>> answer = co_await asking;
  if (!answer) {
    bus_.log(Level::debug, "a lock was not released and ends with its lease",
             {{"lock", lock}, {"error", answer.error().describe()}});
  }
  --releasing_;
  finish_if_idle();
}

void Locks::finish_if_idle() {
  if (releasing_ == 0 && finished_) std::exchange(finished_, nullptr)();
}

void Locks::finish(std::function<void()> done) {
  finished_ = std::move(done);
  finish_if_idle();
  if (!finished_) return;
  finish_timer_ = bus_.after(kReleasesMax, [this] {
    if (finished_) std::exchange(finished_, nullptr)();
  });
}

Task<bool> Locks::is_absent() {
  CallOptions options;
  options.deadline = kLookForService;
  Task<Result<Answer<Ping>>> asking = calls_.ask<Ping>("lock-replica", Ping{}, std::move(options));
  const Result<Answer<Ping>> answer = co_await asking;
  if (answer || !is_silence(answer.code())) co_return false;
  // Somebody must be there to tell that nobody serves locks.
  CallOptions again;
  again.deadline = kLookForService;
  Task<Result<Answer<Ping>>> asking_monitor =
      calls_.ask<Ping>("monitor-replica", Ping{}, std::move(again));
  const Result<Answer<Ping>> monitor = co_await asking_monitor;
  if (!monitor) co_return false;
  if (!absent_until_) bus_.log(Level::warn, "this cluster has no lock service; going on without");
  absent_until_ = bus_.now() + kAbsentFor;
  co_return true;
}

LockOwner::LockOwner(Locks& locks, std::string name)
    : locks_(locks),
      name_(!name.empty() ? std::move(name)
                          : locks.bus_.address() + "#" + std::to_string(++locks.owners_)) {}

LockOwner::~LockOwner() {
  scope_.clear();
  release_all();
}

void LockOwner::release_all() {
  for (const LockId lock : std::exchange(held_, {})) locks_.release_later(lock, name_);
}

AcquireLock LockOwner::request_for(const LockWish& wish) const {
  AcquireLock request;
  request.target = wish.target;
  request.mode = wish.mode;
  const int64_t wait_ms = std::chrono::ceil<milliseconds>(wish.wait).count();
  request.wait_ms = static_cast<uint32_t>(std::clamp<int64_t>(wait_ms, 0, kLockWaitMsMax));
  request.owner = name_;
  request.label = wish.label.substr(0, kOwnerBytesMax);
  return request;
}

// An election is waited out; a cluster that has no lock service is not.
Task<Result<Answer<AcquireLock>>> LockOwner::ask_first(AcquireLock request) {
  const LockReply none;
  if (locks_.absent_until_ && locks_.bus_.now() < *locks_.absent_until_) {
    co_return Answer<AcquireLock>{none, {}};
  }
  CallOptions options;
  options.deadline = std::min(locks_.deadline_, kFirstTry);
  options.request = locks_.calls_.fresh_request();
  CallOptions rest = options;
  rest.deadline = locks_.deadline_;
  Task<Result<Answer<AcquireLock>>> asking =
      locks_.calls_.ask<AcquireLock>("lock", request, std::move(options));
  Result<Answer<AcquireLock>> answer = co_await asking;
  if (answer || !is_silence(answer.code())) co_return answer;
  Task<bool> looking = locks_.is_absent();
  const bool absent = co_await looking;
  if (absent) co_return Answer<AcquireLock>{none, {}};
  Task<Result<Answer<AcquireLock>>> again =
      locks_.calls_.ask<AcquireLock>("lock", std::move(request), std::move(rest));
  Result<Answer<AcquireLock>> second = co_await again;
  co_return second;
}

Task<Result<LockReply>> LockOwner::ask(LockWish wish) {
  AcquireLock request = request_for(wish);
  request.ask_only = true;
  Task<Result<Answer<AcquireLock>>> asking = ask_first(std::move(request));
  const Result<Answer<AcquireLock>> answer = co_await asking;
  if (!answer) co_return answer.error();
  co_return answer->message;
}

Task<Result<LockReply>> LockOwner::acquire(LockWish wish) {
  Task<Result<Answer<AcquireLock>>> asking = ask_first(request_for(wish));
  const Result<Answer<AcquireLock>> first = co_await asking;
  if (!first) co_return first.error();
  LockReply reply = first->message;
  if (reply.lock == 0) co_return reply;
  held_.insert(reply.lock);
  lease_ = std::max(Duration(milliseconds(reply.lease_ms)), kLeaseMin);
  if (!std::exchange(keeping_, true)) scope_.spawn(keep_alive());
  LockId told = 0;
  while (reply.state == LockState::waiting) {
    if (wish.waiting && told != first_blocker(reply)) wish.waiting(reply);
    told = first_blocker(reply);
    CallOptions options;
    options.deadline = locks_.deadline_;
    const LockId lock = reply.lock;
    Task<Result<Answer<AwaitLock>>> waiting =
        locks_.calls_.ask<AwaitLock>("lock", AwaitLock{lock, name_}, std::move(options));
    const Result<Answer<AwaitLock>> answer = co_await waiting;
    if (answer) {
      reply = answer->message;
      continue;
    }
    if (!is_retryable(answer.code())) held_.erase(lock);  // it is gone
    co_return answer.error();
  }
  co_return reply;
}

Task<Result<void>> LockOwner::release(LockId lock) {
  held_.erase(lock);
  CallOptions options;
  options.deadline = locks_.deadline_;
  Task<Result<Answer<ReleaseLock>>> asking =
      locks_.calls_.ask<ReleaseLock>("lock", ReleaseLock{lock, name_}, std::move(options));
  const Result<Answer<ReleaseLock>> answer = co_await asking;
  if (!answer) co_return answer.error();
  co_return Result<void>();
}

// As long as the flow lasts; also while it waits.
Task<void> LockOwner::keep_alive() {
  Instant heard = locks_.bus_.now();
  while (true) {
    Task<void> pausing = sleep(locks_.bus_, lease_ / 3);
    co_await pausing;
    if (held_.empty()) continue;
    RenewLocks request;
    request.owner = name_;
    request.locks.assign(held_.begin(), held_.end());
    CallOptions options;
    options.deadline = lease_ / 3;
    const Instant asked = locks_.bus_.now();
    Task<Result<Answer<RenewLocks>>> asking =
        locks_.calls_.ask<RenewLocks>("lock", std::move(request), std::move(options));
    const Result<Answer<RenewLocks>> answer = co_await asking;
    if (answer) heard = asked;
    if (answer && answer->message.ended.empty()) continue;
    const bool ended = answer.ok();
    if (ended) {
      for (const LockId lock : answer->message.ended) held_.erase(lock);
    }
    if (lost_ || (!ended && locks_.bus_.now() - heard < lease_)) continue;
    lost_ = Error{Code::fenced,
                  ended ? "a lock ended: it was broken, or its lease ran out"
                        : "the lock service was not reached for a whole lease, so the lock may "
                          "have ended",
                  {{"owner", name_}},
                  0};
    changed.notify();
  }
}

}  // namespace dfs
