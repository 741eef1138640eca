// A small world in virtual time: processes with one actor each, a network between them and disks
// below them. All that happens is an event in one queue, ordered by (time, sequence), and all
// chance comes from one seed; so a seed is a whole history, and the trace hash is its fingerprint.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "broker/actor.h"
#include "broker/bus.h"
#include "tests/sim/process.h"
#include "tests/sim/random.h"

namespace dfs::sim {

class Network;

// How long a job on a pool takes.
struct PoolTiming {
  Duration quick = std::chrono::microseconds(100);
  Duration usual_max = std::chrono::milliseconds(4);
  double slow_probability = 0.01;
  Duration slow_max = std::chrono::milliseconds(120);
};

class World {
 public:
  explicit World(uint64_t seed);
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  // The process exists and does not run yet. The reference stays valid as long as the world.
  Process& add(ProcessSettings settings);
  Process* find(std::string_view name);
  const std::vector<std::unique_ptr<Process>>& processes() const { return processes_; }

  Network& network() { return *network_; }
  Random& random() { return random_; }
  PoolTiming& pool_timing() { return pool_timing_; }
  Duration now() const { return now_; }  // since the world began

  // Does `act` after `delay`: on behalf of `process` when given, and then not while it is frozen
  // and never once that incarnation of it has ended.
  void after(Duration delay, Process* process, std::function<void()> act);
  void after(Duration delay, std::function<void()> act) { after(delay, nullptr, std::move(act)); }

  bool step();  // one event; false when there is none left
  void run_for(Duration duration);
  // False when `limit` passed, or nothing was left to happen, before the condition held.
  bool run_until(const std::function<bool()>& condition, Duration limit);

  // Mixes what happened into the fingerprint and, when verbose, prints it; say() only prints.
  void trace(std::string_view kind, std::string_view who, uint64_t number,
             std::string_view what = {});
  void say(std::string_view kind, std::string_view who, std::string_view what) const;
  uint64_t trace_hash() const { return trace_hash_; }
  uint64_t events() const { return events_; }
  bool verbose = false;

  // For checkers: called after each event, with the process that it was of, or nullptr.
  std::function<void(Process*)> after_event;

  // The process whose actor is being called right now, or nullptr.
  const Process* running() const { return running_; }

 private:
  friend class Process;
  struct Event {
    Duration time;
    uint64_t sequence;
    Process* process;
    uint64_t incarnation;
    std::function<void()> act;
  };
  static bool later(const Event& a, const Event& b);
  void push(Event event);
  void release(const Process& process);  // what was held while it was frozen

  Random random_;
  PoolTiming pool_timing_;
  Duration now_{0};
  uint64_t sequence_ = 0;
  uint64_t events_ = 0;
  uint64_t trace_hash_ = 0xcbf29ce484222325ull;  // FNV-1a
  const Process* running_ = nullptr;
  std::vector<Event> queue_;                   // a heap, the next event at its front
  std::map<size_t, std::vector<Event>> held_;  // of frozen processes, by their index
  std::vector<std::unique_ptr<Process>> processes_;
  std::unique_ptr<Network> network_;
};

}  // namespace dfs::sim
