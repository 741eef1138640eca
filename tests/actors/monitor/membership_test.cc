// The monitor as an actor: who is there, and the map of it.
#include "tests/actors/monitor/storages.h"

using namespace dfs;

TEST_SUITE_BEGIN("monitor");

TEST_CASE("nodes join, and the first upload right after the first join finds groups") {
  TestMonitor test;
  const auto none = test.ask(plan_of("/f", 4));
  CHECK(none.code() == Code::too_few_nodes);
  CHECK(none.error().text.find("no storage node has joined") != std::string::npos);
  const auto joined = test.join('1');
  REQUIRE(joined.ok());
  CHECK(joined->node == 1);
  CHECK(joined->cluster == test.map().cluster);
  CHECK(joined->heartbeat_ms == 500);
  const auto plan = test.ask(plan_of("/f", 4));
  REQUIRE(plan.ok());
  CHECK(plan->groups.size() == 4);
  CHECK(plan->groups[0].members.size() == 1);
  CHECK(plan->min_copies == 1);
  CHECK(test.events("node-joined").size() == 1);
}

TEST_CASE("nodes that join within a moment change the groups once") {
  TestMonitor test;
  for (const char uuid : {'1', '2', '3', '4'}) REQUIRE(test.join(uuid).ok());
  CHECK(test.events("groups-changed").empty());
  test.bus.advance(1s);
  test.settle();
  CHECK(test.events("groups-changed").size() == 1);
  for (const GroupView& group : test.map().groups) CHECK(group.members.size() == 2);
}

TEST_CASE("a node of another cluster is refused with the reason") {
  TestMonitor test;
  const auto refused = test.join('1', std::string(32, 'f'));
  CHECK(refused.code() == Code::denied);
  CHECK(refused.error().text.find(std::string(32, 'f')) != std::string::npos);
  CHECK(test.map().nodes.empty());
  CHECK(test.join('1', test.map().cluster).ok());
}

TEST_CASE("a node that falls silent is down after exactly the time set") {
  for (const Duration down_after : {Duration(3s), Duration(1s)}) {
    MonitorSettings settings;
    settings.down_after = down_after;
    TestMonitor test(settings);
    test.join_all(2);
    test.pass(10s);
    CHECK(test.state_of(2) == NodeState::up);
    test.beat(1);
    test.beat(2);
    test.nodes[2].beats = false;
    const Epoch epoch = test.map().epoch;
    test.pass(down_after - 1ms);
    CHECK(test.state_of(2) == NodeState::up);
    test.pass(1ms + test.settings.check_interval);
    CHECK(test.state_of(2) == NodeState::down);
    CHECK(test.state_of(1) == NodeState::up);
    CHECK(test.map().epoch == epoch + 1);
    const auto events = test.events("node-down");
    REQUIRE(events.size() == 1);
    CHECK(events[0].fields.at("node") == "2");
    CHECK(events[0].index > 0);
    CHECK(test.bus.published.back().topic == "map");

    // It is back with its second heartbeat: the first may be one that a broker remembered.
    test.beat(2);
    test.settle();
    CHECK(test.state_of(2) == NodeState::up);
    CHECK(test.events("node-up").size() == 1);
  }
}

TEST_CASE("a remembered heartbeat of a dead node does not raise it") {
  TestMonitor test;
  test.join_all(2);
  test.nodes[2].beats = false;
  test.pass(5s);
  REQUIRE(test.state_of(2) == NodeState::down);
  Heartbeat last;
  last.node = 2;
  last.boot = test.nodes[2].boot;
  last.sequence = test.nodes[2].sequence;
  test.hear(last);
  test.settle();
  CHECK(test.state_of(2) == NodeState::down);
  // Nor after a restart, when this monitor never saw it; twice the same is no sign of life either.
  test.restart();
  test.hear(last);
  test.hear(last);
  test.settle();
  CHECK(test.state_of(2) == NodeState::down);
  last.sequence += 1;
  test.hear(last);
  test.settle();
  CHECK(test.state_of(2) == NodeState::up);
}

TEST_CASE("a node restarted within seconds is the same node") {
  TestMonitor test;
  test.join_all(3);
  const ClusterMap before = test.map();
  const auto again = test.join('2');
  REQUIRE(again.ok());
  CHECK(again->node == 2);
  test.pass(5s);
  CHECK(same(test.map(), before));
  CHECK(test.events("node-down").empty());
}

TEST_CASE("after a restart of the monitor nodes have time to be heard") {
  TestMonitor test;
  test.join_all(3);
  test.restart();
  test.bus.advance(test.settings.down_after - 1ms);
  for (const NodeId node : {1u, 2u, 3u}) CHECK(test.state_of(node) == NodeState::up);
  test.beat(1);
  test.bus.advance(test.settings.check_interval);
  test.settle();
  CHECK(test.state_of(1) == NodeState::up);
  CHECK(test.state_of(2) == NodeState::down);
  CHECK(test.state_of(3) == NodeState::down);
}

TEST_CASE("when the monitor itself stood still, nobody is to blame") {
  TestMonitor test;
  test.join_all(2);
  test.bus.stall(60s);
  test.beat(2);  // was waiting in a queue, and is read before the clock is looked at
  test.bus.advance(1s);
  test.settle();
  CHECK(test.state_of(1) == NodeState::up);
  CHECK(test.state_of(2) == NodeState::up);
  test.nodes[1].beats = test.nodes[2].beats = false;
  test.pass(4s);
  CHECK(test.state_of(1) == NodeState::down);
  CHECK(test.state_of(2) == NodeState::down);
}

TEST_CASE("heartbeats of unknown nodes and garbage are ignored, and logged once") {
  TestMonitor test;
  test.join_all(1);
  for (int i = 0; i < 3; ++i) {
    Heartbeat heartbeat;
    heartbeat.node = 42;
    heartbeat.sequence = static_cast<uint64_t>(i);
    test.hear(heartbeat);
  }
  test.monitor->observe("heartbeat/storage/1", Envelope{{}, "garbage", {}, {}});
  const auto lines = std::count_if(test.bus.logged.begin(), test.bus.logged.end(), [](auto& line) {
    return line.event == "heartbeat of an unknown node";
  });
  CHECK(lines == 1);
  CHECK(test.map().nodes.size() == 1);
}

TEST_CASE("no node says of another that it lives") {
  TestMonitor test;
  test.join_all(2);
  test.nodes[2].beats = false;
  for (uint64_t i = 0; i < 10; ++i) {
    Heartbeat forged;
    forged.node = 2;
    forged.boot = test.nodes[2].boot;
    forged.sequence = 1000 + i;
    test.hear(forged, 1);
    test.pass(1s);
  }
  CHECK(test.state_of(1) == NodeState::up);
  CHECK(test.state_of(2) == NodeState::down);
}

TEST_CASE("the status says in words what is wrong") {
  TestMonitor test;
  auto status = test.ask(GetStatus());
  CHECK(status->health == "unavailable");
  CHECK(status->reason == "no storage node has joined yet");
  test.join_all(3);
  status = test.ask(GetStatus());
  CHECK(status->health == "ok");
  CHECK(status->reason.empty());
  CHECK(status->groups_healthy == 64);
  CHECK(status->monitor == "monitor/1");
  CHECK(status->applied > 0);
  CHECK(status->nodes[0].heartbeat.total_bytes == 1'000'000);
  test.nodes[2].beats = false;
  test.pass(5s);
  status = test.ask(GetStatus());
  CHECK(status->health == "degraded");
  CHECK(status->reason.find("storage/2") != std::string::npos);
  CHECK(status->groups_degraded > 0);
  CHECK(status->nodes[1].silent_ms >= 3000);
  for (auto& [node, state] : test.nodes) state.beats = false;
  test.pass(5s);
  CHECK(test.ask(GetStatus())->health == "unavailable");
  CHECK(test.ask(GetStatus())->groups_down == 64);
}

TEST_CASE(
    "what changes the namespace is an event with the index of its entry; what does not is none") {
  TestMonitor test;
  const auto made = test.ask(MakeDir{"/d", true});
  REQUIRE(test.ask(MakeDir{"/d", true}).ok());
  CommitFile commit;
  commit.path = "/d/f";
  REQUIRE(test.ask(commit).ok());
  REQUIRE(test.ask(Rename{"/d/f", "/d/f"}).ok());
  REQUIRE(test.ask(Rename{"/d/f", "/d/g"}).ok());
  REQUIRE(test.ask(Remove{"/d/g"}).ok());
  CHECK(test.ask(Remove{"/d/g"}).code() == Code::not_found);
  REQUIRE(test.events("directory-made").size() == 1);
  CHECK(test.events("directory-made")[0].index == made->receipt.index);
  CHECK(test.events("directory-made")[0].fields.at("path") == "/d");
  CHECK(test.events("file-committed").size() == 1);
  REQUIRE(test.events("file-renamed").size() == 1);
  CHECK(test.events("file-renamed")[0].fields.at("to") == "/d/g");
  CHECK(test.events("removed").size() == 1);
}

TEST_CASE("a node that lags behind the map makes it published again") {
  TestMonitor test;
  test.join_all(1);
  test.pass(5s);
  test.bus.published.clear();
  test.pass(10s);
  const auto maps = std::count_if(test.bus.published.begin(), test.bus.published.end(),
                                  [](auto& published) { return published.topic == "map"; });
  CHECK(maps >= 3);
  CHECK(maps <= 6);
}

TEST_CASE("where nothing is to be waited for, a node is given up when it goes down") {
  MonitorSettings settings = TestStorages::small();
  settings.repair_after = 0s;
  TestStorages test(settings);
  test.join_all(3);
  test.use_all("/f");
  test.nodes[3].beats = false;
  int between = 0;
  const auto node = [&] { return test.map().nodes[2]; };
  for (int i = 0; i < 200 && node().standing == NodeStanding::in; ++i) {
    test.run(20ms);
    between += node().state == NodeState::down && node().standing == NodeStanding::in ? 1 : 0;
  }
  CHECK(node().standing == NodeStanding::out);
  CHECK(between == 0);
}

TEST_SUITE_END();
