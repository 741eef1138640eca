#include "broker/router.h"

#include <doctest/doctest.h>

#include "messages/dispatch.h"
#include "messages/namespace.h"
#include "tests/broker/fake_bus.h"

namespace dfs {
namespace {

using std::chrono::milliseconds;

struct Front {
  FakeBus bus{"broker/1"};
  RouterSettings settings;
  Router router;

  explicit Front(RouterSettings s = {}) : settings(s), router(bus, s) {
    router.start([](Result<void> ready) { CHECK(ready); });
  }

  void announce(const std::string& service, const std::string& from, const Link& link,
                uint64_t term = 0) {
    say(envelope_of(Announce{service, term}, "broker"), from, link);
  }
  void say(Envelope envelope, const std::string& from, const Link& link) {
    envelope.header.from = from;
    envelope.link = link;
    router.receive(std::move(envelope));
  }
  static Envelope request(const std::string& to, uint64_t id = 9) {
    Envelope envelope = envelope_of(Stat{"/a"}, to, Payload::of("bytes"));
    envelope.header.request = id;
    return envelope;
  }
  // The only thing sent since the last call.
  FakeBus::Sent only() {
    const auto sent = bus.take_sent();
    REQUIRE(sent.size() == 1);
    return sent[0];
  }
  Error only_error() {
    const auto sent = only();
    CHECK(sent.link == "peer/client");
    auto reply = reply_as<StatReply>(sent.envelope);
    REQUIRE_FALSE(reply);
    return reply.error();
  }
};

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
  front.say(Front::request("monitor"), "client/1", "peer/client");
  CHECK(front.only().link == "peer/m");
  front.announce("monitor", "monitor", "peer/m");
  front.bus.advance(milliseconds(1500));
  front.say(Front::request("monitor"), "client/1", "peer/client");
  CHECK(front.only().link == "peer/m");
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
  front.say(Front::request("monitor"), "client/1", "peer/client");
  CHECK(front.only().link == "peer/m1");
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
  front.say(Front::request("monitor"), "client/1", "peer/client");
  CHECK(front.only().link == "peer/m1");
}

TEST_CASE("the highest term is asked first, then whoever announced last") {
  Front front;
  front.announce("monitor", "monitor/1", "peer/m1", 5);
  front.announce("monitor", "monitor/2", "peer/m2", 7);
  front.announce("monitor", "monitor/3", "peer/m3", 6);
  front.say(Front::request("monitor"), "client/1", "peer/client");
  CHECK(front.only().link == "peer/m2");
  front.bus.advance(milliseconds(1));
  front.announce("monitor", "monitor/1", "peer/m1", 7);
  front.say(Front::request("monitor"), "client/1", "peer/client");
  CHECK(front.only().link == "peer/m1");
}

TEST_CASE("a not_leader passing by is followed to the leader it names") {
  Front front;
  front.announce("monitor", "monitor/1", "peer/m1", 9);
  front.announce("monitor", "monitor/2", "peer/m2", 3);
  front.announce("monitor", "monitor/3", "peer/m3", 2);
  front.say(Front::request("monitor"), "client/1", "peer/client");
  auto sent = front.only();
  CHECK(sent.link == "peer/m1");
  const Error refusal{Code::not_leader, "ask the leader", {{"leader", "monitor/3"}}, 0};
  front.say(reply_to(sent.envelope, refusal), "monitor/1", "peer/m1");
  CHECK(front.only().link == "peer/client");
  front.say(Front::request("monitor"), "client/1", "peer/client");
  CHECK(front.only().link == "peer/m3");

  SUBCASE("the preference outlasts announcements") {
    front.announce("monitor", "monitor/1", "peer/m1", 9);
    front.say(Front::request("monitor"), "client/1", "peer/client");
    CHECK(front.only().link == "peer/m3");
  }
  SUBCASE("a leader that is gone is no longer preferred") {
    front.bus.refusals["peer/m3"] = Error{Code::unavailable, "gone", {}, 0};
    front.say(Front::request("monitor"), "client/1", "peer/client");
    CHECK(front.only().link == "peer/m1");
  }
  SUBCASE("one that knows no leader is asked last") {
    const Error lost{Code::not_leader, "no leader is known", {}, 0};
    front.say(reply_to(sent.envelope, lost), "monitor/3", "peer/m3");
    CHECK(front.only().link == "peer/client");
    front.say(Front::request("monitor"), "client/1", "peer/client");
    CHECK(front.only().link != "peer/m3");
  }
  SUBCASE("only a provider's word counts") {
    const Error lie{Code::not_leader, "", {{"leader", "monitor/2"}}, 0};
    front.say(reply_to(sent.envelope, lie), "client/5", "peer/client-5");
    CHECK(front.only().link == "peer/client");
    front.say(Front::request("monitor"), "client/1", "peer/client");
    CHECK(front.only().link == "peer/m3");
  }
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
  front.say(Front::request("monitor"), "client/1", "peer/client");
  CHECK(front.only().link == "peer/m0");
  front.bus.refusals["peer/m0"] = Error{Code::unavailable, "gone", {}, 0};
  front.bus.refusals["peer/m4"] = Error{Code::unavailable, "gone", {}, 0};
  front.say(Front::request("monitor"), "client/1", "peer/client");
  CHECK(front.only_error().code == Code::unavailable);
}

TEST_SUITE_END();

}  // namespace
}  // namespace dfs
