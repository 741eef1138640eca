#include "actors/storage/doorkeeper.h"

namespace dfs::storage {

Result<void> Doorkeeper::check_block(ObjectId object, BlockRight right, const Blob& grant) {
  if (!membership_.identity().needs_grants) return {};
  if (membership_.grant_key().empty()) {
    return Error{Code::unavailable, "this node joins its cluster; ask again in a moment", {}, 100};
  }
  return counted(check_grant(grant.bytes, membership_.grant_key(), object, right,
                             membership_.identity().node, bus_.wall_ms()));
}

Result<void> Doorkeeper::check_inside(const Envelope& request) {
  if (!membership_.identity().needs_grants) return {};
  if (request.header.ticket.empty() && is_of_cluster(request)) return {};
  const auto who = gate_.judge(request);
  if (!who) return counted(who.error());
  if (who->admin && who->below.empty() && !who->read_only) return {};
  return counted(Error{Code::denied,
                       "only administrators see and control the inside of a storage node",
                       {{"reason", "role"}},
                       0});
}

Result<void> Doorkeeper::counted(Result<void> checked) {
  if (checked.code() == Code::denied || checked.code() == Code::login_needed) ++denied_;
  return checked;
}

}  // namespace dfs::storage
