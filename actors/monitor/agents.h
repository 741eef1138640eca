// The agents that were heard of lately. In memory only: every head listens, so a new leader knows
// them at once.
#pragma once

#include <map>
#include <string>

#include "broker/bus.h"
#include "messages/agents.h"

namespace dfs {

class Agents {
 public:
  static constexpr Duration kRemembered = std::chrono::minutes(10);
  static constexpr size_t kMax = 1000;

  // Takes an AgentBeat. One that a broker remembered and tells again is not heard anew.
  void heard(const Envelope& envelope, Instant now);
  AgentList list(Instant now);

 private:
  struct Agent {
    AgentBeat beat;
    Instant heard;
  };
  std::map<std::string, Agent> agents_;  // by host
};

}  // namespace dfs
