// The monitor as an actor: uploads from plan to commit.
#include "tests/actors/monitor/test_monitor.h"

using namespace dfs;

TEST_SUITE_BEGIN("monitor");

TEST_CASE("plans avoid nodes that are down, full, or just failed the client") {
  TestMonitor test;
  test.join_all(4);
  const auto members_of = [&](const PlanFile& plan) {
    std::set<NodeId> nodes;
    const auto reply = test.ask(plan);
    REQUIRE(reply.ok());
    for (const GroupRoute& route : reply->groups) {
      CHECK(route.members.size() == 2);
      for (const GroupMember& member : route.members) {
        CHECK(member.up);
        CHECK(!member.endpoint.empty());
        nodes.insert(member.node);
      }
    }
    return nodes;
  };
  CHECK(members_of(plan_of("/f", 64)) == std::set<NodeId>{1, 2, 3, 4});
  CHECK(members_of(plan_of("/f", 64, {2})) == std::set<NodeId>{1, 3, 4});
  test.nodes[3].full = true;
  test.pass(1s);
  CHECK(members_of(plan_of("/f", 64)) == std::set<NodeId>{1, 2, 4});
  test.nodes[1].beats = false;
  test.pass(5s);
  CHECK(members_of(plan_of("/f", 64)) == std::set<NodeId>{2, 4});
}

TEST_CASE("a node whose free space is not known yet gets no more than its share") {
  TestMonitor test;
  for (char uuid = '1'; uuid <= '4'; ++uuid) REQUIRE(test.join(uuid).ok());
  for (NodeId node = 1; node <= 3; ++node) test.nodes[node].used = 900'000;
  test.nodes[4].beats = false;
  test.pass(1s);
  std::map<NodeId, int> members;
  int all = 0;
  for (int file = 0; file < 20; ++file) {
    const auto reply = test.ask(plan_of("/f", 16));
    REQUIRE(reply.ok());
    for (const GroupRoute& route : reply->groups) {
      for (const GroupMember& member : route.members) ++members[member.node], ++all;
    }
  }
  for (NodeId node = 1; node <= 4; ++node) {
    CHECK(members[node] >= all / 4 * 3 / 4);
    CHECK(members[node] <= all / 4 * 5 / 4);
  }
}

TEST_CASE("with too few nodes an upload goes degraded, or is refused with each node's state") {
  TestMonitor test;
  test.join_all(2);
  REQUIRE(test.ask(plan_of("/f", 64)).ok());
  test.nodes[1].beats = false;
  test.pass(5s);
  const auto degraded = test.ask(plan_of("/f", 8));
  REQUIRE(degraded.ok());
  for (const GroupRoute& route : degraded->groups) {
    REQUIRE(route.members.size() == 2);
    for (const GroupMember& member : route.members) CHECK(member.up == (member.node == 2));
  }
  // The last one is named even when the client would rather avoid it.
  const auto last = test.ask(plan_of("/f", 8, {2}));
  REQUIRE(last.ok());
  CHECK(std::count_if(last->groups[0].members.begin(), last->groups[0].members.end(),
                      [](const GroupMember& member) { return member.up; }) == 1);
  test.nodes[2].full = true;
  test.pass(1s);
  const auto full = test.ask(plan_of("/f", 8));
  CHECK(full.code() == Code::no_space);
  CHECK(full.error().cause.at("storage/2") == "full");
  test.nodes[2].beats = false;
  test.pass(5s);
  const auto refused = test.ask(plan_of("/f", 8));
  CHECK(refused.code() == Code::too_few_nodes);
  CHECK(refused.error().cause.at("storage/1") == "down");
  CHECK(refused.error().cause.at("storage/2") == "down");
  CHECK(refused.error().text.find("storage/1") != std::string::npos);
}

TEST_CASE("a plan refuses a target that a commit would refuse") {
  TestMonitor test;
  test.join_all(1);
  REQUIRE(test.ask(MakeDir{"/d"}).ok());
  CHECK(test.ask(plan_of("/d", 1)).code() == Code::is_directory);
  CHECK(test.ask(plan_of("/", 1)).code() == Code::is_directory);
  CHECK(test.ask(plan_of("/none/f", 1)).code() == Code::not_found);
}

TEST_CASE("every plan has an object of its own, also after a restart; a new plan keeps it") {
  TestMonitor test;
  test.join_all(1);
  std::set<ObjectId> objects;
  for (int i = 0; i < 5000; ++i) objects.insert(test.ask(plan_of("/f", 1))->object);
  test.restart();
  for (int i = 0; i < 100; ++i) objects.insert(test.ask(plan_of("/f", 1))->object);
  CHECK(objects.size() == 5100);
  PlanFile again = plan_of("/f", 1);
  again.object = *objects.begin();
  CHECK(test.ask(again)->object == *objects.begin());
}

TEST_CASE("an upload is committed and can be opened after a restart") {
  TestMonitor test;
  test.join_all(4);
  const PlanFile plan = plan_of("/f", 30);
  const auto reply = test.ask(plan);
  REQUIRE(reply.ok());
  const CommitFile commit = commit_of(plan, *reply);
  REQUIRE(test.ask(commit).ok());
  test.restart();
  const auto opened = test.ask(OpenFile{"/f"});
  REQUIRE(opened.ok());
  CHECK(same(opened->layout, commit.layout));
  std::map<NodeId, int> copies;
  for (uint32_t block = 0; block < 30; ++block) {
    for (const GroupRoute& route : opened->routes) {
      if (route.group != opened->layout.group_of(block)) continue;
      for (const GroupMember& member : route.members) ++copies[member.node];
    }
  }
  for (const NodeId node : {1u, 2u, 3u, 4u}) {
    CHECK(copies[node] >= 12);
    CHECK(copies[node] <= 18);
  }
}

TEST_CASE("a node that dies during an upload does not void what it acknowledged") {
  TestMonitor test;
  test.join_all(3);
  const PlanFile plan = plan_of("/f", 16);
  const auto reply = test.ask(plan);
  test.nodes[2].beats = false;
  test.pass(5s);
  REQUIRE(test.state_of(2) == NodeState::down);
  CHECK(test.ask(commit_of(plan, *reply)).ok());
}

TEST_CASE("a node that joins during an upload does not void it") {
  TestMonitor test;
  test.join_all(2);
  const PlanFile plan = plan_of("/f", 16);
  const auto reply = test.ask(plan);
  REQUIRE(test.join('3').ok());
  test.pass(2s);
  CHECK(test.ask(commit_of(plan, *reply)).ok());
  // Groups that no upload was sent to went over to the new node at once.
  const auto status = test.ask(GetStatus());
  CHECK(status->nodes[2].groups > 10);
}

TEST_CASE("groups planned but never used are shared with a new node later") {
  TestMonitor test;
  test.join_all(2);
  REQUIRE(test.ask(plan_of("/f", 64)).ok());
  REQUIRE(test.join('3').ok());
  test.pass(2s);
  CHECK(test.ask(GetStatus())->nodes[2].groups == 0);
  test.pass(11min);
  CHECK(test.ask(GetStatus())->nodes[2].groups > 40);
}

TEST_CASE("an upload planned on too few nodes, whose groups were then replaced, is written again") {
  TestMonitor test;
  REQUIRE(test.join('1').ok());
  const PlanFile plan = plan_of("/f", 64);
  const auto reply = test.ask(plan);
  REQUIRE(reply.ok());
  for (const char uuid : {'2', '3', '4'}) REQUIRE(test.join(uuid).ok());
  test.pass(2s);
  const auto stale = test.ask(commit_of(plan, *reply));
  CHECK(stale.code() == Code::stale_map);
  PlanFile again = plan;
  again.object = reply->object;
  const auto fresh = test.ask(again);
  REQUIRE(fresh.ok());
  CHECK(test.ask(commit_of(plan, *fresh)).ok());
}

TEST_SUITE_END();
