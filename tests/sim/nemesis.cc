#include "tests/sim/nemesis.h"

namespace dfs::sim {

using std::chrono::milliseconds;

Nemesis::Nemesis(World& world, Cluster& cluster, const Options& options, Random random)
    : world_(world),
      cluster_(cluster),
      options_(options),
      random_(random),
      harms_(world, random_.fork(), options.crash_machines) {
  for (const auto& process : world.processes()) {
    const bool checks = process.get() == &cluster.checker() || process.get() == &cluster.prober();
    if (!checks) victims_.push_back(process.get());
  }
  const auto add = [this](bool on, Harm harm) {
    if (on) kinds_.push_back(std::move(harm));
  };
  add(options.kill_storages, [this] { harms_.kill(*random_.pick(cluster_.storages())); });
  add(options.kill_monitor, [this] { harms_.kill(cluster_.monitor()); });
  add(options.kill_brokers, [this] { harms_.kill(*random_.pick(cluster_.brokers())); });
  add(options.kill_clients, [this] { harms_.kill(*random_.pick(cluster_.clients())); });
  add(options.freeze, [this] { harms_.freeze(victim()); });
  add(options.partition, [this] { harms_.partition(victims_); });
  add(options.break_connections, [this] { harms_.break_connections(victim()); });
  add(options.jump_clocks, [this] { harms_.jump_clock(victim(), 100'000); });
  add(options.stop_orderly, [this] { harms_.stop(victim()); });
  add(options.fill_disks, [this] { harms_.fill_disk(disk_victim(), 4 << 20); });
  add(options.break_disks, [this] { harms_.break_disk(disk_victim()); });
  add(options.slow_disks, [this] { harms_.slow_disk(disk_victim()); });
  add(options.decay, [this] { decay(); });
}

void Nemesis::begin() {
  active_ = true;
  if (options_.lose_one_storage) {
    world_.after(random_.between(Duration(0), options_.pause_max * options_.operations / 2),
                 [this] { lose_one_storage(); });
  } else if (!kinds_.empty()) {
    schedule();
  }
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

// Flips one bit that is not in the middle of nowhere.
void Nemesis::decay() {
  SimDisk& disk = cluster_.storages().front()->disk();
  if (disk.fault || disk.halted()) return;
  const std::string directory = std::string(Cluster::kStorageDirectory) + "/segments";
  auto names = disk.list(directory);
  if (!names) return;
  std::erase_if(*names, [](const std::string& name) { return !name.ends_with(".segment"); });
  if (names->empty()) return;
  const std::string path = directory + "/" + random_.pick(*names);
  auto file = disk.open(path, {.create = false, .read_only = true, .direct = false});
  if (!file) return;
  const uint64_t size = *(*file)->size();
  uint8_t byte = 0;
  for (int i = 0; i < 64 && byte == 0 && size > 0; ++i) {
    const uint64_t offset = random_.below(size);
    (void)(*file)->read_at(offset, &byte, 1);
    if (byte != 0) disk.flip(path, offset, static_cast<uint8_t>(1u << random_.below(8)));
  }
}

void Nemesis::lose_one_storage() {
  if (!active_) return;
  ++count_;
  Process& victim = *random_.pick(cluster_.storages());
  switch (random_.below(3)) {
    case 0:
      return victim.freeze();
    case 1:
      return victim.kill(Crash::process);
    default:
      return victim.kill(Crash::machine);
  }
}

Process& Nemesis::disk_victim() {
  const uint64_t number = random_.below(cluster_.storages().size() + 1);
  return number == cluster_.storages().size() ? cluster_.monitor() : *cluster_.storages()[number];
}

void Nemesis::end() {
  active_ = false;
  harms_.end();
  cluster_.start_all();
}

}  // namespace dfs::sim
