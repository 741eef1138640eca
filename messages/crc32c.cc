#include "messages/crc32c.h"

#include <isa-l/crc.h>

#include <algorithm>
#include <array>

namespace dfs {

uint32_t crc32c(const void* data, size_t size, uint32_t crc) {
  // ISA-L takes an int length and neither inverts the start value nor the result.
  constexpr size_t kChunk = 1u << 30;
  auto* bytes = const_cast<unsigned char*>(static_cast<const unsigned char*>(data));
  uint32_t state = ~crc;
  while (size > 0) {
    const size_t chunk = std::min(size, kChunk);
    state = crc32_iscsi(bytes, static_cast<int>(chunk), state);
    bytes += chunk;
    size -= chunk;
  }
  return ~state;
}

namespace {

constexpr uint32_t kPolynomial = 0x82f63b78;  // reflected

// a * b modulo the polynomial; bit 31 is the coefficient of x^0.
constexpr uint32_t multiply(uint32_t a, uint32_t b) {
  uint32_t product = 0;
  for (uint32_t bit = 1u << 31; bit != 0; bit >>= 1) {
    if (a & bit) product ^= b;
    b = (b & 1) ? (b >> 1) ^ kPolynomial : b >> 1;
  }
  return product;
}

// x^(2^n) for n = 0..63.
constexpr std::array<uint32_t, 64> powers_of_x() {
  std::array<uint32_t, 64> powers{};
  uint32_t p = 1u << 30;  // x^1
  for (auto& power : powers) {
    power = p;
    p = multiply(p, p);
  }
  return powers;
}
constexpr auto kPowers = powers_of_x();

}  // namespace

uint32_t crc32c_combine(uint32_t crc_a, uint32_t crc_b, uint64_t size_b) {
  uint32_t shift = 1u << 31;  // x^0
  // Bits, not bytes: start at x^(2^3).
  for (size_t n = 3; size_b != 0; size_b >>= 1, ++n) {
    if (size_b & 1) shift = multiply(kPowers[n], shift);
  }
  return multiply(shift, crc_a) ^ crc_b;
}

}  // namespace dfs
