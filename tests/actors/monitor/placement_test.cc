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
  for (GroupId id = 0; id < count; ++id) groups.push_back({id, 0, {}, false});
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
        take(groups, placement(nodes_up(n), groups, replicas));
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
        CHECK(placement(nodes_up(n), groups, replicas).empty());
      }
    }
  }
}

TEST_CASE("the mates of a node are all others, so that they share the work of replacing it") {
  auto groups = empty_groups(64);
  take(groups, placement(nodes_up(6), groups, 2));
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
      take(groups, placement(nodes_up(n), groups, replicas));
      const auto before = groups;
      take(groups, placement(nodes_up(n + 1), groups, replicas));
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
    for (int n = 1; n <= 9; ++n) take(groups, placement(nodes_up(n), groups, replicas));
    Load load = load_of(groups);
    for (NodeId node = 1; node <= 9; ++node) {
      CHECK(std::abs(load.copies[node] - 64.0 * replicas / 9) < 1.01);
    }
  }
}

TEST_CASE("groups in use keep their members and gain some only while short") {
  auto groups = empty_groups(8);
  take(groups, placement(nodes_up(1), groups, 2));
  groups[0].used = groups[1].used = true;
  take(groups, placement(nodes_up(2), groups, 2));
  CHECK(groups[0].members == std::vector<NodeId>{1, 2});
  groups[2].used = true;
  const auto before = groups;
  take(groups, placement(nodes_up(5), groups, 2));
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
  take(groups, placement(nodes, groups, 1));
  Load load = load_of(groups);
  CHECK(load.copies[1] == 16);
  CHECK(load.copies[2] == 16);
  CHECK(load.copies[3] == 32);
  // A giant cannot be in a group twice.
  nodes[2].capacity = 1'000'000;
  groups = empty_groups(64);
  take(groups, placement(nodes, groups, 2));
  check_distinct(groups, 2);
  load = load_of(groups);
  CHECK(load.copies[3] == 64);
  CHECK(load.copies[1] == 32);
}

TEST_CASE("copies go to distinct hosts where there are enough") {
  auto nodes = nodes_up(6);
  for (size_t i = 0; i < 6; ++i) nodes[i].host = std::string(1, static_cast<char>('a' + i / 2));
  auto groups = empty_groups(64);
  take(groups, placement(nodes, groups, 3));
  check_distinct(groups, 3);
  for (const GroupView& group : groups) {
    std::set<std::string> hosts;
    for (const NodeId node : group.members) hosts.insert(nodes[node - 1].host);
    CHECK(hosts.size() == 3);
  }
  for (PlacementNode& node : nodes) node.host = "one";
  groups = empty_groups(64);
  take(groups, placement(nodes, groups, 3));
  check_distinct(groups, 3);
}

TEST_CASE("an unusable node gets nothing new and keeps what is in use") {
  auto nodes = nodes_up(4);
  auto groups = empty_groups(8);
  take(groups, placement(nodes, groups, 2));
  groups[0].used = true;
  const auto kept = groups[0].members;
  nodes[kept[0] - 1].usable = false;
  take(groups, placement(nodes, groups, 2));
  CHECK(groups[0].members == kept);
  check_distinct(groups, 2);
  for (size_t i = 1; i < groups.size(); ++i) {
    CHECK(std::count(groups[i].members.begin(), groups[i].members.end(), kept[0]) == 0);
  }
  for (PlacementNode& node : nodes) node.usable = false;
  auto none = empty_groups(4);
  CHECK(placement(nodes, none, 2).empty());
  CHECK(placement({}, none, 2).empty());
}

TEST_SUITE_END();
