// Asks storage nodes what they hold, past brokers and the client library.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "broker/actor.h"
#include "broker/calls.h"
#include "broker/task.h"
#include "messages/blocks.h"

namespace dfs::sim {

class Prober : public Actor {
 public:
  explicit Prober(Bus& bus) : calls_(bus) {}

  void start(std::function<void(Result<void>)> ready) override { ready({}); }
  void receive(Envelope envelope) override { (void)calls_.receive(envelope); }
  void link_down(const Link& link) override { calls_.link_down(link); }

  // All finished blocks of the node that listens at `endpoint`.
  Task<Result<std::vector<BlockView>>> blocks(std::string endpoint, std::string service);
  TaskScope& scope() { return scope_; }

 private:
  Calls calls_;
  TaskScope scope_;
};

}  // namespace dfs::sim
