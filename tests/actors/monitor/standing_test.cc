// Nodes that are given up, drained and removed; and the tasks that an administrator controls.
#include "actors/monitor/reads.h"
#include "messages/tasks.h"
#include "tests/actors/monitor/machine.h"

using namespace dfs;

namespace {

using Nodes = std::vector<NodeId>;

struct Standings : TestMachine {
  Standings() {
    for (const char uuid : {'1', '2', '3'}) join(uuid, std::string("tcp://n:") + uuid);
    SetGroups command;
    for (GroupId id = 0; id < 8; ++id) command.groups.push_back({id, {1, 2}});
    REQUIRE(tell(command).ok());
    REQUIRE(put_block("/f", 0, {1, 2}).ok());
  }
  Result<ChangeNodeReply> set(NodeId node, NodeStanding standing) {
    return tell<ChangeNodeReply>(SetStanding{node, standing, false, "test"});
  }
  Result<ChangeNodeReply> remove_node(NodeId node) {
    return tell<ChangeNodeReply>(SetStanding{node, NodeStanding::in, true, "test"});
  }
  NodeStanding standing(NodeId node) { return machine.cluster().node(node)->standing; }
  TaskRow task(const std::string& id) {
    Rows rows(*table);
    return rows.get<TaskRow>(keys::task(id))->value_or(TaskRow());
  }
  Code control(const std::string& id, TaskAction action, uint64_t limit = 0) {
    return ask(ControlTask{id, action, limit, false}).code();
  }
};

}  // namespace

TEST_SUITE_BEGIN("monitor");

TEST_CASE("only a node that is down is given up, and it is `in` again when it is back") {
  Standings test;
  REQUIRE(test.set(1, NodeStanding::out).ok());
  CHECK(test.standing(1) == NodeStanding::in);
  REQUIRE(test.tell(SetNodeState{1, NodeState::down, ""}).ok());
  const auto out = test.set(1, NodeStanding::out);
  REQUIRE(out.ok());
  CHECK(out->groups_left == 8);
  CHECK(test.standing(1) == NodeStanding::out);
  REQUIRE(test.set(1, NodeStanding::in).ok());
  CHECK(test.standing(1) == NodeStanding::out);
  REQUIRE(test.tell(SetNodeState{1, NodeState::up, ""}).ok());
  CHECK(test.standing(1) == NodeStanding::in);
  REQUIRE(test.tell(SetNodeState{1, NodeState::down, ""}).ok());
  REQUIRE(test.set(1, NodeStanding::out).ok());
  CHECK(test.join('1', "tcp://n:1") == 1);
  CHECK(test.standing(1) == NodeStanding::in);
  CHECK(test.set(9, NodeStanding::out).code() == Code::not_found);
}

TEST_CASE("a drain outlives restarts of its node, and ends only when the node holds nothing") {
  Standings test;
  REQUIRE(test.set(1, NodeStanding::draining).ok());
  CHECK(test.task("drain/1").active);
  REQUIRE(test.tell(SetNodeState{1, NodeState::down, ""}).ok());
  REQUIRE(test.set(1, NodeStanding::out).ok());
  CHECK(test.join('1', "tcp://n:1") == 1);
  CHECK(test.standing(1) == NodeStanding::draining);
  REQUIRE(test.tell(SetTask{"drain/1", false, false, 0}).ok());
  CHECK(test.task("drain/1").active);
  for (GroupId id = 0; id < 8; ++id) {
    REQUIRE(test.tell(MoveGroups{{{id, test.group(id).epoch, {3, 2}}}, ""}).ok());
    REQUIRE(test.tell(SetFilled{{{id, 3, test.index, {1, 2}}}}).ok());
  }
  REQUIRE(test.tell(SetTask{"drain/1", false, false, 0}).ok());
  CHECK(!test.task("drain/1").active);
  CHECK(test.standing(1) == NodeStanding::draining);
}

TEST_CASE("a node that holds data is not removed, and the answer names what needs it") {
  Standings test;
  const auto refused = test.remove_node(1);
  REQUIRE(refused.code() == Code::conflict);
  CHECK(refused.error().cause.at("groups") == "0");
  CHECK(refused.error().cause.at("blocks") == "1:0");
  CHECK(refused.error().text.find("drain") != std::string::npos);
  CHECK(test.changes == 0);
  // While it is leaving it is still needed.
  REQUIRE(test.tell(MoveGroups{{{0, test.group(0).epoch, {3, 2}}}, ""}).ok());
  CHECK(test.remove_node(1).code() == Code::conflict);
  REQUIRE(test.tell(SetFilled{{{0, 3, test.index, {1}}}}).ok());
  REQUIRE(test.remove_node(1).ok());
  CHECK(test.machine.cluster().node(1) == nullptr);
  for (GroupId id = 1; id < 8; ++id) CHECK(test.group(id).members == Nodes{2});
}

TEST_CASE("a node that is no longer drained is a member again where it was on its way out") {
  Standings test;
  REQUIRE(test.put_block("/g", 3, {1, 2}).ok());
  REQUIRE(test.set(1, NodeStanding::draining).ok());
  for (const GroupId id : {0u, 3u}) {
    REQUIRE(test.tell(MoveGroups{{{id, test.group(id).epoch, {3, 2}}}, ""}).ok());
  }
  // Node 1 is not told of what is written meanwhile, and so lacks it.
  REQUIRE(test.put_block("/h", 3, {3, 2}).ok());
  CHECK(test.group(3).lacks(1));
  REQUIRE(test.set(1, NodeStanding::in).ok());
  CHECK(test.standing(1) == NodeStanding::in);
  CHECK(test.group(0).members == Nodes{1, 2});
  CHECK(test.group(0).leaving.empty());
  CHECK(test.group(0).lacking.empty());
  CHECK(test.group(3).members == Nodes{1, 2});
  CHECK(test.group(3).leaving == Nodes{3});
  CHECK(test.group(3).lacks(1));
  REQUIRE(test.tell(SetFilled{{{3, 1, test.index, {2, 3}}}}).ok());
  CHECK(test.group(3).leaving.empty());
  CHECK(test.group(3).lacking.empty());
}

TEST_CASE("a lost node goes when its loss is accepted, group by group, and the log keeps that") {
  Standings test;
  REQUIRE(test.put_block("/g", 3, {1, 2}).ok());
  REQUIRE(test.tell(SetLacking{2, {0, 3}, "test"}).ok());
  const auto lose = [&](std::vector<GroupId> accepted) {
    SetStanding change{1, NodeStanding::in, true, "test"};
    change.accept_loss = true;
    change.accepted = std::move(accepted);
    return test.tell<ChangeNodeReply>(change);
  };
  Rows rows(*test.table);
  const auto tried = try_removal(rows, 1);
  REQUIRE(tried.ok());
  CHECK(tried->losing == std::vector<GroupId>{0, 3});
  CHECK(tried->groups_left == 2);
  CHECK(try_removal(rows, 9).code() == Code::not_found);
  // A node that is up has lost nothing.
  CHECK(lose({0, 3}).code() == Code::conflict);
  REQUIRE(test.tell(SetNodeState{1, NodeState::down, ""}).ok());
  const auto refused = test.remove_node(1);
  REQUIRE(refused.code() == Code::conflict);
  CHECK(refused.error().text.find("--accept-loss") != std::string::npos);
  CHECK(lose({3}).code() == Code::conflict);
  CHECK(test.machine.cluster().node(1) != nullptr);
  const Epoch before = test.group(0).epoch;
  REQUIRE(lose({0, 3}).ok());
  CHECK(test.machine.cluster().node(1) == nullptr);
  for (const GroupId id : {0u, 3u}) {
    CHECK(test.group(id).members == Nodes{2});
    CHECK(test.group(id).lacks(2));
    CHECK(test.group(id).epoch > before);
  }
  const auto loss = rows.get<LossRow>(keys::loss(1));
  REQUIRE(loss.ok());
  REQUIRE(loss->has_value());
  CHECK((*loss)->groups == std::vector<GroupId>{0, 3});
  CHECK((*loss)->uuid == std::string(32, '1'));
  CHECK((*loss)->index == test.index);
  // What is left counts as all there is, once everybody who stays was asked.
  REQUIRE(test.tell(MoveGroups{{{0, test.group(0).epoch, {2, 3}}}, ""}).ok());
  REQUIRE(test.tell(SetFilled{{{0, 2, test.index, {3}}}}).ok());
  CHECK_FALSE(test.group(0).lacks(2));
}

TEST_CASE("a loss is not accepted for what somebody else has") {
  Standings test;
  REQUIRE(test.tell(SetNodeState{1, NodeState::down, ""}).ok());
  REQUIRE(test.tell(MoveGroups{{{0, test.group(0).epoch, {3, 2}}}, ""}).ok());
  SetStanding change{1, NodeStanding::in, true, "test"};
  change.accept_loss = true;
  change.accepted = {0};
  const auto refused = test.tell<ChangeNodeReply>(change);
  REQUIRE(refused.code() == Code::conflict);
  CHECK(refused.error().text.find("--accept-loss") == std::string::npos);
  Rows rows(*test.table);
  CHECK(try_removal(rows, 1)->losing.empty());
  REQUIRE(test.tell(SetFilled{{{0, 3, test.index, {2}}}}).ok());
  REQUIRE(test.tell<ChangeNodeReply>(change).ok());
  CHECK_FALSE(rows.get<LossRow>(keys::loss(1))->has_value());
}

TEST_CASE("a node that was removed may not come back, and its number is not used again") {
  Standings test;
  REQUIRE(test.remove_node(3).ok());
  RegisterNode again;
  again.uuid = std::string(32, '3');
  again.endpoint = "tcp://n:3";
  const auto refused = test.tell<JoinReply>(again);
  CHECK(refused.code() == Code::denied);
  CHECK(refused.error().text.find("empty data directory") != std::string::npos);
  CHECK(test.machine.cluster().node(3) == nullptr);
  CHECK(test.join('4', "tcp://n:4") == 4);
  CHECK(test.remove_node(3).code() == Code::not_found);
}

TEST_CASE("a task does what can be done to its kind, and what is set stays set") {
  Standings test;
  CHECK(test.control("repair", TaskAction::pause) == Code::ok);
  CHECK(test.task("repair").paused);
  // The leader found that there is work: that does not end the pause.
  REQUIRE(test.tell(SetTask{"repair", true, false, 0}).ok());
  CHECK(test.task("repair").paused);
  CHECK(test.task("repair").active);
  CHECK(test.control("repair", TaskAction::limit, 7) == Code::ok);
  CHECK(test.control("repair", TaskAction::resume) == Code::ok);
  CHECK(test.task("repair").bytes_per_second == 7);
  CHECK(!test.task("repair").paused);
  CHECK(test.control("repair", TaskAction::abort) == Code::invalid);
  CHECK(test.control("repair", TaskAction::start) == Code::invalid);

  CHECK(test.control("rebalance", TaskAction::pause) == Code::not_found);
  CHECK(test.control("rebalance", TaskAction::start, 9) == Code::ok);
  CHECK(test.task("rebalance").active);
  CHECK(test.task("rebalance").began_ms == test.time_ms);
  CHECK(test.control("rebalance", TaskAction::abort) == Code::ok);
  CHECK(!test.task("rebalance").active);

  CHECK(test.control("drain/1", TaskAction::pause) == Code::not_found);
  REQUIRE(test.set(1, NodeStanding::draining).ok());
  CHECK(test.control("drain/1", TaskAction::pause) == Code::ok);
  CHECK(test.task("drain/1").paused);
  CHECK(test.control("drain/1", TaskAction::abort) == Code::ok);
  CHECK(test.standing(1) == NodeStanding::in);
  CHECK(!test.task("drain/1").active);
  for (const char* id : {"scrub/1", "drain/", "drain/x", "drain/99", "other"}) {
    CHECK(test.control(id, TaskAction::pause) == Code::not_found);
  }
}

TEST_SUITE_END();
