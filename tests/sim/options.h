// What one run of the simulator is like. All of it is drawn from the seed, so that the seeds differ
// not only in what happens but in what can happen at all.
#pragma once

#include <cstdint>
#include <string>

#include "actors/monitor/monitor.h"
#include "actors/storage/storage.h"
#include "tests/sim/network.h"
#include "tests/sim/world.h"

namespace dfs::sim {

struct Options {
  uint64_t seed = 0;

  uint32_t brokers = 1;
  uint32_t storages = 3;
  uint32_t replicas = 2;
  uint32_t groups = 16;
  uint32_t clients = 2;
  bool monitor_apart = false;  // on a machine of its own rather than with the first broker
  uint64_t segment_bytes = 64ull << 20;

  uint32_t operations = 40;        // of each client while anything may fail
  uint32_t operations_healed = 8;  // of each client after that, none of which may fail
  uint64_t file_bytes_max = 3ull << 20;
  Duration request_deadline = std::chrono::seconds(10);  // of a client's namespace request
  Duration pause_max = std::chrono::milliseconds(150);   // of a client between two operations

  NetworkOptions network;
  PoolTiming pool;

  bool faults_from_start = false;  // rather than once the cluster is healthy
  // How often a fault comes, on average; and the kinds that may.
  Duration fault_every = std::chrono::seconds(2);
  bool kill_storages = false;
  bool kill_monitor = false;
  bool kill_brokers = false;
  bool kill_clients = false;
  bool crash_machines = false;  // kills are crashes of the machine, half of the time
  bool freeze = false;
  bool partition = false;
  bool break_connections = false;
  bool jump_clocks = false;
  bool stop_orderly = false;
  bool fill_disks = false;
  bool break_disks = false;  // input/output errors; whoever saw one is restarted afterwards
  bool slow_disks = false;
  bool decay = false;  // bits flip on the disk of one storage node, always the same

  // Nothing else happens than that one of the storage nodes dies or freezes and stays so. No client
  // may get an error for that, nor wait for longer than this without progress.
  bool lose_one_storage = false;
  Duration stall_max = std::chrono::seconds(3);

  bool faulty() const;
  std::string describe() const;
};

Options draw_options(uint64_t seed);
void lose_one(Options& options);  // sets lose_one_storage and makes it survivable

}  // namespace dfs::sim
