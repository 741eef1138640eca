#include "cli/agents_view.h"

#include <algorithm>

#include "broker/config.h"

namespace dfs::cli {

namespace {

using Align = TextTable::Align;

constexpr uint32_t kSilentMs = 3000;

bool is_heard(const AgentStatus& agent) {
  return agent.silent_ms < kSilentMs;
}

bool has_place(const AgentStatus& agent) {
  const auto& nodes = agent.beat.nodes;
  const auto live = std::count_if(nodes.begin(), nodes.end(), [](const AgentNode& node) {
    return node.state != AgentNodeState::failed;
  });
  return static_cast<uint64_t>(live) < agent.beat.nodes_max;
}

uint64_t room(const AgentStatus& agent) {
  return agent.beat.free_bytes / (agent.beat.nodes.size() + 1);
}

std::string state_text(const AgentNode& node) {
  switch (node.state) {
    case AgentNodeState::starting:
      return "starting";
    case AgentNodeState::running:
      return "running";
    case AgentNodeState::waiting:
      return "waiting";
    case AgentNodeState::failed:
      return "failed";
  }
  return "unknown";
}

std::string silence_text(const AgentStatus& agent) {
  return human_duration(std::chrono::milliseconds(agent.silent_ms)) + " ago";
}

Result<std::string> named_agent(const std::vector<AgentStatus>& agents, const std::string& host) {
  std::vector<std::string> hosts;
  for (const AgentStatus& agent : agents) {
    hosts.push_back(agent.beat.host);
    if (agent.beat.host != host) continue;
    if (is_heard(agent)) return host;
    return Error{Code::unavailable,
                 "the agent of host " + printable(host) + " was last heard " + silence_text(agent) +
                     "; start its dfsd agent again",
                 {},
                 0};
  }
  const std::string near = nearest(host, hosts);
  std::string known;
  for (const std::string& each : hosts) known += (known.empty() ? "" : ", ") + printable(each);
  return Error{Code::not_found,
               "no agent runs on host " + printable(host) +
                   (near.empty() ? "; the hosts with one are " + known
                                 : "; did you mean " + printable(near) + "?"),
               {},
               0};
}

}  // namespace

std::string no_agent_text() {
  return "no agent is known; start one on a machine with disks: dfsd agent --dir DIR --broker "
         "tcp://HOST:PORT, or start a single node there: dfsctl node add --dir DIR";
}

Result<std::string> choose_agent(const std::vector<AgentStatus>& agents, const std::string& host) {
  if (agents.empty()) return Error{Code::not_found, no_agent_text(), {}, 0};
  if (!host.empty()) return named_agent(agents, host);
  const AgentStatus* best = nullptr;
  bool heard = false;
  for (const AgentStatus& agent : agents) {
    if (!is_heard(agent)) continue;
    heard = true;
    if (has_place(agent) && (best == nullptr || room(agent) > room(*best))) best = &agent;
  }
  if (best != nullptr) return best->beat.host;
  if (!heard) {
    return Error{Code::unavailable,
                 "no agent is heard; the last was " + printable(agents.front().beat.host) + ", " +
                     silence_text(agents.front()) + "; start a dfsd agent again",
                 {},
                 0};
  }
  return Error{Code::no_space,
               "every agent has as many nodes as it may; raise --nodes-max of one, or start an "
               "agent on another machine",
               {{"reason", "nodes"}},
               0};
}

std::string agent_table(const std::vector<AgentStatus>& agents) {
  TextTable table({{"HOST"},
                   {"RACK"},
                   {"NODES", Align::right},
                   {"OF", Align::right},
                   {"FREE", Align::right},
                   {"TOTAL", Align::right},
                   {"HEARD", Align::right},
                   {"FOLDER"}});
  for (const AgentStatus& agent : agents) {
    const AgentBeat& beat = agent.beat;
    table.add({printable(beat.host), beat.rack.empty() ? "-" : printable(beat.rack),
               std::to_string(beat.nodes.size()), std::to_string(beat.nodes_max),
               human_bytes(beat.free_bytes), human_bytes(beat.total_bytes), silence_text(agent),
               printable(beat.directory)});
  }
  return table.str();
}

std::string agent_node_table(const std::vector<AgentStatus>& agents) {
  TextTable table({{"NODE", Align::right},
                   {"HOST"},
                   {"NAME"},
                   {"STATE"},
                   {"PID", Align::right},
                   {"RESTARTS", Align::right},
                   {"WHY"}});
  bool any = false;
  for (const AgentStatus& agent : agents) {
    for (const AgentNode& node : agent.beat.nodes) {
      any = true;
      table.add({node.node == 0 ? "-" : std::to_string(node.node), printable(agent.beat.host),
                 printable(node.name), state_text(node),
                 node.pid == 0 ? "-" : std::to_string(node.pid), std::to_string(node.restarts),
                 printable(node.text)});
    }
  }
  return any ? table.str() : std::string();
}

std::string agent_of_node(const std::vector<AgentStatus>& agents, NodeId number) {
  for (const AgentStatus& agent : agents) {
    for (const AgentNode& node : agent.beat.nodes) {
      if (node.node != number) continue;
      std::string text = "of host " + printable(agent.beat.host) + ", heard " +
                         silence_text(agent) + ": " + state_text(node);
      if (node.pid != 0) text += ", pid " + std::to_string(node.pid);
      if (node.restarts != 0) text += ", " + counted(node.restarts, "restart");
      text += ", in " + printable(node.folder);
      return node.text.empty() ? text : text + " (" + printable(node.text) + ")";
    }
  }
  return {};
}

std::string token_text(const JoinTokenList& list) {
  std::string text = list.rule == JoinRule::token
                         ? "new storage nodes need a token\n"
                         : "any storage node may join; tokens are not asked for\n";
  const uint64_t refused =
      list.refused_missing + list.refused_unknown + list.refused_expired + list.refused_used;
  text += "refused  " + std::to_string(refused) +
          " since this head leads: " + std::to_string(list.refused_missing) + " without a token, " +
          std::to_string(list.refused_unknown) + " with an unknown one, " +
          std::to_string(list.refused_expired) + " expired, " + std::to_string(list.refused_used) +
          " used\n";
  if (list.tokens.empty()) return text;
  TextTable table({{"TOKEN"}, {"MADE"}, {"EXPIRES"}, {"USED", Align::right}, {"OF", Align::right}});
  constexpr size_t kHashShown = 12;
  for (const JoinTokenView& token : list.tokens) {
    table.add({"sha256 " + token.hash.substr(0, kHashShown), human_time(token.created_ms),
               human_time(token.expires_ms), std::to_string(token.used),
               std::to_string(token.uses)});
  }
  return text + "\n" + table.str();
}

}  // namespace dfs::cli
