// Who may become a storage node.
#include "messages/join_token.h"
#include "tests/actors/monitor/machine.h"
#include "tests/actors/monitor/test_monitor.h"

using namespace dfs;

namespace {

std::string hash(char digit) {
  return std::string(kTokenHashBytes, digit);
}

// A machine applies one command a second.
Result<JoinReply> join(TestMachine& machine, char uuid, const std::string& token = {}) {
  RegisterNode node;
  node.uuid = std::string(32, uuid);
  node.endpoint = std::string("tcp://n:") + uuid;
  node.token = token;
  return machine.tell<JoinReply>(node);
}

std::string reason_of(const Result<JoinReply>& refused) {
  REQUIRE(!refused.ok());
  CHECK(refused.code() == Code::denied);
  CHECK(refused.error().text.find("dfsctl node token") != std::string::npos);
  return refused.error().cause.at("reason");
}

}  // namespace

TEST_SUITE_BEGIN("monitor");

TEST_CASE("without a rule anybody joins; with one, who has a token, and who was there before") {
  TestMachine machine;
  CHECK(join(machine, 'a')->node == 1);
  REQUIRE(machine.ask(SetJoinRule{JoinRule::token}).ok());
  CHECK(reason_of(join(machine, 'b')) == kTokenMissing);
  CHECK(reason_of(join(machine, 'b', hash('1'))) == kTokenUnknown);
  CHECK(machine.machine.cluster().map().nodes.size() == 1);
  CHECK(join(machine, 'a')->node == 1);
  REQUIRE(machine.ask(AddJoinToken{hash('1'), 60'000, 1}).ok());
  // A refusal takes no number.
  CHECK(join(machine, 'b', hash('1'))->node == 2);
  CHECK(join(machine, 'b', hash('1'))->node == 2);
  CHECK(join(machine, 'b')->node == 2);
  REQUIRE(machine.ask(SetJoinRule{JoinRule::open}).ok());
  CHECK(join(machine, 'c')->node == 3);
}

TEST_CASE("a token lets in as many as it was made for, and says who was the last") {
  TestMachine machine;
  REQUIRE(machine.ask(SetJoinRule{JoinRule::token}).ok());
  const auto made = machine.ask(AddJoinToken{hash('1'), 60'000, 2});
  REQUIRE(made.ok());
  CHECK(made->rule == JoinRule::token);
  CHECK(made->expires_ms == machine.time_ms + 60'000);
  CHECK(join(machine, 'a', hash('1')).ok());
  CHECK(join(machine, 'b', hash('1')).ok());
  const auto third = join(machine, 'c', hash('1'));
  CHECK(reason_of(third) == kTokenUsed);
  CHECK(third.error().text.find("storage/2") != std::string::npos);
  CHECK(machine.ask(AddJoinToken{hash('1'), 60'000, 2}).code() == Code::exists);
}

TEST_CASE("a token expires by the time of the log, to the second") {
  TestMachine machine;
  REQUIRE(machine.ask(SetJoinRule{JoinRule::token}).ok());
  REQUIRE(machine.ask(AddJoinToken{hash('1'), 2001, 2}).ok());
  CHECK(join(machine, 'a', hash('1')).ok());  // a second later
  CHECK(join(machine, 'b', hash('1')).ok());  // two
  REQUIRE(machine.ask(AddJoinToken{hash('2'), 2000, 2}).ok());
  CHECK(join(machine, 'c', hash('2')).ok());
  CHECK(reason_of(join(machine, 'd', hash('2'))) == kTokenExpired);
}

TEST_CASE("where anybody may join a token that is no good does no harm, and a good one is used") {
  TestMachine machine;
  CHECK(join(machine, 'a', hash('9')).ok());
  REQUIRE(machine.ask(AddJoinToken{hash('1'), 60'000, 1}).ok());
  CHECK(join(machine, 'b', hash('1')).ok());
  REQUIRE(machine.ask(SetJoinRule{JoinRule::token}).ok());
  CHECK(reason_of(join(machine, 'c', hash('1'))) == kTokenUsed);
}

TEST_CASE("spent tokens are remembered for a day, and for less when there are many") {
  TestMachine machine;
  const auto numbered = [](size_t number) {
    std::string text = std::to_string(number);
    return std::string(kTokenHashBytes - text.size(), '0') + text;
  };
  REQUIRE(machine.ask(SetJoinRule{JoinRule::token}).ok());
  REQUIRE(machine.ask(AddJoinToken{hash('a'), 1, 1}).ok());
  machine.time_ms += 23 * 3600 * 1000;
  REQUIRE(machine.ask(AddJoinToken{hash('b'), 1, 1}).ok());
  CHECK(reason_of(join(machine, 'a', hash('a'))) == kTokenExpired);
  machine.time_ms += 3600 * 1000;
  REQUIRE(machine.ask(AddJoinToken{hash('c'), 1, 1}).ok());
  CHECK(reason_of(join(machine, 'a', hash('a'))) == kTokenUnknown);
  CHECK(reason_of(join(machine, 'a', hash('b'))) == kTokenExpired);

  constexpr int64_t kLong = 24 * 3600 * 1000;
  for (size_t i = 0; i < kJoinTokensMax - 2; ++i) {
    REQUIRE(machine.ask(AddJoinToken{numbered(i), kLong, 1}).ok());
  }
  // The two that had expired went when it became crowded.
  CHECK(reason_of(join(machine, 'a', hash('b'))) == kTokenUnknown);
  REQUIRE(machine.ask(AddJoinToken{numbered(5000), kLong, 1}).ok());
  REQUIRE(machine.ask(AddJoinToken{numbered(5001), kLong, 1}).ok());
  CHECK(machine.ask(AddJoinToken{numbered(5002), kLong, 1}).code() == Code::busy);
  CHECK(join(machine, 'a', numbered(7)).ok());
  CHECK(machine.ask(AddJoinToken{numbered(5002), kLong, 1}).ok());
}

TEST_CASE("the monitor knows the hash of a token alone, lists it, and counts whom it refused") {
  MonitorSettings settings;
  settings.join_rule = JoinRule::token;
  TestMonitor test(settings);
  const std::string token = make_join_token();
  CHECK(token.size() == 32);
  CHECK(token != make_join_token());
  const AddJoinToken made{hash_of_token(token), 60'000, 1};
  const auto first = test.ask(made, 77);
  REQUIRE(first.ok());
  // The same request again is answered the same.
  CHECK(test.ask(made, 77)->expires_ms == first->expires_ms);
  auto list = test.ask(ListJoinTokens{});
  REQUIRE(list.ok());
  CHECK(list->rule == JoinRule::token);
  REQUIRE(list->tokens.size() == 1);
  CHECK(list->tokens[0].hash == hash_of_token(token));

  Join node;
  node.uuid = std::string(32, '1');
  node.endpoint = "tcp://n:1";
  CHECK(test.ask(node).error().cause.at("reason") == kTokenMissing);
  node.token = "wrong";
  CHECK(test.ask(node).error().cause.at("reason") == kTokenUnknown);
  node.token = token;
  CHECK(test.ask(node)->node == 1);
  node.uuid = std::string(32, '2');
  CHECK(test.ask(node).error().cause.at("reason") == kTokenUsed);
  list = test.ask(ListJoinTokens{});
  CHECK(list->tokens.empty());
  CHECK(list->refused_missing == 1);
  CHECK(list->refused_unknown == 1);
  CHECK(list->refused_used == 1);
  CHECK(list->refused_expired == 0);
  // The rule and the tokens are in the log.
  test.restart();
  CHECK(test.ask(ListJoinTokens{})->rule == JoinRule::token);
  CHECK(test.ask(node).error().cause.at("reason") == kTokenUsed);
}

TEST_CASE("the hash of a token is SHA-256") {
  CHECK(hash_of_token("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(hash_of_token("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST_CASE("agents are listed as they were last heard, and forgotten when they are silent") {
  TestMonitor test;
  AgentBeat beat;
  beat.host = "h1";
  beat.boot = 5;
  beat.sequence = 1;
  beat.nodes_max = 3;
  std::string from = "agent/h1";
  const auto hear = [&] {
    Envelope envelope = envelope_of(beat);
    envelope.header.from = from;
    test.monitor->observe(kHeartbeatTopic + from, std::move(envelope));
  };
  CHECK(test.ask(ListAgents{})->agents.empty());
  hear();
  test.pass(2s);
  auto list = test.ask(ListAgents{});
  REQUIRE(list->agents.size() == 1);
  CHECK(list->agents[0].beat.nodes_max == 3);
  CHECK(list->agents[0].silent_ms == 2000);
  hear();  // as a broker tells again what it remembers
  CHECK(test.ask(ListAgents{})->agents[0].silent_ms == 2000);
  ++beat.sequence;
  hear();
  CHECK(test.ask(ListAgents{})->agents[0].silent_ms == 0);
  beat.boot = 6;
  beat.sequence = 1;
  beat.nodes_max = 4;
  hear();
  CHECK(test.ask(ListAgents{})->agents[0].beat.nodes_max == 4);
  beat.host = "";
  hear();
  CHECK(test.ask(ListAgents{})->agents.size() == 1);
  beat.host = "h2";  // which is not who says so
  hear();
  CHECK(test.ask(ListAgents{})->agents.size() == 1);
  test.pass(11min);
  CHECK(test.ask(ListAgents{})->agents.empty());
}

TEST_CASE("who knows a node's uuid does not become that node") {
  TestMachine machine;
  const auto join_as = [&](char uuid, char key, const std::string& token = {}) {
    RegisterNode node;
    node.uuid = std::string(32, uuid);
    node.endpoint = std::string("tcp://n:") + uuid;
    node.token = token;
    if (key != 0) node.key = std::string(64, key);
    return machine.tell<JoinReply>(node);
  };
  const auto key_of = [&](NodeId node) { return machine.machine.cluster().node(node)->key; };
  REQUIRE(join_as('a', '1').ok());
  CHECK(key_of(1) == std::string(64, '1'));
  CHECK(reason_of(join_as('a', '2')) == kOtherKey);
  CHECK(key_of(1) == std::string(64, '1'));
  CHECK(join_as('a', '1')->node == 1);
  // Two nodes have two keys.
  CHECK(join_as('b', '1').code() == Code::denied);
  REQUIRE(join_as('b', '3').ok());
  CHECK(join_as('a', '3').code() == Code::denied);
  // A token gives it another one, once.
  REQUIRE(machine.ask(AddJoinToken{hash('1'), 60'000, 1}).ok());
  CHECK(join_as('a', '2', hash('1'))->node == 1);
  CHECK(key_of(1) == std::string(64, '2'));
  CHECK(reason_of(join_as('a', '1', hash('1'))) == kOtherKey);
  // Without encryption nobody shows a key; what was known stays.
  CHECK(join_as('a', 0)->node == 1);
  CHECK(key_of(1) == std::string(64, '2'));
}

TEST_CASE("a node from the time without encryption gets its first key like a new one") {
  TestMachine machine;
  REQUIRE(join(machine, 'a').ok());
  REQUIRE(machine.ask(SetJoinRule{JoinRule::token}).ok());
  RegisterNode node;
  node.uuid = std::string(32, 'a');
  node.endpoint = "tcp://n:a";
  node.key = std::string(64, '1');
  CHECK(reason_of(machine.tell<JoinReply>(node)) == kOtherKey);
  REQUIRE(machine.ask(SetJoinRule{JoinRule::open}).ok());
  CHECK(machine.tell<JoinReply>(node)->node == 1);
}

TEST_SUITE_END();
