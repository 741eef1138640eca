#include "actors/client/locks.h"

#include <algorithm>

namespace dfs {

using std::chrono::milliseconds;

namespace {

constexpr Duration kLeaseMin = milliseconds(300);
constexpr Duration kPauseMin = milliseconds(10);

// What of a lease a client relies on: its clock may be slower than the leader's by so much.
Duration relied_on(Duration lease) {
  return lease / 8 * 7;
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

// Silence is waited out: a cluster that starts, or elects, answers before long.
template <Request R>
Task<Result<Answer<R>>> LockOwner::ask_service(const char* service, R request) {
  CallOptions options;
  options.deadline = locks_.deadline_;
  Task<Result<Answer<R>>> asking =
      locks_.calls_.ask<R>(service, std::move(request), std::move(options));
  Result<Answer<R>> answer = co_await asking;
  co_return answer;
}

// The lease goes on from when the answer was asked for, at the least.
void LockOwner::heard(Instant asked, uint32_t lease_ms) {
  lease_ = std::max(Duration(milliseconds(lease_ms)), kLeaseMin);
  sure_until_ = std::max(sure_until_, asked + relied_on(lease_));
}

void LockOwner::lose(const char* why) {
  if (lost_) return;
  lost_ = Error{Code::fenced, why, {{"owner", name_}}, 0};
  changed.notify();
}

Task<Result<LockReply>> LockOwner::ask(LockWish wish) {
  AcquireLock request = request_for(wish);
  request.ask_only = true;
  Task<Result<Answer<AcquireLock>>> asking = ask_service("lock", std::move(request));
  const Result<Answer<AcquireLock>> answer = co_await asking;
  if (!answer) co_return answer.error();
  co_return answer->message;
}

Task<Result<LockReply>> LockOwner::acquire(LockWish wish) {
  Instant asked = locks_.bus_.now();
  Task<Result<Answer<AcquireLock>>> asking = ask_service("lock", request_for(wish));
  const Result<Answer<AcquireLock>> first = co_await asking;
  if (!first) co_return first.error();
  LockReply reply = first->message;
  held_.insert(reply.lock);
  heard(asked, reply.lease_ms);
  if (!std::exchange(keeping_, true)) scope_.spawn(keep_alive());
  LockId told = 0;
  while (reply.state == LockState::waiting) {
    if (wish.waiting && told != first_blocker(reply)) wish.waiting(reply);
    told = first_blocker(reply);
    const LockId lock = reply.lock;
    asked = locks_.bus_.now();
    Task<Result<Answer<AwaitLock>>> waiting = ask_service("lock", AwaitLock{lock, name_});
    const Result<Answer<AwaitLock>> answer = co_await waiting;
    if (answer) {
      reply = answer->message;
      heard(asked, reply.lease_ms);
      continue;
    }
    if (!is_retryable(answer.code())) held_.erase(lock);  // it is gone
    co_return answer.error();
  }
  if (!wish.show) co_return reply;
  Task<Result<ShowFenceReply>> showing = show(wish, reply);
  const Result<ShowFenceReply> shown = co_await showing;
  if (shown) co_return reply;
  held_.erase(reply.lock);
  locks_.release_later(reply.lock, name_);
  co_return shown.error();
}

Task<Result<ShowFenceReply>> LockOwner::show(LockWish wish, LockReply held) {
  ShowFence request{wish.target.path, wish.target.subtree, held.fence, held.fence_proof};
  Task<Result<Answer<ShowFence>>> asking = ask_service("monitor", std::move(request));
  Result<Answer<ShowFence>> answer = co_await asking;
  if (!answer) co_return answer.error();
  if (wish.mode == LockMode::exclusive && answer->message.seen > held.fence) {
    co_return Error{Code::fenced,
                    "the lock on " + wish.target.path +
                        " ended before it could be used, and somebody else has had it since; "
                        "take it again",
                    {{"owner", name_}, {"fence", std::to_string(held.fence)}},
                    0};
  }
  co_return answer->message;
}

Task<Result<void>> LockOwner::release(LockId lock) {
  held_.erase(lock);
  Task<Result<Answer<ReleaseLock>>> asking = ask_service("lock", ReleaseLock{lock, name_});
  const Result<Answer<ReleaseLock>> answer = co_await asking;
  if (!answer) co_return answer.error();
  co_return Result<void>();
}

// As long as the flow lasts; also while it waits.
Task<void> LockOwner::keep_alive() {
  Bus& bus = locks_.bus_;
  Duration pause = lease_ / 3;
  while (true) {
    Task<void> pausing = sleep(bus, pause);
    co_await pausing;
    pause = lease_ / 3;
    if (held_.empty()) continue;
    RenewLocks request;
    request.owner = name_;
    request.locks.assign(held_.begin(), held_.end());
    CallOptions options;
    const Instant asked = bus.now();
    options.deadline = std::min(pause, std::max<Duration>(sure_until_ - asked, kPauseMin));
    Task<Result<Answer<RenewLocks>>> asking =
        locks_.calls_.ask<RenewLocks>("lock", std::move(request), std::move(options));
    const Result<Answer<RenewLocks>> answer = co_await asking;
    if (!answer) {
      if (bus.now() >= sure_until_) {
        lose("the lock service was not reached for a lease, so the lock may have ended");
      } else {
        pause = std::clamp<Duration>(sure_until_ - bus.now(), kPauseMin, lease_ / 12);
      }
      continue;
    }
    heard(asked, answer->message.lease_ms);
    for (const LockId lock : answer->message.ended) held_.erase(lock);
    if (!answer->message.ended.empty()) lose("a lock ended: it was broken, or its lease ran out");
  }
}

}  // namespace dfs
