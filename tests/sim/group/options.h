// What one run of a simulated group is like; all of it is drawn from the seed.
#pragma once

#include <cstdint>
#include <string>

#include "actors/replica/replica.h"
#include "tests/sim/network.h"
#include "tests/sim/world.h"

namespace dfs::sim {

struct GroupOptions {
  uint64_t seed = 0;

  uint32_t members = 3;
  uint32_t spares = 0;  // join later
  uint32_t clients = 3;
  uint32_t registers = 3;
  uint32_t operations = 60;        // of each client while anything may fail
  uint32_t operations_healed = 6;  // of each client after that, none of which may fail
  size_t padding_max = 200;
  Duration pause_max = std::chrono::milliseconds(100);  // of a client between two operations
  ReplicaSettings replica;

  NetworkOptions network;
  PoolTiming pool;
  double clock_drift = 0;  // rates are within 1 ± this

  bool faults_from_start = false;  // rather than once all are voters
  Duration fault_every = std::chrono::seconds(1);
  bool kill = false;
  bool kill_leader = false;
  bool crash_machines = false;  // kills are crashes of the machine, half of the time
  bool kill_clients = false;
  bool freeze = false;
  bool partition = false;  // of one machine
  bool split = false;      // of the members, all of which clients still reach
  bool break_connections = false;
  bool jump_clocks = false;
  bool stop_orderly = false;
  bool fill_disks = false;
  bool break_disks = false;
  bool slow_disks = false;
  bool transfer = false;
  bool change_members = false;  // removed and added
  bool replace_disks = false;   // by empty ones

  bool faulty() const;
  std::string describe() const;
};

GroupOptions draw_group_options(uint64_t seed);

}  // namespace dfs::sim
