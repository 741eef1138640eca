#include "messages/key_wrap.h"

#include <sodium.h>

namespace dfs {

namespace {

constexpr size_t kIdBytes = sizeof(KeyId);
constexpr size_t kNonce = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES;
static_assert(kIdBytes + kNonce + crypto_aead_xchacha20poly1305_ietf_ABYTES == kWrapBytes);
static_assert(kKeyBytes == crypto_aead_xchacha20poly1305_ietf_KEYBYTES);

unsigned char* bytes_of(std::string& text) {
  return reinterpret_cast<unsigned char*>(text.data());
}
const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

std::string number(uint64_t value) {
  std::string out;
  for (int shift = 56; shift >= 0; shift -= 8) out.push_back(static_cast<char>(value >> shift));
  return out;
}

uint64_t number_in(std::string_view bytes) {
  uint64_t value = 0;
  for (const char byte : bytes) value = value << 8 | static_cast<uint8_t>(byte);
  return value;
}

// Keyed BLAKE2b: without the key its result says nothing, whatever the purpose.
WrappingKey derived(std::string_view key, std::string_view purpose) {
  std::string bytes(kKeyBytes, '\0');
  crypto_generichash(bytes_of(bytes), bytes.size(), bytes_of(purpose), purpose.size(),
                     bytes_of(key), key.size());
  return {0, std::move(bytes)};
}

// The key's id is part of what is wrapped, so that it cannot be exchanged either.
std::string context_of(KeyId id, std::string_view purpose) {
  return number(id).append(purpose);
}

}  // namespace

KeyId make_key_id(const RandomBytes& random) {
  KeyId id = 0;
  while (id == 0) id = number_in(random(kIdBytes));
  return id;
}

std::string wrap(const WrappingKey& key, std::string_view purpose, std::string_view secret,
                 const RandomBytes& random) {
  DFS_ASSERT(sodium_init() >= 0 && key.bytes.size() == kKeyBytes);
  const std::string context = context_of(key.id, purpose);
  const std::string nonce = random(kNonce);
  DFS_ASSERT(nonce.size() == kNonce);
  std::string sealed(secret.size() + crypto_aead_xchacha20poly1305_ietf_ABYTES, '\0');
  crypto_aead_xchacha20poly1305_ietf_encrypt(bytes_of(sealed), nullptr, bytes_of(secret),
                                             secret.size(), bytes_of(context), context.size(),
                                             nullptr, bytes_of(nonce), bytes_of(key.bytes));
  return number(key.id) + nonce + sealed;
}

Result<std::string> unwrap(const WrappingKey& key, std::string_view purpose,
                           std::string_view wrapped) {
  DFS_ASSERT(sodium_init() >= 0 && key.bytes.size() == kKeyBytes);
  const Error wrong{Code::corrupt,
                    "the key is another one than this was encrypted with, or it was changed since",
                    {},
                    0};
  if (wrapped.size() < kWrapBytes || wrapped_with(wrapped) != key.id) return wrong;
  const std::string context = context_of(key.id, purpose);
  const std::string_view nonce = wrapped.substr(kIdBytes, kNonce);
  const std::string_view sealed = wrapped.substr(kIdBytes + kNonce);
  std::string secret(wrapped.size() - kWrapBytes, '\0');
  const int opened = crypto_aead_xchacha20poly1305_ietf_decrypt(
      bytes_of(secret), nullptr, nullptr, bytes_of(sealed), sealed.size(), bytes_of(context),
      context.size(), bytes_of(nonce), bytes_of(key.bytes));
  if (opened != 0) return wrong;
  return secret;
}

KeyId wrapped_with(std::string_view wrapped) {
  return wrapped.size() < kWrapBytes ? 0 : number_in(wrapped.substr(0, kIdBytes));
}

std::string object_key_purpose(ObjectId object) {
  return "zdfs object key 1:" + number(object);
}

std::string pool_key_purpose(KeyId key) {
  return "zdfs pool key 1:" + number(key);
}

std::string path_purpose(ObjectId object) {
  return "zdfs path 1:" + number(object);
}

WrappingKey key_of_paths(std::string_view object_key) {
  return derived(object_key, "zdfs key of paths 1");
}

WrappingKey key_of_keys(std::string_view secret) {
  return derived(secret, "zdfs key of keys 1");
}

}  // namespace dfs
