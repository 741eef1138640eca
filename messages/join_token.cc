#include "messages/join_token.h"

#include <openssl/evp.h>
#include <openssl/rand.h>

#include <array>

#include "messages/result.h"

namespace dfs {

namespace {

std::string hex(const unsigned char* bytes, size_t size) {
  constexpr const char* kDigits = "0123456789abcdef";
  std::string text;
  for (size_t i = 0; i < size; ++i) {
    text.push_back(kDigits[bytes[i] >> 4]);
    text.push_back(kDigits[bytes[i] & 15]);
  }
  return text;
}

}  // namespace

std::string make_join_token() {
  std::array<unsigned char, 16> bytes{};
  DFS_ASSERT(RAND_bytes(bytes.data(), bytes.size()) == 1);
  return hex(bytes.data(), bytes.size());
}

std::string hash_of_token(std::string_view token) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> bytes{};
  unsigned size = 0;
  DFS_ASSERT(EVP_Digest(token.data(), token.size(), bytes.data(), &size, EVP_sha256(), nullptr) ==
             1);
  return hex(bytes.data(), size);
}

}  // namespace dfs
