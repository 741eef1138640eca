// A cluster that lost its heads: what a new head does and leaves alone, and how it gets files.
#include "messages/rebuild.h"

#include "actors/monitor/guard.h"
#include "tests/actors/monitor/machine.h"
#include "tests/actors/monitor/test_monitor.h"

using namespace dfs;

namespace {

std::unique_ptr<Table> rebuilding_table() {
  auto table = std::make_unique<MemTable>();
  CreateCluster create;
  create.cluster = std::string(32, 'c');
  create.groups = 8;
  create.rebuild = true;
  MonitorMachine machine(*table);
  Command command;
  command.index = 1;
  command.term = 1;
  command.time_ms = 1;
  command.type = CreateCluster::kType;
  command.body = encode(create);
  Batch batch;
  machine.apply(command, *table, batch);
  REQUIRE(table->write(batch, Durability::later).ok());
  return table;
}

// A state machine in the midst of a rebuild, with three nodes.
struct Ruin {
  Ruin() : table(rebuilding_table()), machine(*table) {
    REQUIRE(machine.loaded(*table).ok());
    for (const char uuid : {'1', '2', '3'}) join(uuid, 0);
  }

  template <Message M>
  Outcome apply(const M& message) {
    Command command;
    command.index = ++index;
    command.term = 1;
    command.time_ms = 1'700'000'000'000 + static_cast<int64_t>(index);
    command.type = M::kType;
    command.body = encode(message);
    Batch batch;
    Outcome outcome = machine.apply(command, *table, batch);
    REQUIRE(table->write(batch, Durability::later).ok());
    machine.applied(command, outcome);
    return outcome;
  }
  template <class Reply, Message M>
  Result<Reply> tell(const M& command) {
    const Outcome outcome = apply(command);
    if (outcome.type == Type::Error) return decode<ErrorReply>(outcome.body)->to_error();
    return decode<Reply>(outcome.body);
  }
  template <Request R>
  Result<typename R::Reply> ask(const R& request) {
    return tell<typename R::Reply>(request);
  }
  NodeId join(char uuid, NodeId number) {
    RegisterNode node;
    node.uuid = std::string(32, uuid);
    node.endpoint = std::string("tcp://host:") + uuid;
    node.number = number;
    auto reply = tell<JoinReply>(node);
    REQUIRE(reply.ok());
    return reply->node;
  }
  Result<ImportGroupsReply> import(GroupId group, std::vector<GroupHolder> holders,
                                   Epoch above = 0) {
    ImportGroups request;
    request.groups.push_back({group, std::move(holders)});
    request.above = above;
    return ask(request);
  }
  static FoundFile file(const std::string& path, ObjectId object, GroupId group = 3) {
    FoundFile found;
    found.path = path;
    found.name = path.substr(path.rfind('/') + 1);
    found.size = 5000;
    found.crc32c = 77;
    found.mode = 0640;
    found.written_ms = 1'600'000'000'000;
    found.layout = {object, kBlockBytesMin, {group}, {}};
    return found;
  }
  Result<ImportFilesReply> import(std::vector<FoundFile> files) {
    ImportFiles request;
    request.files = std::move(files);
    return ask(request);
  }
  Result<OpenFileReply> open(const std::string& path) {
    Rows rows(*table);
    return open_file(rows, machine.cluster(), OpenFile{path}, superuser());
  }
  const GroupView& group(GroupId id) { return *machine.cluster().group(id); }
  ClusterRow cluster() {
    Rows rows(*table);
    return *rows.require<ClusterRow>(keys::cluster());
  }
  std::optional<ObjectRow> object(ObjectId id) {
    Rows rows(*table);
    return *rows.get<ObjectRow>(keys::object(id));
  }
  TreeRow tree() {
    Rows rows(*table);
    return *rows.require<TreeRow>(keys::tree());
  }

  std::unique_ptr<Table> table;
  MonitorMachine machine;
  LogIndex index = 1;
};

MonitorSettings rebuilding() {
  MonitorSettings settings;
  settings.rebuild = "0123456789abcdef0123456789abcdef";
  settings.upload_lease = 1s;
  return settings;
}

}  // namespace

TEST_SUITE_BEGIN("monitor");

TEST_CASE("groups are imported with their holders, complete or not, above all known epochs") {
  Ruin ruin;
  REQUIRE(ruin.import(3, {{1, true}, {2, false}, {3, false}}, 500)->imported == 1);
  const GroupView& group = ruin.group(3);
  CHECK(group.used);
  CHECK(group.members == std::vector<NodeId>{1, 2});
  CHECK(group.leaving == std::vector<NodeId>{3});
  CHECK_FALSE(group.lacks(1));
  CHECK(group.lacks(2));
  CHECK(group.lacks(3));
  CHECK(group.epoch > 500);
  CHECK(ruin.machine.cluster().map().epoch == group.epoch);
}

TEST_CASE("a holder too many is not kept when all members have everything") {
  Ruin ruin;
  REQUIRE(ruin.import(3, {{2, true}, {3, true}, {1, false}}).ok());
  CHECK(ruin.group(3).members == std::vector<NodeId>{2, 3});
  CHECK(ruin.group(3).leaving.empty());
  CHECK(ruin.group(3).lacking.empty());
}

TEST_CASE("a group is imported again with what was found since; nobody who held is forgotten") {
  Ruin ruin;
  REQUIRE(ruin.import(3, {{1, true}, {2, true}}).ok());
  const auto again = ruin.import(3, {{3, true}, {2, false}});
  REQUIRE(again.ok());
  CHECK(again->imported == 0);
  CHECK(ruin.group(3).members == std::vector<NodeId>{3, 2});
  CHECK(ruin.group(3).leaving == std::vector<NodeId>{1});
  CHECK(ruin.group(3).lacks(1));
}

TEST_CASE("a group of a high number makes all groups before it") {
  Ruin ruin;
  REQUIRE(ruin.import(20, {{1, true}}).ok());
  CHECK(ruin.machine.cluster().map().groups.size() == 32);
  CHECK(ruin.machine.cluster().map().pools.at(0).groups == 32);
  CHECK_FALSE(ruin.group(19).used);
  CHECK(ruin.import(5000, {{1, true}}).code() == Code::malformed);
}

TEST_CASE("groups of nodes that have not joined are refused, and nothing of the request is done") {
  Ruin ruin;
  ImportGroups request;
  request.groups.push_back({1, {{1, true}}});
  request.groups.push_back({2, {{9, true}}});
  const auto refused = ruin.ask(request);
  CHECK(refused.code() == Code::invalid);
  CHECK(refused.error().text.find("storage/9") != std::string::npos);
  CHECK_FALSE(ruin.group(1).used);
}

TEST_CASE("files are imported with their directories, and can be opened") {
  Ruin ruin;
  REQUIRE(ruin.import(3, {{1, true}, {2, true}}).ok());
  const auto reply = ruin.import({Ruin::file("/a/b/f", 41), Ruin::file("/a/g", 7)});
  REQUIRE(reply.ok());
  CHECK(reply->paths == std::vector<std::string>{"/a/b/f", "/a/g"});
  CHECK(reply->imported == 2);
  const auto opened = ruin.open("/a/b/f");
  REQUIRE(opened.ok());
  CHECK(opened->info.object == 41);
  CHECK(opened->info.size == 5000);
  CHECK(opened->info.crc32c == 77);
  CHECK(opened->info.mode == 0640);
  CHECK(opened->info.version == 1);
  CHECK(opened->info.modified_ms == 1'600'000'000'000);
  CHECK(opened->routes.at(0).members.size() == 2);
  CHECK(ruin.tree().files == 2);
  CHECK(ruin.tree().directories == 3);
  CHECK(ruin.cluster().next_object == 42);
}

TEST_CASE("imports may be repeated: what is there stays as it is") {
  Ruin ruin;
  REQUIRE(ruin.import(3, {{1, true}}).ok());
  REQUIRE(ruin.import({Ruin::file("/f", 41), Ruin::file("", 42)}).ok());
  const auto again = ruin.import({Ruin::file("/f", 41), Ruin::file("/other", 42)});
  REQUIRE(again.ok());
  CHECK(again->imported == 0);
  CHECK(again->paths == std::vector<std::string>{"", ""});
  CHECK(ruin.tree().files == 2);
  CHECK(ruin.open("/other").code() == Code::not_found);
}

TEST_CASE("what has no path, or whose path is taken, goes to lost+found under its number") {
  Ruin ruin;
  REQUIRE(ruin.import(3, {{1, true}}).ok());
  FoundFile nameless = Ruin::file("", 0x1f);
  nameless.name = "";
  FoundFile long_one = Ruin::file("", 0x20);
  for (int i = 0; i < 85; ++i) long_one.name += "\xe2\x82\xac";  // 255 bytes of three each
  const auto reply =
      ruin.import({Ruin::file("/f", 1), Ruin::file("/f", 2), Ruin::file("/f/below", 3),
                   Ruin::file("/d/e", 4), Ruin::file("/d", 5), nameless, long_one,
                   Ruin::file("/lost+found/7.x", 6), Ruin::file("", 7)});
  REQUIRE_MESSAGE(reply.ok(), reply.error().describe());
  CHECK(reply->paths[0] == "/f");
  CHECK(reply->paths[1] == "/lost+found/2.f");
  CHECK(reply->paths[2] == "/lost+found/3.below");
  CHECK(reply->paths[3] == "/d/e");
  CHECK(reply->paths[4] == "/lost+found/5.d");
  CHECK(reply->paths[5] == "/lost+found/1f");
  CHECK(bad_path(reply->paths[6]) == nullptr);
  CHECK(reply->paths[6].substr(0, 18) == "/lost+found/20.\xe2\x82\xac");
  CHECK(reply->paths[6].substr(reply->paths[6].size() - 3) == "\xe2\x82\xac");
  CHECK(reply->paths[7] == "/lost+found/7.x");
  CHECK(reply->paths[8] == "/lost+found/7");
  CHECK(ruin.open("/lost+found/3.below").ok());
}

TEST_CASE("an object that was in lost+found's way gets another name") {
  Ruin ruin;
  REQUIRE(ruin.import(3, {{1, true}}).ok());
  FoundFile second = Ruin::file("", 7);
  second.name = "x";
  const auto reply = ruin.import({Ruin::file("/lost+found/7.x", 6), second});
  REQUIRE(reply.ok());
  CHECK(reply->paths[1] == "/lost+found/7.x.2");
}

TEST_CASE("files that make no sense are refused") {
  Ruin ruin;
  REQUIRE(ruin.import(3, {{1, true}}).ok());
  const auto refused = [&](auto change) {
    FoundFile found = Ruin::file("/f", 41);
    change(found);
    return ruin.import({found}).code();
  };
  CHECK(refused([](FoundFile&) {}) == Code::ok);
  CHECK(refused([](FoundFile& f) { f.layout.object = 0; }) == Code::malformed);
  CHECK(refused([](FoundFile& f) { f.size = 0; }) == Code::malformed);
  CHECK(refused([](FoundFile& f) { f.path = "relative"; }) == Code::malformed);
  CHECK(refused([](FoundFile& f) { f.path = kLostAndFound; }) == Code::malformed);
  CHECK(refused([](FoundFile& f) { f.name = "a/b"; }) == Code::malformed);
  CHECK(refused([](FoundFile& f) { f.layout.groups.clear(); }) == Code::malformed);
  CHECK(refused([](FoundFile& f) { f.layout.overrides = {{1, 3}}; }) == Code::malformed);
  CHECK(refused([](FoundFile& f) {
          f.layout.object = 42;
          f.layout.groups = {100};
        }) == Code::invalid);
  CHECK_FALSE(ruin.object(42));
  CHECK(ruin.import(std::vector<FoundFile>(kImportFilesMax + 1, Ruin::file("/g", 50))).code() ==
        Code::malformed);
}

TEST_CASE("the end is once, and nothing of before is ever taken for dead") {
  Ruin ruin;
  REQUIRE(ruin.import(3, {{1, true}, {2, true}}).ok());
  REQUIRE(ruin.import({Ruin::file("/f", 41)}).ok());
  REQUIRE(ruin.tell<Done>(DeclareDead{{40}}).ok());
  CHECK_FALSE(ruin.object(40));
  CHECK(ruin.ask(EndRebuild{uint64_t{1} << 48}).code() == Code::invalid);
  REQUIRE(ruin.ask(EndRebuild{60}).ok());
  CHECK_FALSE(ruin.machine.cluster().rebuilding());
  const ObjectId next = ruin.cluster().next_object;
  CHECK(next == 61 + kObjectsLeftOut);
  REQUIRE(ruin.ask(EndRebuild{60}).ok());
  CHECK(ruin.cluster().next_object == next);
  CHECK(ruin.import({Ruin::file("/g", 43)}).code() == Code::invalid);
  CHECK(ruin.import(4, {{1, true}}).code() == Code::invalid);

  REQUIRE(ruin.tell<ObjectRange>(ReserveObjects{10}).ok());
  REQUIRE(ruin.tell<Pruned>(ForgetObjects{INT64_MAX, 100, next + 5}).ok());
  REQUIRE(ruin.tell<Done>(DeclareDead{{40, 62, next - 1, next + 7}}).ok());
  CHECK_FALSE(ruin.object(40));
  CHECK_FALSE(ruin.object(62));
  CHECK_FALSE(ruin.object(next - 1));
  REQUIRE(ruin.object(next + 7));
  CHECK(ruin.object(next + 7)->state == ObjectState::dead);
  // A writer of before the loss that wakes up is told to begin again.
  CommitFile late;
  late.path = "/late";
  late.size = kBlockBytesMin;
  late.layout = {62, kBlockBytesMin, {3}, {}};
  late.writes = {{3, ruin.group(3).epoch, {1, 2}}};
  CHECK(ruin.ask(late).code() == Code::expired);
}

TEST_CASE("a cluster that is not being rebuilt takes no imports") {
  TestMachine machine;
  machine.join('1', "tcp://host:1");
  ImportFiles files;
  files.files.push_back(Ruin::file("/f", 41));
  CHECK(machine.ask(files).code() == Code::invalid);
  ImportGroups groups;
  groups.groups.push_back({1, {{1, true}}});
  CHECK(machine.ask(groups).code() == Code::invalid);
  CHECK(machine.ask(EndRebuild{5}).code() == Code::invalid);
  CHECK(machine.tell(RaiseEpoch{5000}).code() == Code::invalid);
}

TEST_CASE("nodes keep their numbers in a rebuild, unless another one has it") {
  Ruin ruin;
  CHECK(ruin.join('7', 7) == 7);
  CHECK(ruin.join('7', 7) == 7);
  CHECK(ruin.join('8', 7) == 8);
  CHECK(ruin.join('9', 0) == 9);
  REQUIRE(ruin.ask(EndRebuild{5}).ok());
  CHECK(ruin.join('a', 30) == 10);
}

TEST_CASE("where a token is asked for, nodes need one in a rebuild too, and keep their numbers") {
  Ruin ruin;
  const auto hash = [](char digit) { return std::string(kTokenHashBytes, digit); };
  const auto join = [&](char uuid, NodeId number, const std::string& token = {}) {
    RegisterNode node;
    node.uuid = std::string(32, uuid);
    node.endpoint = std::string("tcp://host:") + uuid;
    node.number = number;
    node.token = token;
    return ruin.tell<JoinReply>(node);
  };
  const auto refused = [&](const Result<JoinReply>& reply) {
    return reply.ok() ? std::string() : reply.error().cause.at("reason");
  };
  REQUIRE(ruin.ask(SetJoinRule{JoinRule::token}).ok());
  REQUIRE(ruin.ask(AddJoinToken{hash('1'), 60'000, 2}).ok());
  CHECK(refused(join('7', 7)) == kTokenMissing);
  CHECK(refused(join('7', 7, hash('2'))) == kTokenUnknown);
  CHECK(ruin.cluster().last_node == 3);
  CHECK(join('7', 7, hash('1'))->node == 7);
  CHECK(join('6', 6, hash('1'))->node == 6);
  CHECK(refused(join('5', 5, hash('1'))) == kTokenUsed);
  CHECK(ruin.machine.cluster().node(5) == nullptr);
  // Who was let in needs none again.
  CHECK(join('7', 7)->node == 7);
}

TEST_CASE("a head that rebuilds keeps the cluster's id, and lets nobody change anything") {
  TestMonitor test(rebuilding());
  REQUIRE(test.ready);
  REQUIRE_MESSAGE(test.ready->ok(), test.ready->error().describe());
  CHECK(test.map().cluster == test.settings.rebuild);
  CHECK(test.ask(GetRebuild())->active);
  CHECK(test.ask(MakeDir{"/d"}).code() == Code::denied);
  CHECK(test.ask(MakeDir{"/d"}).error().text.find("dfsctl rebuild") != std::string::npos);
  CHECK(test.ask(plan_of("/f", 1)).code() == Code::denied);
  CHECK(test.ask(Remove{"/f"}).code() == Code::denied);
  List root;
  root.path = "/";
  CHECK(test.ask(root).ok());
  const auto status = test.ask(GetStatus());
  CHECK(status->health == "unavailable");
  CHECK(status->reason.find("rebuil") != std::string::npos);
}

TEST_CASE("while it rebuilds, no group is placed, nothing judged dead and no surplus confirmed") {
  TestMonitor test(rebuilding());
  for (const char uuid : {'1', '2', '3'}) {
    REQUIRE(test.join(uuid, test.settings.rebuild).ok());
  }
  test.pass(10s);  // longer than a lease
  for (const GroupView& group : test.map().groups) REQUIRE(group.members.empty());
  JudgeBlocks asked{1, {{41, 0, 3}, {1'000'000, 0, 3}}};
  for (int i = 0; i < 3; ++i) {
    const auto judged = test.ask(asked);
    REQUIRE(judged.ok());
    for (const BlockVerdict& each : judged->verdicts) CHECK(each.verdict == Verdict::pending);
    test.pass(3s);
  }
  CHECK(test.ask(ConfirmSurplus{1, 3}).code() == Code::busy);
}

TEST_CASE("a plain new head refuses the nodes of the old cluster") {
  TestMonitor test;
  CHECK(test.join('1', rebuilding().rebuild).code() == Code::denied);
}

TEST_CASE("the map outgrows the one that a node still knows") {
  TestMonitor test(rebuilding());
  Heartbeat beat;
  beat.node = 4;  // unknown here
  beat.boot = 1;
  beat.sequence = 1;
  beat.epoch = 700;
  test.hear(beat);
  test.settle();
  CHECK(test.map().epoch == 701);
  beat.epoch = 600;
  ++beat.sequence;
  test.hear(beat);
  test.settle();
  CHECK(test.map().epoch == 701);
}

TEST_CASE("a rebuild that has ended leaves a cluster as any other, also after a restart") {
  TestMonitor test(rebuilding());
  for (const char uuid : {'1', '2'}) REQUIRE(test.join(uuid, test.settings.rebuild).ok());
  test.restart();
  REQUIRE(test.ask(GetRebuild())->active);
  ImportGroups groups;
  groups.groups.push_back({3, {{1, true}, {2, true}}});
  REQUIRE(test.ask(groups).ok());
  ImportFiles files;
  files.files.push_back(Ruin::file("/f", 41));
  REQUIRE(test.ask(files).ok());
  REQUIRE(test.ask(EndRebuild{50}).ok());
  test.pass(10s);
  for (const GroupView& group : test.map().groups) REQUIRE(group.members.size() == 2);
  CHECK(test.ask(MakeDir{"/d"}).ok());
  const auto plan = test.ask(plan_of("/new", 1));
  REQUIRE_MESSAGE(plan.ok(), plan.error().describe());
  CHECK(plan->object > kObjectsLeftOut);
  REQUIRE(test.ask(commit_of(plan_of("/new", 1), *plan)).ok());
  // What is found on a forgotten node later is nobody's to delete.
  for (int i = 0; i < 3; ++i) {
    const auto judged = test.ask(JudgeBlocks{1, {{41, 0, 3}, {45, 0, 3}}});
    REQUIRE(judged.ok());
    CHECK(judged->verdicts[0].verdict == Verdict::live);
    CHECK(judged->verdicts[1].verdict == Verdict::pending);
    test.pass(5s);
  }
  CHECK(test.events("rebuild-ended").size() == 1);
  test.restart();
  CHECK_FALSE(test.ask(GetRebuild())->active);
  CHECK(test.ask(MakeDir{"/e"}).ok());
}

TEST_SUITE_END();
