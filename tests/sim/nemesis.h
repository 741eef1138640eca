// Does harm: kills, freezes, cuts off, at random times and for random times; and in the end makes
// all of it good. Meanwhile it changes the heads, as an operator would.
#pragma once

#include <functional>
#include <vector>

#include "tests/sim/administrator.h"
#include "tests/sim/cluster.h"
#include "tests/sim/harms.h"
#include "tests/sim/medium_harms.h"

namespace dfs::sim {

class Nemesis {
 public:
  // `disk_replaced` is told of each head whose disk was lost.
  Nemesis(World& world, Cluster& cluster, CopiesChecker& copies, const Options& options,
          Random random, std::function<void(Process&)> disk_replaced);

  void begin();
  // Heals the network and the disks, thaws and starts every process; no harm is done afterwards.
  // What the operator began still comes to its end.
  void end();
  bool active() const { return active_; }
  bool idle() const { return !changing_ && administrator_.idle(); }
  uint64_t harms() const { return count_; }

 private:
  using Harm = std::function<void()>;
  void schedule();
  Process& victim();
  Process& some_monitor();  // often the one that leads
  Process& disk_victim();   // a storage node or a monitor
  void lose(const std::vector<Process*>& processes);
  void lose_one_storage();
  void lose_one_head();
  void replace_head();
  void lose_locks();
  Task<void> transfer_lead(MemberId to);
  Task<void> replace(Process* monitor, MemberId head, bool disk_lost);

  World& world_;
  Cluster& cluster_;
  const Options& options_;
  Random random_;
  const std::function<void(Process&)> disk_replaced_;
  Harms harms_;
  MediumHarms media_;
  Administrator administrator_;
  std::vector<Harm> kinds_;
  std::vector<Process*> victims_;  // anybody but those that check
  bool active_ = false;
  bool changing_ = false;  // a head is being replaced
  uint64_t count_ = 0;
};

}  // namespace dfs::sim
