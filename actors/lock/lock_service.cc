#include "actors/lock/lock_service.h"

#include <algorithm>

#include "messages/events.h"
#include "messages/fence_proof.h"

namespace dfs::lock {

using std::chrono::milliseconds;

namespace {

constexpr size_t kEndsKept = 4096;
constexpr size_t kOwnersEnded = 256;  // by one command
constexpr size_t kLocksEnded = 8192;  // likewise, about
constexpr size_t kWaitersOfLock = 4;  // repetitions that came through several brokers
constexpr uint32_t kEndingMs = 20;    // such an end takes about so long
constexpr Duration kExpiryMin = milliseconds(5);
constexpr Duration kExpiryMax = milliseconds(500);

bool is_repetition(const Envelope& a, const Envelope& b) {
  return a.header.from == b.header.from && a.header.request == b.header.request;
}

}  // namespace

LockService::LockService(Service& service, Bus& bus, Replica& replica, const LockTable& locks,
                         Duration lease, std::string fence_key, Denied denied)
    : service_(service),
      bus_(bus),
      replica_(replica),
      locks_(locks),
      lease_(lease),
      fence_key_(std::move(fence_key)),
      denied_(std::move(denied)),
      leases_(kLocksMax) {}

LockService::~LockService() {
  bus_.cancel(tick_timer_);
  bus_.cancel(expiry_timer_);
  for (const auto& [lock, waiters] : waiters_) {
    for (const Waiter& waiter : waiters) bus_.cancel(waiter.timer);
  }
}

void LockService::begin() {
  leading_ = true;
  leases_ = Leases<std::string>(kLocksMax);
  doomed_.clear();
  ending_.clear();
  all_judged_ = expiring_ = false;
  tick_timer_ = bus_.after(lease_ / kLeaseTicks, [this] { tick(); });
  plan_expiry();
}

void LockService::end() {
  if (!std::exchange(leading_, false)) return;
  bus_.cancel(tick_timer_);
  bus_.cancel(expiry_timer_);
  for (const auto& [lock, waiters] : std::exchange(waiters_, {})) {
    for (const Waiter& waiter : waiters) {
      bus_.cancel(waiter.timer);
      service_.refuse(waiter.origin, service_.not_serving());
    }
  }
}

std::string LockService::owner_of(const Envelope& envelope, const std::string& named) {
  return named.empty() ? envelope.header.from : named;
}

uint32_t LockService::lease_ms() const {
  return static_cast<uint32_t>(lease_ / milliseconds(1));
}

// Nobody speaks for an owner whose locks are another user's.
bool LockService::refused_owner(const Envelope& envelope, const std::string& owner,
                                const Asker& asker) {
  const std::string* const user = locks_.user_of(owner);
  if (user == nullptr || *user == asker.user) return false;
  denied_(envelope, asker, "locks of " + *user);
  service_.refuse(
      envelope,
      Error{Code::denied, "the owner " + owner + " is another user's", {{"owner", owner}}, 0});
  return true;
}

// False when the owner was refused.
bool LockService::renew(const Envelope& envelope, const std::string& owner) {
  // What it holds ends in a moment, and until then it must not be told that it holds it.
  if (ending_.contains(owner)) {
    service_.refuse(envelope, Error{Code::unavailable,
                                    "the lease of " + owner + " ran out and its locks are ended",
                                    {{"owner", owner}},
                                    kEndingMs});
    return false;
  }
  if (leases_.renew(owner)) {
    doomed_.erase(owner);
    return true;
  }
  service_.refuse(envelope, Error{Code::busy, "too many hold locks; try again", {}, 1000});
  return false;
}

LockView LockService::full_view(LockId lock) const {
  LockView view = view_of(lock, *locks_.find(lock));
  view.silent_ms = leases_.silent_ticks(view.owner) * int64_t{lease_ms()} / kLeaseTicks;
  return view;
}

LockReply LockService::full_reply(LockId lock) const {
  LockReply reply = reply_of(locks_, lock);
  for (LockView& blocker : reply.blockers) blocker = full_view(blocker.lock);
  reply.lease_ms = lease_ms();
  const LockRow& row = *locks_.find(lock);
  reply.fence_proof = proof_of(row.target, row.fence, row.user);
  return reply;
}

// Of a whole file or tree: what is done with a part of one does not go through the monitor.
Blob LockService::proof_of(const LockTarget& target, Fence fence, const std::string& user) const {
  if (target.from != 0 || target.until != UINT64_MAX) return {};
  return prove_fence(fence_key_, {target.path, target.subtree, fence, user});
}

void LockService::on(const Envelope& envelope, const AcquireLock& request, const Asker& asker) {
  TakeLock take;
  take.target = request.target;
  take.mode = request.mode;
  take.wait_ms = request.wait_ms;
  take.owner = owner_of(envelope, request.owner);
  take.user = asker.user;
  take.label = request.label;
  if (request.ask_only) {
    return service_.read(envelope, request, [this, take](Rows&, const AcquireLock&) {
      const Result<void> free = locks_.would_grant(take);
      if (!free) return Result<LockReply>(free.error());
      LockReply reply;
      reply.fence = replica_.applied();
      reply.fence_proof = proof_of(take.target, reply.fence, take.user);
      return Result<LockReply>(std::move(reply));
    });
  }
  if (refused_owner(envelope, take.owner, asker)) return;
  if (const auto room = locks_.check_room_now(take); !room) {
    return service_.refuse(envelope, room.error());
  }
  if (!renew(envelope, take.owner)) return;
  service_.propose_for(envelope, TakeLock::kType, encode(take),
                       [this](const Envelope& origin, const Result<Outcome>& outcome) {
                         if (!outcome || outcome->type != LockReply::kType) {
                           return service_.answer(origin, outcome);
                         }
                         const auto logged = decode<LockReply>(outcome->body);
                         if (!logged) return service_.refuse(origin, logged.error());
                         tell(origin, logged->lock, logged->receipt);
                       });
}

// As it is now, for a repetition may come late; and only while this head leads for certain: the
// asker takes its lease to go on, and another leader may have ended it.
void LockService::tell(const Envelope& origin, LockId lock, const Receipt& receipt) {
  service_.read(origin, AwaitLock{lock, {}}, [this, receipt](Rows&, const AwaitLock& asked) {
    if (locks_.find(asked.lock) == nullptr) return Result<LockReply>(ended(asked.lock));
    LockReply reply = full_reply(asked.lock);
    reply.receipt = receipt;
    return Result<LockReply>(std::move(reply));
  });
}

Error LockService::ended(LockId lock) const {
  const auto known = ends_.find(lock);
  const std::string number = std::to_string(lock);
  const std::string reason = known == ends_.end() ? "unknown" : name_of(known->second);
  if (known != ends_.end() && known->second == LockEnd::wait_over) {
    return Error{Code::locked,
                 "lock " + number + " was not granted in time: others still hold it",
                 {{"lock", number}, {"reason", reason}},
                 0};
  }
  return Error{Code::not_found,
               "there is no lock " + number +
                   (known == ends_.end() ? " (any more)" : ": it ended, " + reason),
               {{"lock", number}, {"reason", reason}},
               0};
}

void LockService::on(const Envelope& envelope, const AwaitLock& request, const Asker& asker) {
  const std::string owner = owner_of(envelope, request.owner);
  if (refused_owner(envelope, owner, asker)) return;
  const LockRow* const row = locks_.find(request.lock);
  if (row == nullptr) return tell(envelope, request.lock, {});
  if (row->owner != owner) return service_.refuse(envelope, ended(request.lock));
  if (!renew(envelope, owner)) return;
  if (row->state == LockState::granted) return tell(envelope, request.lock, {});
  std::vector<Waiter>& waiters = waiters_[request.lock];
  const auto again = std::find_if(waiters.begin(), waiters.end(), [&](const Waiter& waiter) {
    return is_repetition(waiter.origin, envelope);
  });
  if (again != waiters.end()) {
    again->origin.link = envelope.link;
    return;
  }
  if (waiters.size() >= kWaitersOfLock) {
    return service_.refuse(envelope, Error{Code::busy, "too many wait for this lock", {}, 200});
  }
  Waiter waiter{Envelope{envelope.header, {}, {}, envelope.link}};
  waiter.timer = bus_.after(
      milliseconds(kLockPollMs),
      [this, lock = request.lock, from = envelope.header.from] { poll_over(lock, from); });
  waiters.push_back(std::move(waiter));
}

// It still waits, and is told for whom.
void LockService::poll_over(LockId lock, const std::string& from) {
  const auto found = waiters_.find(lock);
  if (found == waiters_.end() || locks_.find(lock) == nullptr) return;
  std::vector<Waiter>& waiters = found->second;
  const auto its = std::find_if(waiters.begin(), waiters.end(), [&](const Waiter& waiter) {
    return waiter.origin.header.from == from;
  });
  if (its == waiters.end()) return;
  const Envelope origin = std::move(its->origin);
  waiters.erase(its);
  if (waiters.empty()) waiters_.erase(found);
  tell(origin, lock, {});
}

void LockService::tell_waiters(LockId lock) {
  const auto found = waiters_.find(lock);
  if (found == waiters_.end()) return;
  const std::vector<Waiter> waiters = std::move(found->second);
  waiters_.erase(found);
  for (const Waiter& waiter : waiters) {
    bus_.cancel(waiter.timer);
    tell(waiter.origin, lock, {});
  }
}

// Linearizable: a leader that was deposed without its knowledge renews nothing.
void LockService::on(const Envelope& envelope, const RenewLocks& request, const Asker& asker) {
  const std::string owner = owner_of(envelope, request.owner);
  if (refused_owner(envelope, owner, asker)) return;
  if (leading_ && locks_.has_owner(owner) && !renew(envelope, owner)) return;
  service_.read(envelope, request, [this, owner](Rows&, const RenewLocks& asked) {
    RenewLocksReply reply;
    reply.lease_ms = lease_ms();
    for (const LockId lock : asked.locks) {
      const LockRow* const row = locks_.find(lock);
      if (row == nullptr || row->owner != owner) reply.ended.push_back(lock);
    }
    return Result<RenewLocksReply>(std::move(reply));
  });
}

bool LockService::refused_end(const Envelope& envelope, LockId lock, const Asker& asker,
                              LockEnd end) {
  const LockRow* const row = locks_.find(lock);
  const bool may_all = asker.may_all && end == LockEnd::broken;
  if (row == nullptr || may_all || row->user == asker.user) return false;
  denied_(envelope, asker, "the end of a lock of " + row->user);
  const std::string number = std::to_string(lock);
  const std::string way = asker.may_all ? "; to end it all the same: dfsctl lock break " + number
                                        : "; ask them, or an administrator";
  service_.refuse(envelope, Error{Code::denied,
                                  "lock " + number + " is that of user " + row->user + way,
                                  {{"lock", number}},
                                  0});
  return true;
}

// What is given back leaves no event, so nobody gives back what is another's: administrators break
// it, and that is told.
void LockService::on(const Envelope& envelope, const ReleaseLock& request, const Asker& asker) {
  if (refused_end(envelope, request.lock, asker, LockEnd::released)) return;
  const EndLock end{request.lock, LockEnd::released, owner_of(envelope, request.owner), asker.user};
  service_.propose_for(envelope, EndLock::kType, encode(end),
                       [this](const Envelope& origin, const Result<Outcome>& outcome) {
                         service_.answer(origin, outcome);
                       });
}

void LockService::on(const Envelope& envelope, const BreakLock& request, const Asker& asker) {
  if (refused_end(envelope, request.lock, asker, LockEnd::broken)) return;
  const EndLock end{request.lock, LockEnd::broken, {}, asker.user};
  service_.propose_for(envelope, EndLock::kType, encode(end),
                       [this](const Envelope& origin, const Result<Outcome>& outcome) {
                         service_.answer(origin, outcome);
                       });
}

void LockService::on(const Envelope& envelope, const ListLocks& request, const Asker& asker) {
  service_.read(envelope, request, [this, asker](Rows&, const ListLocks& asked) {
    LockList list;
    const std::string* const user = asker.may_all ? nullptr : &asker.user;
    for (const LockId lock : locks_.list(asked.below, user, asked.after, asked.limit, &list.next)) {
      list.locks.push_back(full_view(lock));
    }
    list.more = list.next != 0;
    return Result<LockList>(std::move(list));
  });
}

void LockService::applied(const Command& command, const LockWork& work) {
  for (const EndedLock& gone : work.news.ended) {
    if (ends_.emplace(gone.lock, gone.end).second) ends_in_order_.push_back(gone.lock);
    if (ends_in_order_.size() > kEndsKept) {
      ends_.erase(ends_in_order_.front());
      ends_in_order_.pop_front();
    }
  }
  if (!leading_) return;
  for (const EndedLock& gone : work.news.ended) {
    if (!locks_.has_owner(gone.row.owner)) leases_.end(gone.row.owner);
    tell_waiters(gone.lock);
  }
  for (const LockId lock : work.news.granted) {
    const LockRow* const row = locks_.find(lock);
    if (row == nullptr) continue;
    Event event{"lock-granted", 0, command.time_ms, bus_.address(), command.trace, {}};
    event.fields = {{"lock", std::to_string(lock)},
                    {"path", row->target.path},
                    {"owner", row->owner},
                    {"fence", std::to_string(row->fence)}};
    bus_.publish(std::string(kEventTopic) + event.topic, envelope_of(event));
    tell_waiters(lock);
  }
  // What it held before may have ended since it asked, and its lease with that.
  const LockRow* const added = locks_.find(work.news.added);
  if (added != nullptr && !leases_.holds(added->owner)) (void)leases_.renew(added->owner);
  plan_expiry();
}

void LockService::tick() {
  tick_timer_ = bus_.after(lease_ / kLeaseTicks, [this] { tick(); });
  for (std::string& owner : leases_.tick()) {
    if (locks_.has_owner(owner)) doomed_.insert(std::move(owner));
  }
  if (leases_.complete() && !std::exchange(all_judged_, true)) {
    for (std::string& owner : locks_.owners()) {
      if (!leases_.holds(owner)) doomed_.insert(std::move(owner));
    }
  }
  end_owners();
}

void LockService::end_owners() {
  if (!ending_.empty() || !leading_) return;
  EndOwners command;
  size_t locks = 0;
  for (auto at = doomed_.begin(); at != doomed_.end();) {
    if (command.owners.size() >= kOwnersEnded || locks >= kLocksEnded) break;
    locks += locks_.locks_of(*at);
    if (locks_.has_owner(*at)) command.owners.push_back(*at);
    at = doomed_.erase(at);
  }
  if (command.owners.empty()) return;
  ending_.insert(command.owners.begin(), command.owners.end());
  service_.propose(command, [this](const Result<Outcome>& outcome) {
    const std::set<std::string> owners = std::exchange(ending_, {});
    if (outcome) return end_owners();
    doomed_.insert(owners.begin(), owners.end());  // with the next tick
  });
}

// Looks again when the first wait is over, by the wall clock, which is what the log's time follows.
void LockService::plan_expiry() {
  bus_.cancel(expiry_timer_);
  expiry_timer_ = 0;
  const auto first_ms = locks_.next_expiry_ms();
  if (!first_ms || !leading_) return;
  const Duration left = milliseconds(std::clamp<int64_t>(*first_ms - bus_.wall_ms(), 0, 1000));
  expiry_timer_ = bus_.after(std::clamp(left, kExpiryMin, kExpiryMax), [this] { expire_waits(); });
}

void LockService::expire_waits() {
  const auto first_ms = locks_.next_expiry_ms();
  const int64_t now_ms = std::max(bus_.wall_ms(), replica_.logged_ms());
  if (!first_ms || *first_ms > now_ms || expiring_) return plan_expiry();
  expiring_ = true;
  service_.propose(ExpireWaits{}, [this](const Result<Outcome>&) {
    expiring_ = false;
    plan_expiry();
  });
}

}  // namespace dfs::lock
