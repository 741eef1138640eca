#include "messages/fence_proof.h"

#include <sodium.h>

namespace dfs {

namespace {

constexpr std::string_view kFenceContext = "zdfs fence 1:";
constexpr std::string_view kKeyContext = "zdfs key of fences 1";
constexpr size_t kKeyBytes = 32;

const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

std::string hash_of(std::string_view key, std::string_view text, size_t size) {
  DFS_ASSERT(sodium_init() >= 0);
  std::string hash(size, '\0');
  const int done = crypto_generichash(reinterpret_cast<unsigned char*>(hash.data()), size,
                                      bytes_of(text), text.size(), bytes_of(key), key.size());
  DFS_ASSERT(done == 0);
  return hash;
}

std::string mac_of(std::string_view key, std::string_view fields) {
  return hash_of(key, std::string(kFenceContext).append(fields), kFenceMacBytes);
}

bool is_in(const FenceClaim& claim, const FenceClaim& proved) {
  if (claim.path == proved.path) return !claim.subtree || proved.subtree;
  if (claim.subtree || !proved.subtree || !claim.path.starts_with(proved.path)) return false;
  return proved.path == "/" || claim.path[proved.path.size()] == '/';
}

bool is_proved(std::string_view key, const FenceClaim& claim, std::string_view proof) {
  if (proof.size() <= kFenceMacBytes) return false;
  const std::string_view fields = proof.substr(0, proof.size() - kFenceMacBytes);
  const std::string mac = mac_of(key, fields);
  if (sodium_memcmp(mac.data(), proof.data() + fields.size(), mac.size()) != 0) return false;
  const auto proved = decode<FenceClaim>(fields);
  return proved && proved->fence == claim.fence && proved->user == claim.user &&
         is_in(claim, *proved);
}

}  // namespace

std::string fence_key_of(std::string_view secret) {
  if (secret.empty()) return {};
  // A key of BLAKE2b has 64 bytes at most.
  return hash_of(hash_of({}, secret, kKeyBytes), kKeyContext, kKeyBytes);
}

Blob prove_fence(std::string_view key, const FenceClaim& claim) {
  if (key.empty() || claim.fence == 0) return {};
  std::string proof = encode(claim);
  proof += mac_of(key, proof);
  return Blob{std::move(proof)};
}

Result<void> check_fence_proof(std::string_view key, const FenceClaim& claim, const Blob& proof) {
  if (key.empty() || claim.fence == 0 || is_proved(key, claim, proof.bytes)) return {};
  return Error{Code::denied,
               "nothing shows that the lock actor gave you the fence " +
                   std::to_string(claim.fence) + " for " + claim.path +
                   "; take the lock again, or change it without one",
               {{"reason", "fence"}, {"path", claim.path}},
               0};
}

}  // namespace dfs
