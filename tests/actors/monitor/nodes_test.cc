#include "tests/actors/monitor/machine.h"

using namespace dfs;

TEST_SUITE_BEGIN("monitor");

TEST_CASE("nodes are numbered by uuid, from 1, and keep their number") {
  TestMachine machine;
  CHECK(machine.join('a', "tcp://one:1") == 1);
  CHECK(machine.join('b', "tcp://two:1") == 2);
  const Epoch epoch = machine.machine.cluster().map().epoch;
  CHECK(machine.join('a', "tcp://one:1") == 1);
  CHECK(machine.machine.cluster().map().epoch == epoch);
  CHECK(machine.join('a', "tcp://moved:1") == 1);
  CHECK(machine.machine.cluster().map().epoch == epoch + 1);
  CHECK(machine.machine.cluster().node(1)->endpoint == "tcp://moved:1");
  CHECK(machine.machine.cluster().map().nodes.size() == 2);
  CHECK(machine.machine.cluster().node_of_uuid(std::string(32, 'b'))->node == 2);
}

TEST_CASE("a state that changes grows the map's epoch, one that does not changes nothing") {
  TestMachine machine;
  machine.join('a', "tcp://one:1");
  const Epoch epoch = machine.machine.cluster().map().epoch;
  REQUIRE(machine.tell(SetNodeState{1, NodeState::down, "test"}).ok());
  CHECK(!machine.machine.cluster().is_up(1));
  CHECK(machine.machine.cluster().map().epoch == epoch + 1);
  REQUIRE(machine.tell(SetNodeState{1, NodeState::down, "test"}).ok());
  CHECK(machine.changes == 0);
  CHECK(machine.tell(SetNodeState{9, NodeState::up, "test"}).code() == Code::not_found);
  CHECK(machine.join('a', "tcp://one:1") == 1);
  CHECK(machine.machine.cluster().is_up(1));
}

TEST_CASE("members of a used group change by moves alone") {
  TestMachine machine;
  for (const char uuid : {'a', 'b', 'c'}) machine.join(uuid, std::string("tcp://n:") + uuid);
  REQUIRE(machine.tell(SetGroups{{{0, {1}}, {1, {1}}}}).ok());
  const ObjectId object = machine.tell<ObjectRange>(ReserveObjects{1})->first;
  CommitFile commit;
  commit.path = "/f";
  commit.size = kBlockBytesMin;
  commit.layout = Layout{object, kBlockBytesMin, {0}, {}};
  commit.writes = {{0, machine.group(0).epoch, {1}}};
  REQUIRE(machine.ask(commit).ok());

  const Epoch before = machine.group(0).epoch;
  REQUIRE(machine.tell(SetGroups{{{0, {2, 3}}, {1, {2, 3}}}}).ok());
  CHECK(machine.group(0).members == std::vector<NodeId>{1});
  CHECK(machine.group(0).epoch == before);
  CHECK(machine.group(1).members == std::vector<NodeId>{2, 3});
  CHECK(machine.group(1).epoch > before);
  // A new member would have nothing, and nobody would know.
  REQUIRE(machine.tell(SetGroups{{{0, {1, 2}}}}).ok());
  CHECK(machine.group(0).members == std::vector<NodeId>{1});
  // Nothing new, and a group that does not exist.
  REQUIRE(machine.tell(SetGroups{{{1, {2, 3}}, {99, {1}}}}).ok());
  CHECK(machine.changes == 0);
}

TEST_CASE("a route names members in chain order and who of them is up") {
  TestMachine machine;
  for (const char uuid : {'a', 'b', 'c'}) machine.join(uuid, std::string("tcp://n:") + uuid);
  REQUIRE(machine.tell(SetGroups{{{5, {3, 1}}}}).ok());
  REQUIRE(machine.tell(SetNodeState{1, NodeState::down, "test"}).ok());
  const GroupRoute route = machine.machine.cluster().route(5);
  REQUIRE(route.members.size() == 2);
  CHECK(route.members[0].node == 3);
  CHECK(route.members[0].up);
  CHECK(route.members[1].node == 1);
  CHECK(!route.members[1].up);
  CHECK(!machine.machine.cluster().route(5, {3}).members[0].up);
  CHECK(machine.machine.cluster().route(99).members.empty());
}

TEST_CASE("the map is loaded from the rows after a restart") {
  TestMachine machine;
  machine.join('a', "tcp://one:1");
  REQUIRE(machine.tell(SetGroups{{{5, {1}}}}).ok());
  MonitorMachine restarted(*machine.table);
  CHECK(!restarted.cluster().exists());
  REQUIRE(restarted.loaded(*machine.table).ok());
  CHECK(same(restarted.cluster().map(), machine.machine.cluster().map()));
}

TEST_SUITE_END();
