#include "broker/calls.h"

#include <doctest/doctest.h>

#include "messages/cluster.h"
#include "tests/broker/fake_bus.h"

namespace dfs {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Outcome = std::optional<Result<Answer<Ping>>>;

const Error kUnavailable{Code::unavailable, "nobody serves", {}, 0};

Task<void> call_into(Calls& calls, Link link, CallOptions options, Outcome& outcome) {
  auto calling = calls.call(std::move(link), "monitor", Ping{1}, std::move(options));
  Result<Answer<Ping>> answer = co_await calling;
  outcome.emplace(std::move(answer));
}
Task<void> ask_into(Calls& calls, CallOptions options, Outcome& outcome) {
  auto asking = calls.ask("monitor", Ping{1}, std::move(options));
  Result<Answer<Ping>> answer = co_await asking;
  outcome.emplace(std::move(answer));
}

struct Caller {
  FakeBus bus;
  Calls calls{bus};
  TaskScope scope;
  Outcome outcome;

  void ask(CallOptions options = {}) { scope.spawn(ask_into(calls, std::move(options), outcome)); }
  void call(const Link& link, CallOptions options = {}) {
    scope.spawn(call_into(calls, link, std::move(options), outcome));
  }
  template <class T>
  bool answer(const FakeBus::Sent& request, const T& message) {
    Envelope reply = FakeBus::answer(request, message);
    return calls.receive(reply);
  }
  // Lets time pass until one more message was sent; how long it took.
  Duration until_sent(size_t count) {
    const Instant start = bus.now();
    while (bus.sent.size() < count && bus.now() - start < seconds(60)) {
      bus.advance(std::chrono::microseconds(100));
    }
    REQUIRE(bus.sent.size() == count);
    return bus.now() - start;
  }
  Duration until_over() {
    const Instant start = bus.now();
    while (!outcome && bus.now() - start < seconds(60)) bus.advance(milliseconds(1));
    REQUIRE(outcome);
    return bus.now() - start;
  }
  // One good exchange, so that the broker counts as reached.
  void reach() {
    ask();
    REQUIRE(answer(bus.sent.back(), Pong{1, "m"}));
    outcome.reset();
    bus.sent.clear();
  }
};

TEST_SUITE_BEGIN("broker");

TEST_CASE("a call ends with its reply") {
  Caller caller;
  caller.call("tcp://a", {.payload = Payload::of("bytes"), .trace = 77});
  REQUIRE(caller.bus.sent.size() == 1);
  const auto& sent = caller.bus.sent[0];
  CHECK(sent.link == "tcp://a");
  CHECK(sent.envelope.header.to == "monitor");
  CHECK(sent.envelope.header.trace == 77);
  CHECK(sent.envelope.header.deadline_ms == 10'000);
  CHECK(sent.envelope.header.request != 0);
  CHECK(sent.envelope.payload.view() == "bytes");
  CHECK(caller.answer(sent, Pong{5, "m"}));
  REQUIRE(caller.outcome);
  REQUIRE(*caller.outcome);
  CHECK((**caller.outcome).message.nonce == 5);
  CHECK(caller.calls.pending() == 0);
  CHECK(caller.bus.timers() == 0);
}

TEST_CASE("a call fails with the peer's error, and with malformed for a reply of another type") {
  Caller caller;
  caller.call("tcp://a");
  SUBCASE("error") {
    CHECK(caller.answer(caller.bus.sent[0],
                        ErrorReply::of({Code::no_space, "disk full", {{"node", "7"}}, 0})));
    CHECK(caller.outcome->code() == Code::no_space);
    CHECK(caller.outcome->error().cause.at("node") == "7");
  }
  SUBCASE("wrong type") {
    CHECK(caller.answer(caller.bus.sent[0], Ping{1}));
    CHECK(caller.outcome->code() == Code::malformed);
  }
}

TEST_CASE("a call times out at its deadline, and a late reply is nobody's") {
  Caller caller;
  caller.call("tcp://a", {.deadline = milliseconds(300)});
  caller.bus.advance(milliseconds(299));
  CHECK_FALSE(caller.outcome);
  caller.bus.advance(milliseconds(1));
  REQUIRE(caller.outcome);
  CHECK(caller.outcome->code() == Code::timeout);
  CHECK_FALSE(caller.answer(caller.bus.sent[0], Pong{}));
}

TEST_CASE("a broken link fails the calls on it at once, and no others") {
  Caller caller;
  Outcome other;
  caller.call("tcp://a");
  caller.scope.spawn(call_into(caller.calls, "tcp://b", {}, other));
  caller.calls.link_down("tcp://a");
  REQUIRE(caller.outcome);
  CHECK(caller.outcome->code() == Code::unavailable);
  CHECK_FALSE(other);
  CHECK(caller.answer(caller.bus.sent[1], Pong{}));
  CHECK(other);
}

TEST_CASE("a send that is refused fails the call, but not from inside it") {
  Caller caller;
  caller.bus.refusals["tcp://a"] = Error{Code::busy, "queue full", {}, 0};
  caller.call("tcp://a");
  CHECK_FALSE(caller.outcome);
  caller.bus.advance();
  REQUIRE(caller.outcome);
  CHECK(caller.outcome->code() == Code::busy);
}

TEST_CASE("one request on two links is two calls: each reply ends its own") {
  Caller caller;
  Outcome hedge;
  caller.call("tcp://a", {.request = 99});
  caller.scope.spawn(call_into(caller.calls, "tcp://b", {.request = 99}, hedge));
  CHECK(caller.bus.sent[0].envelope.header.request == 99);
  CHECK(caller.bus.sent[1].envelope.header.request == 99);
  CHECK(caller.answer(caller.bus.sent[1], Pong{2, ""}));
  CHECK(hedge);
  CHECK_FALSE(caller.outcome);
  CHECK(caller.answer(caller.bus.sent[0], Pong{1, ""}));
  CHECK(caller.outcome);
}

TEST_CASE("a destroyed flow forgets its call") {
  Caller caller;
  caller.call("tcp://a");
  caller.scope.clear();
  CHECK(caller.calls.pending() == 0);
  CHECK(caller.bus.timers() == 0);
  CHECK_FALSE(caller.answer(caller.bus.sent[0], Pong{}));
}

TEST_CASE("asking goes on, with the same request id, while the error may pass") {
  Caller caller;
  caller.ask();
  for (size_t i = 1; i <= 5; ++i) {
    caller.until_sent(i);
    CHECK(caller.answer(caller.bus.sent[i - 1], ErrorReply::of(kUnavailable)));
  }
  caller.until_sent(6);
  for (const auto& sent : caller.bus.sent) {
    CHECK(sent.envelope.header.request == caller.bus.sent[0].envelope.header.request);
    CHECK(sent.link == "tcp://broker-1");
  }
  CHECK(caller.answer(caller.bus.sent[5], Pong{4, ""}));
  REQUIRE(caller.outcome);
  CHECK((**caller.outcome).message.nonce == 4);
}

TEST_CASE("a final error ends the asking at once") {
  for (const Code code : {Code::not_found, Code::exists, Code::malformed, Code::stale_map}) {
    Caller caller;
    caller.ask();
    CHECK(caller.answer(caller.bus.sent[0], ErrorReply::of({code, "no", {}, 0})));
    REQUIRE(caller.outcome);
    CHECK(caller.outcome->code() == code);
  }
}

TEST_CASE("a silent or broken broker is left for the next one") {
  Caller caller;
  caller.bus.broker_links = {"tcp://x", "tcp://y"};
  caller.ask();
  CHECK(caller.bus.sent[0].link == "tcp://x");
  SUBCASE("silent") {
    const Duration waited = caller.until_sent(2);
    CHECK(waited >= Calls::kAttempt);
    CHECK(waited <= Calls::kAttempt + milliseconds(20));
  }
  SUBCASE("broken") {
    caller.calls.link_down("tcp://x");
    CHECK(caller.until_sent(2) <= milliseconds(20));
  }
  CHECK(caller.bus.sent[1].link == "tcp://y");
  CHECK(caller.answer(caller.bus.sent[1], Pong{}));
  // The next request begins where the last one succeeded.
  caller.ask();
  CHECK(caller.bus.sent[2].link == "tcp://y");
}

TEST_CASE("when no broker was ever reached, asking gives up early and names them") {
  Caller caller;
  caller.bus.broker_links = {"tcp://x", "tcp://y"};
  caller.bus.on_sent = [&](const FakeBus::Sent& sent) {
    caller.bus.after(milliseconds(1), [&, link = sent.link] { caller.calls.link_down(link); });
  };
  caller.ask({.deadline = seconds(30)});
  const Duration waited = caller.until_over();
  CHECK(waited >= Calls::kNobodyThere);
  CHECK(waited <= Calls::kNobodyThere + milliseconds(700));
  CHECK(caller.outcome->code() == Code::unavailable);
  const std::string& text = caller.outcome->error().text;
  CHECK(text.find("tcp://x") != std::string::npos);
  CHECK(text.find("tcp://y") != std::string::npos);
}

TEST_CASE("a cluster that was reached once is waited for until the deadline, and not longer") {
  Caller caller;
  caller.reach();
  SUBCASE("silence") {}
  SUBCASE("refusals") {
    caller.bus.on_sent = [&](const FakeBus::Sent& sent) {
      caller.bus.after(milliseconds(1),
                       [&, sent] { caller.answer(sent, ErrorReply::of(kUnavailable)); });
    };
  }
  SUBCASE("refusals with long retry_after") {
    caller.bus.on_sent = [&](const FakeBus::Sent& sent) {
      caller.bus.after(milliseconds(1), [&, sent] {
        caller.answer(sent, ErrorReply::of({Code::busy, "later", {}, 60'000}));
      });
    };
  }
  caller.ask({.deadline = seconds(5)});
  const Duration waited = caller.until_over();
  CHECK(waited >= seconds(5));
  CHECK(waited <= seconds(5) + milliseconds(2));
  CHECK_FALSE(*caller.outcome);
  CHECK(is_retryable(caller.outcome->code()));
}

TEST_CASE("pauses between attempts grow, with jitter, and stay short while one may be elected") {
  Caller caller;
  caller.reach();
  for (int round = 0; round < 20; ++round) {
    caller.ask({.deadline = seconds(60)});
    const Instant start = caller.bus.now();
    Duration pause = milliseconds(10);
    size_t attempt = 0;
    while (caller.bus.now() - start < seconds(10)) {
      const bool electing = caller.bus.now() - start < Calls::kElection;
      pause = std::min(pause, electing ? Calls::kElectionPause : Calls::kPauseMax);
      CHECK(caller.answer(caller.bus.sent[attempt++], ErrorReply::of(kUnavailable)));
      const Duration waited = caller.until_sent(attempt + 1);
      CHECK(waited >= pause / 2);
      CHECK(waited <= pause * 3 / 2 + milliseconds(1));
      pause *= 2;
    }
    CHECK(pause == 2 * Calls::kPauseMax);
    CHECK(caller.answer(caller.bus.sent[attempt], Pong{}));
    caller.bus.sent.clear();
    caller.outcome.reset();
  }
}

TEST_CASE("who is busy is not asked as often as who may be elected") {
  Caller caller;
  caller.ask();
  Duration pause = milliseconds(10);
  for (size_t i = 1; i <= 8; ++i, pause = std::min<Duration>(pause * 2, Calls::kPauseMax)) {
    CHECK(caller.answer(caller.bus.sent[i - 1], ErrorReply::of({Code::busy, "later", {}, 0})));
    CHECK(caller.until_sent(i + 1) >= pause / 2);
  }
}

TEST_CASE("a broker that finds nobody for longer than an election lasts is left for another") {
  Caller caller;
  caller.bus.broker_links = {"tcp://x", "tcp://y"};
  caller.bus.on_sent = [&](const FakeBus::Sent& sent) {
    caller.bus.after(milliseconds(1), [&, sent] {
      if (sent.link == "tcp://x") {
        caller.answer(sent, ErrorReply::of(kUnavailable));
      } else {
        caller.answer(sent, Pong{7, ""});
      }
    });
  };
  caller.ask();
  const Duration waited = caller.until_over();
  REQUIRE(caller.outcome->ok());
  CHECK(waited >= Calls::kNobodyThere);
  CHECK(waited <= Calls::kNobodyThere + milliseconds(200));
}

TEST_CASE("many flows that find a broker silent leave it once") {
  Caller caller;
  caller.bus.broker_links = {"tcp://x", "tcp://y"};
  std::vector<Outcome> outcomes(4);
  for (Outcome& outcome : outcomes) caller.scope.spawn(ask_into(caller.calls, {}, outcome));
  caller.calls.link_down("tcp://x");
  caller.until_sent(8);
  for (size_t i = 4; i < 8; ++i) CHECK(caller.bus.sent[i].link == "tcp://y");
}

TEST_CASE("when all brokers have been silent, each is given more time") {
  Caller caller;
  caller.bus.broker_links = {"tcp://x", "tcp://y"};
  caller.reach();
  caller.ask({.deadline = seconds(60)});
  Duration patience = Calls::kAttempt;
  for (size_t attempt = 1; attempt <= 8; ++attempt) {
    const Duration waited = caller.until_sent(attempt + 1);
    CHECK(waited >= patience);
    CHECK(waited <= patience + milliseconds(1));
    CHECK(caller.bus.sent[attempt].link == (attempt % 2 == 0 ? "tcp://x" : "tcp://y"));
    if (attempt % 2 == 0) patience = std::min<Duration>(patience * 2, Calls::kAttemptMax);
  }
  CHECK(patience == Calls::kAttemptMax);
}

TEST_CASE("a broker that was silent may answer while the next one is asked") {
  Caller caller;
  caller.bus.broker_links = {"tcp://x", "tcp://y"};
  caller.ask();
  caller.until_sent(2);
  CHECK(caller.bus.sent[1].link == "tcp://y");
  SUBCASE("with success") {
    CHECK(caller.answer(caller.bus.sent[0], Pong{3, "m"}));
    REQUIRE(caller.outcome);
    CHECK((**caller.outcome).message.nonce == 3);
    CHECK(caller.calls.pending() == 0);
    CHECK(caller.bus.timers() == 0);
  }
  SUBCASE("with a refusal: it is alive, and asked again") {
    CHECK(caller.answer(caller.bus.sent[0], ErrorReply::of(kUnavailable)));
    CHECK(caller.until_sent(3) <= milliseconds(20));
    CHECK(caller.bus.sent[2].link == "tcp://x");
    // The other one's answer is as good.
    CHECK(caller.answer(caller.bus.sent[1], Pong{4, "m"}));
    REQUIRE(caller.outcome);
    CHECK((**caller.outcome).message.nonce == 4);
  }
  SUBCASE("with a final error") {
    CHECK(caller.answer(caller.bus.sent[0], ErrorReply::of({Code::not_found, "no", {}, 0})));
    REQUIRE(caller.outcome);
    CHECK(caller.outcome->code() == Code::not_found);
  }
  SUBCASE("or break, which changes nothing") {
    caller.calls.link_down("tcp://x");
    CHECK(caller.until_sent(3) >= Calls::kAttempt - milliseconds(1));
  }
}

TEST_CASE("during a pause an answer that comes after all ends the asking") {
  Caller caller;
  caller.bus.broker_links = {"tcp://x", "tcp://y"};
  caller.ask();
  caller.until_sent(2);
  CHECK(caller.answer(caller.bus.sent[1], ErrorReply::of({Code::busy, "", {}, 800})));
  caller.bus.advance(milliseconds(100));
  CHECK(caller.bus.sent.size() == 2);
  CHECK(caller.answer(caller.bus.sent[0], Pong{3, "m"}));
  REQUIRE(caller.outcome);
  CHECK(caller.outcome->ok());
}

TEST_CASE("retry_after is respected") {
  Caller caller;
  caller.ask();
  CHECK(caller.answer(caller.bus.sent[0], ErrorReply::of({Code::busy, "", {}, 800})));
  CHECK(caller.until_sent(2) >= milliseconds(800));
}

TEST_CASE("without a configured broker, asking is a usage error") {
  Caller caller;
  caller.bus.broker_links.clear();
  caller.ask();
  REQUIRE(caller.outcome);
  CHECK(caller.outcome->code() == Code::usage);
}

TEST_SUITE_END();

}  // namespace
}  // namespace dfs
