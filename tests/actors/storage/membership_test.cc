#include "actors/storage/membership.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>
#include <tuple>
#include <utility>

#include "messages/agents.h"
#include "messages/events.h"
#include "tests/broker/fake_bus.h"
#include "tests/sim/sim_disk.h"

namespace dfs::storage {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr const char* kCluster = "0123456789abcdef0123456789abcdef";

struct Fixture {
  Fixture() { bus.listen_endpoint = "tcp://self:1"; }

  Result<void> open() {
    Result<void> opened(Code::timeout, "open() did not answer");
    membership.open([&](Result<void> r) { opened = std::move(r); });
    bus.advance();
    return opened;
  }

  // The Joins sent since the last call; each is what a monitor could answer.
  std::vector<FakeBus::Sent> sent(Type type) {
    std::vector<FakeBus::Sent> found;
    for (FakeBus::Sent& s : bus.take_sent()) {
      if (s.envelope.header.type == type) found.push_back(std::move(s));
    }
    return found;
  }
  template <Message T>
  void answer(const FakeBus::Sent& request, const T& message) {
    Envelope reply = FakeBus::answer(request, message);
    CHECK(calls.receive(reply));
    for (int i = 0; i < 5; ++i) bus.advance();
  }
  void join_as(NodeId node) {
    membership.join();
    const auto joins = sent(Type::Join);
    REQUIRE(joins.size() == 1);
    answer(joins[0], JoinReply{node, kCluster, 0, 200});
  }

  ClusterMap map(Epoch epoch, const std::string& endpoint) {
    ClusterMap map;
    map.cluster = kCluster;
    map.epoch = epoch;
    NodeView self;
    self.node = 4;
    self.uuid = membership.identity().uuid;
    self.endpoint = endpoint;
    map.nodes.push_back(self);
    GroupView group;
    group.group = 9;
    group.epoch = epoch;
    group.members = {4};
    map.groups.push_back(group);
    return map;
  }

  sim::SimDisk disk;
  FakeBus bus{"storage/new"};
  Calls calls{bus};
  int joined = 0;
  std::vector<Error> refusals;
  std::string in_file;  // the token that is there when it is looked for again
  Membership membership{bus,
                        calls,
                        disk,
                        {.directories = {"/data"},
                         .host = "h1",
                         .rack = "r1",
                         .token = "secret",
                         .read_token = [this] { return in_file; },
                         .refused = [this](Error error) { refusals.push_back(std::move(error)); }},
                        [](Heartbeat& heartbeat) { heartbeat.total_bytes = 777; },
                        [this] { ++joined; }};
};

}  // namespace

TEST_SUITE("storage") {
  TEST_CASE("a node keeps its identity over restarts, and its directory to itself") {
    Fixture first;
    REQUIRE(first.open());
    const std::string uuid = first.membership.identity().uuid;
    CHECK(uuid.size() == 32);
    first.join_as(4);

    const auto text = read_file(first.disk, "/data/identity");
    REQUIRE(text);
    const auto kept = parse_identity(*text);
    REQUIRE(kept);
    CHECK(kept->uuid == uuid);
    CHECK(kept->cluster == kCluster);
    CHECK(kept->node == 4);

    Membership second(
        first.bus, first.calls, first.disk, {.directories = {"/data"}, .host = "", .rack = ""},
        [](Heartbeat&) {}, [] {});
    Result<void> opened;
    second.open([&](Result<void> r) { opened = std::move(r); });
    first.bus.advance();
    CHECK(opened.code() == Code::busy);
  }

  TEST_CASE("an identity file that is damaged or too new is refused") {
    CHECK(parse_identity("format=1\nuuid=short\n").code() == Code::corrupt);
    CHECK(parse_identity("").code() == Code::corrupt);
    CHECK(parse_identity("format=2\nuuid=0123456789abcdef0123456789abcdef\n").code() ==
          Code::unsupported);
    const auto later = parse_identity("format=1\nuuid=0123456789abcdef0123456789abcdef\nnew=1\n");
    CHECK(later.ok());
  }

  TEST_CASE("a token is shown until the node has a number, and not after that") {
    Fixture f;
    REQUIRE(f.open());
    f.membership.join();
    auto joins = f.sent(Type::Join);
    REQUIRE(joins.size() == 1);
    CHECK(decode<Join>(joins[0].envelope.body)->token == "secret");
    f.answer(joins[0], JoinReply{4, kCluster, 0, 200});
    ClusterMap without = f.map(5, "tcp://self:1");
    without.nodes.clear();
    f.membership.observe(kMapTopic, envelope_of(without));
    joins = f.sent(Type::Join);
    REQUIRE(joins.size() == 1);
    CHECK(decode<Join>(joins[0].envelope.body)->token.empty());
  }

  TEST_CASE("a node that the cluster does not want says so once and asks no more") {
    Fixture f;
    REQUIRE(f.open());
    f.membership.join();
    auto joins = f.sent(Type::Join);
    REQUIRE(joins.size() == 1);
    f.answer(joins[0], ErrorReply::of({Code::denied, "another cluster", {}, 0}));
    CHECK(f.refusals.empty());
    f.bus.advance(seconds(5));
    joins = f.sent(Type::Join);
    REQUIRE(joins.size() == 1);
    f.answer(joins[0],
             ErrorReply::of({Code::denied, "no token", {{"reason", "token_missing"}}, 0}));
    REQUIRE(f.refusals.size() == 1);
    CHECK(f.refusals[0].text == "no token");
    f.bus.advance(seconds(600));
    CHECK(f.sent(Type::Join).empty());
    CHECK(f.refusals.size() == 1);
  }

  TEST_CASE("a node with a number that the heads forgot shows its token, and awaits another") {
    Fixture f;
    const auto shown = [&] {
      const auto joins = f.sent(Type::Join);
      REQUIRE(joins.size() == 1);
      return std::pair(joins[0], decode<Join>(joins[0].envelope.body)->token);
    };
    const auto refuse = [&](const FakeBus::Sent& join, const char* reason) {
      f.answer(join, ErrorReply::of({Code::denied, "not let in", {{"reason", reason}}, 0}));
    };
    REQUIRE(f.open());
    f.join_as(4);
    f.bus.take_sent();
    ClusterMap without = f.map(5, "tcp://self:1");
    without.nodes.clear();
    f.membership.observe(kMapTopic, envelope_of(without));
    auto [join, token] = shown();
    CHECK(token.empty());
    refuse(join, kTokenMissing);
    std::tie(join, token) = shown();
    CHECK(token == "secret");
    refuse(join, kTokenUnknown);
    for (int i = 0; i < 20; ++i) {
      f.bus.advance(seconds(5));
      std::tie(join, token) = shown();
      CHECK(token == "secret");
      refuse(join, kTokenUnknown);
    }
    CHECK(f.refusals.empty());
    const auto told = [](const FakeBus::Logged& line) {
      return line.fields.contains("what_to_do");
    };
    // Each reason once, and again after a minute.
    CHECK(std::count_if(f.bus.logged.begin(), f.bus.logged.end(), told) == 3);
    f.in_file = "another";
    f.bus.advance(seconds(5));
    std::tie(join, token) = shown();
    CHECK(token == "another");
    f.answer(join, JoinReply{4, kCluster, 6, 200});
    CHECK(f.joined == 2);
    CHECK(f.membership.identity().node == 4);
  }

  TEST_CASE("a node that was removed for good ends, whatever token it has") {
    Fixture f;
    REQUIRE(f.open());
    f.join_as(4);
    f.bus.take_sent();
    ClusterMap without = f.map(5, "tcp://self:1");
    without.nodes.clear();
    f.membership.observe(kMapTopic, envelope_of(without));
    const auto joins = f.sent(Type::Join);
    REQUIRE(joins.size() == 1);
    f.answer(joins[0], ErrorReply::of({Code::denied, "gone", {{"reason", kNodeRemoved}}, 0}));
    CHECK(f.refusals.size() == 1);
  }

  TEST_CASE("joining says who the node is and takes its number, address and heartbeats") {
    Fixture f;
    REQUIRE(f.open());
    f.membership.join();
    CHECK(f.bus.subscriptions == std::vector<std::string>{kMapTopic});
    const auto joins = f.sent(Type::Join);
    REQUIRE(joins.size() == 1);
    const auto join = decode<Join>(joins[0].envelope.body);
    REQUIRE(join);
    CHECK(join->endpoint == "tcp://self:1");
    CHECK(join->host == "h1");
    CHECK(join->rack == "r1");
    CHECK(join->total_bytes == 777);
    CHECK(join->cluster.empty());
    f.answer(joins[0], JoinReply{4, kCluster, 0, 200});
    CHECK(f.joined == 1);
    CHECK(f.bus.address() == "storage/4");

    f.bus.advance(seconds(1));
    REQUIRE(f.bus.published.size() == 6);  // at once, then every 200 ms
    CHECK(f.bus.published[0].topic == "heartbeat/storage/4");
    const auto heartbeat = decode<Heartbeat>(f.bus.published[5].envelope.body);
    REQUIRE(heartbeat);
    CHECK(heartbeat->node == 4);
    CHECK(heartbeat->sequence == 6);
    CHECK(heartbeat->boot != 0);
    CHECK(f.sent(Type::Announce).size() >= 2);
  }

  TEST_CASE("a node asks for ever when no monitor is there") {
    Fixture f;
    REQUIRE(f.open());
    f.membership.join();
    for (int i = 0; i < 600; ++i) f.bus.advance(milliseconds(100));
    CHECK_FALSE(f.membership.joined());
    f.bus.take_sent();
    std::vector<FakeBus::Sent> joins;
    for (int i = 0; i < 100 && joins.empty(); ++i) {
      f.bus.advance(milliseconds(100));
      joins = f.sent(Type::Join);
    }
    REQUIRE_FALSE(joins.empty());
    f.answer(joins.back(), JoinReply{4, kCluster, 0, 200});
    CHECK(f.membership.joined());
    // The reason is logged once a minute, not with each try.
    CHECK(f.bus.logged.size() <= 4);
  }

  TEST_CASE("a node of one cluster does not join another") {
    Fixture f;
    REQUIRE(f.disk.make_directories("/data"));
    REQUIRE(write_file_atomically(
        f.disk, "/data/identity",
        to_text({"0123456789abcdef0123456789abcdef", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 3})));
    REQUIRE(f.open());
    f.membership.join();
    const auto joins = f.sent(Type::Join);
    REQUIRE(joins.size() == 1);
    CHECK(decode<Join>(joins[0].envelope.body)->cluster == "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
    f.answer(joins[0], JoinReply{4, kCluster, 0, 200});
    CHECK_FALSE(f.membership.joined());
    CHECK(f.membership.identity().node == 3);
    REQUIRE(f.bus.logged.size() == 1);
    CHECK(f.bus.logged[0].fields["error"].find("belongs to cluster aaaa") != std::string::npos);
    CHECK(f.bus.published.empty());
  }

  TEST_CASE("epochs of the map fence writes, and older maps change nothing") {
    Fixture f;
    REQUIRE(f.open());
    CHECK(f.membership.admit(9, 1).code() == Code::unavailable);
    f.join_as(4);
    f.membership.observe(kMapTopic, envelope_of(f.map(7, "tcp://self:1")));
    CHECK(f.membership.epoch() == 7);
    f.membership.observe(kMapTopic, envelope_of(f.map(6, "tcp://self:1")));
    CHECK(f.membership.epoch() == 7);
    CHECK(f.membership.admit(9, 7).ok());
    CHECK(f.membership.admit(9, 6).code() == Code::stale_map);
    CHECK(f.membership.admit(1234, 0).ok());

    ClusterMap foreign = f.map(99, "tcp://self:1");
    foreign.cluster = "another";
    f.membership.observe(kMapTopic, envelope_of(foreign));
    CHECK(f.membership.epoch() == 7);
  }

  TEST_CASE("only a member of the group takes writes, not one that leaves it or is no part of it") {
    Fixture f;
    REQUIRE(f.open());
    f.join_as(4);
    ClusterMap map = f.map(7, "tcp://self:1");
    map.groups[0].members = {5};
    map.groups[0].leaving = {4};
    f.membership.observe(kMapTopic, envelope_of(map));
    CHECK(f.membership.holds(9));
    CHECK(f.membership.admit(9, 7).code() == Code::stale_map);
    map.epoch = map.groups[0].epoch = 8;
    map.groups[0].leaving = {};
    f.membership.observe(kMapTopic, envelope_of(map));
    CHECK_FALSE(f.membership.holds(9));
    CHECK(f.membership.admit(9, 8).code() == Code::stale_map);
    // Who has heard of a newer epoch may be right that the node is a member there.
    CHECK(f.membership.admit(9, 9).ok());
  }

  TEST_CASE("listeners hear of newer maps only, once they are in force") {
    Fixture f;
    std::vector<Epoch> heard;
    f.membership.on_map([&] { heard.push_back(f.membership.epoch()); });
    REQUIRE(f.open());
    f.join_as(4);
    f.membership.observe(kMapTopic, envelope_of(f.map(7, "tcp://self:1")));
    f.membership.observe(kMapTopic, envelope_of(f.map(7, "tcp://self:1")));
    f.membership.observe(kMapTopic, envelope_of(f.map(6, "tcp://self:1")));
    f.membership.observe(kMapTopic, envelope_of(f.map(8, "tcp://self:1")));
    CHECK(heard == std::vector<Epoch>{7, 8});
    CHECK(f.membership.group(9)->epoch == 8);
    CHECK(f.membership.group(10) == nullptr);
    CHECK(f.membership.node(4)->endpoint == "tcp://self:1");
  }

  TEST_CASE("the brokers of all heads on the map become the node's own") {
    Fixture f;
    REQUIRE(f.open());
    f.join_as(4);
    ClusterMap map = f.map(7, "tcp://self:1");
    map.heads = {{1, "tcp://broker-1"}, {2, "tcp://broker-2"}, {3, ""}};
    ClusterMap foreign = map;
    foreign.cluster = "another";
    f.membership.observe(kMapTopic, envelope_of(foreign));
    CHECK(f.bus.brokers() == std::vector<Link>{"tcp://broker-1"});
    f.membership.observe(kMapTopic, envelope_of(map));
    CHECK(f.bus.brokers() == std::vector<Link>{"tcp://broker-1", "tcp://broker-2"});
    f.bus.take_sent();
    f.bus.advance(milliseconds(500));
    std::set<Link> told;
    for (const auto& announce : f.sent(Type::Announce)) told.insert(announce.link);
    CHECK(told == std::set<Link>{"tcp://broker-1", "tcp://broker-2"});
  }

  TEST_CASE("a node that the map shows elsewhere, or not at all, joins again") {
    Fixture f;
    REQUIRE(f.open());
    f.join_as(4);
    f.bus.take_sent();
    f.membership.observe(kMapTopic, envelope_of(f.map(7, "tcp://self:1")));
    CHECK(f.sent(Type::Join).empty());
    f.membership.observe(kMapTopic, envelope_of(f.map(8, "tcp://old-address:1")));
    const auto joins = f.sent(Type::Join);
    REQUIRE(joins.size() == 1);
    f.answer(joins[0], JoinReply{4, kCluster, 8, 200});
    CHECK(f.joined == 2);
    ClusterMap without = f.map(9, "");
    without.nodes.clear();
    f.membership.observe(kMapTopic, envelope_of(without));
    CHECK(f.sent(Type::Join).size() == 1);
  }

  TEST_CASE("a map newer than the one known is fetched, one request at a time") {
    Fixture f;
    REQUIRE(f.open());
    f.join_as(4);
    f.bus.advance(seconds(20));  // the fetch after joining gives up
    f.bus.take_sent();
    CHECK(f.membership.admit(9, 50).ok());
    CHECK(f.membership.admit(9, 51).ok());
    const auto asked = f.sent(Type::GetMap);
    REQUIRE(asked.size() == 1);
    f.answer(asked[0], f.map(51, "tcp://self:1"));
    CHECK(f.membership.epoch() == 51);
    CHECK(f.membership.admit(9, 50).code() == Code::stale_map);
  }
}

}  // namespace dfs::storage
