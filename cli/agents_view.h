// How agents and join tokens are shown, and which agent is to make a node.
#pragma once

#include <string>
#include <vector>

#include "cli/output.h"
#include "messages/agents.h"

namespace dfs::cli {

std::string no_agent_text();

// The host whose agent makes the next node: the one named, or else the one with the most free space
// for each of its nodes. `not_found` when there is none, with the nearest name; `no_space` when
// none may have more nodes; `unavailable` when it is silent.
Result<std::string> choose_agent(const std::vector<AgentStatus>& agents, const std::string& host);

// One row per agent.
std::string agent_table(const std::vector<AgentStatus>& agents);
// One row per node that an agent looks after; empty when there is none.
std::string agent_node_table(const std::vector<AgentStatus>& agents);
// "looked after by …" of the node, or empty.
std::string agent_of_node(const std::vector<AgentStatus>& agents, NodeId node);

std::string token_text(const JoinTokenList& list);

}  // namespace dfs::cli
