#include "tests/sim/group/options.h"

namespace dfs::sim {

using std::chrono::milliseconds;

GroupOptions draw_group_options(uint64_t seed) {
  Random random(seed ^ 0x96042ull);
  GroupOptions options;
  options.seed = seed;
  options.members = static_cast<uint32_t>(random.chance(0.1) ? 1 : random.chance(0.6) ? 3 : 5);
  options.spares = random.chance(0.4) ? static_cast<uint32_t>(random.between(1, 2)) : 0;
  options.clients = static_cast<uint32_t>(random.between(1, 5));
  options.registers = static_cast<uint32_t>(random.between(1, 5));
  options.padding_max = size_t{1} << random.between(0, 13);
  // Long enough for something to happen, whatever the pace.
  options.pause_max = milliseconds(random.between(5, 200));
  const Duration length = milliseconds(random.between(3000, 10'000));
  options.operations = static_cast<uint32_t>(length / (options.pause_max / 2 + milliseconds(10)));

  ReplicaSettings& replica = options.replica;
  replica.group = "registers";
  replica.segment_bytes = 4096ull << random.between(0, 4);
  replica.log_bytes_kept = random.chance(0.3) ? 16ull << 20 : 2048ull << random.between(0, 6);
  replica.flush_entries = random.between(5, 500);
  replica.snapshot_parts_in_flight = random.between(1, 4);
  replica.snapshot_part_bytes = 256ull << random.between(0, 12);
  replica.unsaved_bytes_max = random.chance(0.2) ? 20'000 : 32 << 20;
  replica.proposals_max = random.chance(0.1) ? 2 : 4096;

  // One seed in ten is a fair-weather one: there, nothing at all may go wrong.
  const bool fair = random.chance(0.1);
  const auto sometimes = [&](double probability) { return !fair && random.chance(probability); };
  NetworkOptions& network = options.network;
  if (sometimes(0.5)) network.slow_probability = random.unit() * 0.05;
  if (sometimes(0.3)) network.break_probability = random.unit() * 0.005;
  if (sometimes(0.4)) network.drop_probability = random.unit() * 0.1;
  if (sometimes(0.4)) network.duplicate_probability = random.unit() * 0.1;
  if (sometimes(0.5)) network.reorder_probability = random.unit() * 0.3;
  if (sometimes(0.2)) network.delay_max = milliseconds(random.between(1, 40));
  if (sometimes(0.3)) options.pool.slow_probability = random.unit() * 0.1;
  // Just below what the lease allows for (raft::Settings::clock_drift_max).
  if (random.chance(0.7)) options.clock_drift = replica.clock_drift_max * 0.49;
  options.faults_from_start = sometimes(0.3);
  options.fault_every = milliseconds(random.between(50, 1500));
  options.kill = sometimes(0.6);
  options.kill_leader = sometimes(0.5);
  options.crash_machines = sometimes(0.7);
  options.kill_clients = sometimes(0.3);
  options.freeze = sometimes(0.5);
  options.partition = sometimes(0.5);
  options.split = sometimes(0.5);
  options.break_connections = sometimes(0.3);
  options.jump_clocks = sometimes(0.4);
  options.stop_orderly = sometimes(0.3);
  options.fill_disks = sometimes(0.25);
  options.break_disks = sometimes(0.25);
  options.slow_disks = sometimes(0.3);
  options.transfer = sometimes(0.4);
  options.change_members = sometimes(0.4);
  options.replace_disks = sometimes(0.4);
  return options;
}

bool GroupOptions::faulty() const {
  return kill || kill_leader || kill_clients || freeze || partition || split || break_connections ||
         jump_clocks || stop_orderly || fill_disks || break_disks || slow_disks || transfer ||
         change_members || replace_disks || network.slow_probability > 0 ||
         network.break_probability > 0 || network.drop_probability > 0 ||
         network.duplicate_probability > 0 || network.reorder_probability > 0;
}

std::string GroupOptions::describe() const {
  std::string text = std::to_string(members) + " members, " + std::to_string(spares) + " spares, " +
                     std::to_string(clients) + " clients, " + std::to_string(registers) +
                     " registers, segments of " + std::to_string(replica.segment_bytes) +
                     " bytes, " + std::to_string(replica.log_bytes_kept) + " kept; faults:";
  const auto add = [&text](bool on, const char* name) {
    if (on) text.append(" ").append(name);
  };
  add(network.slow_probability > 0, "slow");
  add(network.break_probability > 0, "break");
  add(network.drop_probability > 0, "drop");
  add(network.duplicate_probability > 0, "duplicate");
  add(network.reorder_probability > 0, "reorder");
  add(clock_drift > 0, "clock-drift");
  add(faults_from_start, "from-start");
  add(kill, "kill");
  add(kill_leader, "kill-leader");
  add(crash_machines, "crash-machines");
  add(kill_clients, "kill-clients");
  add(freeze, "freeze");
  add(partition, "partition");
  add(split, "split");
  add(break_connections, "break-connections");
  add(jump_clocks, "jump-clocks");
  add(stop_orderly, "stop-orderly");
  add(fill_disks, "fill-disks");
  add(break_disks, "break-disks");
  add(slow_disks, "slow-disks");
  add(transfer, "transfer");
  add(change_members, "change-members");
  add(replace_disks, "replace-disks");
  add(!faulty(), "none");
  return text;
}

}  // namespace dfs::sim
