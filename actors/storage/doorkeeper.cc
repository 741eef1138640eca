#include "actors/storage/doorkeeper.h"

#include <algorithm>
#include <utility>

#include "messages/users.h"

namespace dfs::storage {

void Doorkeeper::begin() {
  if (membership_.identity().cluster.empty() || std::exchange(hears_, true)) return;
  bus_.subscribe(kTicketsTopic);
}

void Doorkeeper::observe(const Envelope& envelope) {
  auto keys = reply_as<TicketKeys>(envelope);
  if (!keys || keys->cluster != membership_.identity().cluster || keys->version <= version_) return;
  version_ = keys->version;
  ended_.clear();
  for (Revocation& revocation : keys->revoked) {
    ended_[holder_of(revocation.user)].push_back(std::move(revocation));
  }
}

Result<std::optional<uint32_t>> Doorkeeper::check_block(ObjectId object, BlockRight right,
                                                        const Blob& grant) {
  return check(grant.bytes, object, right);
}

Result<void> Doorkeeper::check_inside(const Envelope& request) {
  const std::string& pass = request.header.ticket;
  if (membership_.identity().needs_grants && pass.empty()) {
    return counted(Error{Code::denied,
                         "only administrators see and control the inside of a storage node, with a "
                         "pass that the monitor gives them",
                         {{"reason", "missing"}},
                         0});
  }
  const auto checked = check(pass, 0, BlockRight::inside);
  if (!checked) return checked.error();
  return {};
}

Result<std::optional<uint32_t>> Doorkeeper::check(std::string_view shown, ObjectId object,
                                                  BlockRight right) {
  using Uid = std::optional<uint32_t>;
  if (!membership_.identity().needs_grants) return Uid();
  if (membership_.grant_key().empty()) {
    return Error{Code::unavailable, "this node joins its cluster; ask again in a moment", {}, 100};
  }
  const auto grant = check_grant(shown, membership_.grant_key(), object, right,
                                 membership_.identity().node, bus_.wall_ms());
  if (!grant) return counted(grant.error());
  if (!has_ended(*grant)) return Uid(grant->uid);
  return counted(Error{Code::denied,
                       "the log-in that this was granted for has ended; log in again",
                       {{"reason", "revoked"}},
                       0});
}

bool Doorkeeper::has_ended(const Grant& grant) const {
  const auto found = ended_.find(grant.holder);
  if (grant.holder == 0 || found == ended_.end()) return false;
  return std::any_of(found->second.begin(), found->second.end(), [&](const Revocation& end) {
    return (end.session == 0 || end.session == grant.session) && grant.since_ms <= end.before_ms;
  });
}

Error Doorkeeper::counted(Error error) {
  ++denied_;
  return error;
}

}  // namespace dfs::storage
