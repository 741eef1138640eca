// Who may do what at this node, where the cluster demands that they show it: clients show grants
// for blocks, administrators their ticket for all else; nodes and heads among themselves show
// neither.
#pragma once

#include "actors/gate.h"
#include "actors/storage/membership.h"
#include "messages/grant.h"

namespace dfs::storage {

class Doorkeeper {
 public:
  Doorkeeper(Bus& bus, Calls& calls, const Membership& membership)
      : bus_(bus), membership_(membership), gate_(bus, calls) {}

  // Who this node belongs to is known.
  void begin() { gate_.begin(membership_.identity().cluster); }
  void observe(const Envelope& envelope) { gate_.observe(envelope); }

  // Whether the sender may do this with a block of `object`. `denied`, cause `reason` (grant.h);
  // `unavailable` as long as this node, which just started, was not told the key.
  Result<void> check_block(ObjectId object, BlockRight right, const Blob& grant);
  // Whether the sender may see or control the inside of this node.
  Result<void> check_inside(const Envelope& request);

  uint64_t denied() const { return denied_; }  // since the start

 private:
  Result<void> counted(Result<void> checked);

  Bus& bus_;
  const Membership& membership_;
  Gate gate_;
  uint64_t denied_ = 0;
};

}  // namespace dfs::storage
