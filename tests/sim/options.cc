#include "tests/sim/options.h"

namespace dfs::sim {

using std::chrono::milliseconds;

namespace {

void draw_periods(Options& options, Random& random) {
  const auto some_seconds = [&random](uint64_t low, uint64_t high) {
    return milliseconds(random.between(low * 1000, high * 1000));
  };
  options.repair_after = some_seconds(3, 15);
  options.digest_period = some_seconds(2, 8);
  options.upload_lease = some_seconds(10, 30);
  if (random.chance(0.7)) options.history_retention = some_seconds(0, 20);
  options.object_retention = some_seconds(5, 40);
  options.reclaim_period = some_seconds(2, 8);
  options.reclaim_grace = some_seconds(2, 8);
  options.scrub_period = some_seconds(5, 15);
}

}  // namespace

Options draw_options(uint64_t seed) {
  Random random(seed ^ 0x0f710b5ull);
  Options options;
  options.seed = seed;
  options.heads = random.chance(0.3) ? 1 : random.chance(0.7) ? 3 : 5;
  options.storages = static_cast<uint32_t>(random.between(1, 7));
  options.replicas = static_cast<uint32_t>(random.between(1, std::min(3u, options.storages)));
  options.directories = random.chance(0.7) ? 1 : static_cast<uint32_t>(random.between(2, 3));
  options.racks = static_cast<uint32_t>(random.between(1, 3));
  options.groups = 1u << random.between(0, 6);
  options.clients = static_cast<uint32_t>(random.between(1, 4));
  options.one_broker_known = random.chance(0.2);
  options.segment_bytes = (4ull << random.between(0, 5)) << 20;
  options.log_segment_bytes = 8192ull << random.between(0, 7);
  options.log_bytes_kept = random.chance(0.3) ? 16ull << 20 : 8192ull << random.between(0, 5);
  options.flush_entries = random.chance(0.3) ? 50'000 : random.between(20, 500);
  options.shared_files = static_cast<uint32_t>(random.between(1, 3));
  options.operations = static_cast<uint32_t>(random.between(30, 150));
  options.file_bytes_max = (1ull << random.between(0, 2)) << 20;
  options.request_deadline = milliseconds(random.between(3000, 15000));
  options.pause_max = milliseconds(random.between(1, 300));
  draw_periods(options, random);

  // One seed in eight is a fair-weather one: there, nothing at all may go wrong.
  const bool fair = random.chance(0.125);
  const auto sometimes = [&](double probability) { return !fair && random.chance(probability); };
  if (sometimes(0.5)) options.network.slow_probability = random.unit() * 0.02;
  if (sometimes(0.4)) options.network.break_probability = random.unit() * 0.003;
  if (sometimes(0.3)) options.network.drop_probability = random.unit() * 0.003;
  if (sometimes(0.3)) options.network.duplicate_probability = random.unit() * 0.02;
  if (sometimes(0.4)) options.network.news_loss = random.unit() * 0.2;
  if (sometimes(0.3)) options.pool.slow_probability = random.unit() * 0.1;
  options.faults_from_start = sometimes(0.4);
  options.fault_every = milliseconds(random.between(300, 4000));
  options.kill_storages = sometimes(0.5);
  options.kill_monitors = sometimes(0.4);
  options.kill_leader = sometimes(0.4);
  options.kill_brokers = sometimes(0.4);
  options.kill_clients = sometimes(0.3);
  options.crash_machines = sometimes(0.5);
  options.freeze = sometimes(0.4);
  options.freeze_heads = sometimes(0.4);
  options.partition = sometimes(0.4);
  options.split_heads = sometimes(0.4);
  options.break_connections = sometimes(0.4);
  options.jump_clocks = sometimes(0.3);
  options.stop_orderly = sometimes(0.3);
  options.fill_disks = sometimes(0.25);
  // A range that twice could not be read counts as lost, and an only copy stays so.
  options.break_disks = sometimes(0.25) && options.replicas > 1;
  options.slow_disks = sometimes(0.25);
  options.transfer_lead = sometimes(0.4);
  options.replace_heads = sometimes(0.4);
  if (random.chance(0.5)) options.clock_drift = ReplicaSettings().clock_drift_max * 0.49;
  options.rot = sometimes(0.3);
  options.misdirect = sometimes(0.2);
  options.spoil = sometimes(0.2);
  options.lose_directories = sometimes(0.4);
  options.lose_disks = sometimes(0.2);
  options.stay_away = sometimes(0.3);
  options.drain = sometimes(0.3);
  options.rebalance = sometimes(0.2);
  options.control_scrub = sometimes(0.2);
  if (sometimes(0.3)) {
    options.late_storages =
        static_cast<uint32_t>(random.between(0, options.storages - options.replicas));
  }
  if (fair && random.chance(0.4)) lose_one_storage(options);
  if (fair && !options.lose_one_storage && random.chance(0.6)) lose_one_head(options);
  options.lock_clients = static_cast<uint32_t>(random.between(0, 3));
  options.lock_operations = static_cast<uint32_t>(random.between(10, 40));
  options.lock_lease = milliseconds(random.between(1000, 6000));
  options.kill_locks = sometimes(0.3);
  options.kill_lock_leader = sometimes(0.3);
  options.lose_locks = sometimes(0.3);
  return options;
}

Options draw_lock_options(uint64_t seed) {
  Options options = draw_options(seed ^ 0x10c4ull << 32);
  Random random(seed ^ 0x10c45ull);
  options.seed = seed;
  options.storages = options.replicas = options.directories = 1;
  options.late_storages = 0;
  options.clients = 1;
  options.operations = 5;
  options.lose_one_storage = options.stay_away = options.drain = options.rebalance = false;
  options.rot = options.misdirect = options.spoil = options.control_scrub = false;
  options.lose_directories = options.lose_disks = options.kill_storages = false;
  options.break_disks = false;
  options.lock_clients = static_cast<uint32_t>(random.between(2, 6));
  options.lock_operations = static_cast<uint32_t>(random.between(30, 100));
  options.pause_max = milliseconds(random.between(1, 200));
  if (!options.faulty()) return options;
  options.fault_every = milliseconds(random.between(200, 2000));
  options.kill_locks = random.chance(0.5);
  options.kill_lock_leader = random.chance(0.6);
  options.kill_clients = random.chance(0.5);
  options.freeze = random.chance(0.6);
  options.freeze_heads = random.chance(0.5);
  return options;
}

void lose_one_head(Options& options) {
  options.lose_one_head = true;
  options.heads = std::max(options.heads, 3u);
  options.one_broker_known = false;
}

void lose_one_storage(Options& options) {
  options.lose_one_storage = true;
  options.replicas = std::max(options.replicas, 2u);
  options.storages = std::max(options.storages, options.replicas + 1);
}

bool Options::harms_media() const {
  return rot || misdirect || spoil || lose_directories || lose_disks;
}

bool Options::administers() const {
  return drain || rebalance || control_scrub || late_storages > 0;
}

bool Options::faulty() const {
  return kill_storages || kill_monitors || kill_leader || kill_brokers || kill_clients ||
         kill_locks || kill_lock_leader || lose_locks || freeze || freeze_heads || transfer_lead ||
         replace_heads || split_heads || partition || break_connections || stop_orderly ||
         fill_disks || break_disks || slow_disks || harms_media() || stay_away || administers() ||
         network.slow_probability > 0 || network.break_probability > 0 ||
         network.drop_probability > 0 || network.duplicate_probability > 0 || network.news_loss > 0;
}

std::string Options::describe() const {
  std::string text = std::to_string(heads) + " heads, " + std::to_string(storages) + " storages, " +
                     std::to_string(replicas) + " replicas, " + std::to_string(groups) +
                     " groups, " + std::to_string(clients) + " clients, " +
                     std::to_string(lock_clients) + " that lock; faults:";
  const auto add = [&text](bool on, const char* name) {
    if (on) text.append(" ").append(name);
  };
  add(network.slow_probability > 0, "slow");
  add(network.break_probability > 0, "break");
  add(network.drop_probability > 0, "drop");
  add(network.duplicate_probability > 0, "duplicate");
  add(network.news_loss > 0, "news-loss");
  add(kill_storages, "kill-storages");
  add(kill_monitors, "kill-monitors");
  add(kill_leader, "kill-leader");
  add(kill_brokers, "kill-brokers");
  add(kill_clients, "kill-clients");
  add(kill_locks, "kill-locks");
  add(kill_lock_leader, "kill-lock-leader");
  add(lose_locks, "lose-locks");
  add(crash_machines, "crash-machines");
  add(freeze, "freeze");
  add(freeze_heads, "freeze-heads");
  add(transfer_lead, "transfer-lead");
  add(replace_heads, "replace-heads");
  add(clock_drift > 0, "clock-drift");
  add(partition, "partition");
  add(split_heads, "split-heads");
  add(break_connections, "break-connections");
  add(jump_clocks, "jump-clocks");
  add(stop_orderly, "stop-orderly");
  add(fill_disks, "fill-disks");
  add(break_disks, "break-disks");
  add(slow_disks, "slow-disks");
  add(rot, "rot");
  add(misdirect, "misdirect");
  add(spoil, "spoil");
  add(lose_directories, "lose-directories");
  add(lose_disks, "lose-disks");
  add(stay_away, "stay-away");
  add(drain, "drain");
  add(rebalance, "rebalance");
  add(control_scrub, "control-scrub");
  add(late_storages > 0, "late-storages");
  add(lose_one_storage, "one-storage-lost");
  add(lose_one_head, "one-head-lost");
  add(!faulty() && !lose_one_storage && !lose_one_head, "none");
  return text;
}

}  // namespace dfs::sim
