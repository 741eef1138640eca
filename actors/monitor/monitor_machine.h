// The monitor's state machine: hands each committed command to its operation (operations.h) and
// tells its owner what came of it.
#pragma once

#include <functional>
#include <vector>

#include "actors/monitor/cluster_view.h"
#include "actors/replica/state_machine.h"
#include "messages/events.h"

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

  // Called for each command that was applied with success.
  struct Change {
    const Command& command;
    const std::vector<Event>& events;
    bool map_changed;  // its epoch grew
  };
  using Listener = std::function<void(const Change& change)>;
  void listen(Listener listener) { listener_ = std::move(listener); }

 private:
  Table& table_;
  ClusterView cluster_;
  bool cluster_changed_ = false;  // by what was applied since cluster_ was loaded
  std::vector<std::pair<GroupId, std::string>> groups_changed_;  // likewise; their rows
  std::vector<Event> events_;  // of the command that was applied last
  Listener listener_;
};

}  // namespace dfs
