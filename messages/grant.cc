#include "messages/grant.h"

#include <sodium.h>

#include <algorithm>
#include <array>
#include <bit>

#include "messages/secure_random.h"
#include "messages/ticket.h"

namespace dfs {

namespace {

// A signature of something else with the same key must not pass for one of these.
constexpr std::string_view kGrantContext = "zdfs grant 2:";
constexpr std::string_view kWarrantContext = "zdfs warrant 1:";

Error refusal(const char* reason, std::string text) {
  return Error{Code::denied, std::move(text), {{"reason", reason}}, 0};
}

Error malformed() {
  return refusal("malformed", "these bytes are no grant");
}

Error forged() {
  return refusal("forged", "this grant was not made by a head of this cluster");
}

template <class Fields>
std::string signed_fields(const Fields& fields, std::string_view context, std::string_view secret) {
  std::string bytes = encode(fields);
  bytes += signature_of(context, bytes, secret);
  return bytes;
}

const char* verb_of(BlockRight right) {
  if (right == BlockRight::inside) return "look inside";
  return right == BlockRight::write ? "write" : "read";
}

}  // namespace

std::string make_grant_key() {
  return secure_random(kGrantKeyBytes);
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

GrantSigner::GrantSigner(std::string_view keys) {
  DFS_ASSERT(are_grant_keys(keys));
  for (size_t at = 0; at < keys.size(); at += kGrantKeyBytes) {
    SignKeys pair = make_sign_keys(keys.substr(at, kGrantKeyBytes));
    if (at == 0) secret_ = std::move(pair.secret);
    verify_keys_ += pair.verify_key;
  }
}

std::string GrantSigner::sign(const Grant& grant) const {
  DFS_ASSERT(grant.warrant.bytes.size() <= kWarrantBytesMax);
  std::string bytes = signed_fields(grant, kGrantContext, secret_);
  DFS_ASSERT(bytes.size() <= kGrantBytesMax);
  return bytes;
}

std::string GrantSigner::sign(const Warrant& warrant) const {
  std::string bytes = signed_fields(warrant, kWarrantContext, secret_);
  DFS_ASSERT(bytes.size() <= kWarrantBytesMax);
  return bytes;
}

void GrantJudge::learn(std::string verify_keys) {
  DFS_ASSERT(are_grant_keys(verify_keys));
  if (verify_keys == verify_keys_) return;
  verify_keys_ = std::move(verify_keys);
  grants_.clear();
  warrants_.clear();
}

bool GrantJudge::is_of_head(std::string_view context, std::string_view fields,
                            std::string_view signature) const {
  const std::string_view keys = verify_keys_;
  for (size_t at = 0; at < keys.size(); at += kVerifyKeyBytes) {
    if (is_signed(context, fields, signature, keys.substr(at, kVerifyKeyBytes))) return true;
  }
  return false;
}

Result<Warrant> GrantJudge::open_warrant(std::string_view bytes) {
  if (const Warrant* known = warrants_.find(bytes)) return *known;
  if (bytes.size() <= kSignatureBytes || bytes.size() > kWarrantBytesMax) return malformed();
  const size_t size = bytes.size() - kSignatureBytes;
  if (!is_of_head(kWarrantContext, bytes.substr(0, size), bytes.substr(size))) return forged();
  auto warrant = decode<Warrant>(bytes.substr(0, size));
  if (!warrant) return malformed();
  warrants_.remember(bytes, *warrant);
  return warrant;
}

Result<Grant> GrantJudge::verify(std::string_view bytes) {
  const size_t size = bytes.size() - kSignatureBytes;
  const std::string_view fields = bytes.substr(0, size);
  const std::string_view signature = bytes.substr(size);
  auto grant = decode<Grant>(fields);
  if (!grant) return forged();
  if (grant->warrant.bytes.empty()) {
    if (!is_of_head(kGrantContext, fields, signature)) return forged();
    return grant;
  }
  const auto warrant = open_warrant(grant->warrant.bytes);
  if (!warrant) return warrant.error();
  if (!is_signed(kGrantContext, fields, signature, warrant->verify_key.bytes)) return forged();
  if (grant->right == BlockRight::write) {
    return refusal("warrant", "storage nodes do not give each other the right to write");
  }
  grant->expires_ms = std::min(grant->expires_ms, warrant->expires_ms);
  return grant;
}

void GrantJudge::remember(std::string_view bytes, Grant grant) {
  if (grants_.find(bytes) == nullptr) grants_.remember(bytes, std::move(grant));
}

Result<Grant> GrantJudge::open(std::string_view bytes) {
  DFS_ASSERT(knows_keys());
  if (bytes.empty()) {
    return refusal("missing",
                   "blocks of this cluster are not served without a grant: ask the "
                   "monitor with PlanFile or OpenFile");
  }
  if (bytes.size() <= kSignatureBytes || bytes.size() > kGrantBytesMax) return malformed();
  if (const Grant* known = grants_.find(bytes)) return *known;
  auto grant = verify(bytes);
  if (grant) grants_.remember(bytes, *grant);
  return grant;
}

Result<Grant> GrantJudge::check(std::string_view bytes, ObjectId object, BlockRight right,
                                NodeId node, int64_t now_ms) {
  auto grant = open(bytes);
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
