// Ed25519 signatures (RFC 8032), as libsodium makes them.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace dfs {

inline constexpr size_t kSignatureBytes = 64;
inline constexpr size_t kSeedBytes = 32;
inline constexpr size_t kSignKeyBytes = 64;    // of the secret key; its last 32 are the public one
inline constexpr size_t kVerifyKeyBytes = 32;  // of the public key

struct SignKeys {
  std::string secret;      // kSignKeyBytes
  std::string verify_key;  // kVerifyKeyBytes
};
// The same pair for the same kSeedBytes.
SignKeys make_sign_keys(std::string_view seed);

// Of `context` followed by `bytes`: a signature that was made for one purpose is none for another.
std::string signature_of(std::string_view context, std::string_view bytes, std::string_view secret);
// False also when the signature or the key has another length.
bool is_signed(std::string_view context, std::string_view bytes, std::string_view signature,
               std::string_view verify_key);

}  // namespace dfs
