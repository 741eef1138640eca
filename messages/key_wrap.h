// Secrets that are kept encrypted with another key: the keys of objects, small contents and pools'
// keys on the heads, paths on storage nodes. XChaCha20-Poly1305 with a random nonce of 24 bytes,
// long enough that one key may wrap any number of secrets.
//
// A wrapped secret is the wrapping key's id, the nonce, the ciphertext and the tag: kWrapBytes
// longer than the secret. `purpose` is authenticated with it: what was wrapped as one thing does
// not pass for another.
#pragma once

#include <string>
#include <string_view>

#include "messages/result.h"
#include "messages/seal.h"
#include "messages/secure_random.h"

namespace dfs {

// Never 0.
KeyId make_key_id(const RandomBytes& random);

// A key of a pool, bare; or any other that wraps, then of id 0.
struct WrappingKey {
  KeyId id = 0;
  std::string bytes;  // kKeyBytes
};

std::string wrap(const WrappingKey& key, std::string_view purpose, std::string_view secret,
                 const RandomBytes& random);
// `corrupt` when it was wrapped with another key, for another purpose, or changed since.
Result<std::string> unwrap(const WrappingKey& key, std::string_view purpose,
                           std::string_view wrapped);
// Which key it was wrapped with; 0 when it is too short to be a wrapped secret.
KeyId wrapped_with(std::string_view wrapped);

// What is wrapped.
std::string object_key_purpose(ObjectId object);
std::string pool_key_purpose(KeyId key);
inline constexpr std::string_view kContentPurpose = "zdfs inline content 1";
std::string path_purpose(ObjectId object);

// A key for one use, from one for another. It tells nothing of that.
WrappingKey key_of_paths(std::string_view object_key);
WrappingKey key_of_keys(std::string_view secret);

}  // namespace dfs
