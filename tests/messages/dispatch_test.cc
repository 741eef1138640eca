#include "messages/dispatch.h"

#include <doctest/doctest.h>

#include "messages/cluster.h"
#include "messages/namespace.h"
#include "tests/messages/samples.h"

namespace dfs {
namespace {

struct Recorder {
  std::string heard;
  void on(const Envelope&, const Ping& ping) { heard += "ping " + std::to_string(ping.nonce); }
  void on(const Envelope& envelope, const Stat& stat) {
    heard += "stat " + stat.path + " from " + envelope.header.from;
  }
};

Result<void> deliver(Recorder& recorder, const Envelope& envelope) {
  return dispatch<Ping, Stat>(recorder, envelope);
}

}  // namespace

TEST_SUITE("messages") {
  TEST_CASE("dispatch calls the handler of the message's type") {
    Recorder recorder;
    CHECK(deliver(recorder, envelope_of(Ping{.nonce = 3})));
    CHECK(recorder.heard == "ping 3");
    recorder.heard.clear();
    Envelope envelope = envelope_of(Stat{.path = "/a"});
    envelope.header.from = "client/1";
    CHECK(deliver(recorder, envelope));
    CHECK(recorder.heard == "stat /a from client/1");
  }

  TEST_CASE("dispatch answers unsupported for a type that is not listed, known or not") {
    Recorder recorder;
    CHECK(deliver(recorder, envelope_of(GetMap{})).code() == Code::unsupported);
    Envelope envelope = envelope_of(GetMap{});
    envelope.header.type = static_cast<Type>(60'000);
    const auto outcome = deliver(recorder, envelope);
    CHECK(outcome.code() == Code::unsupported);
    CHECK(outcome.error().text.find("60000") != std::string::npos);
    CHECK(recorder.heard.empty());
  }

  TEST_CASE("dispatch names the message that does not decode, and calls nobody") {
    Recorder recorder;
    const auto outcome = deliver(recorder, envelope_of(Stat{.path = "relative"}));
    CHECK(outcome.code() == Code::malformed);
    CHECK(outcome.error().text == "Stat: the path does not start with '/'");
    Envelope envelope = envelope_of(Ping{});
    envelope.body = "\xc1";
    CHECK(deliver(recorder, envelope).code() == Code::malformed);
    CHECK(recorder.heard.empty());
  }

  TEST_CASE("a reply goes back to the sender with the request's ids, on its link") {
    Envelope request = envelope_of(Ping{.nonce = 1}, "storage/7");
    request.header.request = 77;
    request.header.trace = 88;
    request.header.from = "client/1";
    request.link = "peer/aa";
    const Envelope reply = reply_to(request, Pong{.nonce = 1, .actor = "storage/7"});
    CHECK(reply.header.type == Type::Pong);
    CHECK(reply.header.request == 77);
    CHECK(reply.header.trace == 88);
    CHECK(reply.header.to == "client/1");
    CHECK(reply.link == "peer/aa");
    CHECK(reply.header.from.empty());  // the bus fills it in
  }

  TEST_CASE("an error travels whole") {
    const Error error{Code::stale_map, "the group moved", {{"epoch", "12"}}, 250};
    Envelope request = envelope_of(Ping{});
    const auto back = reply_as<Pong>(reply_to(request, error));
    REQUIRE_FALSE(back);
    CHECK(back.code() == Code::stale_map);
    CHECK(back.error().text == "the group moved");
    CHECK(back.error().cause.at("epoch") == "12");
    CHECK(back.error().retry_after_ms == 250);
  }

  TEST_CASE("an error whose code is unknown here is kept as it is") {
    Envelope request = envelope_of(Ping{});
    const auto back = reply_as<Pong>(reply_to(request, ErrorReply{4999, "new", {}, 0}));
    CHECK(static_cast<int>(back.code()) == 4999);
  }

  TEST_CASE("an error that claims to be no error is malformed") {
    Envelope request = envelope_of(Ping{});
    CHECK(reply_as<Pong>(reply_to(request, ErrorReply{})).code() == Code::malformed);
  }

  TEST_CASE("a reply of another type, or one that does not decode, is malformed") {
    CHECK(reply_as<Pong>(envelope_of(Ping{})).code() == Code::malformed);
    Envelope envelope = envelope_of(Pong{});
    envelope.body = "no msgpack";
    CHECK(reply_as<Pong>(envelope).code() == Code::malformed);
    const auto good = reply_as<Pong>(envelope_of(Pong{.nonce = 5, .actor = "a"}));
    REQUIRE(good);
    CHECK(good->nonce == 5);
  }
}

}  // namespace dfs
