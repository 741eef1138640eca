#include "actors/monitor/leases.h"

namespace dfs {

bool Leases::renew(ObjectId object) {
  // The tick under way has begun already and does not count.
  const uint32_t until = ticks_ + kLeaseTicks + 1;
  const auto known = leases_.find(object);
  if (known != leases_.end()) {
    known->second = until;
    return true;
  }
  if (leases_.size() >= kLeasesMax) return false;
  leases_.emplace(object, until);
  return true;
}

void Leases::tick() {
  ++ticks_;
  std::erase_if(leases_, [this](const auto& lease) { return lease.second <= ticks_; });
}

}  // namespace dfs
