#include "tests/sim/process.h"

#include "tests/sim/network.h"
#include "tests/sim/sim_bus.h"
#include "tests/sim/world.h"

namespace dfs::sim {

Process::Process(World& world, ProcessSettings settings, size_t index)
    : world_(world), settings_(std::move(settings)), index_(index) {
  while (tables_.size() < settings_.tables) tables_.push_back(std::make_unique<MemTable>());
}

Process::~Process() = default;

const Error* Process::failure() const {
  return ready_ && !ready_->ok() ? &ready_->error() : nullptr;
}

void Process::start() {
  DFS_ASSERT(!running());
  incarnation_ = ++starts_;
  frozen_ = false;
  ready_.reset();
  doom_.reset();
  world_.trace("start", name(), incarnation_);
  bus_ = std::make_unique<SimBus>(world_, *this, world_.random().fork());
  actor_ = settings_.make(*bus_, *this);
  world_.network().process_started(*this);
  world_.after(Duration::zero(), this, [this] {
    const uint64_t incarnation = incarnation_;
    actor_->start([this, incarnation](Result<void> outcome) {
      if (incarnation != incarnation_) return;
      world_.trace("ready", name(), outcome ? 1 : 0,
                   outcome ? std::string() : outcome.error().describe());
      ready_ = std::move(outcome);
    });
  });
}

void Process::stop() {
  if (!running()) return;
  if (frozen_) thaw();
  world_.trace("stop", name(), incarnation_);
  world_.after(Duration::zero(), this, [this] {
    const uint64_t incarnation = incarnation_;
    const auto over = [this, incarnation] {
      if (incarnation == incarnation_) end(Crash::process, true);
    };
    // The actor that says it has stopped is on the stack still; its end is an event of the world.
    actor_->stop([this, over] { world_.after(Duration::zero(), over); });
    world_.after(std::chrono::seconds(2), over);
  });
}

void Process::kill(Crash crash) {
  if (!running()) return;
  world_.trace(crash == Crash::machine ? "crash" : "kill", name(), incarnation_);
  end(crash, false);
}

void Process::kill_in_job(Crash crash, size_t operations) {
  if (running()) doom_ = Doom{crash, operations};
}

void Process::end(Crash crash, bool orderly) {
  DFS_ASSERT(world_.running() != this);
  world_.network().process_ended(*this, crash == Crash::machine);
  world_.held_.erase(index_);
  incarnation_ = 0;
  frozen_ = false;
  // A flow that is destroyed may still cancel its timers, so the bus goes last.
  actor_.reset();
  bus_->clear();
  bus_.reset();
  if (crash == Crash::machine) {
    disk_->crash([this] { return world_.random().next(); });
  } else {
    disk_->restart();
  }
  // Which of the batches that nobody synced are there afterwards is chance, even when only the
  // process died: a table may keep them in the process's own memory.
  if (orderly) return;
  for (const auto& table : tables_) table->crash(world_.random().below(table->unsynced() + 1));
}

void Process::replace_disk() {
  DFS_ASSERT(!running());
  world_.trace("wipe", name(), 0);
  disk_ = std::make_unique<SimDisk>();
  for (auto& table : tables_) table = std::make_unique<MemTable>();
}

void Process::lose_directory(const std::string& path, size_t table) {
  DFS_ASSERT(!running());
  world_.trace("wipe", name(), table, path);
  disk_->lose(path);
  tables_[table] = std::make_unique<MemTable>();
}

void Process::freeze() {
  if (!running() || frozen_) return;
  world_.trace("freeze", name(), incarnation_);
  frozen_ = true;
}

void Process::thaw() {
  if (!frozen_) return;
  world_.trace("thaw", name(), incarnation_);
  frozen_ = false;
  world_.release(*this);
}

}  // namespace dfs::sim
