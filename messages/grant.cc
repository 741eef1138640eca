#include "messages/grant.h"

#include <sodium.h>

#include <algorithm>
#include <array>
#include <bit>

#include "messages/ticket.h"

namespace dfs {

namespace {

// A MAC of something else under the same key must not pass for one of a grant.
constexpr std::string_view kGrantContext = "zdfs-grant-1\n";

Error refusal(const char* reason, std::string text) {
  return Error{Code::denied, std::move(text), {{"reason", reason}}, 0};
}

std::string mac_of(std::string_view fields, std::string_view key) {
  const auto bytes = [](std::string_view text) {
    return reinterpret_cast<const unsigned char*>(text.data());
  };
  std::string mac(kGrantMacBytes, '\0');
  crypto_generichash_state state;
  crypto_generichash_init(&state, bytes(key), key.size(), kGrantMacBytes);
  crypto_generichash_update(&state, bytes(kGrantContext), kGrantContext.size());
  crypto_generichash_update(&state, bytes(fields), fields.size());
  crypto_generichash_final(&state, reinterpret_cast<unsigned char*>(mac.data()), mac.size());
  return mac;
}

const char* verb_of(BlockRight right) {
  if (right == BlockRight::inside) return "look inside";
  return right == BlockRight::write ? "write" : "read";
}

}  // namespace

std::string make_grant_key() {
  DFS_ASSERT(sodium_init() >= 0);
  std::string key(kGrantKeyBytes, '\0');
  randombytes_buf(key.data(), key.size());
  return key;
}

uint64_t holder_of(std::string_view user) {
  std::array<unsigned char, sizeof(uint64_t)> hash{};
  static_assert(hash.size() < crypto_generichash_BYTES_MIN);
  std::array<unsigned char, crypto_generichash_BYTES_MIN> whole{};
  crypto_generichash(whole.data(), whole.size(),
                     reinterpret_cast<const unsigned char*>(user.data()), user.size(), nullptr, 0);
  std::copy_n(whole.begin(), hash.size(), hash.begin());
  return std::max<uint64_t>(std::bit_cast<uint64_t>(hash), 1);
}

std::string sign_grant(const Grant& grant, std::string_view key) {
  std::string bytes = encode(grant);
  DFS_ASSERT(are_grant_keys(key));
  bytes += mac_of(bytes, key.substr(0, kGrantKeyBytes));
  DFS_ASSERT(bytes.size() <= kGrantBytesMax);
  return bytes;
}

Result<Grant> open_grant(std::string_view bytes, std::string_view key) {
  if (bytes.empty()) {
    return refusal("missing",
                   "blocks of this cluster are not served without a grant: ask the "
                   "monitor with PlanFile or OpenFile");
  }
  if (bytes.size() <= kGrantMacBytes || bytes.size() > kGrantBytesMax) {
    return refusal("malformed", "these bytes are no grant");
  }
  const std::string_view fields = bytes.substr(0, bytes.size() - kGrantMacBytes);
  DFS_ASSERT(are_grant_keys(key));
  bool made_here = false;
  for (size_t at = 0; at < key.size() && !made_here; at += kGrantKeyBytes) {
    const std::string mac = mac_of(fields, key.substr(at, kGrantKeyBytes));
    made_here = sodium_memcmp(mac.data(), bytes.data() + fields.size(), mac.size()) == 0;
  }
  if (!made_here) {
    return refusal("forged", "this grant was not made by a head of this cluster");
  }
  auto grant = decode<Grant>(fields);
  if (!grant) return refusal("malformed", "these bytes are no grant");
  return grant;
}

Result<Grant> check_grant(std::string_view bytes, std::string_view key, ObjectId object,
                          BlockRight right, NodeId node, int64_t now_ms) {
  auto grant = open_grant(bytes, key);
  if (!grant) return grant;
  if (grant->object != object) {
    return refusal("object", "the grant is for object " + std::to_string(grant->object) +
                                 ", not for " + std::to_string(object));
  }
  if (grant->right != right) {
    return refusal("right", std::string("the grant is to ") + verb_of(grant->right) + ", not to " +
                                verb_of(right));
  }
  if (grant->node != 0 && grant->node != node) {
    return refusal("node", "the grant is for storage/" + std::to_string(grant->node) + " alone");
  }
  if (now_ms > grant->expires_ms + TicketJudge::kClockSkewMs) {
    return refusal("expired", "the grant has expired; ask the monitor for another");
  }
  return grant;
}

}  // namespace dfs
