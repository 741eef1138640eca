// Locks that flows of this client hold (messages/locks.h): taken, waited for, kept alive while the
// flow lasts, and given back with it.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "broker/calls.h"
#include "broker/task.h"
#include "messages/locks.h"
#include "messages/namespace.h"

namespace dfs {

// Whether an operation takes the lock on what it works on, and how.
struct LockOptions {
  bool take = false;
  Duration wait = std::chrono::seconds(60);  // for those who have it; 0: not at all
  std::string owner;                         // one that exists already; empty: the operation itself
  std::function<void(const LockReply&)> waiting;  // told when it waits, and when for whom changes
};

struct LockWish {
  LockTarget target;
  LockMode mode = LockMode::exclusive;
  Duration wait = std::chrono::seconds(60);
  std::string label;
  std::function<void(const LockReply&)> waiting;
  // The monitor is told of the lock before it is said to be held (ShowFence): nothing that is read
  // or written under it can be changed any more by who had it before, however late that arrives.
  bool show = false;
};

// What all flows of one client share. Must outlive the owners.
class Locks {
 public:
  Locks(Bus& bus, Calls& calls, Duration deadline)
      : bus_(bus), calls_(calls), deadline_(deadline) {}
  Locks(const Locks&) = delete;
  Locks& operator=(const Locks&) = delete;
  ~Locks() { bus_.cancel(finish_timer_); }

  // Ends the lock, or the wait for it, in the background.
  void release_later(LockId lock, std::string owner);
  // Calls `done` when all releases were answered, or after kReleasesMax.
  void finish(std::function<void()> done);

  // A client that ends waits so long for releases; what comes too late ends with its lease.
  static constexpr Duration kReleasesMax = std::chrono::seconds(1);

 private:
  friend class LockOwner;
  Task<void> release(LockId lock, std::string owner);
  void finish_if_idle();

  Bus& bus_;
  Calls& calls_;
  const Duration deadline_;  // of one request
  uint64_t owners_ = 0;
  size_t releasing_ = 0;
  std::function<void()> finished_;
  Bus::TimerId finish_timer_ = 0;
  TaskScope scope_;
};

// One flow that holds locks. Whatever it still holds, or waits for, when it ends is given back.
class LockOwner {
 public:
  // `name`: of an owner that exists already; empty: a new one.
  explicit LockOwner(Locks& locks, std::string name = {});
  ~LockOwner();
  LockOwner(const LockOwner&) = delete;
  LockOwner& operator=(const LockOwner&) = delete;

  // Takes a lock and waits for it as long as the wish says. From then on it is kept alive until it
  // is released. Errors: `locked` (cause `holder`, `since_ms`), `deadlock`, `busy`, `no_space`, and
  // what keeps the service away; a cluster that only starts or elects is waited for.
  Task<Result<LockReply>> acquire(LockWish wish);
  // Whether it would be granted now: as acquire() without waiting, and nothing is taken. The fence
  // of the answer holds as long as nobody else was granted it in between.
  Task<Result<LockReply>> ask(LockWish wish);
  // See LockWish::show; for locks of whole files and trees. `fenced` when the lock is exclusive and
  // somebody has had it since.
  Task<Result<ShowFenceReply>> show(LockWish wish, LockReply held);
  // Waits for the answer.
  Task<Result<void>> release(LockId lock);
  void release_all();  // in the background

  const std::string& name() const { return name_; }
  // Whether what was granted is still held for certain, by this client's clock. Nobody else holds
  // it then; whoever is not sure any more has its fence, and no more than that.
  bool sure() const { return !lost_ && locks_.bus_.now() < sure_until_; }
  // Why locks that were granted can no longer be relied on, if so; `changed` is notified then.
  const std::optional<Error>& lost() const { return lost_; }
  Signal changed;

 private:
  template <Request R>
  Task<Result<Answer<R>>> ask_service(const char* service, R request);
  void heard(Instant asked, uint32_t lease_ms);
  void lose(const char* why);
  AcquireLock request_for(const LockWish& wish) const;
  Task<void> keep_alive();

  Locks& locks_;
  const std::string name_;
  std::set<LockId> held_;  // and waited for
  Duration lease_{0};
  Instant sure_until_{};
  bool keeping_ = false;
  std::optional<Error> lost_;
  TaskScope scope_;
};

}  // namespace dfs
