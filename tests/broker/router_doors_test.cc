// Who may say what to a broker, and whose answers are whose.
#include <doctest/doctest.h>

#include "broker/security.h"
#include "tests/broker/front.h"

namespace dfs {
namespace {

TEST_SUITE_BEGIN("broker");

TEST_CASE("nobody gets a name that is not theirs") {
  CHECK(may_speak_as("", "monitor"));
  CHECK(may_speak_as(kHeadPeer, "monitor/2"));
  CHECK(may_speak_as(kHeadPeer, "lock"));
  CHECK(may_speak_as("storage/7", "storage/7"));
  CHECK(may_speak_as(kUnknownPeer, "client/9f"));
  CHECK(may_speak_as(kUnknownPeer, "storage"));  // that is about to join
  for (const char* name : {"monitor", "monitor/1", "monitor-replica", "lock/1", "head", "storage/8",
                           "agent/h", "broker/1"}) {
    CAPTURE(name);
    CHECK_FALSE(may_speak_as("storage/7", name));
    CHECK_FALSE(may_speak_as(kUnknownPeer, name));
  }
  CHECK(may_announce("storage/7", "storage/7"));
  CHECK_FALSE(may_announce("storage/7", "monitor"));
  CHECK_FALSE(may_announce(kUnknownPeer, "anything"));
}

TEST_CASE("a message in another's name is turned away, and changes nothing") {
  Front front;
  const auto say_as = [&](const std::string& peer, Envelope envelope, const std::string& from,
                          const Link& link) {
    envelope.peer = peer;
    front.say(std::move(envelope), from, link);
  };
  say_as(kHeadPeer, envelope_of(Announce{"monitor", 1}, "broker"), "monitor", "peer/m");
  say_as(kUnknownPeer, envelope_of(Announce{"monitor", 9}, "broker"), "client/2", "peer/thief");
  say_as(kUnknownPeer, envelope_of(Announce{"monitor", 9}, "broker"), "monitor", "peer/thief");
  CHECK(front.bus.take_sent().empty());
  CHECK(front.asked() == "peer/m");
  // Requests are answered.
  say_as(kUnknownPeer, Front::request("monitor"), "storage/7", "peer/client");
  CHECK(front.only_error().code == Code::unavailable);
  say_as("storage/8", Front::request("monitor"), "storage/7", "peer/client");
  CHECK(front.only_error().code == Code::denied);
  say_as("storage/7", Front::request("monitor"), "storage/7", "peer/s7");
  CHECK(front.only().link == "peer/m");
}

TEST_CASE("what members of a group say to each other passes through no broker") {
  Front front;
  front.announce("monitor", "monitor/1", "peer/m", 1);
  for (const std::string peer : {"", kUnknownPeer, "storage/7", kHeadPeer}) {
    for (auto type = static_cast<int>(Type::RequestVote);
         type <= static_cast<int>(Type::TimeoutNow); ++type) {
      CAPTURE(type);
      Envelope envelope = Front::request("monitor");
      envelope.header.type = static_cast<Type>(type);
      envelope.peer = peer;
      front.say(std::move(envelope), peer == kHeadPeer ? "monitor/2" : "client/1", "peer/client");
      CHECK(front.only_error().code == Code::denied);
    }
  }
}

TEST_CASE("an answer goes to the connection that asked, whoever uses its address since") {
  Front front;
  front.announce("monitor", "monitor/1", "peer/m", 1);
  front.say(Front::request("monitor", 77), "client/1", "peer/client");
  const auto asked = front.only();
  front.say(Front::request("nobody", 0), "client/1", "peer/thief");
  front.say(reply_to(asked.envelope, StatReply{}), "monitor/1", "peer/m");
  CHECK(front.only().link == "peer/client");
  // Only when that is gone does the address count: it may have connected anew.
  front.say(Front::request("monitor", 78), "client/2", "peer/gone");
  const auto again = front.only();
  front.say(Front::request("nobody", 0), "client/2", "peer/anew");
  front.bus.refusals["peer/gone"] = Error{Code::unavailable, "gone", {}, 0};
  front.say(reply_to(again.envelope, StatReply{}), "monitor/1", "peer/m");
  CHECK(front.only().link == "peer/anew");
}

TEST_CASE("who is about to join gets the answers to its own requests alone") {
  Front front;
  front.announce("monitor", "monitor/1", "peer/m", 1);
  front.say(Front::request("monitor", 77), "storage", "peer/node");
  const auto asked = front.only();
  front.say(Front::request("nobody", 0), "storage", "peer/thief");
  front.say(reply_to(asked.envelope, StatReply{}), "monitor/1", "peer/m");
  CHECK(front.only().link == "peer/node");
  // An answer that nobody waits for, or whose asker is gone, is for nobody else.
  front.say(reply_to(asked.envelope, StatReply{}), "monitor/1", "peer/m");
  for (const auto& sent : front.bus.take_sent()) CHECK(sent.link == "peer/m");
  front.say(Front::request("monitor", 78), "storage", "peer/gone");
  const auto again = front.only();
  front.say(Front::request("nobody", 0), "storage", "peer/thief");
  front.bus.refusals["peer/gone"] = Error{Code::unavailable, "gone", {}, 0};
  front.say(reply_to(again.envelope, StatReply{}), "monitor/1", "peer/m");
  for (const auto& sent : front.bus.take_sent()) CHECK(sent.link == "peer/m");
}

TEST_CASE("refusals that nobody asked for take no place among the requests on their way") {
  RouterSettings settings;
  settings.passed_max = 2;
  Front front(settings);
  front.announce("monitor", "monitor/1", "peer/m", 1);
  for (uint64_t id = 1; id < 10; ++id) {
    Envelope refusal = envelope_of(ErrorReply{}, "monitor");
    refusal.header.request = id;
    front.say(std::move(refusal), "client/1", "peer/client");
  }
  front.bus.take_sent();
  front.say(Front::request("monitor", 77), "client/1", "peer/client");
  CHECK(front.only().link == "peer/m");
}

TEST_CASE("a client's address belongs to the key that used it first") {
  Front front;
  front.announce("monitor", "monitor/1", "peer/m", 1);
  const auto say_with = [&](char key, const std::string& from, const Link& link) {
    Envelope envelope = Front::request("monitor");
    envelope.peer = kUnknownPeer;
    envelope.peer_key = std::string(64, key);
    front.say(std::move(envelope), from, link);
    return front.only();
  };
  CHECK(say_with('1', "client/1", "peer/one").link == "peer/m");
  CHECK(say_with('1', "client/1", "peer/one-anew").link == "peer/m");
  const auto refused = say_with('2', "client/1", "peer/thief");
  CHECK(refused.link == "peer/thief");
  CHECK(reply_as<StatReply>(refused.envelope).code() == Code::denied);
  // Many are "storage" before they have a number.
  CHECK(say_with('1', "storage", "peer/one").link == "peer/m");
  CHECK(say_with('2', "storage", "peer/two").link == "peer/m");
}

TEST_CASE("one connection cannot have the addresses of others forgotten") {
  RouterSettings settings;
  settings.addresses_max = 4;
  settings.addresses_per_link_max = 2;
  Front front(settings);
  front.say(Front::request("nobody", 0), "client/1", "peer/1");
  for (int i = 0; i < 100; ++i) {
    front.say(Front::request("nobody", 0), "client/x" + std::to_string(i), "peer/2");
  }
  front.say(Front::request("client/1"), "client/3", "peer/3");
  CHECK(front.only().link == "peer/1");
  front.say(Front::request("client/x1"), "client/3", "peer/3");
  CHECK(front.only().link == "peer/2");
  front.say(Front::request("client/x2"), "client/3", "peer/3");
  CHECK(front.only().envelope.header.type == Type::Error);
}

TEST_CASE("a node joins with the key of its connection, and a head only with the cluster's") {
  Front front;
  front.announce("monitor", "monitor", "peer/m", 1);
  const auto say_as = [&](const std::string& peer, const std::string& key, Envelope envelope) {
    envelope.header.request = 9;
    envelope.peer = peer;
    envelope.peer_key = key;
    front.say(std::move(envelope), "client/1", "peer/client");
    return front.only().link;
  };
  Join join;
  join.uuid = std::string(32, 'a');
  join.endpoint = "tcp://h:1";
  join.key = std::string(64, '1');
  CHECK(say_as(kUnknownPeer, join.key, envelope_of(join, "monitor")) == "peer/m");
  CHECK(say_as(kUnknownPeer, std::string(64, '2'), envelope_of(join, "monitor")) == "peer/client");
  CHECK(say_as("storage/7", std::string(64, '2'), envelope_of(join, "monitor")) == "peer/client");
  join.key.clear();
  CHECK(say_as(kUnknownPeer, std::string(64, '2'), envelope_of(join, "monitor")) == "peer/client");
  AddHead add{.uuid = std::string(32, 'a'), .endpoint = "tcp://h:3", .broker = "tcp://h:0"};
  CHECK(say_as(kHeadPeer, std::string(64, '2'), envelope_of(add, "monitor")) == "peer/m");
  CHECK(say_as(kUnknownPeer, std::string(64, '2'), envelope_of(add, "monitor")) == "peer/client");
}

TEST_SUITE_END();

}  // namespace
}  // namespace dfs
