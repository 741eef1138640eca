// What is kept of a password: argon2id (RFC 9106) of it and a salt, with the cost it was made at.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "messages/message.h"

namespace dfs {

inline constexpr size_t kSaltBytes = 16;
inline constexpr size_t kPasswordHashBytes = 32;

struct PasswordCost {
  uint64_t passes = 2;
  uint64_t memory_bytes = 64 << 20;
};
// The least that the algorithm takes, for tests: no protection.
inline constexpr PasswordCost kCheapestPasswordCost{1, 8192};

struct PasswordHash {
  Blob salt;
  Blob hash;
  uint64_t passes = 0;
  uint64_t memory_bytes = 0;
  bool empty() const { return hash.bytes.empty(); }
  bool operator==(const PasswordHash&) const = default;
  DFS_FIELDS(salt, hash, passes, memory_bytes)
};

// Both take long, on purpose, and much memory: on the pool. `no_space` when there is not that much.
Result<PasswordHash> hash_password(std::string_view password, std::string_view salt,
                                   const PasswordCost& cost);
Result<bool> fits(std::string_view password, const PasswordHash& hash);

}  // namespace dfs
