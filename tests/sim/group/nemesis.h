// Does harm to a simulated group, and changes its members meanwhile, as its operator would.
#pragma once

#include <functional>
#include <vector>

#include "tests/sim/group/group.h"
#include "tests/sim/harms.h"

namespace dfs::sim {

class GroupNemesis {
 public:
  GroupNemesis(World& world, Group& group, const GroupOptions& options, Random random);

  void begin();
  // Heals everything and starts everybody. What the operator began still comes to its end.
  void end();
  bool idle() const { return !changing_; }
  bool active() const { return active_; }
  uint64_t harms() const { return count_; }

 private:
  using Harm = std::function<void()>;
  void schedule();
  Process& victim();  // a host, often the leader
  std::vector<Process*> some_hosts();
  void kill_leader();

  // At most one change of the members is under way, and none is begun before those that came with
  // the last one are voters: the operator does not gamble with the data.
  bool may_change() const;
  size_t members() const;  // for all that the leader knows
  void enlist();
  void remove();
  void replace();
  Task<void> transfer(Link to);
  Task<void> remove_member(Process* process, MemberId member);
  Task<void> replace_member(Process* process, MemberId member);
  Task<void> leave(MemberId member, bool insist, bool* left);

  World& world_;
  Group& group_;
  const GroupOptions& options_;
  Random random_;
  Harms harms_;
  std::vector<Harm> kinds_;
  std::vector<Process*> machines_;  // hosts and clients
  bool active_ = false;
  bool changing_ = false;
  uint64_t count_ = 0;
};

}  // namespace dfs::sim
