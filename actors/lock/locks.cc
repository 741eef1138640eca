// What is asked about locks, once it is known who asks.
#include "actors/lock/lock_state.h"

namespace dfs {

namespace {
constexpr uint32_t kAskAgainMs = 50;
}

// A service token reaches no further here than with files.
Result<lock::LockService::Asker> Lock::State::locker_of(const Envelope& envelope,
                                                        const LockTarget* target, bool changes) {
  using Asker = lock::LockService::Asker;
  if (envelope.header.ticket.empty() && !needs_ticket) {
    return Error{Code::unavailable,
                 "the monitor has not said yet whether everybody has to log in; ask again",
                 {},
                 kAskAgainMs};
  }
  if (envelope.header.ticket.empty() && !*needs_ticket) return Asker{{}, true};
  auto ticket = asker_of(envelope);
  if (!ticket) return std::move(ticket).error();
  const LockTarget own{ticket->below.empty() ? "/" : ticket->below, true, 0, UINT64_MAX};
  const bool outside = target != nullptr && !covers(own, *target);
  if (outside || (changes && ticket->read_only)) {
    deny(envelope, ticket->user, "a lock");
    return Error{Code::denied,
                 outside ? "this token is not for that path" : "this token is for reading only",
                 {{"reason", "token"}},
                 0};
  }
  return Asker{ticket->user, ticket->role == Role::admin && ticket->below.empty()};
}

// A service token ends what it could have taken, and no other lock of its user.
Result<lock::LockService::Asker> Lock::State::ender_of(const Envelope& envelope, LockId lock) {
  const lock::LockRow* const row = machine.locks().find(lock);
  if (row == nullptr) return locker_of(envelope, nullptr, false);
  return locker_of(envelope, &row->target, row->mode == LockMode::exclusive);
}

void Lock::State::on(const Envelope& envelope, const AcquireLock& request) {
  const bool everything = request.target.path == "/" && request.target.subtree;
  const bool changes = (request.mode == LockMode::exclusive || everything) && !request.ask_only;
  const auto asker = locker_of(envelope, &request.target, changes);
  if (!asker) return refuse(envelope, asker.error());
  if (changes && everything && !asker->may_all) {
    deny(envelope, asker->user, "a lock on everything");
    return refuse(
        envelope,
        Error{
            Code::denied, "only administrators lock everything there is", {{"reason", "role"}}, 0});
  }
  locks.on(envelope, request, *asker);
}

void Lock::State::on(const Envelope& envelope, const AwaitLock& request) {
  const auto asker = locker_of(envelope, nullptr, false);
  if (!asker) return refuse(envelope, asker.error());
  locks.on(envelope, request, *asker);
}

void Lock::State::on(const Envelope& envelope, const RenewLocks& request) {
  const auto asker = locker_of(envelope, nullptr, false);
  if (!asker) return refuse(envelope, asker.error());
  locks.on(envelope, request, *asker);
}

void Lock::State::on(const Envelope& envelope, const ReleaseLock& request) {
  const auto asker = ender_of(envelope, request.lock);
  if (!asker) return refuse(envelope, asker.error());
  locks.on(envelope, request, *asker);
}

void Lock::State::on(const Envelope& envelope, const BreakLock& request) {
  const auto asker = ender_of(envelope, request.lock);
  if (!asker) return refuse(envelope, asker.error());
  locks.on(envelope, request, *asker);
}

void Lock::State::on(const Envelope& envelope, const ListLocks& request) {
  const LockTarget below{request.below.empty() ? "/" : request.below, true, 0, UINT64_MAX};
  const auto asker = locker_of(envelope, &below, false);
  if (!asker) return refuse(envelope, asker.error());
  locks.on(envelope, request, *asker);
}

}  // namespace dfs
