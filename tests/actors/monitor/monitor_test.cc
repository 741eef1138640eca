// The monitor as an actor: its start, its requests, its end.
#include "messages/users.h"
#include "tests/actors/monitor/test_monitor.h"

using namespace dfs;

TEST_SUITE_BEGIN("monitor");

TEST_CASE("the monitor creates its cluster once and announces itself") {
  TestMonitor test;
  REQUIRE(test.ready);
  REQUIRE(test.ready->ok());
  const ClusterMap map = test.map();
  CHECK(map.cluster.size() == 32);
  REQUIRE(map.pools.size() == 1);
  CHECK(map.pools[0].replicas == 2);
  CHECK(map.pools[0].min_copies == 1);
  CHECK(map.groups.size() == 64);
  const std::vector<std::string> subscriptions{"heartbeat/storage/", "heartbeat/agent/",
                                               kTicketsTopic};
  CHECK(test.bus.subscriptions == subscriptions);
  test.bus.take_sent();
  test.bus.advance(500ms);
  std::set<std::string> services;
  for (const auto& sent : test.bus.take_sent()) {
    if (sent.envelope.header.type != Type::Announce) continue;
    CHECK(sent.link == test.bus.broker_links[0]);
    CHECK(sent.envelope.header.from == "monitor/1");
    services.insert(decode<Announce>(sent.envelope.body)->service);
  }
  CHECK(services == std::set<std::string>{"monitor", "monitor-replica"});
  test.restart();
  CHECK(test.map().cluster == map.cluster);
}

TEST_CASE("settings that make no sense keep the monitor from starting") {
  for (const auto& spoil : std::vector<std::function<void(MonitorSettings&)>>{
           [](MonitorSettings& s) { s.replicas = 0; }, [](MonitorSettings& s) { s.replicas = 4; },
           [](MonitorSettings& s) { s.min_copies = 3; }, [](MonitorSettings& s) { s.groups = 48; },
           [](MonitorSettings& s) { s.groups = 0; },
           [](MonitorSettings& s) { s.check_interval = 0ms; },
           [](MonitorSettings& s) { s.upload_lease = 1ms; },
           [](MonitorSettings& s) { s.history_retention = -1ms; },
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

TEST_CASE("a monitor that stops refuses what is new and keeps what it acknowledged") {
  TestMonitor test;
  REQUIRE(test.ask(MakeDir{"/d"}).ok());
  bool stopped = false;
  test.monitor->stop([&] { stopped = true; });
  test.tell(MakeDir{"/e"});
  CHECK(test.take_reply<MakeDir>().code() == Code::stopping);
  test.settle();
  CHECK(stopped);
  test.bus.advance(5s);
  CHECK(test.bus.timers() == 0);  // nothing goes on by itself
  test.restart();
  CHECK(test.ask(Stat{"/d"}).ok());
  CHECK(test.ask(Stat{"/e"}).code() == Code::not_found);
}

TEST_SUITE_END();
