#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>

#include "actors/monitor/placement.h"

using namespace dfs;

namespace {

struct Setup {
  Setup(int nodes, uint32_t replicas_, uint32_t groups_ = 64, uint64_t seed = 1)
      : replicas(replicas_), random(seed) {
    std::vector<PlacementNode> members;
    for (int i = 1; i <= nodes; ++i) {
      members.push_back({static_cast<NodeId>(i), "", 1000, true});
      targets.push_back({static_cast<NodeId>(i), true, 1'000'000});
    }
    for (GroupId id = 0; id < groups_; ++id) groups.emplace_back().group = id;
    for (const GroupMembers& change : placement(members, groups, {replicas})) {
      groups[change.group].members = change.members;
    }
  }

  std::vector<GroupId> choose(uint64_t blocks, std::vector<NodeId> avoid = {}) {
    LayoutRequest request{blocks, replicas, min_copies, std::move(avoid)};
    return choose_layout(targets, groups, request, [this] { return random(); });
  }

  struct Spread {
    std::map<NodeId, int> copies;
    std::map<NodeId, int> heads;
  };
  Spread spread(const std::vector<GroupId>& layout, size_t blocks) const {
    Spread spread;
    for (size_t i = 0; i < blocks; ++i) {
      const auto& members = groups[layout[i % layout.size()]].members;
      for (const NodeId node : members) ++spread.copies[node];
      ++spread.heads[members.front()];
    }
    return spread;
  }

  uint32_t replicas;
  uint32_t min_copies = 1;
  std::mt19937_64 random;
  std::vector<TargetNode> targets;
  std::vector<GroupView> groups;
};

}  // namespace

TEST_SUITE_BEGIN("monitor");

TEST_CASE("the copies of a 30-block file lie within 25 percent of even") {
  for (const int nodes : {3, 4}) {
    for (uint64_t seed = 1; seed <= 50; ++seed) {
      CAPTURE(nodes);
      CAPTURE(seed);
      Setup setup(nodes, 2, 64, seed);
      const auto layout = setup.choose(30);
      CHECK(layout.size() == 30);
      auto spread = setup.spread(layout, 30);
      const double even = 60.0 / nodes;
      for (NodeId node = 1; node <= static_cast<NodeId>(nodes); ++node) {
        CHECK(spread.copies[node] >= 0.75 * even);
        CHECK(spread.copies[node] <= 1.25 * even);
        CHECK(spread.heads[node] >= 30.0 / nodes - 3);
        CHECK(spread.heads[node] <= 30.0 / nodes + 3);
      }
    }
  }
}

TEST_CASE("any prefix of a layout is balanced") {
  for (int nodes = 1; nodes <= 9; ++nodes) {
    for (uint32_t replicas = 1; replicas <= 3; ++replicas) {
      CAPTURE(nodes);
      CAPTURE(replicas);
      Setup setup(nodes, replicas, 128);
      setup.min_copies = 1;
      const auto layout = setup.choose(64);
      REQUIRE(layout.size() == 64);
      const double width = std::min<double>(replicas, nodes);
      for (size_t blocks = 1; blocks <= 64; ++blocks) {
        auto spread = setup.spread(layout, blocks);
        const double even = static_cast<double>(blocks) * width / nodes;
        for (NodeId node = 1; node <= static_cast<NodeId>(nodes); ++node) {
          CHECK(std::abs(spread.copies[node] - even) <= 3);
        }
      }
    }
  }
}

TEST_CASE("a layout is as wide as the file has blocks, up to 64") {
  Setup setup(4, 2);
  CHECK(setup.choose(0).size() == 1);
  CHECK(setup.choose(1).size() == 1);
  CHECK(setup.choose(2).size() == 2);
  CHECK(setup.choose(64).size() == 64);
  CHECK(setup.choose(UINT64_MAX).size() == 64);
}

TEST_CASE("groups with a node that is down or to be avoided are left out while others exist") {
  Setup setup(4, 2);
  setup.targets[0].live = false;
  for (const GroupId group : setup.choose(64)) {
    for (const NodeId node : setup.groups[group].members) CHECK(node != 1);
  }
  for (const GroupId group : setup.choose(64, {2})) {
    const std::set<NodeId> members(setup.groups[group].members.begin(),
                                   setup.groups[group].members.end());
    CHECK(members == std::set<NodeId>{3, 4});
  }
}

TEST_CASE("with no healthy group, those with enough live members serve, then even the avoided") {
  Setup setup(2, 2);
  setup.targets[0].live = false;
  CHECK(setup.choose(8).size() == 8);
  CHECK(setup.choose(8, {2}).size() == 8);
  setup.min_copies = 2;
  CHECK(setup.choose(8).empty());
  setup.targets[0].live = true;
  CHECK(setup.choose(8, {2}).size() == 8);
  setup.targets[0].live = setup.targets[1].live = false;
  setup.min_copies = 1;
  CHECK(setup.choose(8).empty());
  CHECK(Setup(0, 1).choose(1).empty());
}

TEST_CASE("blocks follow the free space") {
  Setup setup(4, 1);
  setup.targets[0].free_bytes = 3'000'000;
  std::map<NodeId, int> wide;
  const auto layout = setup.choose(60);
  for (const GroupId group : layout) ++wide[setup.groups[group].members[0]];
  CHECK(wide[1] >= 28);
  CHECK(wide[1] <= 32);
  // Many files of one block each.
  std::map<NodeId, int> narrow;
  for (int i = 0; i < 4000; ++i) ++narrow[setup.groups[setup.choose(1)[0]].members[0]];
  CHECK(narrow[1] > 1800);
  CHECK(narrow[1] < 2200);
  for (NodeId node = 2; node <= 4; ++node) {
    CHECK(narrow[node] > 500);
    CHECK(narrow[node] < 850);
  }
}

TEST_CASE("a sample of very many groups spreads as well") {
  Setup setup(8, 2, 1024);
  const auto layout = setup.choose(64);
  auto spread = setup.spread(layout, 64);
  for (NodeId node = 1; node <= 8; ++node) {
    CHECK(spread.copies[node] >= 14);
    CHECK(spread.copies[node] <= 18);
  }
}

TEST_CASE("groups that are whole and stay so come first, unless they are few") {
  Setup setup(4, 2);
  const auto all_of = [&](const std::vector<GroupId>& layout, auto&& good) {
    return std::all_of(layout.begin(), layout.end(),
                       [&](GroupId group) { return good(setup.groups[group]); });
  };
  for (GroupId id = 0; id < 32; ++id) setup.groups[id].lacking = {{setup.groups[id].members[0], 1}};
  CHECK(all_of(setup.choose(64), [](const GroupView& group) { return group.lacking.empty(); }));
  for (GroupId id = 32; id < 60; ++id) setup.groups[id].leaving = {4};
  CHECK(!all_of(setup.choose(64), [](const GroupView& group) { return group.lacking.empty(); }));
  for (GroupView& group : setup.groups) group.lacking.clear();
  setup.targets[0].stays = false;
  CHECK(all_of(setup.choose(64), [](const GroupView& group) { return !group.has_member(1); }));
  for (TargetNode& target : setup.targets) target.stays = false;
  CHECK(!setup.choose(64).empty());
}

TEST_SUITE_END();
