#include "actors/monitor/placement.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <set>

using namespace dfs;

namespace {

std::vector<PlacementNode> nodes_up(int count, uint64_t capacity = 1000) {
  std::vector<PlacementNode> nodes;
  for (int i = 1; i <= count; ++i) nodes.push_back({static_cast<NodeId>(i), "", capacity, true});
  return nodes;
}

std::vector<GroupView> empty_groups(uint32_t count) {
  std::vector<GroupView> groups;
  for (GroupId id = 0; id < count; ++id) groups.emplace_back().group = id;
  return groups;
}

void take(std::vector<GroupView>& groups, const std::vector<GroupMembers>& changes) {
  for (const GroupMembers& change : changes) {
    REQUIRE(groups[change.group].group == change.group);
    groups[change.group].members = change.members;
  }
}

struct Load {
  std::map<NodeId, int> copies;
  std::map<NodeId, int> heads;
};

Load load_of(const std::vector<GroupView>& groups) {
  Load load;
  for (const GroupView& group : groups) {
    for (const NodeId node : group.members) ++load.copies[node];
    if (!group.members.empty()) ++load.heads[group.members.front()];
  }
  return load;
}

void check_distinct(const std::vector<GroupView>& groups, size_t width) {
  for (const GroupView& group : groups) {
    const std::set<NodeId> members(group.members.begin(), group.members.end());
    CHECK(members.size() == group.members.size());
    CHECK(members.size() == width);
  }
}

}  // namespace

TEST_SUITE_BEGIN("monitor");

TEST_CASE("every group gets distinct nodes, and every node its share of copies and heads") {
  for (int n = 1; n <= 9; ++n) {
    for (uint32_t replicas = 1; replicas <= 3; ++replicas) {
      for (const uint32_t count : {8u, 64u, 256u}) {
        CAPTURE(n);
        CAPTURE(replicas);
        CAPTURE(count);
        auto groups = empty_groups(count);
        take(groups, placement(nodes_up(n), groups, {replicas}));
        const size_t width = std::min<size_t>(replicas, static_cast<size_t>(n));
        check_distinct(groups, width);
        Load load = load_of(groups);
        const double fair = static_cast<double>(width * count) / n;
        const double fair_heads = static_cast<double>(count) / n;
        for (NodeId node = 1; node <= static_cast<NodeId>(n); ++node) {
          CHECK(std::abs(load.copies[node] - fair) < 1.01);
          CHECK(std::abs(load.heads[node] - fair_heads) < 2.01);
        }
        // What is settled stays.
        CHECK(placement(nodes_up(n), groups, {replicas}).empty());
      }
    }
  }
}

TEST_CASE("the mates of a node are all others, so that they share the work of replacing it") {
  auto groups = empty_groups(64);
  take(groups, placement(nodes_up(6), groups, {2}));
  std::map<std::pair<NodeId, NodeId>, int> pairs;
  for (const GroupView& group : groups) {
    ++pairs[std::minmax(group.members[0], group.members[1])];
  }
  CHECK(pairs.size() == 15);
  for (const auto& [pair, count] : pairs) CHECK(count <= 7);
}

TEST_CASE("a node that joins takes its share and nothing else moves") {
  for (int n = 1; n <= 8; ++n) {
    for (uint32_t replicas = 1; replicas <= 3; ++replicas) {
      CAPTURE(n);
      CAPTURE(replicas);
      auto groups = empty_groups(64);
      take(groups, placement(nodes_up(n), groups, {replicas}));
      const auto before = groups;
      take(groups, placement(nodes_up(n + 1), groups, {replicas}));
      check_distinct(groups, std::min<size_t>(replicas, static_cast<size_t>(n) + 1));
      int arrived = 0;
      int moved = 0;
      for (size_t i = 0; i < groups.size(); ++i) {
        for (const NodeId node : groups[i].members) {
          const auto& old = before[i].members;
          if (std::find(old.begin(), old.end(), node) != old.end()) continue;
          node == static_cast<NodeId>(n + 1) ? ++arrived : ++moved;
        }
      }
      CHECK(moved == 0);
      const double fair = 64.0 * std::min<double>(replicas, n + 1) / (n + 1);
      CHECK(arrived >= fair - 1.01);
      CHECK(arrived <= fair + 1.01);
    }
  }
}

TEST_CASE("nodes that join one by one end in balance") {
  for (uint32_t replicas = 1; replicas <= 3; ++replicas) {
    auto groups = empty_groups(64);
    for (int n = 1; n <= 9; ++n) take(groups, placement(nodes_up(n), groups, {replicas}));
    Load load = load_of(groups);
    for (NodeId node = 1; node <= 9; ++node) {
      CHECK(std::abs(load.copies[node] - 64.0 * replicas / 9) < 1.01);
    }
  }
}

TEST_CASE("groups in use keep their members, and the others make up for it") {
  auto groups = empty_groups(8);
  take(groups, placement(nodes_up(2), groups, {2}));
  for (size_t i = 0; i < 3; ++i) groups[i].used = true;
  const auto before = groups;
  take(groups, placement(nodes_up(5), groups, {2}));
  for (size_t i = 0; i < 3; ++i) CHECK(groups[i].members == before[i].members);
  check_distinct(groups, 2);
  Load load = load_of(groups);
  // The three used groups weigh on nodes 1 and 2; the five others make up for it.
  for (const NodeId node : {3u, 4u, 5u}) CHECK(load.copies[node] >= 3);
}

TEST_CASE("capacity decides the share") {
  auto nodes = nodes_up(3);
  nodes[2].capacity = 2000;
  auto groups = empty_groups(64);
  take(groups, placement(nodes, groups, {1}));
  Load load = load_of(groups);
  CHECK(load.copies[1] == 16);
  CHECK(load.copies[2] == 16);
  CHECK(load.copies[3] == 32);
  // A giant cannot be in a group twice.
  nodes[2].capacity = 1'000'000;
  groups = empty_groups(64);
  take(groups, placement(nodes, groups, {2}));
  check_distinct(groups, 2);
  load = load_of(groups);
  CHECK(load.copies[3] == 64);
  CHECK(load.copies[1] == 32);
}

TEST_CASE("copies go to distinct hosts where there are enough") {
  auto nodes = nodes_up(6);
  for (size_t i = 0; i < 6; ++i) nodes[i].host = std::string(1, static_cast<char>('a' + i / 2));
  auto groups = empty_groups(64);
  take(groups, placement(nodes, groups, {3}));
  check_distinct(groups, 3);
  for (const GroupView& group : groups) {
    std::set<std::string> hosts;
    for (const NodeId node : group.members) hosts.insert(nodes[node - 1].host);
    CHECK(hosts.size() == 3);
  }
  for (PlacementNode& node : nodes) node.host = "one";
  groups = empty_groups(64);
  take(groups, placement(nodes, groups, {3}));
  check_distinct(groups, 3);
}

TEST_CASE("an unusable node gets nothing new and keeps what is in use") {
  auto nodes = nodes_up(4);
  auto groups = empty_groups(8);
  take(groups, placement(nodes, groups, {2}));
  groups[0].used = true;
  const auto kept = groups[0].members;
  nodes[kept[0] - 1].usable = false;
  take(groups, placement(nodes, groups, {2}));
  CHECK(groups[0].members == kept);
  check_distinct(groups, 2);
  for (size_t i = 1; i < groups.size(); ++i) {
    CHECK(std::count(groups[i].members.begin(), groups[i].members.end(), kept[0]) == 0);
  }
  for (PlacementNode& node : nodes) node.usable = false;
  auto none = empty_groups(4);
  CHECK(placement(nodes, none, {2}).empty());
  CHECK(placement({}, none, {2}).empty());
}

TEST_CASE("copies go to distinct racks where there are enough, and to distinct hosts in any case") {
  auto nodes = nodes_up(6);
  for (size_t i = 0; i < 6; ++i) {
    nodes[i].host = std::string(1, static_cast<char>('a' + i));
    nodes[i].rack = i < 2 ? "left" : "right";
  }
  auto groups = empty_groups(64);
  take(groups, placement(nodes, groups, {2}));
  for (const GroupView& group : groups) {
    CHECK(nodes[group.members[0] - 1].rack != nodes[group.members[1] - 1].rack);
  }
  // Three copies and two racks: one rack has two, on distinct hosts.
  nodes[1].host = nodes[0].host;
  groups = empty_groups(64);
  take(groups, placement(nodes, groups, {3}));
  check_distinct(groups, 3);
  for (const GroupView& group : groups) {
    std::set<std::string> hosts;
    std::set<std::string> racks;
    for (const NodeId node : group.members) {
      hosts.insert(nodes[node - 1].host);
      racks.insert(nodes[node - 1].rack);
    }
    CHECK(hosts.size() == 3);
    CHECK(racks.size() == 2);
  }
}

TEST_CASE(
    "the copies of a node that is given up are spread over all others, off its hosts' racks") {
  auto nodes = nodes_up(8);
  for (size_t i = 0; i < 8; ++i) nodes[i].rack = std::string(1, static_cast<char>('a' + i / 2));
  auto groups = empty_groups(128);
  take(groups, placement(nodes, groups, {2}));
  for (GroupView& group : groups) group.used = true;
  const auto before = groups;
  nodes[0].usable = false;
  nodes[0].to_be_emptied = true;
  CHECK(placement(nodes, groups, {2}).empty());  // they change by moves alone
  take(groups, placement(nodes, groups, {2}, PlacementOf::wanting));
  std::map<NodeId, int> gained;
  for (size_t i = 0; i < groups.size(); ++i) {
    const auto& now = groups[i].members;
    CHECK(nodes[now[0] - 1].rack != nodes[now[1] - 1].rack);
    if (now == before[i].members) continue;
    for (size_t k = 0; k < 2; ++k) {
      if (before[i].members[k] == 1) {
        ++gained[now[k]];
      } else {
        CHECK(now[k] == before[i].members[k]);  // who stays keeps its place
      }
    }
  }
  CHECK(load_of(groups).copies[1] == 0);
  for (NodeId node = 2; node <= 8; ++node) {
    CHECK(gained[node] >= 2);
    CHECK(gained[node] <= 8);
  }
}

TEST_CASE("groups in use that are short gain members, and keep those nobody can replace") {
  auto nodes = nodes_up(3);
  auto groups = empty_groups(6);
  take(groups, placement(nodes, groups, {2}));
  for (GroupView& group : groups) group.used = true;
  take(groups, placement(nodes, groups, {3}, PlacementOf::wanting));
  check_distinct(groups, 3);
  const auto before = groups;
  nodes[2].usable = false;
  nodes[2].to_be_emptied = true;
  CHECK(placement(nodes, groups, {3}, PlacementOf::wanting).empty());
}

TEST_CASE("a rebalance moves as few copies of groups in use as make the shares fair") {
  auto groups = empty_groups(64);
  take(groups, placement(nodes_up(2), groups, {2}));
  for (GroupView& group : groups) group.used = true;
  auto nodes = nodes_up(4);
  nodes[3].capacity = 2000;
  const auto before = groups;
  take(groups, placement(nodes, groups, {2}, PlacementOf::uneven));
  check_distinct(groups, 2);
  Load load = load_of(groups);
  CHECK(std::abs(load.copies[4] - 51.2) < 1.01);
  for (NodeId node = 1; node <= 3; ++node) CHECK(std::abs(load.copies[node] - 25.6) < 1.01);
  int moved = 0;
  for (size_t i = 0; i < groups.size(); ++i) {
    for (const NodeId node : groups[i].members) {
      const auto& old = before[i].members;
      moved += std::find(old.begin(), old.end(), node) == old.end() ? 1 : 0;
    }
  }
  CHECK(moved == load.copies[3] + load.copies[4]);
  CHECK(placement(nodes, groups, {2}, PlacementOf::uneven).empty());
}

TEST_CASE("groups that had to share a rack part when there is another") {
  auto nodes = nodes_up(4);
  for (PlacementNode& node : nodes) node.rack = "one";
  auto groups = empty_groups(16);
  take(groups, placement(nodes, groups, {2}));
  for (GroupView& group : groups) group.used = true;
  nodes[3].rack = "two";
  take(groups, placement(nodes, groups, {2}, PlacementOf::uneven));
  for (const GroupView& group : groups) {
    CHECK(nodes[group.members[0] - 1].rack != nodes[group.members[1] - 1].rack);
  }
}

TEST_CASE("each pool has its own number of copies") {
  auto groups = empty_groups(16);
  for (size_t i = 8; i < 16; ++i) groups[i].pool = 1;
  take(groups, placement(nodes_up(5), groups, {2, 3}));
  for (size_t i = 0; i < 16; ++i) CHECK(groups[i].members.size() == (i < 8 ? 2 : 3));
  Load load = load_of(groups);
  for (NodeId node = 1; node <= 5; ++node) CHECK(std::abs(load.copies[node] - 8) < 1.01);
}

TEST_SUITE_END();
