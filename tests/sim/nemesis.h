// Does harm: kills, freezes, cuts off, at random times and for random times; and in the end makes
// all of it good.
#pragma once

#include <functional>
#include <vector>

#include "tests/sim/cluster.h"
#include "tests/sim/harms.h"

namespace dfs::sim {

class Nemesis {
 public:
  Nemesis(World& world, Cluster& cluster, const Options& options, Random random);

  void begin();
  // Heals the network and the disks, thaws and starts every process; no harm is done afterwards.
  void end();
  bool active() const { return active_; }
  uint64_t harms() const { return count_; }

 private:
  using Harm = std::function<void()>;
  void schedule();
  Process& victim();
  void decay();
  void lose_one_storage();
  Process& disk_victim();  // a storage node or the monitor

  World& world_;
  Cluster& cluster_;
  const Options& options_;
  Random random_;
  Harms harms_;
  std::vector<Harm> kinds_;
  std::vector<Process*> victims_;  // anybody but those that check
  bool active_ = false;
  uint64_t count_ = 0;
};

}  // namespace dfs::sim
