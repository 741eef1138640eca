#include "actors/storage/doorkeeper.h"

#include <algorithm>
#include <utility>

#include "messages/users.h"

namespace dfs::storage {

namespace {

bool is_between_nodes(Type type) {
  return type == Type::ListBlocks || type == Type::GetDigests || type == Type::CheckCopies ||
         type == Type::ReadHints;
}

}  // namespace

void Doorkeeper::begin() {
  if (membership_.identity().cluster.empty() || std::exchange(hears_, true)) return;
  hearing_.heard(bus_.now());  // it will be in a moment, unless this node is cut off
  bus_.subscribe(kTicketsTopic);
}

void Doorkeeper::observe(const Envelope& envelope) {
  auto keys = reply_as<TicketKeys>(envelope);
  if (!keys || keys->cluster != membership_.identity().cluster || keys->version < version_) return;
  hearing_.heard(bus_.now());
  if (keys->version == version_) return;
  version_ = keys->version;
  ended_.clear();
  for (Revocation& revocation : keys->revoked) {
    ended_[holder_of(revocation.user)].push_back(std::move(revocation));
  }
}

Result<std::optional<uint32_t>> Doorkeeper::check_block(ObjectId object, BlockRight right,
                                                        const Blob& grant) {
  using Uid = std::optional<uint32_t>;
  if (!membership_.identity().needs_grants) return Uid();
  const auto checked = check(grant.bytes, object, right);
  if (!checked) return checked.error();
  return Uid(checked->uid);
}

Result<void> Doorkeeper::check_inside(const Envelope& request) {
  if (!membership_.identity().needs_grants) return {};
  const std::string& pass = request.header.ticket;
  if (pass.empty()) {
    return counted(Error{Code::denied,
                         "only administrators see and control the inside of a storage node, with a "
                         "pass that the monitor gives them",
                         {{"reason", "missing"}},
                         0});
  }
  const auto checked = check(pass, 0, BlockRight::inside);
  if (!checked) return checked.error();
  if (checked->warrant.bytes.empty() || is_between_nodes(request.header.type)) return {};
  return counted(Error{Code::denied,
                       "storage nodes do not control each other; heads and administrators do",
                       {{"reason", "role"}},
                       0});
}

Result<Grant> Doorkeeper::check(std::string_view shown, ObjectId object, BlockRight right) {
  if (membership_.grant_keys().empty()) {
    return Error{Code::unavailable, "this node joins its cluster; ask again in a moment", {}, 100};
  }
  judge_.learn(membership_.grant_keys());
  auto grant = judge_.check(shown, object, right, membership_.identity().node, bus_.wall_ms());
  if (!grant) return counted(grant.error());
  if (grant->holder != 0 && hearing_.is_stale(bus_.now())) {
    return hearing_.unheard(bus_.address(), "another node", bus_.now());
  }
  if (!has_ended(*grant)) return grant;
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
