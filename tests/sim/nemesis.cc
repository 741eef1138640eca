#include "tests/sim/nemesis.h"

#include "tests/sim/network.h"

namespace dfs::sim {

using std::chrono::milliseconds;

namespace {
constexpr uint64_t kDiskBytes = 1ull << 40;
}  // namespace

Nemesis::Nemesis(World& world, Cluster& cluster, const Options& options, Random random)
    : world_(world), cluster_(cluster), options_(options), random_(random) {
  const auto add = [this](bool on, Harm harm) {
    if (on) kinds_.push_back(std::move(harm));
  };
  add(options.kill_storages, [this] { kill(*random_.pick(cluster_.storages())); });
  add(options.kill_monitor, [this] { kill(cluster_.monitor()); });
  add(options.kill_brokers, [this] { kill(*random_.pick(cluster_.brokers())); });
  add(options.kill_clients, [this] { kill(*random_.pick(cluster_.clients())); });
  add(options.freeze, [this] { freeze(); });
  add(options.partition, [this] { partition(); });
  add(options.break_connections, [this] { world_.network().break_connections(victim()); });
  add(options.jump_clocks, [this] { jump_clock(); });
  add(options.stop_orderly, [this] { stop(); });
  add(options.fill_disks, [this] { fill_disk(); });
  add(options.break_disks, [this] { break_disk(); });
  add(options.slow_disks, [this] { slow_disk(); });
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
    ++harms_;
    random_.pick(kinds_)();
    schedule();
  });
}

// Anybody but those that check.
Process& Nemesis::victim() {
  while (true) {
    Process& process = *world_.processes()[random_.below(world_.processes().size())];
    if (&process != &cluster_.checker() && &process != &cluster_.prober()) return process;
  }
}

void Nemesis::start_again(Process& process) {
  // Most come back soon, within the time in which nobody counts them as dead; some do not.
  const Duration pause =
      random_.between(milliseconds(1), milliseconds(random_.chance(0.5) ? 500 : 8000));
  world_.after(pause, [this, &process] {
    if (active_ && !process.running()) process.start();
  });
}

void Nemesis::kill(Process& process) {
  if (!process.running()) return;
  const Crash crash =
      options_.crash_machines && random_.chance(0.5) ? Crash::machine : Crash::process;
  if (random_.chance(0.3)) {
    process.kill_in_job(crash, random_.below(4));
    // A process without jobs survives that.
    world_.after(milliseconds(500), [this, &process] {
      process.spare();
      start_again(process);
    });
    return;
  }
  for (const auto& other : world_.processes()) {
    const bool shares_fate = crash == Crash::machine && other->machine() == process.machine();
    if (other.get() != &process && !shares_fate) continue;
    if (!other->running()) continue;
    other->kill(crash);
    start_again(*other);
  }
}

void Nemesis::stop() {
  Process& process = victim();
  process.stop();
  world_.after(milliseconds(2500), [this, &process] { start_again(process); });
}

void Nemesis::freeze() {
  Process& process = victim();
  process.freeze();
  const bool long_one = random_.chance(0.4);
  world_.after(random_.between(milliseconds(1), milliseconds(long_one ? 9000 : 900)),
               [&process] { process.thaw(); });
  // Peers that watch the connection may give it up meanwhile.
  if (long_one && random_.chance(0.5)) {
    world_.after(world_.network().options().silence_max, [this, &process] {
      if (process.frozen()) world_.network().break_connections(process);
    });
  }
}

void Nemesis::partition() {
  Network& network = world_.network();
  const std::string one = victim().machine();
  const std::string other = victim().machine();
  world_.trace("partition", one, 0, other);
  switch (random_.below(3)) {
    case 0:
      network.block(one, other);
      break;
    case 1:
      network.partition(one, other);
      break;
    default:
      network.isolate(one);
      break;
  }
  const Duration lasts =
      random_.between(milliseconds(10), milliseconds(random_.chance(0.5) ? 1000 : 9000));
  world_.after(lasts, [&network] { network.heal(); });
}

void Nemesis::jump_clock() {
  const auto jump = static_cast<int64_t>(random_.below(200'000)) - 100'000;
  victim().wall_skew_ms += jump;
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
  ++harms_;
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

void Nemesis::fill_disk() {
  SimDisk& disk = disk_victim().disk();
  disk.capacity_bytes = disk.used_bytes() + random_.below(4 << 20);
  world_.after(random_.between(milliseconds(10), milliseconds(5000)),
               [&disk] { disk.capacity_bytes = kDiskBytes; });
}

void Nemesis::break_disk() {
  Process& process = disk_victim();
  auto random = std::make_shared<Random>(random_.fork());
  const double odds = random_.chance(0.5) ? 1 : random_.unit();
  process.disk().fault = [random, odds](SimDisk::Operation,
                                        const std::string& path) -> Result<void> {
    if (!random->chance(odds)) return {};
    return {Code::io_error, "input/output error at " + path};
  };
  // After that, an operator looks after the disk and starts the process again.
  world_.after(random_.between(milliseconds(1), milliseconds(2000)), [this, &process] {
    if (!active_) return;
    process.disk().fault = nullptr;
    process.kill(options_.crash_machines && random_.chance(0.5) ? Crash::machine : Crash::process);
    start_again(process);
  });
}

void Nemesis::slow_disk() {
  SimDisk& disk = disk_victim().disk();
  disk.slow_factor = static_cast<double>(random_.between(5, 200));
  world_.after(random_.between(milliseconds(10), milliseconds(6000)),
               [&disk] { disk.slow_factor = 1; });
}

void Nemesis::end() {
  active_ = false;
  const NetworkOptions fair;
  world_.network().options() = fair;
  world_.pool_timing() = PoolTiming();
  world_.network().heal();
  for (const auto& process : world_.processes()) {
    process->thaw();
    process->spare();
    SimDisk& disk = process->disk();
    disk.capacity_bytes = kDiskBytes;
    disk.slow_factor = 1;
    if (disk.fault) {
      disk.fault = nullptr;
      process->kill(Crash::process);  // it may have given up on its files
    }
  }
  cluster_.start_all();
}

}  // namespace dfs::sim
