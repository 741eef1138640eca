#include "tests/sim/nemesis.h"

namespace dfs::sim {

using std::chrono::milliseconds;

Nemesis::Nemesis(World& world, Cluster& cluster, CopiesChecker& copies, const Options& options,
                 Random random, std::function<void(Process&)> disk_replaced)
    : world_(world),
      cluster_(cluster),
      options_(options),
      random_(random),
      disk_replaced_(std::move(disk_replaced)),
      harms_(world, random_.fork(), options.crash_machines),
      media_(world, cluster, copies, random_.fork()),
      administrator_(world, cluster, copies, media_, random_.fork()) {
  for (const auto& process : world.processes()) {
    const bool checks = process.get() == &cluster.checker() || process.get() == &cluster.prober() ||
                        process.get() == &cluster.operator_process();
    if (!checks) victims_.push_back(process.get());
  }
  const auto add = [this](bool on, Harm harm) {
    if (on) kinds_.push_back(std::move(harm));
  };
  add(options.kill_storages, [this] { harms_.kill(*random_.pick(cluster_.storages())); });
  add(options.kill_monitors, [this] { harms_.kill(*random_.pick(cluster_.monitors())); });
  add(options.kill_leader, [this] {
    if (Process* const leader = cluster_.leader()) harms_.kill(*leader);
  });
  add(options.kill_brokers, [this] { harms_.kill(*random_.pick(cluster_.brokers())); });
  add(options.kill_clients, [this] { harms_.kill(*random_.pick(cluster_.clients())); });
  add(options.kill_clients && !cluster.lockers().empty(),
      [this] { harms_.kill(*random_.pick(cluster_.lockers())); });
  add(options.kill_locks, [this] { harms_.kill(*random_.pick(cluster_.locks())); });
  add(options.lose_locks, [this] { lose_locks(); });
  add(options.kill_lock_leader, [this] {
    if (Process* const leader = cluster_.lock_leader()) harms_.kill(*leader);
  });
  add(options.freeze, [this] { harms_.freeze(victim()); });
  add(options.freeze_heads, [this] { harms_.freeze_machine(some_monitor().machine()); });
  add(options.partition, [this] { harms_.partition(victims_); });
  add(options.split_heads, [this] { harms_.split(cluster_.monitors(), {&some_monitor()}); });
  add(options.break_connections, [this] { harms_.break_connections(victim()); });
  add(options.jump_clocks, [this] { harms_.jump_clock(victim(), 100'000); });
  add(options.stop_orderly, [this] { harms_.stop(victim()); });
  add(options.fill_disks, [this] { harms_.fill_disk(disk_victim(), 4 << 20); });
  add(options.break_disks, [this] { harms_.break_disk(disk_victim()); });
  add(options.slow_disks, [this] { harms_.slow_disk(disk_victim()); });
  add(options.transfer_lead, [this] {
    const MemberId to = random_.below(cluster_.monitors().size() + 1);
    Cluster::client(cluster_.operator_process()).scope().spawn(transfer_lead(to));
  });
  add(options.replace_heads, [this] { replace_head(); });
  add(options.rot, [this] { media_.rot(); });
  add(options.misdirect, [this] { media_.misdirect(); });
  add(options.spoil, [this] { media_.spoil(); });
  add(options.lose_directories, [this] {
    if (Process* const storage = media_.lose_directory()) harms_.start_again(*storage);
  });
  add(options.lose_disks, [this] { administrator_.lose_disk(); });
  add(options.stay_away, [this] {
    harms_.kill_for(*random_.pick(cluster_.storages()),
                    random_.between(options_.repair_after, 3 * options_.repair_after));
  });
  add(options.drain, [this] { administrator_.drain(); });
  add(options.late_storages > 0, [this] { administrator_.add_storage(); });
  add(options.rebalance, [this] { administrator_.rebalance(); });
  add(options.control_scrub, [this] { administrator_.control_scrub(); });
}

void Nemesis::begin() {
  active_ = true;
  const Duration some_time =
      random_.between(Duration(0), options_.pause_max * options_.operations / 2);
  if (options_.lose_one_storage) world_.after(some_time, [this] { lose_one_storage(); });
  if (options_.lose_one_head) world_.after(some_time, [this] { lose_one_head(); });
  if (!kinds_.empty()) schedule();
}

void Nemesis::schedule() {
  const Duration pause = random_.between(Duration(0), options_.fault_every * 2);
  world_.after(pause, [this] {
    if (!active_) return;
    ++count_;
    random_.pick(kinds_)();
    schedule();
  });
}

Process& Nemesis::victim() {
  return *random_.pick(victims_);
}

void Nemesis::lose(const std::vector<Process*>& processes) {
  if (!active_) return;
  ++count_;
  const uint64_t how = random_.below(3);
  for (Process* process : processes) {
    if (how == 0) process->freeze();
    if (how == 1) process->kill(Crash::process);
    if (how == 2) process->kill(Crash::machine);
  }
}

void Nemesis::lose_one_storage() {
  lose({random_.pick(cluster_.storages())});
}

// All of it, or its monitor alone.
void Nemesis::lose_one_head() {
  Process& monitor = some_monitor();
  std::vector<Process*> processes = {&monitor};
  for (Process* broker : cluster_.brokers()) {
    if (broker->machine() == monitor.machine() && random_.chance(0.6)) processes.push_back(broker);
  }
  lose(processes);
}

Process& Nemesis::some_monitor() {
  Process* const leader = cluster_.leader();
  return leader != nullptr && random_.chance(0.5) ? *leader : *random_.pick(cluster_.monitors());
}

Process& Nemesis::disk_victim() {
  if (random_.chance(0.2)) return *random_.pick(cluster_.locks());
  return random_.chance(0.5) ? some_monitor() : *random_.pick(cluster_.storages());
}

// ---- the operator

Task<void> Nemesis::transfer_lead(MemberId to) {
  Task<Result<TransferLeadReply>> asking =
      Cluster::client(cluster_.operator_process()).transfer_lead(to);
  [[maybe_unused]] Result<TransferLeadReply> passed = co_await asking;
}

// One at a time, and only when the others are enough to go on without it: the operator does not
// gamble with the data.
void Nemesis::replace_head() {
  Process& monitor = some_monitor();
  const Replica* const head = Cluster::replica(monitor);
  const bool enough = cluster_.monitors().size() >= 3 && cluster_.heads_settled();
  if (changing_ || !enough || head == nullptr || head->id() == 0) return;
  changing_ = true;
  Cluster::client(cluster_.operator_process())
      .scope()
      .spawn(replace(&monitor, head->id(), random_.chance(0.5)));
}

// The data of one lock actor, whose head keeps its own. The others must be enough to go on.
void Nemesis::lose_locks() {
  Process& lock = *random_.pick(cluster_.locks());
  if (changing_ || cluster_.locks().size() < 3 || !cluster_.heads_settled()) return;
  lock.kill(Crash::machine);
  lock.replace_disk();
  disk_replaced_(lock);
  harms_.start_again(lock);
}

// Its disk is lost first, or it is removed in an orderly way and emptied then.
Task<void> Nemesis::replace(Process* monitor, MemberId head, bool disk_lost) {
  Client& client = Cluster::client(cluster_.operator_process());
  const auto empty = [this, monitor] {
    monitor->out_of_service = true;
    cluster_.replace_disk(*monitor);
    disk_replaced_(*monitor);
    disk_replaced_(cluster_.lock_beside(*monitor));
  };
  if (disk_lost) empty();
  bool removed = false;
  while (!removed) {
    Task<Result<RemoveHeadReply>> asking = client.remove_head(head);
    Result<RemoveHeadReply> answer = co_await asking;
    removed = answer.ok();
    world_.trace("operator", monitor->name(), head,
                 removed ? "removed" : "not removed: " + answer.error().describe());
    Task<void> pausing = sleep(client.bus(), milliseconds(300));
    co_await pausing;
  }
  if (!disk_lost) empty();
  monitor->out_of_service = false;
  monitor->start();
  changing_ = false;
}

void Nemesis::end() {
  active_ = false;
  harms_.end();
  administrator_.end();
  cluster_.start_all();
}

}  // namespace dfs::sim
