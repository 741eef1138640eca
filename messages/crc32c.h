// CRC-32C (Castagnoli, RFC 3720 appendix B.4), by ISA-L. Chainable: crc32c(b, crc32c(a)) is the
// checksum of a followed by b; the checksum of no bytes is 0.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace dfs {

uint32_t crc32c(const void* data, size_t size, uint32_t crc = 0);
inline uint32_t crc32c(std::string_view bytes, uint32_t crc = 0) {
  return crc32c(bytes.data(), bytes.size(), crc);
}

// The checksum of a followed by b from their checksums and the length of b, in O(log size_b)
// steps over GF(2) (the method of zlib's crc32_combine).
uint32_t crc32c_combine(uint32_t crc_a, uint32_t crc_b, uint64_t size_b);

}  // namespace dfs
