// Encrypts and decrypts the parts of an object (seal.h): AES-256-GCM (NIST SP 800-38D), or
// ChaCha20-Poly1305 (RFC 8439) where the processor has no AES instructions.
//
// The nonce of a part is its place in the object: block and part, each 4 bytes, big-endian, and
// four zero bytes. So a part that is sent again is the same bytes again, and copies that two
// attempts have left are alike. That is safe because a key belongs to one object and to one writer,
// who never lets two contents of one place out: before a part that was encrypted once is sent
// again, its tag must be the one it had (SealedParts in actors/client/sealed_parts.h).
//
// The object's number and the place are authenticated with the part, so a node that answers with
// another part, or with that of another file, is found out.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "messages/ids.h"
#include "messages/seal.h"

namespace dfs {

inline constexpr size_t kNonceBytes = 12;

// Where a part is in its object.
struct PartPlace {
  uint32_t block = 0;
  uint32_t part = 0;  // of the block
};

// May be used on any thread, by several at once.
class PartCipher {
 public:
  // `cipher` is not `none`; `key` has kKeyBytes.
  PartCipher(Cipher cipher, std::string key, ObjectId object);
  ~PartCipher();  // wipes the key
  PartCipher(const PartCipher&) = delete;
  PartCipher& operator=(const PartCipher&) = delete;

  // The faster one on this processor.
  static Cipher choice();

  // Encrypts `size` bytes in place and writes the tag behind them.
  void seal(PartPlace place, uint8_t* data, size_t size) const;
  // Decrypts a part of `size` bytes, its tag at their end, to `out`. False when the tag is wrong:
  // these are not the bytes that were sealed there. `out` is worth nothing then.
  [[nodiscard]] bool open(PartPlace place, const uint8_t* data, size_t size, uint8_t* out) const;

  Cipher cipher() const { return cipher_; }
  const std::string& key() const { return key_; }

 private:
  std::string context_of(PartPlace place) const;

  const Cipher cipher_;
  std::string key_;
  const ObjectId object_;
};

// The ciphers themselves. `nonce` has kNonceBytes; `out` may be `data`.
void encrypt(Cipher cipher, std::string_view key, std::string_view nonce, std::string_view context,
             const uint8_t* data, size_t size, uint8_t* out, uint8_t* tag);
[[nodiscard]] bool decrypt(Cipher cipher, std::string_view key, std::string_view nonce,
                           std::string_view context, const uint8_t* data, size_t size,
                           const uint8_t* tag, uint8_t* out);

}  // namespace dfs
