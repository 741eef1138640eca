// A broker's router on a fake bus, and what is said to it.
#pragma once

#include <doctest/doctest.h>

#include <string>

#include "broker/router.h"
#include "messages/dispatch.h"
#include "messages/namespace.h"
#include "tests/broker/fake_bus.h"

namespace dfs {

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
  // Who is asked for the service, and answers.
  Link asked() {
    say(request("monitor"), "client/1", "peer/client");
    const auto sent = only();
    say(reply_to(sent.envelope, StatReply{}), sent.link, sent.link);
    CHECK(only().link == "peer/client");
    return sent.link;
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

}  // namespace dfs
