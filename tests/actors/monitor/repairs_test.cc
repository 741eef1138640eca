// The leader's side of repair: nodes that die, return, lose blocks and are drained.
#include "tests/actors/monitor/storages.h"

using namespace dfs;

namespace {

bool has_task(TestStorages& test, const std::string& id) {
  const auto tasks = test.tasks();
  return std::any_of(tasks.begin(), tasks.end(), [&](auto& task) { return task.id == id; });
}

}  // namespace

TEST_SUITE_BEGIN("monitor");

TEST_CASE("a node that stays down is given up after the time set, and its groups are whole again") {
  TestStorages test;
  test.join_all(4);
  test.use_all("/f");
  REQUIRE(test.groups_of(2) > 0);
  const size_t had = test.groups_of(2);
  test.nodes[2].beats = false;
  test.run(9s);
  CHECK(test.state_of(2) == NodeState::down);
  CHECK(test.events("node-out").empty());
  CHECK(test.groups_of(2) == had);
  CHECK(test.run_until([&] { return test.groups_of(2) == 0; }));
  CHECK(test.events("node-out").size() == 1);
  CHECK(test.whole(2));
  CHECK(test.events("group-moved").size() == had);
  for (const auto& [node, request] : test.began) {
    CHECK(node != 2);
    for (const FillSource& source : request.sources) CHECK(source.node != 2);
  }
  CHECK(test.ask(GetStatus())->groups_healthy == 8);
  test.run(5s);
  CHECK(test.events("task-began").size() == 1);
  CHECK(test.events("task-done").size() == 1);
  // It is back: `in` again, and nothing moves by itself.
  test.nodes[2].beats = true;
  test.run(5s);
  CHECK(test.map().nodes[1].standing == NodeStanding::in);
  CHECK(test.whole(2));
}

TEST_CASE("with a time of zero a node is given up as soon as it is down") {
  MonitorSettings settings = TestStorages::small();
  settings.repair_after = {};
  TestStorages test(settings);
  test.join_all(3);
  test.use_all("/f");
  test.nodes[3].beats = false;
  test.run(5s);
  CHECK(test.events("node-out").size() == 1);
  CHECK(test.run_until([&] { return test.groups_of(3) == 0 && test.whole(2); }));
}

TEST_CASE("a node that missed writes and is back in time is filled where it missed some, only") {
  TestStorages test;
  test.join_all(3);
  test.use_all("/f");
  test.nodes[3].beats = false;
  test.run(5s);
  const size_t held = test.groups_of(3);
  test.use_all("/g");
  CHECK(test.lacking_groups() == held);
  CHECK(test.began.empty());
  test.nodes[3].beats = true;
  CHECK(test.run_until([&] { return test.whole(2); }));
  CHECK(test.began.size() == held);
  for (const auto& [node, request] : test.began) CHECK(node == 3);
  CHECK(test.events("node-out").empty());
}

TEST_CASE("a node that is back in the middle of its replacement is read from, and all ends well") {
  TestStorages test;
  test.polls_needed = 20;
  test.join_all(4);
  test.use_all("/f");
  const size_t had = test.groups_of(4);
  test.nodes[4].beats = false;
  CHECK(test.run_until([&] { return !test.began.empty(); }));
  test.nodes[4].beats = true;
  CHECK(test.run_until([&] { return test.whole(2); }));
  CHECK(test.map().nodes[3].standing == NodeStanding::in);
  CHECK(test.groups_of(4) <= had);
}

TEST_CASE("the work goes on under another leader, and what the old one began counts for nothing") {
  TestStorages test;
  test.polls_needed = 6;
  test.join_all(3);
  test.use_all("/f");
  test.nodes[3].beats = false;
  CHECK(test.run_until([&] { return test.began.size() >= 2; }));
  const LogIndex before = test.ask(GetStatus())->applied;
  test.restart();
  CHECK(test.run_until([&] { return test.groups_of(3) == 0 && test.whole(2); }));
  CHECK(test.ask(GetStatus())->applied > before);
}

TEST_CASE("what a node loses while it is filled is not forgotten") {
  MonitorSettings settings = TestStorages::small();
  settings.fills_per_node = 2;
  TestStorages test(settings);
  test.polls_needed = 8;
  test.join_all(2);
  test.use_all("/f");
  test.lose(2);
  CHECK(test.run_until([&] { return test.running(2) == 2; }));
  const auto first = test.began.front();
  test.use_all("/g", 2);  // it misses a write, too
  CHECK(test.run_until([&] { return test.whole(2); }));
  const auto again = std::count_if(test.began.begin(), test.began.end(), [&](const auto& entry) {
    return entry.second.group == first.second.group;
  });
  CHECK(again == 2);
  CHECK(test.began.back().second.as_of > first.second.as_of);
}

TEST_CASE("losses are handled once, whoever leads, and again after a restart of the node") {
  TestStorages test;
  test.join_all(2);
  test.use_all("/f");
  const auto handled = [&] {
    test.run(2s);
    CHECK(test.run_until([&] { return test.whole(2); }));
    return test.events("node-lacking").size();
  };
  test.lose(2);
  CHECK(handled() == 1);
  CHECK(handled() == 1);
  test.lose(2);
  CHECK(handled() == 2);
  // Started anew, it counts anew.
  test.nodes[2].boot += 2;
  test.nodes[2].losses = 0;
  CHECK(handled() == 2);
  test.lose(2);
  CHECK(handled() == 3);
  const size_t filled = test.began.size();
  test.restart();
  CHECK(handled() == 3);
  CHECK(test.began.size() == filled);
  test.lose(2);
  CHECK(handled() == 4);
}

TEST_CASE("a log that takes nothing for a while is asked again at the next tick, and not at once") {
  MonitorSettings settings = TestStorages::small();
  settings.replicas = 1;
  settings.replica.proposals_max = 8;
  TestStorages test(settings);
  test.join_all(2);
  test.use_all("/f");
  // Nobody else has what these groups lack, so the log is asked at once.
  test.lose(2);
  REQUIRE(test.run_until([&] { return test.lacking_groups() > 0; }, 2s));
  test.bus.run_mode = FakeBus::RunMode::queued;
  for (int i = 0; i < 8; ++i) test.tell(MakeDir{"/full-" + std::to_string(i)});
  test.bus.advance(2s);
  CHECK(test.lacking_groups() > 0);
  test.bus.run_mode = FakeBus::RunMode::immediate;
  while (!test.bus.jobs.empty()) test.bus.run_job();
  CHECK(test.run_until([&] { return test.lacking_groups() == 0; }));
}

TEST_CASE("blocks that are damaged everywhere do not keep their group from being whole") {
  TestStorages test;
  test.join_all(3);
  test.use_all("/f");
  test.unreadable = 2;
  test.lose(2);
  test.run(1s);
  CHECK(test.run_until([&] { return test.whole(2); }));
  const auto events = test.events("blocks-unreadable");
  REQUIRE(events.size() == test.groups_of(2));
  CHECK(events[0].fields.at("node") == "2");
  CHECK(events[0].fields.at("blocks") == "2");
  // But nobody says so while a holder could not be asked.
  MonitorSettings settings = TestStorages::small();
  settings.replicas = 3;
  settings.repair_after = 1h;
  TestStorages other(settings);
  other.join_all(3);
  other.use_all("/f");
  other.nodes[3].beats = false;
  other.run(5s);
  other.unreadable = 2;
  other.lose(2);
  other.run(60s);
  CHECK(other.events("blocks-unreadable").empty());
  CHECK(other.lacking_groups() == 8);
}

TEST_CASE("a fill that fails is tried again after longer and longer pauses, and tasks say why") {
  TestStorages test;
  test.join_all(2);
  test.use_all("/f");
  test.failing.insert(2);
  test.lose(2);
  test.run(60s);
  for (const auto& [key, filling] : test.fillings) {
    CHECK(filling.polls >= 3);
    CHECK(filling.polls <= 7);
  }
  const auto tasks = test.tasks();
  REQUIRE(!tasks.empty());
  CHECK(tasks[0].id == "repair");
  CHECK(tasks[0].text.find("on storage/2 waits and is tried again: its disk is gone") !=
        std::string::npos);
  test.failing.clear();
  CHECK(test.run_until([&] { return test.whole(2); }));
}

TEST_CASE("groups that lost their last complete holder heal from the rest once that is accepted") {
  for (const uint32_t replicas : {1u, 2u}) {
    CAPTURE(replicas);
    MonitorSettings settings = TestStorages::small();
    settings.replicas = replicas;
    TestStorages test(settings);
    test.join_all(4);
    test.use_all("/f");
    if (replicas == 2) {
      for (NodeId node = 1; node <= 3; ++node) test.failing.insert(node);
      for (NodeId node = 1; node <= 3; ++node) test.lose(node);
      test.run(1s);
    }
    test.nodes[4].beats = false;
    test.run(30s);
    test.failing.clear();
    const size_t held = test.groups_of(4);
    REQUIRE(held > 0);
    test.run(60s);
    CHECK(test.groups_of(4) == held);
    CHECK(test.ask(ChangeNode{4, NodeAction::remove}).code() == Code::conflict);
    ChangeNode request{4, NodeAction::remove, true};
    const auto tried = test.ask(request);
    REQUIRE(tried.ok());
    CHECK(tried->losing.size() == held);
    CHECK(test.groups_of(4) == held);
    request.dry_run = false;
    request.accept_loss = true;
    request.accepted = tried->losing;
    REQUIRE(test.ask(request).ok());
    CHECK(test.events("loss-accepted").size() == 1);
    CHECK(test.run_until([&] { return test.whole(replicas); }));
    CHECK(test.ask(GetStatus())->health == "ok");
  }
}

TEST_CASE(
    "when no member is complete, they are filled from each other, but not past one that is down") {
  MonitorSettings settings = TestStorages::small();
  settings.replicas = 3;
  settings.repair_after = 1h;
  TestStorages test(settings);
  test.join_all(3);
  test.use_all("/f");
  test.nodes[3].beats = false;
  test.run(5s);
  test.lose(1);
  test.lose(2);
  test.run(1s);
  // Node 3 is complete, and down: nobody else may be called complete for having what the rest has.
  test.run(30s);
  const ClusterMap now = test.map();
  for (const GroupView& group : now.groups) {
    CHECK(group.lacks(1));
    CHECK(group.lacks(2));
  }
  CHECK(!test.began.empty());
  const auto status = test.ask(GetStatus());
  CHECK(status->reason.find("no complete copy can be reached of group 0, 1") != std::string::npos);
  test.nodes[3].beats = true;
  CHECK(test.run_until([&] { return test.whole(3); }));
}

TEST_CASE("the most endangered groups come first, and no node gets more than its share at once") {
  MonitorSettings settings = TestStorages::small();
  settings.replicas = 3;
  settings.fills_per_node = 1;
  settings.groups = 16;
  settings.repair_after = 1h;
  TestStorages test(settings);
  test.join_all(4);
  test.use_all("/f");
  test.nodes[4].beats = false;
  test.run(5s);
  test.lose(3);
  REQUIRE(test.run_until([&] { return test.lacking_groups() > 0; }, 5s));
  const ClusterMap now = test.map();
  CHECK(test.run_until([&] { return test.lacking_groups() == 0; }));
  CHECK(test.running_most == 1);
  // Groups that node 4 is missing from have one complete live holder less than the others.
  bool safer = false;
  for (const auto& [node, request] : test.began) {
    const bool endangered = now.groups[request.group].has_member(4);
    CHECK(!(safer && endangered));
    safer = safer || !endangered;
  }
  CHECK(safer);
  CHECK(now.groups[test.began.front().second.group].has_member(4));
}

TEST_CASE("a repair that is paused begins nothing, and goes on when it is resumed") {
  TestStorages test;
  test.join_all(3);
  test.use_all("/f");
  REQUIRE(test.ask(ControlTask{"repair", TaskAction::pause, 0, false}).ok());
  test.nodes[3].beats = false;
  test.run(30s);
  CHECK(test.groups_of(3) > 0);
  CHECK(test.began.empty());
  REQUIRE(test.tasks().size() == 1);
  CHECK(test.tasks()[0].state == TaskState::paused);
  REQUIRE(test.ask(ControlTask{"repair", TaskAction::limit, 12345, false}).ok());
  REQUIRE(test.ask(ControlTask{"repair", TaskAction::resume, 0, false}).ok());
  CHECK(test.run_until([&] { return test.groups_of(3) == 0 && test.whole(2); }));
  CHECK(test.last_limit == 12345);
}

TEST_CASE("a drained node hands over all it has and can then be removed, for ever") {
  TestStorages test;
  test.join_all(4);
  test.use_all("/f");
  const auto refused = test.ask(ChangeNode{1, NodeAction::remove});
  CHECK(refused.code() == Code::conflict);
  const auto drain = test.ask(ChangeNode{1, NodeAction::drain});
  REQUIRE(drain.ok());
  CHECK(drain->groups_left > 0);
  CHECK(has_task(test, "drain/1"));
  CHECK(test.run_until([&] { return test.groups_of(1) == 0; }));
  CHECK(test.whole(2));
  for (const auto& [node, request] : test.began) CHECK(node != 1);
  test.run(2s);
  CHECK(test.events("node-drained").size() == 1);
  CHECK(!has_task(test, "drain/1"));
  REQUIRE(test.ask(ChangeNode{1, NodeAction::remove}).ok());
  CHECK(test.map().nodes.size() == 3);
  CHECK(test.join('1').code() == Code::denied);
  CHECK(test.ask(ChangeNode{1, NodeAction::remove}).code() == Code::not_found);
}

TEST_CASE("a drain that is taken back ends at once, and the node has what it had") {
  TestStorages test;
  test.polls_needed = 1000;
  test.join_all(3);
  test.use_all("/f");
  const size_t had = test.groups_of(2);
  REQUIRE(test.ask(ChangeNode{2, NodeAction::drain}).ok());
  CHECK(test.run_until([&] { return test.lacking_groups() > 1; }));
  REQUIRE(test.ask(ChangeNode{2, NodeAction::undrain}).ok());
  CHECK(test.whole(2));
  CHECK(test.groups_of(2) == had);
  test.run(5s);
  CHECK(test.whole(2));
  CHECK_FALSE(has_task(test, "drain/2"));
}

TEST_CASE("a drain without anybody to take the copies waits, and can be aborted") {
  TestStorages test;
  test.join_all(2);
  test.use_all("/f");
  REQUIRE(test.ask(ChangeNode{1, NodeAction::drain}).ok());
  test.run(10s);
  CHECK(test.groups_of(1) == 8);
  REQUIRE(!test.tasks().empty());
  CHECK(test.tasks()[0].state == TaskState::waiting);
  CHECK(test.tasks()[0].groups_left == 8);
  // Files can still be written meanwhile.
  CHECK(test.ask(plan_of("/g", 4)).ok());
  REQUIRE(test.ask(ControlTask{"drain/1", TaskAction::abort, 0, false}).ok());
  CHECK(test.map().nodes[0].standing == NodeStanding::in);
}

TEST_CASE("a rebalance evens out what nodes hold, as its plan says, and ends") {
  TestStorages test;
  test.join_all(2);
  test.use_all("/f");
  REQUIRE(test.join('3').ok());
  REQUIRE(test.join('4').ok());
  test.run(3s);
  CHECK(test.groups_of(3) == 0);
  const auto plan = test.ask(ControlTask{"rebalance", TaskAction::start, 0, true});
  REQUIRE(plan.ok());
  CHECK(plan->plan.size() == 8);
  for (const PlannedMove& move : plan->plan) {
    CHECK(move.from <= 2);
    CHECK(move.to >= 3);
  }
  test.run(3s);
  CHECK(test.began.empty());
  REQUIRE(test.ask(ControlTask{"rebalance", TaskAction::start, 777, false}).ok());
  CHECK(test.run_until([&] { return test.events("task-done").size() == 1; }));
  CHECK(test.whole(2));
  for (NodeId node = 1; node <= 4; ++node) CHECK(test.groups_of(node) == 4);
  CHECK(test.began.size() == 8);
  CHECK(test.last_limit == 777);
}

TEST_CASE(
    "members that hold different blocks twice in a row are filled; a passing difference is not") {
  MonitorSettings settings = TestStorages::small();
  settings.digest_period = 30s;
  TestStorages test(settings);
  test.join_all(2);
  test.use_all("/f");
  test.digests[{2, 3}] = Digest{3, 4, 40, 7, 7};
  test.run(35s);
  CHECK(test.began.empty());
  test.digests.clear();  // it was being written
  test.run(20s);
  CHECK(test.began.empty());
  test.digests[{2, 3}] = Digest{3, 4, 40, 7, 7};
  CHECK(test.run_until([&] { return !test.began.empty(); }));
  test.digests.clear();
  CHECK(test.began.size() == 1);
  CHECK(test.began[0].first == 2);
  CHECK(test.began[0].second.group == 3);
  CHECK(test.run_until([&] { return test.whole(2); }));
}

TEST_CASE("more copies for a pool are made for what is there already") {
  TestStorages test;
  test.join_all(3);
  test.use_all("/f");
  REQUIRE(test.ask(SetPool{"default", false, 3, 0, 0}).ok());
  CHECK(test.run_until([&] { return test.whole(3); }));
  CHECK(test.began.size() == 8);
}

TEST_CASE("groups that are added to a pool get members, and a directory's files go to its pool") {
  TestStorages test;
  test.join_all(3);
  REQUIRE(test.ask(SetPool{"safe", true, 3, 0, 4}).ok());
  REQUIRE(test.ask(MakeDir{"/d", false}).ok());
  REQUIRE(test.ask(SetAttributes{"/d", true, "safe"}).ok());
  const auto plan = test.ask(plan_of("/d/f", 8));
  REQUIRE(plan.ok());
  CHECK(plan->replicas == 3);
  CHECK(plan->min_copies == 2);
  for (const GroupRoute& route : plan->groups) {
    CHECK(route.group >= 8);
    CHECK(route.members.size() == 3);
  }
  const auto other = test.ask(plan_of("/f", 8));
  REQUIRE(other.ok());
  for (const GroupRoute& route : other->groups) CHECK(route.group < 8);
  REQUIRE(test.ask(SetPool{"default", false, 0, 0, 16}).ok());
  test.run(2s);
  CHECK(test.map().groups.size() == 20);
  for (const GroupView& group : test.map().groups) CHECK(group.members.size() >= 2);
}

TEST_CASE("a copy is surplus only when all members are there and complete") {
  TestStorages test;
  test.join_all(4);
  test.use_all("/f");
  const GroupView group = test.map().groups[0];
  NodeId outsider = 1;
  while (group.has_member(outsider)) ++outsider;
  const auto surplus = test.ask(ConfirmSurplus{outsider, 0});
  REQUIRE(surplus.ok());
  CHECK(surplus->epoch == group.epoch);
  CHECK(surplus->replicas == 2);
  CHECK(surplus->members.size() == 2);
  CHECK(test.ask(ConfirmSurplus{group.members[0], 0}).code() == Code::invalid);
  CHECK(test.ask(ConfirmSurplus{outsider, 99}).code() == Code::not_found);
  test.nodes[group.members[0]].beats = false;
  test.run(5s);
  CHECK(test.ask(ConfirmSurplus{outsider, 0}).code() == Code::busy);
  test.use_all("/g");
  test.failing.insert(group.members[0]);
  test.nodes[group.members[0]].beats = true;
  test.run(5s);
  CHECK(test.ask(ConfirmSurplus{outsider, 0}).code() == Code::busy);
}

TEST_CASE("writes avoid a group that is being repaired, and never go to a node that leaves it") {
  TestStorages test;
  test.join_all(3);
  test.use_all("/f");
  test.polls_needed = 1000;
  REQUIRE(test.ask(ChangeNode{3, NodeAction::drain}).ok());
  test.run(5s);
  const ClusterMap now = test.map();
  const auto plan = test.ask(plan_of("/g", 64));
  REQUIRE(plan.ok());
  for (const auto& route : plan->groups) {
    CHECK(now.groups[route.group].leaving.empty());
    for (const GroupMember& member : route.members) {
      CHECK(!member.leaving);
      CHECK(member.node != 3);
    }
  }
}

TEST_SUITE_END();
