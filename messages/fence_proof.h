// What shows that a fence (locks.h) was given by the lock actor, and is not a number that a client
// made up: one far in the future would shut everybody else out of a path for good.
//
// Both the lock actors and the monitors live on heads, which have a secret in common. A proof is
// the fields of a claim as msgpack followed by kFenceMacBytes of keyed BLAKE2b (RFC 7693) over
// kFenceContext and those fields.
#pragma once

#include <string>
#include <string_view>

#include "messages/message.h"

namespace dfs {

inline constexpr size_t kFenceMacBytes = 16;

// What a user was granted.
struct FenceClaim {
  std::string path;
  bool subtree = false;  // and all below it
  uint64_t fence = 0;
  std::string user;
  DFS_FIELDS(path, subtree, fence, user)
};

// The key for it, from the secret that heads seal other keys with; it tells nothing of that. Empty
// for an empty one: then there are no proofs.
std::string fence_key_of(std::string_view secret);

// Empty without a key, or for fence 0, which claims nothing.
Blob prove_fence(std::string_view key, const FenceClaim& claim);
// Whether the proof is of this fence and user, and of the path or a tree that it is in; of exactly
// this tree when `subtree` is set. `denied`, cause `reason` "fence". A fence of 0, and any where
// there is no key, is good.
Result<void> check_fence_proof(std::string_view key, const FenceClaim& claim, const Blob& proof);

}  // namespace dfs
