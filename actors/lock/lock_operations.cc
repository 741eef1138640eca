#include "actors/lock/lock_operations.h"

#include "actors/replica/rows.h"
#include "messages/envelope.h"

namespace dfs::lock {

namespace {

constexpr size_t kBlockersShown = 8;

template <Message M>
Outcome outcome_of(const Result<M>& reply) {
  if (!reply) return {Type::Error, encode(ErrorReply::of(reply.error()))};
  return {M::kType, encode(*reply)};
}

LockEvent event_of(const char* topic, LockId lock, const LockRow& row) {
  LockEvent event{topic,
                  {{"lock", std::to_string(lock)},
                   {"path", row.target.path},
                   {"owner", row.owner},
                   {"user", row.user}}};
  if (row.fence != 0) event.fields["fence"] = std::to_string(row.fence);
  if (!row.label.empty()) event.fields["label"] = row.label;
  return event;
}

// One command on its way.
class Applying {
 public:
  Applying(LockTable& locks, const Command& command, uint32_t voters, LockWork& work)
      : locks_(locks), command_(command), voters_(voters), work_(work) {}

  Outcome run() {
    locks_.expire(command_.index, command_.time_ms, work_.news);
    switch (command_.type) {
      case Type::TakeLock:
        return perform(&Applying::take);
      case Type::EndLock:
        return perform(&Applying::end);
      case Type::EndOwners:
        return perform(&Applying::end_owners);
      default:
        return perform(&Applying::expire_waits);
    }
  }

 private:
  Receipt receipt() const { return {command_.index, command_.term, true, voters_}; }

  template <Message M, Message Reply>
  Outcome perform(Result<Reply> (Applying::*operation)(const M&)) {
    const auto request = decode<M>(command_.body);
    if (!request) return outcome_of(Result<Reply>(request.error()));
    return outcome_of((this->*operation)(*request));
  }

  Result<LockReply> take(const TakeLock& request) {
    DFS_CHECK(locks_.acquire(request, command_.index, command_.time_ms, work_.news));
    const LockRow& row = *locks_.find(command_.index);
    // Remembered for repetitions, so without those in the way: the leader adds them.
    LockReply reply;
    reply.lock = command_.index;
    reply.state = row.state;
    reply.fence = row.fence;
    reply.receipt = receipt();
    return reply;
  }

  Result<ReleaseLockReply> end(const EndLock& request) {
    const LockRow* const row = locks_.find(request.lock);
    if (row == nullptr) {
      if (request.end == LockEnd::released) return ReleaseLockReply{receipt()};
      return Error{Code::not_found,
                   "there is no lock " + std::to_string(request.lock) + " (any more)",
                   {{"lock", std::to_string(request.lock)}},
                   0};
    }
    if (request.end == LockEnd::released && row->owner != request.owner) {
      return Error{Code::denied,
                   "lock " + std::to_string(request.lock) + " is that of " + row->owner +
                       ", not of " + request.owner + "; to end it use: dfsctl lock break",
                   {{"lock", std::to_string(request.lock)}, {"owner", row->owner}},
                   0};
    }
    if (request.end == LockEnd::broken) {
      LockEvent event = event_of("lock-broken", request.lock, *row);
      event.fields["by"] = request.by;
      work_.events.push_back(std::move(event));
    }
    locks_.end({request.lock}, request.end, command_.index, command_.time_ms, work_.news);
    return ReleaseLockReply{receipt()};
  }

  Result<ReleaseLockReply> end_owners(const EndOwners& request) {
    const size_t before = work_.news.ended.size();
    locks_.end_owners(request.owners, command_.index, command_.time_ms, work_.news);
    for (size_t i = before; i < work_.news.ended.size(); ++i) {
      const EndedLock& ended = work_.news.ended[i];
      work_.events.push_back(event_of("lease-expired", ended.lock, ended.row));
    }
    return ReleaseLockReply{receipt()};
  }

  Result<ReleaseLockReply> expire_waits(const ExpireWaits&) { return ReleaseLockReply{receipt()}; }

  LockTable& locks_;
  const Command& command_;
  const uint32_t voters_;
  LockWork& work_;
};

}  // namespace

bool is_lock_command(Type type) {
  return type >= Type::TakeLock && type <= Type::ExpireWaits;
}

Outcome apply_lock_command(LockTable& locks, const Command& command, uint32_t voters, Batch& batch,
                           LockWork& work) {
  Outcome outcome = Applying(locks, command, voters, work).run();
  const auto put = [&](LockId lock) {
    const LockRow* const row = locks.find(lock);
    if (row != nullptr) batch.put(keys::lock(lock), encode_row(*row));
  };
  if (work.news.added != 0) put(work.news.added);
  for (const LockId lock : work.news.granted) {
    if (lock != work.news.added) put(lock);
  }
  for (const EndedLock& ended : work.news.ended) batch.erase(keys::lock(ended.lock));
  return outcome;
}

Result<void> load_locks(Table& table, LockTable& locks) {
  const std::string prefix(1, keys::kLock);
  std::optional<Error> bad;
  DFS_CHECK(table.scan(prefix, after_prefix(prefix), [&](auto key, auto value) {
    auto row = decode<LockRow>(value);
    if (!row) {
      bad = row.error();
      return false;
    }
    locks.load(read_u64(key, 1), std::move(*row));
    return true;
  }));
  if (bad) {
    return Error{Code::corrupt,
                 "a lock's row cannot be read: " + bad->text +
                     "; restore the lock actor's data directory from another head",
                 {},
                 0};
  }
  locks.loaded();
  return {};
}

LockView view_of(LockId lock, const LockRow& row) {
  LockView view;
  view.lock = lock;
  view.target = row.target;
  view.mode = row.mode;
  view.state = row.state;
  view.fence = row.fence;
  view.owner = row.owner;
  view.user = row.user;
  view.label = row.label;
  view.since_ms = row.since_ms;
  return view;
}

LockReply reply_of(const LockTable& locks, LockId lock) {
  LockReply reply;
  reply.lock = lock;
  const LockRow* const row = locks.find(lock);
  reply.state = row == nullptr ? LockState::ended : row->state;
  if (row != nullptr) reply.fence = row->fence;
  for (const LockId blocker : locks.blockers(lock, kBlockersShown, &reply.ahead)) {
    reply.blockers.push_back(view_of(blocker, *locks.find(blocker)));
  }
  return reply;
}

}  // namespace dfs::lock
