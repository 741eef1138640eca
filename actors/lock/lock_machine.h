// The lock actor's state machine: hands each committed command to its operation (operations.h) and
// tells its owner what came of it.
#pragma once

#include <functional>
#include <vector>

#include "actors/lock/lock_operations.h"
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

  const LockTable& locks() const { return locks_; }
  // Called for each command about locks, whatever came of it.
  using LockListener = std::function<void(const Command& command, const LockWork& work)>;
  void listen_to_locks(LockListener listener) { lock_listener_ = std::move(listener); }

 private:
  Outcome apply_to_locks(const Command& command, Table& table, Batch& batch);

  LockTable locks_;
  LockWork lock_work_;  // of the command that was applied last
  LockListener lock_listener_;
  uint32_t voters_ = 1;
  bool founded_ = false;
  bool tickets_changed_ = false;  // by the command that was applied last
  std::vector<Event> events_;     // of it
  Listener listener_;
};

}  // namespace dfs::lock
