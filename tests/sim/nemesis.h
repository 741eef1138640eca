// Does harm: kills, freezes, cuts off, at random times and for random times; and in the end makes
// all of it good.
#pragma once

#include <functional>
#include <vector>

#include "tests/sim/cluster.h"

namespace dfs::sim {

class Nemesis {
 public:
  Nemesis(World& world, Cluster& cluster, const Options& options, Random random);

  void begin();
  // Heals the network and the disks, thaws and starts every process; no harm is done afterwards.
  void end();
  bool active() const { return active_; }
  uint64_t harms() const { return harms_; }

 private:
  using Harm = std::function<void()>;
  void schedule();
  Process& victim();
  void kill(Process& process);
  void stop();
  void freeze();
  void partition();
  void jump_clock();
  void fill_disk();
  void break_disk();
  void slow_disk();
  void decay();
  void lose_one_storage();
  Process& disk_victim();  // a storage node or the monitor
  void start_again(Process& process);

  World& world_;
  Cluster& cluster_;
  const Options& options_;
  Random random_;
  std::vector<Harm> kinds_;
  bool active_ = false;
  uint64_t harms_ = 0;
};

}  // namespace dfs::sim
