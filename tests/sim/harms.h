// What can be done to processes, their disks and the network. Each harm passes by itself after a
// random time, and end() undoes them all; who is harmed, and when, decides a nemesis.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "tests/sim/process.h"
#include "tests/sim/random.h"

namespace dfs::sim {

class World;

class Harms {
 public:
  // `crash_machines`: kills are crashes of the machine, half of the time.
  Harms(World& world, Random random, bool crash_machines);

  static constexpr uint64_t kDiskBytes = 1ull << 40;

  // At once or in the middle of its next disk job. It is started again soon, mostly.
  void kill(Process& process);
  void kill_for(Process& process, Duration time);  // at once, and it comes back only then
  void start_again(Process& process);              // soon
  void stop(Process& process);
  void freeze(Process& process);
  void freeze_machine(const std::string& machine);  // all of its processes at once
  // Cuts one of `among` off from another, in one direction or both, or from everybody.
  void partition(const std::vector<Process*>& among);
  // Cuts `few` off from the other `servers`, in one direction or both; everybody else reaches all.
  void split(const std::vector<Process*>& servers, const std::vector<Process*>& few);
  void break_connections(Process& process);
  void jump_clock(Process& process, int64_t jump_ms_max);
  void fill_disk(Process& process, uint64_t left_bytes_max);
  void break_disk(Process& process);  // it is restarted afterwards
  void slow_disk(Process& process);

  // Heals the network and the disks, thaws everybody, kills those whose disk had failed. From here
  // on nobody is started again.
  void end();
  bool active() const { return active_; }

 private:
  void freeze_all(const std::vector<Process*>& processes);
  Crash some_crash();
  using Way = std::pair<std::string, std::string>;  // from one machine to another
  void block(std::vector<Way> ways);                // for a while

  World& world_;
  Random random_;
  const bool crash_machines_;
  bool active_ = true;
};

}  // namespace dfs::sim
