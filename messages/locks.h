// The conversation "locks": who holds what. The lock actor answers, as service "lock".
//
//   client → lock:  AcquireLock → LockReply     granted, or in the queue
//                   AwaitLock → LockReply       granted, or why not, as soon as that is known
//                   RenewLocks → RenewLocksReply  before a third of the lease has passed
//                   ReleaseLock → ReleaseLockReply
//                   ListLocks → LockList, BreakLock → ReleaseLockReply
//
// A lock is on a path, or on a subtree: that path and all below it; of a file it may be on a range
// of bytes. It need not exist. Two locks of different owners conflict when paths and ranges
// overlap and one of them is exclusive. Who comes first is served first: a request waits behind
// every earlier one that it conflicts with, so nobody starves. Only what an owner's lock covers
// already it is given at once: whoever waits in between waits for that owner anyway.
//
// An owner (header `from`, unless the request names one) does one thing at a time: while one of its
// requests waits, none of its locks is given up. That is what deadlocks are found by, so flows of
// one client that do not depend on each other have owners of their own. An owner has one lease for
// all it holds and waits for. When it is not renewed in time all of that ends, and whoever waited
// is next.
//
// `fence` is the number of the log entry that granted the lock, so a later holder's is higher. A
// change of the namespace names the fence it was made under; the monitor refuses one that is lower
// than the highest it has seen for that path (`fenced`): whoever lost a lock without knowing it
// overwrites nothing that a later holder wrote.
#pragma once

#include <string>
#include <vector>

#include "messages/ids.h"
#include "messages/message.h"
#include "messages/namespace.h"

namespace dfs {

using LockId = uint64_t;  // number of the log entry that made the request, never 0
using Fence = uint64_t;   // number of the log entry that granted it; 0: none

enum class LockMode : uint8_t { shared = 1, exclusive = 2 };
enum class LockState : uint8_t { granted = 1, waiting = 2, ended = 3 };

inline constexpr size_t kWaitersMax = 1024;        // of one path, those of subtrees above included
inline constexpr size_t kWaitingMax = 64 * 1024;   // of all paths
inline constexpr size_t kBelowMax = 64 * 1024;     // locks below a subtree that is to be locked
inline constexpr size_t kLocksPerOwnerMax = 4096;  // held and waited for
inline constexpr size_t kLocksMax = 1'000'000;
inline constexpr size_t kOwnerBytesMax = 255;
inline constexpr uint32_t kLockWaitMsMax = 24 * 3600 * 1000;
inline constexpr uint32_t kLockPollMs = 500;  // less than makes a client try another broker

struct LockTarget {
  std::string path;
  bool subtree = false;
  uint64_t from = 0;            // of bytes; a subtree is always whole
  uint64_t until = UINT64_MAX;  // past the end
  DFS_FIELDS(path, subtree, from, until)
  bool operator==(const LockTarget&) const = default;
  const char* invalid() const {
    if (from >= until) return "the range of bytes is empty";
    if (subtree && (from != 0 || until != UINT64_MAX)) return "a subtree has no range of bytes";
    return bad_path(path);
  }
};
// Whether some byte, or name, is in both.
bool overlap(const LockTarget& a, const LockTarget& b);
// Whether all of `inner` is in `outer`.
bool covers(const LockTarget& outer, const LockTarget& inner);

struct LockView {
  LockId lock = 0;
  LockTarget target;
  LockMode mode = LockMode::exclusive;
  LockState state = LockState::granted;
  Fence fence = 0;
  std::string owner;
  std::string user;
  std::string label;      // what the owner does: "put", "lock run make"
  int64_t since_ms = 0;   // granted, or waiting, since then
  int64_t silent_ms = 0;  // the owner was heard so long ago
  DFS_FIELDS(lock, target, mode, state, fence, owner, user, label, since_ms, silent_ms)
};

struct LockReply {
  LockId lock = 0;
  LockState state = LockState::granted;
  Fence fence = 0;
  uint32_t lease_ms = 0;
  uint32_t ahead = 0;              // requests that are served before, when waiting
  std::vector<LockView> blockers;  // some of those that are in the way, holders first
  Receipt receipt;
  // Of the fence of a whole file or tree (fence_proof.h), to be shown to the monitor with it.
  Blob fence_proof = {};
  DFS_MESSAGE(LockReply, lock, state, fence, lease_ms, ahead, blockers, receipt, fence_proof)
};
// Errors: `locked`, it would have to wait and wait_ms is 0 (cause `holder`, `since_ms`);
// `deadlock`, waiting would close a cycle (cause `cycle`: "client/a waits for /x held by …");
// `busy`, too many wait; `no_space`, too many locks.
struct AcquireLock {
  LockTarget target;
  LockMode mode = LockMode::exclusive;
  uint32_t wait_ms = 0;  // most to wait, by logged time
  std::string owner;     // empty: header `from`
  std::string label;
  // Only asks: nothing is taken or logged. `locked` when somebody holds, or waits for, what is in
  // the way; otherwise the answer has lock 0, and as fence the last entry of the log it tells of.
  bool ask_only = false;
  using Reply = LockReply;
  const char* invalid() const;
  DFS_MESSAGE(AcquireLock, target, mode, wait_ms, owner, label, ask_only)
};
// Answered when the lock is granted, at the latest after kLockPollMs, then with state waiting: ask
// again. Errors: `locked`, the wait is over; `not_found`, the lock ended: it was released, broken,
// or its owner's lease ran out (cause `reason`).
struct AwaitLock {
  LockId lock = 0;
  std::string owner;
  using Reply = LockReply;
  const char* invalid() const { return lock == 0 ? "lock is missing" : nullptr; }
  DFS_MESSAGE(AwaitLock, lock, owner)
};
// The owner lives. `ended`: of the locks named those that it has no longer.
struct RenewLocksReply {
  std::vector<LockId> ended;
  uint32_t lease_ms = 0;
  DFS_MESSAGE(RenewLocksReply, ended, lease_ms)
};
struct RenewLocks {
  std::string owner;
  std::vector<LockId> locks;
  using Reply = RenewLocksReply;
  DFS_MESSAGE(RenewLocks, owner, locks)
};
struct ReleaseLockReply {
  Receipt receipt;
  DFS_MESSAGE(ReleaseLockReply, receipt)
};
// Also leaves the queue. One that ended already is no error.
struct ReleaseLock {
  LockId lock = 0;
  std::string owner;
  using Reply = ReleaseLockReply;
  const char* invalid() const { return lock == 0 ? "lock is missing" : nullptr; }
  DFS_MESSAGE(ReleaseLock, lock, owner)
};
// Ends somebody else's lock: for administrators, and for users on their own locks.
struct BreakLock {
  LockId lock = 0;
  using Reply = ReleaseLockReply;
  const char* invalid() const { return lock == 0 ? "lock is missing" : nullptr; }
  DFS_MESSAGE(BreakLock, lock)
};
struct LockList {
  std::vector<LockView> locks;  // by number
  bool more = false;
  LockId next = 0;  // with `more`: ask for those after this one, even when there is none here
  DFS_MESSAGE(LockList, locks, more, next)
};
// An administrator sees all of them, everybody else their own.
struct ListLocks {
  std::string below;  // only on paths at or below; empty: all
  LockId after = 0;
  uint32_t limit = kListEntriesMax;
  using Reply = LockList;
  const char* invalid() const {
    return limit == 0 || limit > kListEntriesMax ? "limit is not between 1 and 1000" : nullptr;
  }
  DFS_MESSAGE(ListLocks, below, after, limit)
};

}  // namespace dfs
