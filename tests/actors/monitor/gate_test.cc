// Whose ticket is believed, and for how long without word of log-ins that ended.
#include "actors/gate.h"

#include <doctest/doctest.h>

#include <optional>

#include "tests/broker/fake_bus.h"

namespace dfs {
namespace {

using namespace std::chrono_literals;

constexpr Duration kTrust = 60s;
constexpr int64_t kLong = 12 * 3'600'000;

struct TestGate {
  explicit TestGate(Duration trust = kTrust) : gate(bus, calls, trust) {
    gate.begin(std::string(32, 'c'));
    Ticket ada;
    ada.cluster = std::string(32, 'c');
    ada.key = 1;
    ada.user = "ada";
    ada.uid = ada.gid = 1;
    ada.session = 1;
    ada.issued_ms = bus.wall_ms();
    ada.expires_ms = ada.issued_ms + kLong;
    ticket = sign_ticket(ada, keys.secret);
  }

  TicketKeys known(uint64_t version) {
    TicketKeys told;
    told.cluster = std::string(32, 'c');
    told.version = version;
    told.keys = {{1, {keys.verify_key}}};
    return told;
  }
  void publish(uint64_t version = 7) { gate.observe(envelope_of(known(version))); }
  // "" when the ticket is believed.
  std::string judge(const std::string& shown) {
    Envelope envelope;
    envelope.header.from = "client/1";
    envelope.header.ticket = shown;
    const auto who = gate.judge(envelope);
    if (who) return who->user == "ada" ? "" : "somebody else";
    const auto reason = who.error().cause.find("reason");
    last = who.error();
    return reason == who.error().cause.end() ? name_of(who.code()) : reason->second;
  }
  std::string judge() { return judge(ticket); }
  // What the lock actor is asked; the answer, if it is to come.
  std::optional<FakeBus::Sent> asked() {
    std::optional<FakeBus::Sent> found;
    for (FakeBus::Sent& sent : bus.take_sent()) {
      if (sent.envelope.header.type == Type::GetTicketKeys) found = std::move(sent);
    }
    return found;
  }
  void answer(const FakeBus::Sent& question, const TicketKeys& told) {
    Envelope reply = FakeBus::answer(question, told);
    CHECK(calls.receive(reply));
    bus.advance();
  }

  FakeBus bus{"monitor/3"};
  Calls calls{bus};
  SignKeys keys = make_sign_keys(std::string(kSeedBytes, 's'));
  Gate gate;
  std::string ticket;
  Error last;
};

}  // namespace

TEST_SUITE("monitor") {
  TEST_CASE("tickets are believed while it is heard which log-ins ended, and not much longer") {
    TestGate test;
    CHECK(test.judge() == "unavailable");
    test.publish();
    for (int i = 0; i < 1000; ++i) {
      test.bus.advance(500ms);
      test.publish();  // the same as before, all the time
    }
    test.asked();
    // As long as an election takes nobody notices anything.
    test.bus.advance(5s);
    CHECK(test.judge() == "");
    CHECK_FALSE(test.asked());
    test.bus.advance(kTrust - 5s);
    CHECK(test.judge() == "");
    test.bus.advance(15s);
    CHECK(test.judge() == "unheard");
    CHECK(test.last.code == Code::unavailable);
    CHECK(test.last.text.find("monitor/3 has not heard for 75 s") != std::string::npos);
    CHECK(test.last.text.find("ask another head") != std::string::npos);
    CHECK(test.last.retry_after_ms > 0);
    // Who shows none is nobody now as ever.
    CHECK(test.judge("") == "missing");
    test.publish();
    CHECK(test.judge() == "");
  }

  TEST_CASE("whoever hears no news asks, before it is too late and afterwards") {
    TestGate test;
    test.publish();
    test.bus.advance(kTrust / 2 + 1s);
    CHECK(test.judge() == "");
    CHECK(test.judge() == "");
    const auto early = test.asked();
    REQUIRE(early);
    CHECK(early->envelope.header.to == "lock");
    test.answer(*early, test.known(7));
    test.bus.advance(kTrust - 1s);
    CHECK(test.judge() == "");
    test.bus.advance(2min);
    test.asked();
    CHECK(test.judge() == "unheard");
    const auto late = test.asked();
    REQUIRE(late);
    test.answer(*late, test.known(7));
    CHECK(test.judge() == "");
  }

  TEST_CASE("an answer is as old as the question") {
    TestGate test;
    test.publish();
    test.bus.advance(kTrust - 1s);
    CHECK(test.judge() == "");
    const auto question = test.asked();
    REQUIRE(question);
    test.bus.advance(500ms);
    test.answer(*question, test.known(7));
    CHECK(test.judge() == "");
    test.bus.advance(kTrust - 400ms);
    CHECK(test.judge() == "unheard");
  }

  TEST_CASE("who led before, and those of another cluster, are no news") {
    TestGate test;
    test.publish(7);
    test.bus.advance(kTrust + 1s);
    test.publish(6);
    TicketKeys foreign = test.known(8);
    foreign.cluster = std::string(32, 'f');
    test.gate.observe(envelope_of(foreign));
    CHECK(test.judge() == "unheard");
    test.publish(8);
    CHECK(test.judge() == "");
  }

  TEST_CASE("a process that stood still believes nobody before it has heard something") {
    TestGate test;
    test.publish();
    test.bus.stand_still(10min);
    CHECK(test.judge() == "unheard");
    test.publish();
    CHECK(test.judge() == "");
  }

  TEST_CASE("with a trust of zero tickets are believed as long as they last") {
    TestGate test(0s);
    test.publish();
    test.bus.advance(11h);
    CHECK(test.judge() == "");
    CHECK_FALSE(test.asked());
    test.bus.advance(2h);
    CHECK(test.judge() == "expired");
  }
}

}  // namespace dfs
