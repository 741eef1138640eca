// Processes that exist on paper, and the storage nodes that they would be.
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "actors/launcher.h"

namespace dfs {

class FakeLauncher : public Launcher {
 public:
  struct Process {
    LaunchPlan plan;
    ProcessId id;
    bool running = true;
    std::optional<int> status;
    bool child = true;  // of the process that looks
  };

  std::vector<Process> processes;  // in the order of their starts
  std::optional<Error> refusal;    // what start() answers instead
  std::function<void(Process&)> on_start;

  Result<ProcessId> start(const LaunchPlan& plan) override {
    if (refusal) return *refusal;
    const auto number = static_cast<int64_t>(processes.size()) + 1;
    processes.push_back({plan, {1000 + number, static_cast<uint64_t>(number)}, true, {}, true});
    if (on_start) on_start(processes.back());
    return processes.back().id;
  }
  Result<std::optional<ProcessId>> find(const std::vector<std::string>& arguments) override {
    for (const Process& process : processes) {
      const auto& has = process.plan.arguments;
      const bool same = has.size() >= arguments.size() &&
                        std::equal(arguments.begin(), arguments.end(), has.begin());
      if (process.running && same) return std::optional(process.id);
    }
    return std::optional<ProcessId>();
  }
  ProcessView look(const ProcessId& id) override {
    for (Process& process : processes) {
      if (!(process.id == id)) continue;
      if (process.running) return {true, std::nullopt};
      return {false, process.child ? process.status : std::nullopt};
    }
    return {};
  }

  void end(size_t index, int status) {
    processes.at(index).running = false;
    processes.at(index).status = status;
  }
  // The one who started them is gone.
  void orphan() {
    for (Process& process : processes) process.child = false;
  }
  size_t running() const {
    return static_cast<size_t>(std::count_if(processes.begin(), processes.end(),
                                             [](const Process& each) { return each.running; }));
  }
};

}  // namespace dfs
