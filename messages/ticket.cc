#include "messages/ticket.h"

#include <algorithm>

#include "messages/users.h"

namespace dfs {

namespace {

// What is signed begins with it, so that no signature made for another purpose is one of a ticket.
constexpr std::string_view kTicketContext = "zdfs ticket 1:";

Error not_good(const char* reason, const std::string& what) {
  return Error{Code::login_needed, what + "; log in with: dfsctl login", {{"reason", reason}}, 0};
}

bool ends(const Revocation& revocation, const Ticket& ticket) {
  if (revocation.session != 0 && revocation.session != ticket.session) return false;
  return ticket.issued_ms <= revocation.before_ms;
}

}  // namespace

const char* name_of(Role role) {
  return role == Role::admin ? "admin" : "user";
}

const char* Ticket::invalid() const {
  if (cluster.empty() || cluster.size() > 64) return "the cluster is missing or long";
  if (const char* why = bad_user(user)) return why;
  if (groups.size() > kGroupsOfUserMax) return "more than 64 groups";
  if (session == 0) return "the session is missing";
  if (expires_ms < issued_ms) return "it ends before it begins";
  if (below.empty()) return nullptr;
  if (below.size() > kTicketPathBytesMax) return "the path is longer than 256 bytes";
  return bad_path(below);
}

std::string sign_ticket(const Ticket& ticket, std::string_view secret) {
  DFS_ASSERT(ticket.invalid() == nullptr && secret.size() == kSignKeyBytes);
  std::string bytes = encode(ticket);
  bytes += signature_of(kTicketContext, bytes, secret);
  DFS_ASSERT(bytes.size() <= kTicketBytesMax);
  return bytes;
}

Result<Ticket> unverified_ticket(std::string_view bytes) {
  if (bytes.size() <= kSignatureBytes || bytes.size() > kTicketBytesMax) {
    return Error{Code::malformed, "this is no ticket", {}, 0};
  }
  return decode<Ticket>(bytes.substr(0, bytes.size() - kSignatureBytes));
}

void TicketJudge::learn(std::string cluster, uint64_t version, std::vector<TicketKey> keys,
                        std::vector<Revocation> revoked) {
  if (version <= version_) return;
  version_ = version;
  const auto equal = [](const TicketKey& a, const TicketKey& b) { return same(a, b); };
  const bool keys_stay = cluster == cluster_ &&
                         std::equal(keys.begin(), keys.end(), keys_.begin(), keys_.end(), equal);
  if (!keys_stay) remembered_.clear();
  cluster_ = std::move(cluster);
  keys_ = std::move(keys);
  revoked_.clear();
  for (Revocation& revocation : revoked) {
    std::vector<Revocation>& of_user = revoked_[revocation.user];
    of_user.push_back(std::move(revocation));
  }
}

Result<const Ticket*> TicketJudge::judge(std::string_view ticket, int64_t now_ms,
                                         bool may_be_first) {
  if (ticket.empty()) return not_good("missing", "nobody is logged in");
  const Ticket* known = remembered_.find(ticket);
  if (known == nullptr) {
    auto verified = verify(ticket);
    if (!verified) return std::move(verified).error();
    known = remembered_.remember(ticket, std::move(*verified));
  }
  DFS_CHECK(check(*known, now_ms, may_be_first));
  return known;
}

Result<Ticket> TicketJudge::verify(std::string_view bytes) const {
  const auto malformed = [] { return not_good("malformed", "the ticket cannot be read"); };
  auto ticket = unverified_ticket(bytes);
  if (!ticket) return malformed();
  const size_t size = bytes.size() - kSignatureBytes;
  if (ticket->cluster != cluster_) return not_good("foreign", "the ticket is of another cluster");
  const auto key = std::find_if(keys_.begin(), keys_.end(),
                                [&](const TicketKey& k) { return k.key == ticket->key; });
  if (key == keys_.end()) {
    return not_good("unknown-key", "the key of the ticket is not known (any more)");
  }
  const bool genuine =
      is_signed(kTicketContext, bytes.substr(0, size), bytes.substr(size), key->verify_key.bytes);
  if (!genuine) return not_good("forged", "the signature of the ticket is wrong");
  return ticket;
}

Result<void> TicketJudge::check(const Ticket& ticket, int64_t now_ms, bool may_be_first) const {
  if (ticket.issued_ms > now_ms + kClockSkewMs) {
    return not_good("early", "the ticket is of a later time; check the clock of this machine");
  }
  if (ticket.expires_ms + kClockSkewMs < now_ms) return not_good("expired", "the ticket expired");
  if (const auto found = revoked_.find(ticket.user); found != revoked_.end()) {
    const auto ended = [&](const Revocation& revocation) { return ends(revocation, ticket); };
    if (std::any_of(found->second.begin(), found->second.end(), ended)) {
      return not_good("revoked", "the session was ended");
    }
  }
  if (!ticket.must_change || may_be_first) return {};
  return Error{Code::denied,
               "the password is a first one; choose your own with: dfsctl passwd",
               {{"reason", "must-change"}},
               0};
}

}  // namespace dfs
