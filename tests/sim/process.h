// One simulated process: an actor, its bus, and what outlives it on its machine.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "actors/mem_table.h"
#include "broker/actor.h"
#include "tests/sim/random.h"
#include "tests/sim/sim_disk.h"

namespace dfs::sim {

class Process;
class SimBus;
class World;

// What a crash takes with it. Either loses the process's memory. A crash of the machine loses, on
// top of that, what was written and not synced, or tears it.
enum class Crash { process, machine };

struct ProcessSettings {
  std::string name;     // "storage-1", unique in the world
  std::string machine;  // processes of one machine always reach each other
  std::string address;  // of the actor when it starts
  std::string listen;   // endpoint ("sim://storage-1"), or empty
  std::vector<std::string> brokers;
  std::function<std::unique_ptr<Actor>(Bus&, Process&)> make;
  bool relay = false;  // carries what is published, as brokers do
  size_t tables = 1;
  size_t pool_threads = 4;
  size_t pool_jobs_max = 1024;
  size_t link_messages_max = 4096;
};

class Process {
 public:
  Process(World& world, ProcessSettings settings, size_t index);
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  // None of these may be called from inside the process's own actor.
  void start();
  void stop();  // orderly: at most 2 s, then as if killed
  void kill(Crash crash);
  // Kills the process in the middle of its next disk job: only the first `operations` changes that
  // the job makes to the disk reach it.
  void kill_in_job(Crash crash, size_t operations);
  void spare() { doom_.reset(); }  // takes kill_in_job() back
  void freeze();                   // as SIGSTOP: alive for its peers, but it does nothing
  void thaw();

  bool running() const { return bus_ != nullptr; }
  bool frozen() const { return frozen_; }
  // True when the actor has reported that it is ready.
  bool ready() const { return running() && ready_ && ready_->ok(); }
  // Why start() of the actor failed, in this incarnation; nullptr when it did not.
  const Error* failure() const;

  const ProcessSettings& settings() const { return settings_; }
  const std::string& name() const { return settings_.name; }
  const std::string& machine() const { return settings_.machine; }
  size_t index() const { return index_; }
  uint64_t incarnation() const { return incarnation_; }  // 0 while it does not run

  Actor& actor() { return *actor_; }
  const Actor& actor() const { return *actor_; }
  SimBus& bus() { return *bus_; }
  World& world() { return world_; }

  // These outlive the process.
  SimDisk& disk() { return *disk_; }
  const SimDisk& disk() const { return *disk_; }
  MemTable& table(size_t number = 0) { return *tables_[number]; }
  size_t tables() const { return tables_.size(); }
  // The disk was lost and is replaced by an empty one. The process must not run.
  void replace_disk();
  // So is one directory, with the table that belongs to it; it is empty afterwards.
  void lose_directory(const std::string& path, size_t table);
  int64_t wall_skew_ms = 0;
  bool out_of_service = false;  // it is not to be started; for whoever starts processes
  double clock_rate = 1;        // of Bus::now() and its timers, from the next start on

 private:
  friend class SimBus;
  void end(Crash crash, bool orderly);
  struct Doom {
    Crash crash;
    size_t operations;
  };

  World& world_;
  const ProcessSettings settings_;
  const size_t index_;
  uint64_t incarnation_ = 0;
  uint64_t starts_ = 0;
  bool frozen_ = false;
  std::optional<Result<void>> ready_;
  std::optional<Doom> doom_;
  std::unique_ptr<SimDisk> disk_ = std::make_unique<SimDisk>();
  std::vector<std::unique_ptr<MemTable>> tables_;
  std::unique_ptr<SimBus> bus_;
  std::unique_ptr<Actor> actor_;
};

}  // namespace dfs::sim
