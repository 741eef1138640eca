// The parts of one encrypted upload.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <vector>

#include "messages/cipher.h"
#include "messages/key_wrap.h"
#include "messages/namespace.h"

namespace dfs {

// Remembers of each part what it was when it was encrypted first. Its nonce is its place, so no
// other content may ever be encrypted for that place under the same key: a source that has changed
// meanwhile is found out by the tag, before the bytes leave.
class SealedParts {
 public:
  // `wrapped`: the key, for whoever may unwrap it.
  SealedParts(std::string key, Blob wrapped, ObjectId object, uint64_t block_bytes);

  // How a part is encrypted, on the pool.
  const std::shared_ptr<const PartCipher>& cipher() const { return cipher_; }
  PartPlace place(uint64_t part) const;

  // A part was encrypted; `stored` bytes end with its tag, `crc` is that of its content. False when
  // another content was there before: these bytes must not be sent.
  [[nodiscard]] bool note(uint64_t part, const uint8_t* stored, size_t size, uint32_t crc);

  uint32_t content_crc() const;  // of all parts in their order
  Seal seal() const;             // its crc32c is the caller's to fill in
  // The path as storage nodes are told it.
  Blob path(const std::string& path, const RandomBytes& random) const;

 private:
  struct Sealed {
    std::array<uint8_t, kTagBytes> tag = {};
    uint32_t size = 0;  // as stored; 0: not yet
    uint32_t crc = 0;
  };

  std::shared_ptr<const PartCipher> cipher_;
  Blob wrapped_;
  ObjectId object_;
  uint64_t parts_per_block_;
  std::vector<Sealed> parts_;
};

}  // namespace dfs
