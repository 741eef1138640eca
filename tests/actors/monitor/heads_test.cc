// Several monitors, one of which leads: beginning, joining, changes of leader.
#include "tests/actors/monitor/heads.h"

using namespace dfs;

namespace {

Join join_of(char uuid) {
  Join join;
  join.uuid = std::string(32, uuid);
  join.endpoint = std::string("tcp://127.0.0.1:700") + uuid;
  join.total_bytes = 1'000'000;
  return join;
}

std::vector<std::string> logged(const TestHead& head, const std::string& part) {
  std::vector<std::string> found;
  for (const auto& line : head.bus.logged) {
    if (line.event.find(part) != std::string::npos) found.push_back(line.event);
  }
  return found;
}

}  // namespace

TEST_SUITE_BEGIN("monitor");

TEST_CASE("heads that join become voters, and everyone learns of their brokers") {
  TestHeads heads(3);
  heads.gather();
  const auto map = heads.ask(GetMap());
  REQUIRE(map.ok());
  REQUIRE(map->heads.size() == 3);
  for (MemberId id = 1; id <= 3; ++id) {
    CHECK(map->heads[id - 1].id == id);
    CHECK(map->heads[id - 1].broker == "tcp://head-" + std::to_string(id) + ":7000");
    TestHead& head = heads.at(id);
    CHECK(head.bus.address() == "monitor/" + std::to_string(id));
    // Its own broker it was configured with, under whatever name; those of the others are added.
    CHECK(head.bus.brokers().size() == 3);
  }
  CHECK(heads.ask(MakeDir{"/d"})->receipt.replicas == 3);
  const auto list = heads.ask(ListHeads());
  REQUIRE(list.ok());
  CHECK(list->leader == 1);
  CHECK(list->heads.size() == 3);
}

TEST_CASE("a head that does not lead names the one that does, and answers what may be stale") {
  TestHeads heads(3);
  heads.gather();
  REQUIRE(heads.ask(MakeDir{"/d"}).ok());
  heads.run(300ms);
  TestHead& follower = heads.follower();
  const auto refused = [&](const auto& request) {
    const auto reply = heads.ask(follower, request);
    REQUIRE(reply.code() == Code::not_leader);
    CHECK(reply.error().cause.at("leader") == "monitor/1");
    CHECK(reply.error().cause.at("term") ==
          std::to_string(heads.leader()->monitor->replica().term()));
  };
  refused(Stat{"/d"});
  refused(List{"/", "", 10});
  refused(OpenFile{"/d"});
  refused(MakeDir{"/e"});
  refused(plan_of("/f", 1));
  refused(GetMap());
  refused(GetStatus());
  refused(ListHeads());
  refused(ReadEvents());
  refused(join_of('9'));
  refused(RemoveHead{2});
  CHECK(heads.ask(follower, Ping{3})->actor == follower.bus.address());

  const auto fresh = heads.ask(Stat{"/d"});
  CHECK_FALSE(fresh->freshness.stale);
  CHECK(fresh->freshness.stale_ms == 0);
  CHECK(fresh->freshness.applied > 0);
  const auto stale = heads.ask(follower, Stat{"/d", true});
  REQUIRE(stale.ok());
  CHECK(stale->info.ino == fresh->info.ino);
  CHECK(stale->freshness.stale);
  CHECK(stale->freshness.stale_ms <= 200);
  CHECK(stale->freshness.applied == fresh->freshness.applied);
  CHECK(heads.ask(follower, List{"/", "", 10, true})->entries.size() == 1);
  const auto missing = heads.ask(follower, OpenFile{"/none", true});
  CHECK(missing.code() == Code::not_found);
  CHECK(missing.error().cause.contains("stale_ms"));
  CHECK(heads.ask(follower, ListHeads{true})->from == 2);
  const auto status = heads.ask(follower, GetStatus{true});
  REQUIRE(status.ok());
  CHECK(status->monitor == follower.bus.address());
  CHECK(status->directories == 2);
  // The leader itself may be asked so too; it is not stale while it is sure to lead.
  CHECK_FALSE(heads.ask(*heads.leader(), Stat{"/d", true})->freshness.stale);
}

TEST_CASE("every head offers stale answers, the leader offers all, under its term") {
  TestHeads heads(3);
  heads.gather();
  heads.announced.clear();
  heads.run(1s);
  const uint64_t term = heads.leader()->monitor->replica().term();
  CHECK(heads.announced == std::map<std::pair<std::string, std::string>, uint64_t>{
                               {{"monitor", "monitor/1"}, term},
                               {{"monitor-replica", "monitor/1"}, 0},
                               {{"monitor-replica", "monitor/2"}, 0},
                               {{"monitor-replica", "monitor/3"}, 0}});
  heads.leader()->cut = true;
  REQUIRE(heads.run_until([&] { return heads.leader() != nullptr; }));
  heads.announced.clear();
  heads.run(1s);
  const std::string next = heads.leader()->bus.address();
  CHECK(heads.announced.at({"monitor", next}) > term);
  CHECK(heads.announced.size() == 3);  // of the two that are left
  // The old one notices that it leads no longer, and says so no more when it is back.
  heads.at(1).cut = false;
  heads.announced.clear();
  heads.run(1s);
  CHECK_FALSE(heads.announced.contains({"monitor", "monitor/1"}));
  CHECK(heads.announced.contains({"monitor-replica", "monitor/1"}));
}

TEST_CASE("when the leader dies another goes on with all that was acknowledged") {
  TestHeads heads(3);
  heads.gather();
  REQUIRE(heads.ask(MakeDir{"/before"}, 77).ok());
  const auto first = heads.ask(MakeDir{"/before"}, 77);
  heads.leader()->kill();
  const Instant died = heads.at(2).bus.now();
  const auto again = heads.ask(MakeDir{"/before"}, 77);
  CHECK(heads.at(2).bus.now() - died < 3s);
  REQUIRE(again.ok());
  CHECK(again->receipt.index == first->receipt.index);  // applied once, answered the same
  CHECK(heads.ask(MakeDir{"/before"}).code() == Code::exists);
  REQUIRE(heads.ask(MakeDir{"/after"}).ok());
  heads.at(1).start();
  REQUIRE(heads.run_until([&] {
    const auto stale = heads.ask(heads.at(1), Stat{"/after", true});
    return stale.ok();
  }));
}

TEST_CASE("a new leader knows the space of nodes at once, and gives each of them time anew") {
  TestHeads heads(3);
  heads.gather();
  const NodeId silent = heads.ask(join_of('1'))->node;
  const NodeId node = heads.ask(join_of('2'))->node;
  const auto state_of = [&](NodeId id) {
    const auto map = heads.ask(GetMap());
    for (const NodeView& view : map->nodes) {
      if (view.node == id) return view.state;
    }
    return static_cast<NodeState>(0);
  };
  const auto pass = [&](Duration time) {
    for (Duration passed{}; passed < time; passed += 500ms) {
      heads.beat(node, 400'000);
      heads.run(500ms);
    }
  };
  heads.run(300ms);
  heads.beat(silent, 100);
  pass(2500ms);
  CHECK(state_of(silent) == NodeState::up);  // silent for less than three seconds
  heads.leader()->kill();
  REQUIRE(heads.run_until([&] { return heads.leader() != nullptr; }));
  const auto status = heads.ask(GetStatus());
  REQUIRE(status->nodes.size() == 2);
  CHECK(status->nodes[0].heartbeat.used_bytes == 100);
  CHECK(status->nodes[1].heartbeat.used_bytes == 400'000);
  pass(2500ms);
  CHECK(state_of(silent) == NodeState::up);
  pass(2s);
  CHECK(state_of(silent) == NodeState::down);
  CHECK(state_of(node) == NodeState::up);
}

TEST_CASE("no two leaders hand out the same object") {
  TestHeads heads(3);
  heads.gather();
  const NodeId one = heads.ask(join_of('1'))->node;
  const NodeId two = heads.ask(join_of('2'))->node;
  heads.run(500ms);
  std::set<ObjectId> objects;
  const auto plan = [&] {
    heads.beat(one, 1);
    heads.beat(two, 1);
    const auto reply = heads.ask(plan_of("/f", 1));
    REQUIRE_MESSAGE(reply.ok(), reply.error().describe());
    CHECK(objects.insert(reply->object).second);
  };
  for (int reign = 0; reign < 4; ++reign) {
    for (int i = 0; i < 3; ++i) plan();
    TestHead* old = heads.leader();
    REQUIRE(heads.ask(TransferLead{}).ok());
    REQUIRE(heads.run_until([&] { return heads.leader() != nullptr && heads.leader() != old; }));
  }
}

TEST_CASE("an upload that waits when the leader is deposed is told to ask the next") {
  TestHeads heads(3);
  heads.gather();
  TestHead& old = *heads.leader();
  // The node's groups cannot be set any more: the leader is alone.
  REQUIRE(heads.ask(join_of('1')).ok());
  old.cut = true;
  Envelope envelope = envelope_of(plan_of("/f", 1), "monitor");
  envelope.header.from = "client/1";
  envelope.header.request = 5;
  envelope.link = kPeer;
  old.monitor->receive(std::move(envelope));
  std::optional<Error> told;
  old.bus.on_sent = [&](const FakeBus::Sent& sent) {
    if (sent.link != kPeer || sent.envelope.header.request != 5) return;
    told = reply_as<PlanFileReply>(sent.envelope).error();
  };
  heads.run(2s);
  REQUIRE(told);
  CHECK(told->code == Code::not_leader);
  CHECK_FALSE(old.leads());
}

TEST_CASE("without a majority there are stale answers, which say how old they are, and no others") {
  TestHeads heads(3);
  heads.gather();
  REQUIRE(heads.ask(MakeDir{"/d"}).ok());
  heads.run(500ms);
  heads.at(2).kill();
  heads.at(3).kill();
  heads.run(5s);
  TestHead& last = heads.at(1);
  CHECK_FALSE(last.leads());
  CHECK(heads.ask(last, MakeDir{"/e"}).code() == Code::not_leader);
  const auto read = heads.ask(last, Stat{"/d"});
  CHECK(read.code() == Code::not_leader);
  CHECK(read.error().text.find("no head leads") != std::string::npos);
  const auto stale = heads.ask(last, Stat{"/d", true});
  REQUIRE(stale.ok());
  CHECK(stale->freshness.stale);
  CHECK(stale->freshness.stale_ms >= 4000);
  CHECK(stale->freshness.stale_ms <= 6000);
  const auto status = heads.ask(last, GetStatus{true});
  REQUIRE(status.ok());
  CHECK(status->health == "unavailable");
  CHECK(status->reason.find("no head leads") != std::string::npos);

  // Also after it was restarted, when it has heard nobody.
  bool stopped = false;
  last.monitor->stop([&] { stopped = true; });
  REQUIRE(heads.run_until([&] { return stopped; }));
  last.kill();
  last.start();
  heads.run(2s);
  const auto restarted = heads.ask(last, Stat{"/d", true});
  REQUIRE(restarted.ok());
  CHECK(restarted->freshness.stale);
  CHECK(restarted->freshness.stale_ms >= 4000);
}

TEST_CASE("heads are removed, leadership is handed over, and both can be asked for again") {
  TestHeads heads(3);
  heads.gather();
  CHECK(heads.ask(RemoveHead{9}).code() == Code::not_found);
  CHECK(heads.ask(TransferLead{9}).code() == Code::not_found);
  CHECK(heads.ask(TransferLead{3})->leader == 3);
  REQUIRE(heads.run_until([&] { return heads.leader() == &heads.at(3); }));
  CHECK(heads.ask(TransferLead{3})->leader == 3);
  REQUIRE(heads.ask(RemoveHead{2}).ok());
  REQUIRE(heads.ask(RemoveHead{2}).ok());
  CHECK(heads.ask(GetMap())->heads.size() == 2);
  CHECK(heads.ask(MakeDir{"/d"})->receipt.replicas == 2);
  // A leader may be asked to remove itself: the next one does it.
  REQUIRE(heads.ask(RemoveHead{3}).ok());
  CHECK(heads.leader() == &heads.at(1));
  CHECK(heads.ask(GetMap())->heads.size() == 1);
  CHECK(heads.ask(RemoveHead{1}).code() == Code::invalid);
  REQUIRE(heads.ask(MakeDir{"/e"}).ok());
}

TEST_CASE("a head with another directory at a known address is refused") {
  TestHeads heads(3);
  heads.gather();
  TestHead& head = heads.at(2);
  CHECK(heads.ask(AddHead{std::string(32, 'b'), head.bus.listen_endpoint, head.settings.broker})
            .code() == Code::exists);
}

TEST_CASE(
    "a head that was removed does not come back by a late repetition of its request to join") {
  TestHeads heads(3);
  heads.gather();
  TestHead& head = heads.at(2);
  const AddHead late{std::string(32, 'e'), "tcp://elsewhere:7003", "tcp://elsewhere:7000"};
  const auto added = heads.ask(late);
  REQUIRE(added.ok());
  REQUIRE(heads.ask(RemoveHead{added->head}).ok());
  CHECK(heads.ask(late).code() == Code::denied);
  head.kill();
  REQUIRE(heads.run_until([&] { return heads.leader() != nullptr; }));
  REQUIRE(heads.ask(TransferLead{}).ok());
  CHECK(heads.ask(late).code() == Code::denied);
  CHECK(heads.ask(GetMap())->heads.size() == 3);
}

TEST_CASE("the status names a head that is silent") {
  TestHeads heads(3);
  heads.gather();
  const auto before = heads.ask(GetStatus());
  REQUIRE(before.ok());
  CHECK(before->heads.leader == 1);
  CHECK(before->reason.find("monitor/") == std::string::npos);
  heads.at(3).kill();
  heads.run(4s);
  const auto status = heads.ask(GetStatus());
  CHECK(status->reason.find("monitor/3 at tcp://head-3:7003 is silent for") != std::string::npos);
  CHECK(status->reason.find("monitor/2") == std::string::npos);
}

TEST_CASE("events come once and in order, whoever leads and however often it changes") {
  TestHeads heads(3);
  heads.gather();
  std::vector<Event> events;
  LogIndex since = 0;
  for (int reign = 0; reign < 10; ++reign) {
    for (int i = 0; i < 5; ++i) {
      REQUIRE(heads.ask(MakeDir{"/" + std::to_string(reign) + "-" + std::to_string(i)}).ok());
      if (i % 2 == 0) heads.read_on(events, since, 2);
    }
    TestHead* old = heads.leader();
    if (reign % 2 == 0) {
      REQUIRE(heads.ask(TransferLead{}).ok());
      REQUIRE(heads.run_until([&] { return heads.leader() != nullptr && heads.leader() != old; }));
    } else {
      old->kill();
      REQUIRE(heads.run_until([&] { return heads.leader() != nullptr; }));
      old->start();
    }
  }
  heads.read_on(events, since);
  std::vector<std::string> made;
  std::vector<std::string> terms;
  LogIndex last = 0;
  for (const Event& event : events) {
    CHECK(event.index > last);  // these have one event each
    last = event.index;
    CHECK(event.time_ms > 0);
    CHECK(event.actor == "monitor");
    if (event.topic == "directory-made") made.push_back(event.fields.at("path"));
    if (event.topic == "leader") terms.push_back(event.fields.at("term"));
  }
  REQUIRE(made.size() == 50);
  for (size_t i = 0; i < 50; ++i) {
    CHECK(made[i] == "/" + std::to_string(i / 5) + "-" + std::to_string(i % 5));
  }
  CHECK(terms.size() >= 11);
  CHECK(std::set<std::string>(terms.begin(), terms.end()).size() == terms.size());
  // Any head tells the same.
  TestHead& follower = heads.follower();
  heads.run(500ms);
  const auto again = heads.ask(follower, ReadEvents{0, kEventsMax, "", true});
  REQUIRE(again.ok());
  REQUIRE(again->events.size() == events.size());
  for (size_t i = 0; i < events.size(); ++i) CHECK(same(again->events[i], events[i]));
}

TEST_CASE("who leads is published once by the one that does, under the number of the log") {
  TestHeads heads(3);
  heads.gather();
  heads.leader()->kill();
  REQUIRE(heads.run_until([&] { return heads.leader() != nullptr; }));
  heads.run(100ms);
  size_t told = 0;
  for (const uint64_t number : {2, 3}) {
    for (const auto& published : heads.at(number).bus.published) {
      if (published.topic != "event/leader") continue;
      ++told;
      const auto event = decode<Event>(published.envelope.body);
      CHECK(event->fields.at("head") == std::to_string(number));
      CHECK(heads.at(number).leads());
      const auto page = heads.ask(ReadEvents{event->index - 1, 1, "", false});
      REQUIRE(page->events.size() == 1);
      CHECK(same(page->events[0], *event));
    }
  }
  CHECK(told == 1);
}

TEST_CASE("only the leader publishes, and what it publishes is in the log") {
  TestHeads heads(3);
  heads.gather();
  for (const uint64_t number : {2, 3}) heads.at(number).bus.published.clear();
  REQUIRE(heads.ask(MakeDir{"/d"}).ok());
  heads.run(1s);
  CHECK(heads.at(2).bus.published.empty());
  CHECK(heads.at(3).bus.published.empty());
  CHECK(heads.leader()->bus.published.back().topic == "event/directory-made");
}

TEST_CASE("a head that was removed says what to do") {
  TestHeads heads(3);
  heads.gather();
  for (const uint64_t number : {1, 2, 3}) CHECK(logged(heads.at(number), "was removed").empty());
  // It hears of its removal when it is among those that decide on it.
  REQUIRE(heads.ask(RemoveHead{3}).ok());
  heads.run(2s);
  heads.at(3).kill();
  heads.at(3).start();
  heads.run(2s);
  CHECK(logged(heads.at(1), "was removed").empty());
  CHECK(logged(heads.at(3), "was removed").size() <= 1);
  CHECK_FALSE(heads.at(3).leads());
}

TEST_CASE("a head of another cluster is not listened to, and the log says so once") {
  TestHeads heads(1);
  heads.gather();
  TestHead& head = heads.at(1);
  AppendEntries foreign;
  foreign.group = std::string(32, 'f') + "/monitor";
  foreign.from = 2;
  foreign.to = 1;
  foreign.term = 99;
  for (int i = 0; i < 3; ++i) {
    Envelope envelope = envelope_of(foreign, "monitor/1");
    envelope.header.from = "monitor/2";
    envelope.link = "peer/9";
    head.monitor->receive(std::move(envelope));
    heads.run(100ms);
  }
  CHECK(head.leads());
  CHECK(head.monitor->replica().term() < 99);
  CHECK(logged(head, "another cluster").size() == 1);
}

TEST_SUITE_END();
