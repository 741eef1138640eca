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

  uint32_t heads = 1;  // each a broker, a monitor and a lock actor on one machine
  uint32_t storages = 3;
  uint32_t late_storages = 0;  // of those, join later
  uint32_t directories = 1;    // of each storage node
  uint32_t racks = 1;
  uint32_t replicas = 2;
  uint32_t groups = 16;
  uint32_t clients = 2;
  uint32_t lock_clients = 0;      // besides those: take locks, and change files under them
  bool one_broker_known = false;  // nodes and clients are told of the first broker alone
  uint64_t segment_bytes = 64ull << 20;
  uint64_t log_segment_bytes = 1ull << 20;  // of a head
  uint64_t log_bytes_kept = 16ull << 20;
  uint64_t flush_entries = 50'000;
  uint32_t shared_files = 2;  // that all clients change at will

  uint32_t operations = 40;        // of each client while anything may fail
  uint32_t operations_healed = 8;  // of each client after that, none of which may fail
  uint32_t lock_operations = 40;   // of each of those while anything may fail
  Duration lock_lease = std::chrono::seconds(4);
  uint64_t file_bytes_max = 3ull << 20;
  Duration request_deadline = std::chrono::seconds(10);  // of a client's namespace request
  Duration pause_max = std::chrono::milliseconds(150);   // of a client between two operations

  Duration repair_after = std::chrono::seconds(10);
  Duration digest_period = std::chrono::seconds(5);
  Duration upload_lease = std::chrono::seconds(20);
  Duration history_retention = std::chrono::hours(24);
  Duration object_retention = std::chrono::seconds(30);
  Duration reclaim_period = std::chrono::seconds(4);
  Duration reclaim_grace = std::chrono::seconds(4);
  Duration scrub_period = std::chrono::seconds(10);

  NetworkOptions network;
  PoolTiming pool;
  double clock_drift = 0;  // rates of clocks are within 1 ± this

  bool faults_from_start = false;  // rather than once the cluster is healthy
  // How often a fault comes, on average; and the kinds that may.
  Duration fault_every = std::chrono::seconds(2);
  bool kill_storages = false;
  bool kill_monitors = false;
  bool kill_leader = false;
  bool kill_locks = false;
  bool kill_lock_leader = false;
  bool lose_locks = false;  // of one head, which keeps the rest of its data
  bool kill_brokers = false;
  bool kill_clients = false;
  bool crash_machines = false;  // kills are crashes of the machine, half of the time
  bool freeze = false;
  bool freeze_heads = false;  // with all that runs on their machine, often the leader
  bool partition = false;
  bool split_heads = false;  // one from the others, while everybody else reaches all
  bool break_connections = false;
  bool jump_clocks = false;
  bool stop_orderly = false;
  bool fill_disks = false;
  bool break_disks = false;  // input/output errors; whoever saw one is restarted afterwards
  bool slow_disks = false;
  bool transfer_lead = false;
  bool replace_heads = false;  // by ones with empty disks
  // Of the media below storage nodes; see MediumHarms.
  bool rot = false;
  bool misdirect = false;
  bool spoil = false;
  bool lose_directories = false;
  bool lose_disks = false;
  bool stay_away = false;  // a storage node is dead past repair_after and comes back
  // What an administrator does; see Administrator.
  bool drain = false;
  bool rebalance = false;
  bool control_scrub = false;

  // Nothing else happens than that one of the storage nodes, or one of three or more heads, dies or
  // freezes and stays so. No client may get an error for that, nor wait for longer than this
  // without progress.
  bool lose_one_storage = false;
  bool lose_one_head = false;
  Duration stall_max = std::chrono::seconds(3);

  bool faulty() const;
  bool harms_media() const;
  bool administers() const;
  std::string describe() const;
};

Options draw_options(uint64_t seed);
// Little else than locks, and much that goes wrong with them.
Options draw_lock_options(uint64_t seed);
// Set lose_one_storage or lose_one_head and make it survivable.
void lose_one_storage(Options& options);
void lose_one_head(Options& options);

}  // namespace dfs::sim
