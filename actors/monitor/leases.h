// The uploads that are under way, as the leader knows them: in memory only. An upload has a lease
// from PlanFile on, which its writer renews (RenewUploads); after a change of leader the renewals
// tell the new one. An object without a lease may be declared dead, but not before this leader has
// led for longer than one lease: only then has every writer that lives told it.
#pragma once

#include <map>

#include "messages/ids.h"

namespace dfs {

// Time is counted in ticks of the owner's timer, kLeaseTicks to a lease: while a leader stands
// still it hears no renewals, and nothing expires.
inline constexpr uint32_t kLeaseTicks = 8;
inline constexpr size_t kLeasesMax = 256 * 1024;

class Leases {
 public:
  // Opens or renews. False when there are too many to take another in.
  bool renew(ObjectId object);
  // The object is content.
  void end(ObjectId object) { leases_.erase(object); }
  bool holds(ObjectId object) const { return leases_.contains(object); }
  bool empty() const { return leases_.empty(); }
  // A part of the lease time has passed.
  void tick();
  // Whether whoever has an upload under way has said so.
  bool complete() const { return ticks_ > kLeaseTicks; }
  // The oldest object under way; UINT64_MAX when there is none.
  ObjectId lowest() const { return leases_.empty() ? UINT64_MAX : leases_.begin()->first; }

 private:
  std::map<ObjectId, uint32_t> leases_;  // until which tick
  uint32_t ticks_ = 0;                   // since the reign began
};

}  // namespace dfs
