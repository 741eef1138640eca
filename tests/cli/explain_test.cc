#include "cli/explain.h"

#include <doctest/doctest.h>

using namespace dfs;
using namespace dfs::cli;

namespace {

NodeView node(NodeId id, const std::string& host, const std::string& rack = "") {
  NodeView view;
  view.node = id;
  view.host = host;
  view.rack = rack;
  return view;
}

ClusterMap map_of(std::vector<NodeView> nodes, GroupView group, uint32_t replicas = 2) {
  ClusterMap map;
  map.pools = {{"default", replicas, 1, 1, 0}};
  map.nodes = std::move(nodes);
  map.groups = {std::move(group)};
  return map;
}

GroupView group_of(std::vector<NodeId> members) {
  GroupView group;
  group.group = 4;
  group.members = std::move(members);
  return group;
}

std::vector<Reason> reasons(const ClusterMap& map) {
  return explain_group(map, map.groups[0]);
}

}  // namespace

TEST_SUITE("cli") {
  TEST_CASE("a group with complete copies on separate hosts needs no explanation") {
    const ClusterMap map = map_of({node(1, "a"), node(2, "b")}, group_of({1, 2}));
    CHECK(reasons(map).empty());
    CHECK(explain_node(map, 1).empty());
    CHECK(explain_groups(map, {4}).empty());
  }

  TEST_CASE("copies on one host are explained: they must be there, or could be elsewhere") {
    const ClusterMap must = map_of({node(1, "a"), node(2, "a")}, group_of({1, 2}));
    REQUIRE(reasons(must).size() == 1);
    CHECK(reasons(must)[0].what == "same-host");
    CHECK(reasons(must)[0].nodes == std::vector<NodeId>{1, 2});
    CHECK(reasons(must)[0].text.find("on 1 host, fewer than the 2 copies") != std::string::npos);
    const ClusterMap could = map_of({node(1, "a"), node(2, "a"), node(3, "b")}, group_of({1, 2}));
    CHECK(reasons(could)[0].text.find("dfsctl rebalance") != std::string::npos);
  }

  TEST_CASE("a shared rack is explained, and nodes without a label share nothing") {
    const ClusterMap map = map_of({node(1, "a", "r"), node(2, "b", "r")}, group_of({1, 2}));
    REQUIRE(reasons(map).size() == 1);
    CHECK(reasons(map)[0].what == "same-rack");
    CHECK(reasons(map_of({node(1, ""), node(2, "")}, group_of({1, 2}))).empty());
  }

  TEST_CASE("a group that is short tells whether a node is missing or on its way") {
    const ClusterMap few = map_of({node(1, "a")}, group_of({1}));
    REQUIRE(reasons(few).size() == 1);
    CHECK(reasons(few)[0].what == "short");
    CHECK(reasons(few)[0].text.find("only 1 node can take data") != std::string::npos);
    ClusterMap enough = map_of({node(1, "a"), node(2, "b")}, group_of({1}));
    CHECK(reasons(enough)[0].text.find("about to be given") != std::string::npos);
    enough.nodes[1].standing = NodeStanding::draining;
    CHECK(reasons(enough)[0].text.find("only 1 node") != std::string::npos);
  }

  TEST_CASE("who lacks blocks and who leaves is said, of a node only what concerns it") {
    GroupView group = group_of({1, 2});
    group.lacking = {{2, 17}};
    group.leaving = {3};
    ClusterMap map = map_of({node(1, "a"), node(2, "b"), node(3, "c")}, group);
    REQUIRE(reasons(map).size() == 2);
    CHECK(reasons(map)[0].text.find("since log entry 17; the others fill it") != std::string::npos);
    CHECK(reasons(map)[1].what == "leaving");
    CHECK(explain_node(map, 1).empty());
    CHECK(explain_node(map, 2).size() == 1);
    CHECK(explain_node(map, 3)[0].what == "leaving");
    map.nodes[1].state = NodeState::down;
    CHECK(reasons(map)[0].text.find("it is down") != std::string::npos);
  }
}
