// The monitor's state machine: hands each committed command to its operation (operations.h) and
// tells its owner what came of it.
#pragma once

#include <functional>

#include "actors/monitor/cluster_view.h"
#include "actors/replica/state_machine.h"

namespace dfs {

class MonitorMachine : public StateMachine {
 public:
  // `table` is the one the Replica writes to.
  explicit MonitorMachine(Table& table) : table_(table) {}

  Outcome apply(const Command& command, Table& table, Batch& batch) override;
  void applied(const Command& command, const Outcome& outcome) override;
  Result<void> loaded(Table& table) override;

  // The map as the rows have it now.
  const ClusterView& cluster() const { return cluster_; }

  // Called for each command that was applied with success, with the map as it was before it.
  using Listener = std::function<void(const Command& command, const Outcome& outcome,
                                      const ClusterView& before)>;
  void listen(Listener listener) { listener_ = std::move(listener); }

 private:
  Table& table_;
  ClusterView cluster_;
  bool cluster_changed_ = false;  // by what was applied since cluster_ was loaded
  Listener listener_;
};

}  // namespace dfs
