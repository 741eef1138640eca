#include "messages/crc32c.h"

#include <doctest/doctest.h>

#include <string>

namespace dfs {
namespace {

std::string pattern(size_t size, uint32_t seed) {
  std::string bytes(size, '\0');
  for (auto& byte : bytes) {
    seed = seed * 1664525 + 1013904223;
    byte = static_cast<char>(seed >> 24);
  }
  return bytes;
}

// Bit by bit, from the definition.
uint32_t slow_crc32c(const std::string& bytes) {
  uint32_t crc = 0xffffffff;
  for (const char byte : bytes) {
    crc ^= static_cast<unsigned char>(byte);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ (crc & 1 ? 0x82f63b78 : 0);
  }
  return ~crc;
}

}  // namespace

TEST_SUITE("messages") {
  TEST_CASE("crc32c gives the values of RFC 3720 appendix B.4") {
    std::string ascending, descending;
    for (int i = 0; i < 32; ++i) {
      ascending.push_back(static_cast<char>(i));
      descending.push_back(static_cast<char>(31 - i));
    }
    CHECK(crc32c(std::string(32, '\0')) == 0x8a9136aa);
    CHECK(crc32c(std::string(32, '\xff')) == 0x62a8ab43);
    CHECK(crc32c(ascending) == 0x46dd794e);
    CHECK(crc32c(descending) == 0x113fdb5c);
    CHECK(crc32c("123456789") == 0xe3069283);
    CHECK(crc32c("") == 0);
  }

  TEST_CASE("crc32c agrees with the bitwise definition at every length and alignment") {
    const std::string bytes = pattern(300, 1);
    for (size_t begin = 0; begin < 17; ++begin) {
      for (size_t size = 0; size + begin <= bytes.size(); size += 7) {
        const std::string piece = bytes.substr(begin, size);
        CHECK(crc32c(bytes.data() + begin, size) == slow_crc32c(piece));
      }
    }
  }

  TEST_CASE("crc32c is chainable and combinable at every split") {
    const std::string bytes = pattern(257, 2);
    const uint32_t whole = crc32c(bytes);
    for (size_t split = 0; split <= bytes.size(); ++split) {
      const std::string_view a(bytes.data(), split);
      const std::string_view b(bytes.data() + split, bytes.size() - split);
      CHECK(crc32c(b, crc32c(a)) == whole);
      CHECK(crc32c_combine(crc32c(a), crc32c(b), b.size()) == whole);
    }
  }

  TEST_CASE("combining is associative and knows the empty string as its neutral element") {
    const std::string a = pattern(1'000'003, 3), b = pattern(65'536, 4), c = pattern(1, 5);
    const uint32_t ab = crc32c_combine(crc32c(a), crc32c(b), b.size());
    const uint32_t bc = crc32c_combine(crc32c(b), crc32c(c), c.size());
    const uint32_t whole = crc32c(a + b + c);
    CHECK(crc32c_combine(ab, crc32c(c), c.size()) == whole);
    CHECK(crc32c_combine(crc32c(a), bc, b.size() + c.size()) == whole);
    CHECK(crc32c_combine(crc32c(a), 0, 0) == crc32c(a));
    CHECK(crc32c_combine(0, crc32c(a), a.size()) == crc32c(a));
  }

  TEST_CASE("combining works for lengths beyond 32 bits") {
    // 2^34 zero bytes, doubled up from one, against the same length put together from halves.
    uint32_t crc = crc32c(std::string(1, '\0'));
    uint64_t size = 1;
    while (size < (1ull << 34)) {
      crc = crc32c_combine(crc, crc, size);
      size *= 2;
    }
    const std::string zeros(1 << 20, '\0');
    uint32_t streamed = 0;
    for (int i = 0; i < 1 << 14; ++i) streamed = crc32c_combine(streamed, crc32c(zeros), 1 << 20);
    CHECK(crc == streamed);
  }
}

}  // namespace dfs
