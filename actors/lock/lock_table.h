// Who holds which lock and who waits for which: a deterministic function of the commands about
// locks, in the order of the log. It is kept in memory and says what rows make it again.
//
// A request is blocked by each lock of another owner that conflicts with it and came before it or
// is granted. Each request that waits knows by how many it is blocked; when one of them ends it has
// one less, and with none left it is granted. So what nobody contends costs a look at the path and
// the subtrees above it, and what waits costs as much as there are conflicts.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "actors/lock/lock_commands.h"
#include "actors/lock/lock_index.h"
#include "actors/lock/lock_rows.h"
#include "messages/result.h"

namespace dfs::lock {

struct EndedLock {
  LockId lock = 0;
  LockRow row;
  LockEnd end = LockEnd::released;
};

// What a command did to locks; rows and events follow from it.
struct LockNews {
  LockId added = 0;              // granted or waiting
  std::vector<LockId> granted;   // now, by number; also the one that was added
  std::vector<EndedLock> ended;  // by number
};

// Held and waited for by all owners of a user, for owners cost nothing. Where nobody logs in there
// are no users, and no such limit.
inline constexpr size_t kLocksPerUserMax = 64 * 1024;

// The limits of locks.h and the above, lower in tests.
struct LockLimits {
  size_t locks = kLocksMax;
  size_t per_owner = kLocksPerOwnerMax;
  size_t per_user = kLocksPerUserMax;
  size_t waiters = kWaitersMax;
  size_t waiting = kWaitingMax;
  size_t below = kBelowMax;
  size_t deadlock_steps = 64 * 1024;  // locks looked at in search of a cycle
};

class LockTable {
 public:
  explicit LockTable(LockLimits limits = {}) : limits_(limits) {}

  // Takes a row in again: in any order, into an empty table, then loaded().
  void load(LockId lock, LockRow row);
  void loaded();

  // The request gets the number `index`. Errors as AcquireLock (locks.h); `now_ms` and `index` are
  // those of the log entry.
  Result<void> acquire(const TakeLock& request, LogIndex index, int64_t now_ms, LockNews& news);
  // Ends those of `locks` that there are.
  void end(const std::vector<LockId>& locks, LockEnd why, LogIndex index, int64_t now_ms,
           LockNews& news);
  void end_owners(const std::vector<std::string>& owners, LogIndex index, int64_t now_ms,
                  LockNews& news);
  // Ends the waits that are over at `now_ms`. Every command begins with this.
  void expire(LogIndex index, int64_t now_ms, LockNews& news);

  const LockRow* find(LockId lock) const;
  size_t size() const { return locks_.size(); }
  bool has_owner(const std::string& owner) const { return owners_.contains(owner); }
  std::vector<std::string> owners() const;
  size_t locks_of(const std::string& owner) const;
  const std::string* user_of(const std::string& owner) const;  // nullptr: it has no locks
  // When the first wait is over; nothing when none waits.
  std::optional<int64_t> next_expiry_ms() const;
  // What AcquireLock's ask_only wants to know, as a request that would be made now.
  Result<void> would_grant(const TakeLock& request) const;
  // `busy` or `no_space` when that is what the request would be told now: what is in the log is
  // remembered for its repetitions, and these may have more luck.
  Result<void> check_room_now(const TakeLock& request) const;
  // Those that block a lock that waits, holders first, at most `most`; and how many requests are
  // served before it, `ahead`.
  std::vector<LockId> blockers(LockId lock, size_t most, uint32_t* ahead = nullptr) const;
  // Locks with a number above `after`, on paths at or below `below` (empty: all), of this user
  // (nullptr: of any). Looks at kListLooksMax of them at most; `next` is where to go on, 0 at the
  // end.
  std::vector<LockId> list(const std::string& below, const std::string* user, LockId after,
                           size_t limit, LockId* next) const;
  static constexpr size_t kListLooksMax = 16 * 1024;

 private:
  struct Lock {
    LockRow row;
    uint32_t blocked_by = 0;
  };
  using Locks = std::map<LockId, Lock>;

  static bool conflict(const LockRow& a, const LockRow& b);
  // Calls `visit` for each lock of others that conflicts with `row`; until it returns false.
  using Visit = std::function<bool(LockId, const Lock&)>;
  void each_conflict(const LockRow& row, const Visit& visit) const;
  // Only for those that block it, if it waits as number `lock`.
  void each_blocker(LockId lock, const LockRow& row, const Visit& visit) const;
  bool is_covered(const LockRow& row) const;
  Result<void> check_room(const LockRow& row) const;
  Result<void> check_queue(const LockRow& row) const;
  Result<void> check_wait(const TakeLock& request, const LockRow& row, LockId blocker) const;
  Error locked(const LockRow& row, LockId blocker) const;
  Result<void> check_deadlock(const LockRow& row) const;
  void insert(LockId lock, LockRow row, uint32_t blocked_by);
  void erase(LockId lock);
  void grant(LockId lock, LogIndex index, int64_t now_ms, LockNews& news);

  LockLimits limits_;
  Locks locks_;
  LockIndex index_;
  std::map<std::string, std::set<LockId>, std::less<>> owners_;
  std::unordered_map<std::string, size_t> of_users_;  // how many locks each has
  std::set<std::pair<int64_t, LockId>> expiries_;     // of those that wait; as many
};

}  // namespace dfs::lock
