#include "actors/client/sealed_parts.h"

#include <algorithm>

#include "messages/crc32c.h"

namespace dfs {

SealedParts::SealedParts(std::string key, Blob wrapped, ObjectId object, uint64_t block_bytes)
    : cipher_(std::make_shared<PartCipher>(PartCipher::choice(), std::move(key), object)),
      wrapped_(std::move(wrapped)),
      object_(object),
      parts_per_block_(block_bytes / kPartBytes) {}

PartPlace SealedParts::place(uint64_t part) const {
  return {static_cast<uint32_t>(part / parts_per_block_),
          static_cast<uint32_t>(part % parts_per_block_)};
}

bool SealedParts::note(uint64_t part, const uint8_t* stored, size_t size, uint32_t crc) {
  DFS_ASSERT(size > kTagBytes && size <= kPartBytes);
  if (part >= parts_.size()) parts_.resize(part + 1);
  Sealed& known = parts_[part];
  const uint8_t* const tag = stored + size - kTagBytes;
  if (known.size != 0) {
    return known.size == size && std::equal(known.tag.begin(), known.tag.end(), tag);
  }
  std::copy(tag, tag + kTagBytes, known.tag.begin());
  known.size = static_cast<uint32_t>(size);
  known.crc = crc;
  return true;
}

uint32_t SealedParts::content_crc() const {
  uint32_t crc = 0;
  for (const Sealed& part : parts_) crc = crc32c_combine(crc, part.crc, part.size - kTagBytes);
  return crc;
}

Seal SealedParts::seal() const {
  return {cipher_->cipher(), wrapped_, 0};
}

Blob SealedParts::path(const std::string& path, const RandomBytes& random) const {
  return Blob{wrap(key_of_paths(cipher_->key()), path_purpose(object_), path, random)};
}

}  // namespace dfs
