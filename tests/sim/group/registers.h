// The state machine of a simulated group.
#pragma once

#include <functional>
#include <string>

#include "actors/replica/state_machine.h"
#include "tests/sim/group/messages.h"

namespace dfs::sim {

class Registers : public StateMachine {
 public:
  // `watch` is called with every entry as it is applied.
  explicit Registers(std::function<void(const Command&)> watch) : watch_(std::move(watch)) {}

  Outcome apply(const Command& command, Table& table, Batch& batch) override;
  static Result<uint64_t> read(Table& table, const std::string& name);

 private:
  const std::function<void(const Command&)> watch_;
};

}  // namespace dfs::sim
