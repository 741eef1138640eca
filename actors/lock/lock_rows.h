// The rows of locks in the lock actor's table. The lock's number is in the key.
#pragma once

#include <string>

#include "messages/locks.h"

namespace dfs::lock {

struct LockRow {
  static constexpr bool kVersioned = false;
  LockTarget target;
  LockMode mode = LockMode::exclusive;
  LockState state = LockState::granted;
  Fence fence = 0;
  std::string owner;
  std::string user;
  std::string label;
  int64_t since_ms = 0;    // granted, or waiting, since then
  int64_t expires_ms = 0;  // of one that waits: it ends then
  DFS_FIELDS(target, mode, state, fence, owner, user, label, since_ms, expires_ms)
};

namespace keys {

inline constexpr char kLock = 'L';

std::string lock(LockId lock);

}  // namespace keys

}  // namespace dfs::lock
