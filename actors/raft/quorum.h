// Majorities of a group, in joint consensus of both halves (Raft thesis, section 4.3).
#pragma once

#include <functional>
#include <vector>

#include "messages/raft.h"

namespace dfs::raft {

class Quorum {
 public:
  Quorum() = default;
  explicit Quorum(const std::vector<Member>& members);

  bool joint() const { return joint_; }
  bool contains(MemberId id) const;  // as a voter of either half
  bool alone(MemberId id) const;     // the only voter

  // True when `yes` holds for a majority of each half. Never true of a group without voters.
  bool won(const std::function<bool(MemberId)>& yes) const;
  // The largest value that a majority of each half has reached.
  uint64_t reached(const std::function<uint64_t(MemberId)>& value) const;

 private:
  std::vector<MemberId> now_;  // the only half outside joint consensus
  std::vector<MemberId> next_;
  bool joint_ = false;
};

// The members that lead from `current` to `wanted`: voters that are not wanted as such leave,
// wanted ones that are no voters join. `current` itself must not be joint.
ChangeMembers joint_members(const ChangeMembers& current, const std::vector<Member>& wanted);
// What follows: the leaving are gone, the joining are voters.
ChangeMembers final_members(const ChangeMembers& joint);

}  // namespace dfs::raft
