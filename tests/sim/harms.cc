#include "tests/sim/harms.h"

#include <algorithm>
#include <memory>

#include "tests/sim/network.h"
#include "tests/sim/world.h"

namespace dfs::sim {

using std::chrono::milliseconds;

Harms::Harms(World& world, Random random, bool crash_machines)
    : world_(world), random_(random), crash_machines_(crash_machines) {}

void Harms::start_again(Process& process) {
  // Most come back soon, within the time in which nobody counts them as dead; some do not.
  const Duration pause =
      random_.between(milliseconds(1), milliseconds(random_.chance(0.5) ? 500 : 8000));
  world_.after(pause, [this, &process] {
    if (active_ && !process.running() && !process.out_of_service) process.start();
  });
}

Crash Harms::some_crash() {
  return crash_machines_ && random_.chance(0.5) ? Crash::machine : Crash::process;
}

void Harms::kill(Process& process) {
  if (!process.running()) return;
  const Crash crash = some_crash();
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

void Harms::kill_for(Process& process, Duration time) {
  if (!process.running()) return;
  process.kill(some_crash());
  process.out_of_service = true;
  world_.after(time, [this, &process] {
    process.out_of_service = false;
    if (active_ && !process.running()) process.start();
  });
}

void Harms::stop(Process& process) {
  process.stop();
  world_.after(milliseconds(2500), [this, &process] { start_again(process); });
}

void Harms::freeze(Process& process) {
  freeze_all({&process});
}

void Harms::freeze_machine(const std::string& machine) {
  std::vector<Process*> processes;
  for (const auto& process : world_.processes()) {
    if (process->machine() == machine) processes.push_back(process.get());
  }
  freeze_all(processes);
}

void Harms::freeze_all(const std::vector<Process*>& processes) {
  const bool long_one = random_.chance(0.4);
  const Duration lasts = random_.between(milliseconds(1), milliseconds(long_one ? 9000 : 900));
  const bool given_up = long_one && random_.chance(0.5);
  for (Process* process : processes) {
    process->freeze();
    world_.after(lasts, [process] { process->thaw(); });
    if (!given_up) continue;
    // Peers that watch the connection give it up meanwhile.
    world_.after(world_.network().options().silence_max, [this, process] {
      if (process->frozen()) world_.network().break_connections(*process);
    });
  }
}

void Harms::partition(const std::vector<Process*>& among) {
  const std::string one = random_.pick(among)->machine();
  const std::string other = random_.pick(among)->machine();
  std::vector<Way> ways;
  switch (random_.below(3)) {
    case 0:
      ways = {{one, other}};
      break;
    case 1:
      ways = {{one, other}, {other, one}};
      break;
    default:
      for (const auto& process : world_.processes()) {
        ways.insert(ways.end(), {{one, process->machine()}, {process->machine(), one}});
      }
      break;
  }
  block(ways);
}

void Harms::split(const std::vector<Process*>& servers, const std::vector<Process*>& few) {
  const bool in = random_.chance(0.8);
  const bool out = !in || random_.chance(0.7);
  std::vector<Way> ways;
  for (const Process* one : few) {
    for (const Process* other : servers) {
      if (std::find(few.begin(), few.end(), other) != few.end()) continue;
      if (in) ways.emplace_back(other->machine(), one->machine());
      if (out) ways.emplace_back(one->machine(), other->machine());
    }
  }
  block(ways);
}

void Harms::block(std::vector<Way> ways) {
  std::sort(ways.begin(), ways.end());
  ways.erase(std::unique(ways.begin(), ways.end()), ways.end());
  for (const auto& [from, to] : ways) {
    world_.trace("block", from, 0, to);
    world_.network().block(from, to);
  }
  const Duration lasts =
      random_.between(milliseconds(10), milliseconds(random_.chance(0.5) ? 1500 : 9000));
  world_.after(lasts, [this, ways] {
    if (!active_) return;
    for (const auto& [from, to] : ways) world_.network().unblock(from, to);
  });
}

void Harms::break_connections(Process& process) {
  world_.network().break_connections(process);
}

void Harms::jump_clock(Process& process, int64_t jump_ms_max) {
  process.wall_skew_ms +=
      static_cast<int64_t>(random_.below(static_cast<uint64_t>(2 * jump_ms_max))) - jump_ms_max;
}

void Harms::fill_disk(Process& process, uint64_t left_bytes_max) {
  SimDisk& disk = process.disk();
  disk.capacity_bytes = disk.used_bytes() + random_.below(left_bytes_max);
  world_.after(random_.between(milliseconds(10), milliseconds(5000)),
               [&process] { process.disk().capacity_bytes = kDiskBytes; });
}

void Harms::break_disk(Process& process) {
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
    process.kill(some_crash());
    start_again(process);
  });
}

void Harms::slow_disk(Process& process) {
  process.disk().slow_factor = static_cast<double>(random_.between(5, 200));
  world_.after(random_.between(milliseconds(10), milliseconds(6000)),
               [&process] { process.disk().slow_factor = 1; });
}

void Harms::end() {
  active_ = false;
  world_.network().options() = NetworkOptions();
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
}

}  // namespace dfs::sim
