#include "messages/signature.h"

#include <sodium.h>

#include "messages/result.h"

namespace dfs {

namespace {

static_assert(kSignatureBytes == crypto_sign_BYTES);
static_assert(kSignKeyBytes == crypto_sign_SECRETKEYBYTES);
static_assert(kVerifyKeyBytes == crypto_sign_PUBLICKEYBYTES);
static_assert(kSeedBytes == crypto_sign_SEEDBYTES);

const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}
unsigned char* bytes_of(std::string& text) {
  return reinterpret_cast<unsigned char*>(text.data());
}

}  // namespace

SignKeys make_sign_keys(std::string_view seed) {
  DFS_ASSERT(sodium_init() >= 0);
  DFS_ASSERT(seed.size() == kSeedBytes);
  SignKeys keys{std::string(kSignKeyBytes, '\0'), std::string(kVerifyKeyBytes, '\0')};
  crypto_sign_seed_keypair(bytes_of(keys.verify_key), bytes_of(keys.secret), bytes_of(seed));
  return keys;
}

std::string signature_of(std::string_view context, std::string_view bytes,
                         std::string_view secret) {
  DFS_ASSERT(sodium_init() >= 0);
  DFS_ASSERT(secret.size() == kSignKeyBytes);
  const std::string message = std::string(context).append(bytes);
  std::string signature(kSignatureBytes, '\0');
  crypto_sign_detached(bytes_of(signature), nullptr, bytes_of(std::string_view(message)),
                       message.size(), bytes_of(secret));
  return signature;
}

bool is_signed(std::string_view context, std::string_view bytes, std::string_view signature,
               std::string_view verify_key) {
  DFS_ASSERT(sodium_init() >= 0);
  if (signature.size() != kSignatureBytes || verify_key.size() != kVerifyKeyBytes) return false;
  const std::string message = std::string(context).append(bytes);
  return crypto_sign_verify_detached(bytes_of(signature), bytes_of(std::string_view(message)),
                                     message.size(), bytes_of(verify_key)) == 0;
}

}  // namespace dfs
