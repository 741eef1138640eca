#include "cli/agents_view.h"

#include <doctest/doctest.h>

using namespace dfs;
using namespace dfs::cli;

namespace {

AgentStatus agent(const std::string& host, uint64_t free_bytes, size_t nodes = 0,
                  uint32_t nodes_max = 4) {
  AgentStatus status;
  status.beat.host = host;
  status.beat.free_bytes = free_bytes;
  status.beat.nodes_max = nodes_max;
  for (size_t i = 0; i < nodes; ++i) {
    AgentNode node;
    node.name = "storage-" + std::to_string(i + 1);
    node.node = static_cast<NodeId>(i + 1);
    node.state = AgentNodeState::running;
    status.beat.nodes.push_back(node);
  }
  return status;
}

}  // namespace

TEST_SUITE("cli") {
  TEST_CASE("a new node goes where each node has most room, unless a host is named") {
    CHECK(*choose_agent({agent("a", 100), agent("b", 200)}, "") == "b");
    CHECK(*choose_agent({agent("a", 100), agent("b", 200, 1)}, "") == "a");
    CHECK(*choose_agent({agent("a", 100), agent("b", 300, 1)}, "") == "b");
    CHECK(*choose_agent({agent("a", 100), agent("b", 200)}, "a") == "a");
  }

  TEST_CASE("an agent that is full or silent is not asked, and why is said") {
    CHECK(*choose_agent({agent("a", 1), agent("b", 900, 2, 2)}, "") == "a");
    const auto full = choose_agent({agent("b", 900, 2, 2)}, "");
    CHECK(full.code() == Code::no_space);
    CHECK(full.error().text.find("--nodes-max") != std::string::npos);
    // One that was removed from the cluster takes no place.
    AgentStatus left = agent("b", 900, 2, 2);
    left.beat.nodes[0].state = AgentNodeState::failed;
    CHECK(*choose_agent({left}, "") == "b");
    AgentStatus silent = agent("c", 900);
    silent.silent_ms = 3000;
    CHECK(*choose_agent({agent("a", 1), silent}, "") == "a");
    CHECK(choose_agent({silent}, "").code() == Code::unavailable);
    CHECK(choose_agent({silent}, "c").code() == Code::unavailable);
  }

  TEST_CASE("a host without an agent is told of, with the nearest that has one") {
    CHECK(choose_agent({}, "").code() == Code::not_found);
    CHECK(choose_agent({}, "a").error().text.find("dfsd agent") != std::string::npos);
    const auto near = choose_agent({agent("rack1-a", 1)}, "rack1-b");
    CHECK(near.code() == Code::not_found);
    CHECK(near.error().text.find("did you mean rack1-a?") != std::string::npos);
    const auto far = choose_agent({agent("rack1-a", 1), agent("x", 1)}, "elsewhere");
    CHECK(far.error().text.find("rack1-a, x") != std::string::npos);
  }

  TEST_CASE("agents and their nodes are shown with why a node is not running") {
    AgentStatus one = agent("a", 1 << 20, 2);
    one.beat.nodes[1].state = AgentNodeState::waiting;
    one.beat.nodes[1].text = "its process ended with status 4";
    CHECK(agent_table({one}).find("a     -") != std::string::npos);
    const std::string nodes = agent_node_table({one});
    CHECK(nodes.find("waiting") != std::string::npos);
    CHECK(nodes.find("its process ended with status 4") != std::string::npos);
    CHECK(agent_node_table({agent("a", 1)}).empty());
    CHECK(agent_of_node({one}, 2).find("(its process ended with status 4)") != std::string::npos);
    CHECK(agent_of_node({one}, 3).empty());
    CHECK(agent_of_node({one}, 1).find("of host a") == 0);
  }

  TEST_CASE("tokens are shown by their hashes, and who was refused by the reason") {
    JoinTokenList list;
    CHECK(token_text(list).find("any storage node may join") == 0);
    list.rule = JoinRule::token;
    list.refused_expired = 2;
    list.tokens = {{std::string(64, 'a'), 1000, 2000, 3, 1}};
    const std::string text = token_text(list);
    CHECK(text.find("new storage nodes need a token\nrefused  2 since") == 0);
    CHECK(text.find("2 expired") != std::string::npos);
    CHECK(text.find("sha256 aaaaaaaaaaaa ") != std::string::npos);
  }
}
