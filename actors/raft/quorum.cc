#include "actors/raft/quorum.h"

#include <algorithm>

#include "messages/result.h"

namespace dfs::raft {

namespace {

bool votes(const Member& member) {
  return member.standing != Standing::learner;
}

bool majority(const std::vector<MemberId>& voters, const std::function<bool(MemberId)>& yes) {
  const auto count = static_cast<size_t>(std::count_if(voters.begin(), voters.end(), yes));
  return count > voters.size() / 2;
}

uint64_t majority_reached(const std::vector<MemberId>& voters,
                          const std::function<uint64_t(MemberId)>& value) {
  if (voters.empty()) return 0;
  std::vector<uint64_t> values;
  values.reserve(voters.size());
  for (const MemberId id : voters) values.push_back(value(id));
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end(), std::greater<>());
  return *middle;
}

}  // namespace

Quorum::Quorum(const std::vector<Member>& members) {
  for (const Member& member : members) {
    joint_ |= member.standing == Standing::joining || member.standing == Standing::leaving;
    if (member.standing == Standing::voter || member.standing == Standing::leaving) {
      now_.push_back(member.id);
    }
    if (member.standing == Standing::voter || member.standing == Standing::joining) {
      next_.push_back(member.id);
    }
  }
  if (!joint_) next_.clear();
}

bool Quorum::contains(MemberId id) const {
  return std::count(now_.begin(), now_.end(), id) > 0 ||
         std::count(next_.begin(), next_.end(), id) > 0;
}

bool Quorum::alone(MemberId id) const {
  return !joint_ && now_.size() == 1 && now_.front() == id;
}

bool Quorum::won(const std::function<bool(MemberId)>& yes) const {
  return majority(now_, yes) && (!joint_ || majority(next_, yes));
}

uint64_t Quorum::reached(const std::function<uint64_t(MemberId)>& value) const {
  const uint64_t reached = majority_reached(now_, value);
  return joint_ ? std::min(reached, majority_reached(next_, value)) : reached;
}

ChangeMembers joint_members(const ChangeMembers& current, const std::vector<Member>& wanted) {
  const auto in = [](const std::vector<Member>& members, MemberId id) {
    return std::find_if(members.begin(), members.end(),
                        [&](const Member& m) { return m.id == id; });
  };
  ChangeMembers joint;
  joint.last_id = current.last_id;
  for (Member member : wanted) {
    const auto before = in(current.members, member.id);
    const bool was_voter = before != current.members.end() && votes(*before);
    if (votes(member)) member.standing = was_voter ? Standing::voter : Standing::joining;
    joint.last_id = std::max(joint.last_id, member.id);
    joint.members.push_back(std::move(member));
  }
  for (Member member : current.members) {
    if (!votes(member) || in(wanted, member.id) != wanted.end()) continue;
    member.standing = Standing::leaving;
    joint.members.push_back(std::move(member));
  }
  return joint;
}

ChangeMembers final_members(const ChangeMembers& joint) {
  ChangeMembers members;
  members.last_id = joint.last_id;
  for (Member member : joint.members) {
    if (member.standing == Standing::leaving) continue;
    if (member.standing == Standing::joining) member.standing = Standing::voter;
    members.members.push_back(std::move(member));
  }
  return members;
}

}  // namespace dfs::raft
