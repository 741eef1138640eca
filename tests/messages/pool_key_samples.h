// Samples of the conversation "pool keys"; see samples.h.
#pragma once

#include "messages/pool_keys.h"

namespace dfs::samples {

template <class T>
T sample();
Receipt receipt();

inline Seal seal() {
  return {.cipher = Cipher::chacha20_poly1305,
          .key = {.bytes = std::string(kWrapBytes + kKeyBytes, 'w')},
          .crc32c = 0x12345678};
}
inline KeptKey kept_key() {
  return {.id = 0x1122334455667788,
          .key = {.bytes = std::string(kWrapBytes + kKeyBytes, 'w')},
          .wrapped = true};
}
inline PoolKeyView pool_key() {
  return {.id = 0x1122334455667788,
          .pool = "safe",
          .key = {.bytes = std::string(kKeyBytes, 'k')},
          .current = true,
          .created_ms = 1'800'000'000'123};
}

template <>
inline RotatePoolKey sample() {
  return {.pool = "safe", .kept = kept_key()};
}
template <>
inline RotatePoolKeyReply sample() {
  return {.key = 0x1122334455667788, .receipt = receipt()};
}
template <>
inline ExportPoolKeys sample() {
  return {.pool = "safe"};
}
template <>
inline PoolKeyList sample() {
  return {.keys = {pool_key()}, .cluster = "fedcba9876543210fedcba9876543210"};
}
template <>
inline ImportPoolKeys sample() {
  return {.keys = {pool_key()}, .kept = {kept_key()}};
}
template <>
inline ImportPoolKeysReply sample() {
  return {.imported = 1, .receipt = receipt()};
}

}  // namespace dfs::samples
