// Who asks: what a user shows with each request (header field `ticket`). The lock actor signs it
// when they log in; whoever is asked verifies it alone, without a question to anybody.
//
// On the wire a ticket is its fields as msgpack followed by an Ed25519 signature (RFC 8032) of
// kSignatureBytes over kTicketContext and those fields.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "messages/message.h"
#include "messages/remembered.h"
#include "messages/signature.h"

namespace dfs {

enum class Role : uint8_t {
  user = 1,
  admin = 2,  // sees and changes nodes, pools, users; no file is closed to them
};
const char* name_of(Role role);

inline constexpr size_t kGroupsOfUserMax = 64;
inline constexpr size_t kTicketPathBytesMax = 256;  // of `below`
inline constexpr uint32_t kAdminUid = 0;
inline constexpr uint32_t kNobodyUid = 65534;

struct Ticket {
  std::string cluster;
  uint32_t key = 0;  // number of the key it is signed with
  std::string user;
  uint32_t uid = kNobodyUid;
  uint32_t gid = kNobodyUid;
  std::vector<uint32_t> groups;  // besides gid
  Role role = Role::user;
  int64_t issued_ms = 0;  // by the clock of who issued it, as logged
  int64_t expires_ms = 0;
  uint64_t session = 0;  // of the log-in or service token it came from, never 0
  // Of a service token: the right is narrower than the user's.
  std::string below;       // only this directory and what is below; empty: everything
  bool read_only = false;  // nothing may be changed
  // The password is a first one: good for nothing but ChangePassword and LogOut.
  bool must_change = false;
  const char* invalid() const;
  DFS_FIELDS(cluster, key, user, uid, gid, groups, role, issued_ms, expires_ms, session, below,
             read_only, must_change)
};

// `secret` has kSignKeyBytes, `ticket` is valid; the result fits into a header (kTicketBytesMax).
std::string sign_ticket(const Ticket& ticket, std::string_view secret);

// What the ticket says, for its holder: nothing is verified. `malformed`.
Result<Ticket> unverified_ticket(std::string_view bytes);

// What is needed to judge tickets, as the lock actor publishes it (users.h).
struct TicketKey {
  uint32_t key = 0;
  Blob verify_key;
  DFS_FIELDS(key, verify_key)
};
struct Revocation {
  std::string user;
  int64_t before_ms = 0;  // tickets of theirs that were issued up to then are void
  uint64_t session = 0;   // not 0: those of this session alone
  DFS_FIELDS(user, before_ms, session)
};

// Judges tickets. What was found good is remembered by content, so that it costs one look-up when
// it comes again. Not thread-safe.
class TicketJudge {
 public:
  // As much as a remembered ticket may be wrong by: clocks of machines differ.
  static constexpr int64_t kClockSkewMs = 30'000;
  static constexpr size_t kRememberedMax = 16'384;

  // Newer than what was known, or it changes nothing: `version` grows.
  void learn(std::string cluster, uint64_t version, std::vector<TicketKey> keys,
             std::vector<Revocation> revoked);
  bool knows_keys() const { return !keys_.empty(); }
  uint64_t version() const { return version_; }

  // `login_needed`, with cause `reason`: "missing", "malformed", "foreign" (another cluster),
  // "unknown-key", "forged", "early", "expired" or "revoked"; `denied` with reason "must-change"
  // when the password has to be changed first, unless that `may_be_first`. The ticket is good
  // until the next call of judge() or learn().
  Result<const Ticket*> judge(std::string_view ticket, int64_t now_ms, bool may_be_first = false);

 private:
  Result<Ticket> verify(std::string_view bytes) const;
  Result<void> check(const Ticket& ticket, int64_t now_ms, bool may_be_first) const;

  std::string cluster_;
  uint64_t version_ = 0;
  std::vector<TicketKey> keys_;
  std::unordered_map<std::string, std::vector<Revocation>> revoked_;  // by user
  Remembered<Ticket> remembered_{kRememberedMax};
};

}  // namespace dfs
