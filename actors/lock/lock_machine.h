// The lock actor's state machine: hands each committed command to its operation (operations.h) and
// tells its owner what came of it.
#pragma once

#include <functional>
#include <vector>

#include "actors/replica/state_machine.h"
#include "messages/events.h"

namespace dfs::lock {

// Of the events of this log, and the first word of the actors' addresses.
inline constexpr const char* kActor = "lock";

class LockMachine : public StateMachine {
 public:
  Outcome apply(const Command& command, Table& table, Batch& batch) override;
  void applied(const Command& command, const Outcome& outcome) override;
  Result<void> loaded(Table& table) override;

  bool founded() const { return founded_; }

  // Called for each command that was applied with success.
  struct Change {
    const Command& command;
    const std::vector<Event>& events;
    bool tickets_changed;  // the keys, or what was revoked
  };
  using Listener = std::function<void(const Change& change)>;
  void listen(Listener listener) { listener_ = std::move(listener); }

 private:
  uint32_t voters_ = 1;
  bool founded_ = false;
  bool tickets_changed_ = false;  // by the command that was applied last
  std::vector<Event> events_;     // of it
  Listener listener_;
};

}  // namespace dfs::lock
