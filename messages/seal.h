// How the content of an encrypted pool is kept. Clients encrypt and decrypt; storage nodes see only
// ciphertext; heads keep the keys.
//
// A file that has blocks is one object with a key of its own, made by the client that writes it.
// What is stored of it are parts of kPartBytes, the last one shorter: each is kSealedPartBytes of
// the content, encrypted, and a tag (cipher.h). So blocks are as long as any, and all that moves,
// checks or repairs them needs no key. The object's key is kept wrapped with its pool's key
// (key_wrap.h), which only the heads have.
#pragma once

#include <cstdint>

#include "messages/ids.h"
#include "messages/message.h"
#include "messages/types.h"

namespace dfs {

inline constexpr size_t kKeyBytes = 32;  // of an object, and of a pool
inline constexpr size_t kTagBytes = 16;
inline constexpr size_t kSealedPartBytes = kPartBytes - kTagBytes;  // content of a full part
inline constexpr size_t kWrapBytes = 48;  // that a wrapped secret is longer than the secret
inline constexpr size_t kWrappedBytesMax = kWrapBytes + kPathBytesMax;

enum class Cipher : uint8_t {
  none = 0,
  aes_256_gcm = 1,
  chacha20_poly1305 = 2,  // of writers without AES instructions
};

// Of one object; none when it is not encrypted.
struct Seal {
  Cipher cipher = Cipher::none;
  Blob key = {};        // the object's, wrapped with its pool's
  uint32_t crc32c = 0;  // of all that is stored; the file's own is of its content
  bool operator==(const Seal&) const = default;
  DFS_FIELDS(cipher, key, crc32c)
  // Says what makes no sense, or returns nullptr.
  const char* invalid() const {
    if (cipher > Cipher::chacha20_poly1305) return "the cipher is not known";
    const size_t wrapped = cipher == Cipher::none ? 0 : kWrapBytes + kKeyBytes;
    return key.bytes.size() != wrapped ? "the object's key is not a wrapped key" : nullptr;
  }
};

// How many bytes are stored of so much content, and the other way round.
constexpr uint64_t sealed_bytes(uint64_t content) {
  return content + (content + kSealedPartBytes - 1) / kSealedPartBytes * kTagBytes;
}
constexpr uint64_t content_bytes(uint64_t stored) {
  return stored - (stored + kPartBytes - 1) / kPartBytes * kTagBytes;
}

// A pool's key as a head keeps it: bare, or wrapped with the key of keys that all heads were
// started with.
struct KeptKey {
  KeyId id = 0;  // random; 0: none
  Blob key = {};
  bool wrapped = false;
  DFS_FIELDS(id, key, wrapped)
};

}  // namespace dfs
