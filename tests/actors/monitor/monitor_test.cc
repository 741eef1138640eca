// The monitor as an actor: a fake bus with virtual time, a disk and a table in memory.
#include "actors/monitor/monitor.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <memory>
#include <set>

#include "actors/mem_table.h"
#include "messages/cluster.h"
#include "messages/dispatch.h"
#include "messages/events.h"
#include "messages/namespace.h"
#include "tests/broker/fake_bus.h"
#include "tests/sim/sim_disk.h"

using namespace dfs;
using namespace std::chrono_literals;

namespace {

constexpr const char* kPeer = "peer/1";

// A bus whose actor can be made to miss a stretch of time, as by SIGSTOP and SIGCONT.
class StallingBus : public FakeBus {
 public:
  using FakeBus::FakeBus;
  Instant now() const override { return FakeBus::now() + stalled_; }
  void stall(Duration time) { stalled_ += time; }

 private:
  Duration stalled_{};
};

struct TestMonitor {
  explicit TestMonitor(MonitorSettings its_settings = {}) : settings(std::move(its_settings)) {
    settings.directory = "/monitor";
    start();
  }

  void start() {
    monitor = std::make_unique<Monitor>(bus, disk, table, settings);
    ready.reset();
    monitor->start([this](Result<void> outcome) { ready = outcome; });
    settle();
  }
  // As after kill -9: what was not flushed to the table is replayed from the log.
  void restart() {
    monitor.reset();
    table.crash();
    disk.restart();
    for (auto& [node, state] : nodes) state.sequence = 0;
    start();
    REQUIRE(ready);
    REQUIRE(ready->ok());
  }
  void settle() {
    for (int i = 0; i < 20; ++i) bus.advance();
  }

  template <Request R>
  Result<typename R::Reply> ask(const R& request, uint64_t id = 0) {
    tell(request, id);
    settle();
    return take_reply<R>();
  }
  template <Request R>
  void tell(const R& request, uint64_t id = 0) {
    Envelope envelope = envelope_of(request, "monitor");
    envelope.header.from = "client/1";
    envelope.header.request = last_request = id != 0 ? id : ++next_request;
    envelope.link = kPeer;
    monitor->receive(std::move(envelope));
  }
  template <Request R>
  Result<typename R::Reply> take_reply() {
    for (const auto& sent : bus.take_sent()) {
      if (sent.envelope.header.request != last_request || sent.link != kPeer) continue;
      CHECK(sent.envelope.header.to == "client/1");
      return reply_as<typename R::Reply>(sent.envelope);
    }
    return Error{Code::timeout, "the monitor said nothing", {}, 0};
  }

  struct NodeSim {
    uint64_t boot = 0;
    uint64_t sequence = 0;
    bool beats = true;
    bool full = false;
    uint64_t used = 0;
  };
  Result<JoinReply> join(char uuid, const std::string& cluster = {}) {
    Join request;
    request.uuid = std::string(32, uuid);
    request.endpoint = std::string("tcp://127.0.0.1:700") + uuid;
    request.cluster = cluster;
    request.total_bytes = 1'000'000;
    auto reply = ask(request);
    if (reply) nodes[reply->node] = NodeSim{bus.random() | 1};
    return reply;
  }
  void beat(NodeId node) {
    NodeSim& state = nodes[node];
    Heartbeat heartbeat;
    heartbeat.node = node;
    heartbeat.boot = state.boot;
    heartbeat.sequence = ++state.sequence;
    heartbeat.total_bytes = 1'000'000;
    heartbeat.used_bytes = state.used;
    heartbeat.accepts_writes = !state.full;
    hear(heartbeat);
  }
  void hear(const Heartbeat& heartbeat) {
    monitor->observe("heartbeat/storage/" + std::to_string(heartbeat.node), envelope_of(heartbeat));
  }
  // Lets time pass with heartbeats of every node that beats, each half second.
  void pass(Duration time) {
    for (const Instant end = bus.now() + time; bus.now() < end;) {
      for (const auto& [node, state] : nodes) {
        if (state.beats) beat(node);
      }
      bus.advance(std::min<Duration>(500ms, end - bus.now()));
    }
    settle();
  }
  ClusterMap map() { return *ask(GetMap()); }
  NodeState state_of(NodeId node) {
    for (const NodeView& view : map().nodes) {
      if (view.node == node) return view.state;
    }
    return static_cast<NodeState>(0);
  }
  std::vector<Event> events(const std::string& topic) {
    std::vector<Event> out;
    for (const auto& published : bus.published) {
      if (published.topic == "event/" + topic)
        out.push_back(*decode<Event>(published.envelope.body));
    }
    return out;
  }
  void join_all(int count) {
    for (int i = 0; i < count; ++i) REQUIRE(join(static_cast<char>('1' + i)).ok());
    pass(1s);
  }

  StallingBus bus{"monitor"};
  sim::SimDisk disk;
  MemTable table;
  MonitorSettings settings;
  std::unique_ptr<Monitor> monitor;
  std::optional<Result<void>> ready;
  std::map<NodeId, NodeSim> nodes;
  uint64_t next_request = 0;
  uint64_t last_request = 0;
};

PlanFile plan_of(const std::string& path, uint64_t blocks, std::vector<NodeId> avoid = {}) {
  PlanFile plan;
  plan.path = path;
  plan.block_bytes = kBlockBytesMin;
  plan.size = blocks * kBlockBytesMin;
  plan.avoid = std::move(avoid);
  return plan;
}

// The commit of a file whose every block all live members of its groups acknowledged.
CommitFile commit_of(const PlanFile& plan, const PlanFileReply& reply) {
  CommitFile commit;
  commit.path = plan.path;
  commit.size = plan.size;
  commit.layout.object = reply.object;
  commit.layout.block_bytes = reply.block_bytes;
  for (const GroupRoute& route : reply.groups) {
    commit.layout.groups.push_back(route.group);
    GroupWrites writes{route.group, route.epoch, {}};
    for (const GroupMember& member : route.members) {
      if (member.up) writes.nodes.push_back(member.node);
    }
    commit.writes.push_back(writes);
  }
  return commit;
}

}  // namespace

TEST_SUITE_BEGIN("monitor");

TEST_CASE("the monitor creates its cluster once and announces itself") {
  TestMonitor test;
  REQUIRE(test.ready);
  REQUIRE(test.ready->ok());
  const ClusterMap map = test.map();
  CHECK(map.cluster.size() == 32);
  CHECK(map.pool.replicas == 2);
  CHECK(map.pool.min_copies == 1);
  CHECK(map.groups.size() == 64);
  CHECK(test.bus.subscriptions == std::vector<std::string>{"heartbeat/storage/"});
  test.bus.take_sent();
  test.bus.advance(500ms);
  const auto sent = test.bus.take_sent();
  REQUIRE(!sent.empty());
  CHECK(sent[0].link == test.bus.broker_links[0]);
  CHECK(decode<Announce>(sent[0].envelope.body)->service == "monitor");
  test.restart();
  CHECK(test.map().cluster == map.cluster);
}

TEST_CASE("settings that make no sense keep the monitor from starting") {
  for (const auto& spoil : std::vector<std::function<void(MonitorSettings&)>>{
           [](MonitorSettings& s) { s.replicas = 0; }, [](MonitorSettings& s) { s.replicas = 4; },
           [](MonitorSettings& s) { s.min_copies = 3; }, [](MonitorSettings& s) { s.groups = 48; },
           [](MonitorSettings& s) { s.groups = 0; },
           [](MonitorSettings& s) { s.check_interval = 0ms; },
           [](MonitorSettings& s) { s.block_bytes = 1000; }}) {
    MonitorSettings settings;
    spoil(settings);
    TestMonitor test(settings);
    REQUIRE(test.ready);
    CHECK(test.ready->code() == Code::invalid);
  }
}

TEST_CASE("requests before the start is done are told to come again") {
  TestMonitor test;
  test.monitor.reset();
  test.monitor = std::make_unique<Monitor>(test.bus, test.disk, test.table, test.settings);
  test.tell(Stat{"/"});
  const auto early = test.take_reply<Stat>();
  CHECK(early.code() == Code::unavailable);
  CHECK(early.error().retry_after_ms > 0);
}

TEST_CASE("namespace requests are answered, changes with a receipt") {
  TestMonitor test;
  const auto made = test.ask(MakeDir{"/d"});
  REQUIRE(made.ok());
  CHECK(made->receipt.index > 0);
  CHECK(made->receipt.synced);
  CHECK(test.ask(MakeDir{"/d"}).code() == Code::exists);
  CommitFile commit;
  commit.path = "/d/f";
  commit.content.bytes = "hello";
  commit.size = 5;
  REQUIRE(test.ask(commit).ok());
  CHECK(test.ask(OpenFile{"/d/f"})->content.bytes == "hello");
  CHECK(test.ask(List{"/d", "", 10})->entries.size() == 1);
  CHECK(test.ask(Rename{"/d/f", "/g"}).ok());
  CHECK(test.ask(Stat{"/g"})->info.size == 5);
  CHECK(test.ask(Remove{"/g"}).ok());
  CHECK(test.ask(Stat{"/g"}).code() == Code::not_found);
  CHECK(test.ask(Ping{17})->nonce == 17);
}

TEST_CASE("a repeated request is applied once and answered the same") {
  TestMonitor test;
  const auto first = test.ask(MakeDir{"/d"}, 4711);
  const auto second = test.ask(MakeDir{"/d"}, 4711);
  REQUIRE(first.ok());
  REQUIRE(second.ok());
  CHECK(second->receipt.index == first->receipt.index);
  test.restart();
  const auto third = test.ask(MakeDir{"/d"}, 4711);
  REQUIRE(third.ok());
  CHECK(third->ino == first->ino);
  CHECK(test.ask(MakeDir{"/d"}).code() == Code::exists);
}

TEST_CASE("what is malformed or unknown is refused, and an error is not answered") {
  TestMonitor test;
  CHECK(test.ask(MakeDir{"relative"}).code() == Code::malformed);
  Envelope strange;
  strange.header.type = static_cast<Type>(777);
  strange.header.from = "client/1";
  strange.header.request = test.last_request = 99;
  strange.link = kPeer;
  test.bus.take_sent();
  test.monitor->receive(strange);
  CHECK(test.take_reply<Ping>().code() == Code::unsupported);
  strange.header.type = Type::Error;
  strange.body = encode(ErrorReply());
  test.monitor->receive(strange);
  CHECK(test.bus.take_sent().empty());
  // Commands of the leader do not come in from outside.
  strange.header.type = Type::SetNodeState;
  test.monitor->receive(strange);
  CHECK(test.take_reply<Ping>().code() == Code::unsupported);
}

TEST_CASE("a client that is gone does no harm") {
  TestMonitor test;
  test.bus.refusals[kPeer] = Error{Code::unavailable, "the peer is gone", {}, 0};
  test.tell(MakeDir{"/d"});
  test.settle();
  test.bus.refusals.clear();
  CHECK(test.ask(Stat{"/d"}).ok());
}

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

TEST_CASE("a removed tree is pruned in the background and counted") {
  TestMonitor test;
  for (int d = 0; d < 3; ++d) {
    REQUIRE(test.ask(MakeDir{"/top/" + std::to_string(d), true}).ok());
    for (int f = 0; f < 200; ++f) {
      CommitFile commit;
      commit.path = "/top/" + std::to_string(d) + "/" + std::to_string(f);
      REQUIRE(test.ask(commit).ok());
    }
  }
  CHECK(test.ask(GetStatus())->files == 600);
  CHECK(test.ask(Remove{"/top", true}).ok());
  CHECK(test.ask(Stat{"/top"}).code() == Code::not_found);
  test.pass(1s);
  CHECK(test.ask(GetStatus())->files == 0);
  CHECK(test.ask(GetStatus())->directories == 1);
}

TEST_CASE("pruning goes on after a restart") {
  TestMonitor test;
  for (int f = 0; f < 600; ++f) {
    CommitFile commit;
    commit.path = "/top/" + std::to_string(f);
    if (f == 0) REQUIRE(test.ask(MakeDir{"/top"}).ok());
    REQUIRE(test.ask(commit).ok());
  }
  CHECK(test.ask(Remove{"/top", true}).ok());
  test.restart();
  test.pass(1s);
  CHECK(test.ask(GetStatus())->files == 0);
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
  CHECK(status->monitor == "monitor");
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

TEST_CASE("a monitor that stops refuses what is new and keeps what it acknowledged") {
  TestMonitor test;
  REQUIRE(test.ask(MakeDir{"/d"}).ok());
  bool stopped = false;
  test.monitor->stop([&] { stopped = true; });
  test.tell(MakeDir{"/e"});
  CHECK(test.take_reply<MakeDir>().code() == Code::stopping);
  test.settle();
  CHECK(stopped);
  CHECK(test.bus.timers() == 0);
  test.restart();
  CHECK(test.ask(Stat{"/d"}).ok());
  CHECK(test.ask(Stat{"/e"}).code() == Code::not_found);
}

TEST_SUITE_END();
