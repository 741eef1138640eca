#include "actors/monitor/agents.h"

namespace dfs {

void Agents::heard(const Envelope& envelope, Instant now) {
  auto beat = decode<AgentBeat>(envelope.body);
  if (!beat || beat->invalid() != nullptr) return;
  if (envelope.header.from != kAgentService + beat->host) return;
  const auto known = agents_.find(beat->host);
  if (known == agents_.end() && agents_.size() >= kMax) return;
  if (known != agents_.end()) {
    const AgentBeat& last = known->second.beat;
    if (last.boot == beat->boot && beat->sequence <= last.sequence) return;
  }
  std::string host = beat->host;
  agents_[std::move(host)] = Agent{std::move(*beat), now};
}

AgentList Agents::list(Instant now) {
  std::erase_if(agents_, [&](const auto& agent) { return now - agent.second.heard > kRemembered; });
  AgentList list;
  for (const auto& [host, agent] : agents_) {
    const auto silent = (now - agent.heard) / std::chrono::milliseconds(1);
    list.agents.push_back({agent.beat, static_cast<uint32_t>(silent)});
  }
  return list;
}

}  // namespace dfs
