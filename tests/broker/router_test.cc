#include "broker/router.h"

#include <doctest/doctest.h>

#include <set>

#include "tests/broker/front.h"

namespace dfs {
namespace {

using std::chrono::milliseconds;

TEST_SUITE_BEGIN("broker");

TEST_CASE("a request goes to its provider and the reply back, both untouched") {
  Front front;
  front.announce("monitor", "monitor", "peer/m");
  const Envelope request = Front::request("monitor");
  front.say(request, "client/1", "peer/client");
  auto sent = front.only();
  CHECK(sent.link == "peer/m");
  CHECK(sent.envelope.header.from == "client/1");
  CHECK(sent.envelope.header.request == 9);
  CHECK(sent.envelope.body == request.body);
  CHECK(sent.envelope.payload.data() == request.payload.data());

  sent.envelope.link = "peer/m";
  const Envelope reply = reply_to(sent.envelope, StatReply{});
  front.say(reply, "monitor", "peer/m");
  sent = front.only();
  CHECK(sent.link == "peer/client");
  CHECK(sent.envelope.header.from == "monitor");
  CHECK(sent.envelope.body == reply.body);
}

TEST_CASE("where an address was heard last is where its mail goes") {
  Front front;
  front.say(envelope_of(Announce{"x", 0}, "broker"), "client/1", "peer/old");
  front.say(envelope_of(Announce{"x", 0}, "broker"), "client/1", "peer/new");
  front.say(Front::request("client/1"), "monitor", "peer/m");
  CHECK(front.only().link == "peer/new");
}

TEST_CASE("when nobody serves, the answer is unavailable, at once") {
  Front front;
  front.say(Front::request("monitor"), "client/1", "peer/client");
  const Error error = front.only_error();
  CHECK(error.code == Code::unavailable);
  CHECK(error.retry_after_ms == front.settings.retry_after_ms);
  CHECK(error.cause.at("service") == "monitor");
}

TEST_CASE("a provider is forgotten after three silent announcement periods") {
  Front front;
  front.announce("monitor", "monitor", "peer/m");
  front.bus.advance(milliseconds(1500));
  CHECK(front.asked() == "peer/m");
  front.announce("monitor", "monitor", "peer/m");
  front.bus.advance(milliseconds(1500));
  CHECK(front.asked() == "peer/m");
  front.bus.advance(milliseconds(500));
  front.say(Front::request("monitor"), "client/1", "peer/client");
  CHECK(front.only_error().code == Code::unavailable);
  CHECK(front.bus.logged.back().event == "service disappeared");
}

TEST_CASE("a provider that cannot be sent to is dropped and the next one asked") {
  Front front;
  front.announce("monitor", "monitor/1", "peer/m1");
  front.announce("monitor", "monitor/2", "peer/m2");
  front.bus.refusals["peer/m2"] = Error{Code::unavailable, "gone", {}, 0};
  CHECK(front.asked() == "peer/m1");
  front.bus.refusals["peer/m1"] = Error{Code::unavailable, "gone", {}, 0};
  front.say(Front::request("monitor"), "client/1", "peer/client");
  CHECK(front.only_error().code == Code::unavailable);
  front.bus.refusals.clear();
  front.say(Front::request("monitor"), "client/1", "peer/client");
  CHECK(front.only_error().code == Code::unavailable);
}

TEST_CASE("a provider whose queue is full makes the answer busy and stays") {
  Front front;
  front.announce("monitor", "monitor/1", "peer/m1");
  front.bus.refusals["peer/m1"] = Error{Code::busy, "full", {}, 0};
  front.say(Front::request("monitor"), "client/1", "peer/client");
  const Error error = front.only_error();
  CHECK(error.code == Code::busy);
  CHECK(error.retry_after_ms > 0);
  front.bus.refusals.clear();
  CHECK(front.asked() == "peer/m1");
}

TEST_CASE("the highest term is asked first, then whoever announced last") {
  Front front;
  front.announce("monitor", "monitor/1", "peer/m1", 5);
  front.announce("monitor", "monitor/2", "peer/m2", 7);
  front.announce("monitor", "monitor/3", "peer/m3", 6);
  CHECK(front.asked() == "peer/m2");
  front.bus.advance(milliseconds(1));
  front.announce("monitor", "monitor/1", "peer/m1", 7);
  CHECK(front.asked() == "peer/m1");
}

// Asks the service and lets whoever was asked refuse.
void refuse_as(Front& front, const std::string& name, const Error& error) {
  front.say(Front::request("monitor"), "client/1", "peer/client");
  const auto sent = front.only();
  front.say(reply_to(sent.envelope, error), name, sent.link);
  CHECK(front.only().link == "peer/client");
}

Error not_leader(const std::string& leader, uint64_t term) {
  Error error{Code::not_leader, "ask the leader", {{"term", std::to_string(term)}}, 0};
  if (!leader.empty()) error.cause["leader"] = leader;
  return error;
}

TEST_CASE("a not_leader passing by is followed to the leader it names") {
  Front front;
  front.announce("monitor", "monitor/1", "peer/m1", 9);
  front.announce("monitor", "monitor/2", "peer/m2", 3);
  front.announce("monitor-replica", "monitor/3", "peer/m3");
  SUBCASE("though that one has not announced itself here") {
    refuse_as(front, "monitor/1", not_leader("monitor/3", 10));
    CHECK(front.asked() == "peer/m3");
  }
  SUBCASE("also when it was known from an older term") {
    refuse_as(front, "monitor/1", not_leader("monitor/2", 10));
    CHECK(front.asked() == "peer/m2");
  }
  SUBCASE("but one that announces a newer term comes first") {
    refuse_as(front, "monitor/1", not_leader("monitor/3", 10));
    front.announce("monitor", "monitor/4", "peer/m4", 11);
    CHECK(front.asked() == "peer/m4");
  }
  SUBCASE("one that knows no leader is not asked before it announces itself again") {
    refuse_as(front, "monitor/1", not_leader("", 9));
    CHECK(front.asked() == "peer/m2");
    refuse_as(front, "monitor/2", not_leader("", 9));
    front.say(Front::request("monitor"), "client/1", "peer/client");
    CHECK(front.only_error().code == Code::unavailable);
    front.announce("monitor", "monitor/1", "peer/m1", 10);
    CHECK(front.asked() == "peer/m1");
  }
  SUBCASE("a named leader that is gone is dropped") {
    refuse_as(front, "monitor/1", not_leader("monitor/3", 10));
    front.bus.refusals["peer/m3"] = Error{Code::unavailable, "gone", {}, 0};
    CHECK(front.asked() == "peer/m2");
  }
  SUBCASE("a refusal from before it led is not believed") {
    front.say(Front::request("monitor"), "client/1", "peer/client");
    const auto sent = front.only();
    front.announce("monitor", "monitor/1", "peer/m1", 12);
    front.say(reply_to(sent.envelope, not_leader("monitor/2", 11)), "monitor/1", "peer/m1");
    CHECK(front.only().link == "peer/client");
    CHECK(front.asked() == "peer/m1");
  }
  SUBCASE("only the word of the one that was asked counts") {
    front.say(Front::request("monitor"), "client/1", "peer/client");
    const auto sent = front.only();
    front.say(reply_to(sent.envelope, not_leader("monitor/2", 11)), "client/5", "peer/client-5");
    CHECK(front.only().link == "peer/client");
    CHECK(front.asked() == "peer/m1");
  }
  SUBCASE("its other services are not concerned") {
    front.announce("monitor-replica", "monitor/1", "peer/m1");
    refuse_as(front, "monitor/1", not_leader("monitor/2", 10));
    front.bus.refusals["peer/m3"] = Error{Code::unavailable, "gone", {}, 0};
    front.say(Front::request("monitor-replica"), "client/1", "peer/client");
    CHECK(front.only().link == "peer/m1");
  }
}

TEST_CASE("of equal providers the one heard last is asked, so not one that is frozen") {
  Front front;
  for (int period = 0; period < 3; ++period) {
    front.announce("monitor-replica", "monitor/1", "peer/m1");
    if (period == 0) front.announce("monitor-replica", "monitor/2", "peer/m2");
    front.bus.advance(milliseconds(400));
  }
  front.say(Front::request("monitor-replica"), "client/1", "peer/client");
  CHECK(front.only().link == "peer/m1");
}

TEST_CASE("who waits for a provider that is lost is told at once") {
  Front front;
  front.announce("monitor", "monitor/1", "peer/m1", 4);
  for (const uint64_t id : {1, 2, 3}) {
    front.say(Front::request("monitor", id), "client/" + std::to_string(id), "peer/client");
  }
  auto sent = front.bus.take_sent();
  REQUIRE(sent.size() == 3);
  front.say(reply_to(sent[1].envelope, StatReply{}), "monitor/1", "peer/m1");  // 2 is answered
  front.bus.take_sent();
  const auto told = [&] {
    std::set<uint64_t> requests;
    for (const auto& message : front.bus.take_sent()) {
      if (message.link != "peer/client") continue;
      CHECK(reply_as<StatReply>(message.envelope).code() == Code::unavailable);
      CHECK(message.envelope.header.to ==
            "client/" + std::to_string(message.envelope.header.request));
      requests.insert(message.envelope.header.request);
    }
    return requests;
  };
  SUBCASE("when its link breaks") {
    front.router.link_down("peer/m1");
    CHECK(told() == std::set<uint64_t>{1, 3});
    front.router.link_down("peer/m1");
    CHECK(told().empty());
  }
  SUBCASE("when the next request finds it gone") {
    front.bus.refusals["peer/m1"] = Error{Code::unavailable, "gone", {}, 0};
    front.say(Front::request("monitor", 4), "client/4", "peer/client");
    CHECK(told() == std::set<uint64_t>{1, 3, 4});
  }
  SUBCASE("when another leads") {
    front.announce("monitor", "monitor/2", "peer/m2", 4);
    CHECK(told().empty());
    front.announce("monitor", "monitor/3", "peer/m3", 5);
    CHECK(told() == std::set<uint64_t>{1, 3});
    // A late answer still passes.
    front.say(reply_to(sent[0].envelope, StatReply{}), "monitor/1", "peer/m1");
    CHECK(front.only().link == "peer/client");
  }
  SUBCASE("when it announces itself no more") {
    front.bus.advance(milliseconds(2500));
    CHECK(told() == std::set<uint64_t>{1, 3});
  }
  SUBCASE("but not who waits for another service of the same provider") {
    front.announce("monitor-replica", "monitor/1", "peer/m1");
    front.say(Front::request("monitor-replica", 5), "client/5", "peer/client");
    front.announce("monitor", "monitor/3", "peer/m3", 5);
    CHECK(told() == std::set<uint64_t>{1, 3});
  }
}

TEST_CASE("what is remembered of requests is bounded, in number and in time") {
  RouterSettings settings;
  settings.passed_max = 2;
  Front front(settings);
  const auto announce = [&] { front.announce("monitor", "monitor/1", "peer/m1", 4); };
  announce();
  const auto ask = [&](uint64_t id, uint32_t deadline_ms) {
    Envelope request = Front::request("monitor", id);
    request.header.deadline_ms = deadline_ms;
    front.say(request, "client/1", "peer/client");
  };
  ask(1, 700);
  ask(2, 2000);
  front.bus.take_sent();
  ask(3, 2000);
  CHECK(front.only_error().code == Code::busy);  // one too many
  for (int i = 0; i < 3; ++i) {
    front.bus.advance(milliseconds(500));
    announce();
  }
  front.bus.take_sent();
  front.router.link_down("peer/m1");
  const auto sent = front.only();  // 1 has given up
  CHECK(sent.envelope.header.request == 2);
}

TEST_CASE("the broker answers Ping itself, and what it does not know with unsupported") {
  Front front;
  for (const char* to : {"", "broker", "broker/1"}) {
    Envelope ping = envelope_of(Ping{3}, to);
    ping.header.request = 1;
    front.say(ping, "client/1", "peer/client");
    const auto reply = reply_as<Pong>(front.only().envelope);
    REQUIRE(reply);
    CHECK(reply->nonce == 3);
    CHECK(reply->actor == "broker/1");
  }
  front.say(Front::request("broker"), "client/1", "peer/client");
  CHECK(front.only_error().code == Code::unsupported);
}

TEST_CASE("what is one-way or itself a refusal is never answered") {
  Front front;
  front.say(Front::request("monitor", 0), "client/1", "peer/client");
  Envelope refusal = reply_to(Front::request("x"), Error{Code::busy, "", {}, 0});
  refusal.header.to = "nobody";
  front.say(refusal, "client/1", "peer/client");
  refusal.header.to = "broker";
  front.say(refusal, "client/1", "peer/client");
  Envelope bad = envelope_of(Announce{"", 0}, "broker");
  front.say(bad, "client/1", "peer/client");
  CHECK(front.bus.sent.empty());
}

TEST_CASE("the longest silent address is forgotten at the limit") {
  RouterSettings settings;
  settings.addresses_max = 2;
  Front front(settings);
  front.say(Front::request("nobody", 0), "client/1", "peer/1");
  front.say(Front::request("nobody", 0), "client/2", "peer/2");
  front.say(Front::request("nobody", 0), "client/1", "peer/1");
  front.say(Front::request("nobody", 0), "client/3", "peer/3");
  front.say(Front::request("client/1"), "client/3", "peer/3");
  CHECK(front.only().link == "peer/1");
  front.say(Front::request("client/2"), "client/3", "peer/3");
  const auto sent = front.only();
  CHECK(sent.link == "peer/3");
  CHECK(sent.envelope.header.type == Type::Error);
}

TEST_CASE("services and providers have limits too") {
  RouterSettings settings;
  settings.services_max = 1;
  settings.providers_max = 2;
  Front front(settings);
  for (int i = 0; i < 5; ++i) {
    front.announce("monitor", "monitor/1", "peer/m" + std::to_string(i), 10 - i);
  }
  Envelope another = envelope_of(Announce{"lock", 0}, "broker");
  another.header.request = 1;
  front.say(another, "lock/1", "peer/client");
  CHECK(front.only_error().code == Code::busy);
  CHECK(front.asked() == "peer/m0");
  front.bus.refusals["peer/m0"] = Error{Code::unavailable, "gone", {}, 0};
  front.bus.refusals["peer/m4"] = Error{Code::unavailable, "gone", {}, 0};
  front.say(Front::request("monitor"), "client/1", "peer/client");
  CHECK(front.only_error().code == Code::unavailable);
}

TEST_SUITE_END();

}  // namespace
}  // namespace dfs
