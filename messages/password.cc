#include "messages/password.h"

#include <sodium.h>

namespace dfs {

namespace {

const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

}  // namespace

Result<PasswordHash> hash_password(std::string_view password, std::string_view salt,
                                   const PasswordCost& cost) {
  static_assert(kSaltBytes == crypto_pwhash_SALTBYTES);
  DFS_ASSERT(sodium_init() >= 0);
  DFS_ASSERT(salt.size() == kSaltBytes);
  PasswordHash made;
  made.salt.bytes = salt;
  made.hash.bytes.resize(kPasswordHashBytes);
  made.passes = cost.passes;
  made.memory_bytes = cost.memory_bytes;
  const int failed =
      crypto_pwhash(reinterpret_cast<unsigned char*>(made.hash.bytes.data()),
                    made.hash.bytes.size(), password.data(), password.size(), bytes_of(salt),
                    cost.passes, cost.memory_bytes, crypto_pwhash_ALG_ARGON2ID13);
  if (failed != 0) {
    return Error{Code::no_space,
                 "the password cannot be checked now: that takes " +
                     std::to_string(cost.memory_bytes >> 20) + " MiB of memory; ask again",
                 {},
                 1000};
  }
  return made;
}

Result<bool> fits(std::string_view password, const PasswordHash& hash) {
  const bool sound =
      hash.salt.bytes.size() == kSaltBytes && hash.hash.bytes.size() == kPasswordHashBytes;
  if (!sound) return false;
  auto made = hash_password(password, hash.salt.bytes, {hash.passes, hash.memory_bytes});
  if (!made) return std::move(made).error();
  return sodium_memcmp(made->hash.bytes.data(), hash.hash.bytes.data(), kPasswordHashBytes) == 0;
}

}  // namespace dfs
