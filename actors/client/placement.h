// Where the blocks of one upload go: home groups by the layout, others after a failure.
#pragma once

#include <map>
#include <set>

#include "actors/client/transfer.h"

namespace dfs {

// A group and those of its members that will be written, in chain order.
struct BlockTarget {
  GroupId group = 0;
  Epoch epoch = 0;
  std::vector<GroupMember> chain;
};

class Placement {
 public:
  Placement(Transfer& transfer, std::string path) : transfer_(transfer), path_(std::move(path)) {}

  // Asks for an object and its groups. `size` may be Source::kUnknownSize. Fails, after the
  // transfer's deadline, when no group can take as many copies as the transfer's level wants.
  Task<Result<void>> begin(uint64_t size, uint64_t block_bytes);

  // A group for block `index`, not one of `shunned` if there is another: its home group, else
  // another whole one, else what is left of one as long as that is min_copies(). Asks the monitor
  // for other groups when the known ones failed, and waits for nodes to come back while the
  // transfer's deadline allows.
  Task<Result<BlockTarget>> choose(uint32_t index, std::set<GroupId> shunned);

  // Not to be used at its known epoch any more.
  void mark_stale(GroupId group);

  ObjectId object() const { return plan_.object; }
  uint64_t block_bytes() const { return plan_.block_bytes; }
  const Blob& grant() const { return plan_.grant; }
  // The object's key, and the same wrapped; that is empty when the object is not to be encrypted.
  const Blob& key() const { return key_; }
  const Blob& wrapped_key() const { return plan_.wrapped_key; }
  void renew_grant(Blob grant) { plan_.grant = std::move(grant); }
  uint32_t min_copies() const { return min_copies_; }  // of each block
  uint32_t replicas() const { return plan_.replicas; }
  // As PlanFile and CommitFile want it said; 0: the pool's own.
  uint32_t copies_asked() const {
    return transfer_.options.copies == CopyLevel::standard ? 0 : min_copies_;
  }
  Duration lease() const { return std::chrono::milliseconds(plan_.lease_ms); }  // 0: there is none
  GroupId home(uint32_t index) const { return plan_.groups[index % plan_.groups.size()].group; }
  std::vector<GroupId> home_groups() const;

 private:
  const GroupRoute* known(GroupId group) const;  // nullptr when stale
  std::vector<GroupMember> live_members(const GroupRoute& route) const;
  bool whole(const GroupRoute& route) const;
  std::optional<BlockTarget> pick_whole(uint32_t index, const std::set<GroupId>& shunned);
  std::optional<BlockTarget> pick_what_is_left(uint32_t index);
  BlockTarget target_of(const GroupRoute& route, uint32_t index);
  Task<Result<void>> plan_again();

  Transfer& transfer_;
  std::string path_;
  uint64_t asked_size_ = 0;
  Blob key_;
  PlanFileReply plan_;
  uint32_t min_copies_ = 1;
  std::map<GroupId, GroupRoute> routes_;            // the plan's and those learned later
  std::map<GroupId, Epoch> stale_;                  // refused at this epoch
  uint64_t changes_ = 0;                            // of stale_
  std::pair<uint64_t, uint64_t> planned_at_{0, 0};  // failures and changes known at the last plan
  bool planning_ = false;                           // one flow asks, the others wait
  Signal planned_;
  std::set<uint32_t> away_;  // blocks sent to other groups than home; each may need an override
};

}  // namespace dfs
