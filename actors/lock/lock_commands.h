// The commands about locks in the lock actor's log, 1050–1099. The leader makes them of what
// clients ask; owner and user are resolved by then.
#pragma once

#include <string>
#include <vector>

#include "messages/locks.h"

namespace dfs::lock {

// Why a lock ended; the words are what clients and events are told.
enum class LockEnd : uint8_t {
  released = 1,
  broken = 2,         // by somebody else
  lease_expired = 3,  // its owner was not heard in time
  wait_over = 4,      // it was not granted in time
};
const char* name_of(LockEnd end);

struct TakeLock {
  LockTarget target;
  LockMode mode = LockMode::exclusive;
  uint32_t wait_ms = 0;
  std::string owner;
  std::string user;
  std::string label;
  using Reply = LockReply;
  DFS_MESSAGE(TakeLock, target, mode, wait_ms, owner, user, label)
};

// `end` is released, and then only the owner's own lock ends, or broken.
struct EndLock {
  LockId lock = 0;
  LockEnd end = LockEnd::released;
  std::string owner;
  std::string by;  // the user who breaks it
  using Reply = ReleaseLockReply;
  DFS_MESSAGE(EndLock, lock, end, owner, by)
};

// Their leases ran out.
struct EndOwners {
  std::vector<std::string> owners;
  DFS_MESSAGE(EndOwners, owners)
};

// Ends the waits that are over by the time of this entry, as every command about locks does.
struct ExpireWaits {
  DFS_MESSAGE(ExpireWaits)
};

}  // namespace dfs::lock
