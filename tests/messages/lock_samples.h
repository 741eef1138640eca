// Samples of the conversation "locks" and of the commands behind it; see samples.h.
#pragma once

#include "actors/lock/lock_commands.h"
#include "messages/locks.h"

namespace dfs::samples {

template <class T>
T sample();
Receipt receipt();

inline LockTarget lock_target() {
  return {.path = "/photos/film.mkv", .subtree = false, .from = 4096, .until = 8192};
}
inline LockView lock_view() {
  return {.lock = 700,
          .target = lock_target(),
          .mode = LockMode::shared,
          .state = LockState::waiting,
          .fence = 0,
          .owner = "client/00000000000000ff#3",
          .user = "ada",
          .label = "put",
          .since_ms = 1'700'000'000'123,
          .silent_ms = 1250};
}
template <>
inline LockReply sample() {
  return {.lock = 701,
          .state = LockState::waiting,
          .fence = 702,
          .lease_ms = 10'000,
          .ahead = 2,
          .blockers = {lock_view()},
          .receipt = receipt(),
          .fence_proof = {"proof"}};
}
template <>
inline AcquireLock sample() {
  return {.target = lock_target(),
          .mode = LockMode::shared,
          .wait_ms = 60'000,
          .owner = "client/00000000000000ff#3",
          .label = "put",
          .ask_only = true};
}
template <>
inline AwaitLock sample() {
  return {.lock = 701, .owner = "client/00000000000000ff#3"};
}
template <>
inline RenewLocksReply sample() {
  return {.ended = {701}, .lease_ms = 10'000};
}
template <>
inline RenewLocks sample() {
  return {.owner = "client/00000000000000ff#3", .locks = {700, 701}};
}
template <>
inline ReleaseLockReply sample() {
  return {.receipt = receipt()};
}
template <>
inline ReleaseLock sample() {
  return {.lock = 701, .owner = "client/00000000000000ff#3"};
}
template <>
inline BreakLock sample() {
  return {.lock = 701};
}
template <>
inline LockList sample() {
  return {.locks = {lock_view()}, .more = true, .next = 702};
}
template <>
inline ListLocks sample() {
  return {.below = "/photos", .after = 700, .limit = 100};
}

template <>
inline lock::TakeLock sample() {
  return {.target = lock_target(),
          .mode = LockMode::shared,
          .wait_ms = 60'000,
          .owner = "client/00000000000000ff#3",
          .user = "ada",
          .label = "put"};
}
template <>
inline lock::EndLock sample() {
  return {.lock = 701,
          .end = lock::LockEnd::broken,
          .owner = "client/00000000000000ff#3",
          .by = "grace"};
}
template <>
inline lock::EndOwners sample() {
  return {.owners = {"client/00000000000000ff#3"}};
}
template <>
inline lock::ExpireWaits sample() {
  return {};
}

template <>
inline ShowFence sample() {
  return {.path = "/photos", .subtree = true, .fence = 94, .fence_proof = {"proof"}};
}
template <>
inline ShowFenceReply sample() {
  return {.seen = 95, .receipt = receipt()};
}

}  // namespace dfs::samples
