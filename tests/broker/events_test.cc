#include "broker/events.h"

#include <doctest/doctest.h>

#include <set>
#include <zmq.hpp>

#include "broker/broker.h"
#include "broker/echo_filter.h"
#include "messages/events.h"
#include "tests/broker/harness.h"

namespace dfs {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

Instant at(Duration since_start) {
  return Instant(since_start);
}

std::vector<std::string> topics(const LastValues& values, std::string_view prefix,
                                Instant now = Instant()) {
  std::vector<std::string> out;
  for (const auto* value : values.matching(prefix, now)) out.push_back(value->topic);
  return out;
}

TEST_SUITE_BEGIN("broker");

TEST_CASE("the last value of a topic replaces the one before") {
  LastValues values;
  values.put("map", "h1", "b1", at(seconds(0)));
  values.put("map", "h2", "b2", at(seconds(1)));
  const auto found = values.matching("", at(seconds(1)));
  REQUIRE(found.size() == 1);
  CHECK(found[0]->header == "h2");
  CHECK(found[0]->body == "b2");
  CHECK(values.bytes() == 7);
}

TEST_CASE("values are found by the prefix of their topic") {
  LastValues values;
  for (const char* topic : {"heartbeat/storage/1", "heartbeat/storage/2", "map", "heartbeat/x"}) {
    values.put(topic, "h", "b", Instant());
  }
  CHECK(topics(values, "").size() == 4);
  CHECK(topics(values, "heartbeat/storage/") ==
        std::vector<std::string>{"heartbeat/storage/1", "heartbeat/storage/2"});
  CHECK(topics(values, "map") == std::vector<std::string>{"map"});
  CHECK(topics(values, "mapp").empty());
  CHECK(topics(values, "z").empty());
}

TEST_CASE("state is kept, news is not") {
  CHECK(LastValues::keeps("map"));
  CHECK(LastValues::keeps("tickets"));
  CHECK(LastValues::keeps("heartbeat/storage/7"));
  CHECK_FALSE(LastValues::keeps("event/node-up"));
  CHECK_FALSE(LastValues::keeps("mapping"));
  CHECK_FALSE(LastValues::keeps(""));
}

TEST_CASE("over its limits the longest unchanged values are forgotten") {
  LastValueLimits limits;
  limits.topics_max = 2;
  limits.bytes_max = 100;
  LastValues values(limits);
  values.put("heartbeat/a", "", "", Instant());
  values.put("heartbeat/b", "", "", Instant());
  values.put("heartbeat/a", "", "", Instant());
  values.put("heartbeat/c", "", "", Instant());
  CHECK(topics(values, "") == std::vector<std::string>{"heartbeat/a", "heartbeat/c"});
  values.put("map", "", std::string(90, 'x'), Instant());
  CHECK(topics(values, "") == std::vector<std::string>{"map"});
  CHECK(values.bytes() == 93);
  values.put("map", "", std::string(98, 'x'), Instant());
  CHECK(values.topics() == 0);
  CHECK(values.bytes() == 0);
}

TEST_CASE("an old heartbeat is not replayed: it would make a dead node look alive") {
  LastValues values;
  values.put("heartbeat/storage/1", "h", "b", at(seconds(0)));
  values.put("map", "h", "b", at(seconds(0)));
  CHECK(topics(values, "", at(seconds(2))).size() == 2);
  CHECK(topics(values, "", at(seconds(2) + milliseconds(1))) == std::vector<std::string>{"map"});
}

TEST_CASE("a publication that comes twice is heard once") {
  EchoFilter filter(4);
  CHECK(filter.fresh("map", "monitor", 10));
  CHECK_FALSE(filter.fresh("map", "monitor", 10));
  CHECK(filter.fresh("map", "monitor", 12));
  CHECK_FALSE(filter.fresh("map", "monitor", 11));
  CHECK(filter.fresh("heartbeat/monitor", "monitor", 11));
  CHECK(filter.fresh("map", "other", 10));

  SUBCASE("a restarted publisher is heard, wherever it starts") {
    CHECK(filter.fresh("map", "monitor", 0x7000'0000'0000'0000));
    CHECK(filter.fresh("map", "monitor", 3));
  }
  SUBCASE("numbers may wrap around") {
    CHECK(filter.fresh("event/x", "monitor", UINT64_MAX));
    CHECK(filter.fresh("event/x", "monitor", 0));
    CHECK_FALSE(filter.fresh("event/x", "monitor", UINT64_MAX));
  }
  SUBCASE("the table is bounded; forgetting costs a repetition") {
    CHECK(filter.fresh("map", "fourth", 1));
    CHECK(filter.fresh("map", "fifth", 1));
    CHECK(filter.fresh("map", "monitor", 12));
  }
}

namespace broker_tests {

using test::Promised;
using test::Puppet;
using test::puppet;
using test::retry;

struct Cluster {
  std::shared_ptr<zmq::context_t> context = make_context();
  std::vector<std::unique_ptr<Broker>> brokers;

  explicit Cluster(size_t count) {
    for (size_t i = 0; i < count; ++i) {
      BrokerSettings settings;
      settings.listen = "tcp://127.0.0.1:*";
      settings.inproc = "inproc://broker-" + std::to_string(i);
      brokers.push_back(std::make_unique<Broker>(*context, settings));
      REQUIRE(brokers.back()->ready());
    }
  }
  ActorSettings settings(const std::string& address) const {
    ActorSettings settings;
    settings.address = address;
    for (const auto& broker : brokers) settings.brokers.push_back(broker->endpoints().requests);
    return settings;
  }
};

// Publishes again and again until told to stop: PUB loses what it says before it is connected.
void keep_publishing(ActorThread& thread, std::string topic) {
  thread.post([topic](Actor& actor) {
    Bus& bus = static_cast<Puppet&>(actor).bus;
    auto count = std::make_shared<uint64_t>(0);
    retry(bus, [&bus, topic, count] {
      Heartbeat beat;
      beat.sequence = ++*count;
      bus.publish(topic, envelope_of(beat));
      return false;
    });
  });
}

TEST_CASE("what is published reaches subscribers of its prefix, once, through several brokers") {
  const Cluster cluster(2);
  auto heard = std::make_shared<Promised<std::vector<uint64_t>>>();
  const auto listener = puppet(*cluster.context, cluster.settings("client/1"), [=](Puppet& self) {
    auto seen = std::make_shared<std::vector<uint64_t>>();
    self.on_observe = [=](const std::string& topic, Envelope envelope) {
      CHECK(topic == "heartbeat/storage/1");
      CHECK(envelope.header.from == "storage/1");
      seen->push_back(decode<Heartbeat>(envelope.body)->sequence);
      if (seen->size() == 200) heard->set(*seen);
    };
    self.bus.subscribe("heartbeat/");
  });
  const auto other = puppet(*cluster.context, cluster.settings("storage/2"));
  const auto publisher = puppet(*cluster.context, cluster.settings("storage/1"));
  keep_publishing(*other, "other/topic");
  keep_publishing(*publisher, "heartbeat/storage/1");
  const std::vector<uint64_t> seen = heard->get();
  for (size_t i = 1; i < seen.size(); ++i) CHECK(seen[i] > seen[i - 1]);
}

// The publisher's end of a relay: it is told what anyone wants to hear.
TEST_CASE("news leaves its publisher only while somebody listens, state always") {
  const auto context = make_context();
  const EventRelay relay(*context, {"inproc://relay-in"}, {"inproc://relay-out"});
  REQUIRE(relay.ready());
  zmq::socket_t publisher(*context, zmq::socket_type::xpub);
  publisher.set(zmq::sockopt::xpub_verbose, 1);
  publisher.set(zmq::sockopt::rcvtimeo, 10'000);
  publisher.set(zmq::sockopt::linger, 0);
  publisher.connect("inproc://relay-in");
  const auto wanted = [&] {
    zmq::message_t request;
    REQUIRE(publisher.recv(request, zmq::recv_flags::none));
    return request.to_string();
  };
  // Whatever is kept for those who come later must be heard of first.
  const std::set<std::string> first{wanted(), wanted(), wanted()};
  CHECK(first == std::set<std::string>{"\x01map", "\x01heartbeat/", "\x01tickets"});

  const auto listener = [&](const char* prefix) {
    zmq::socket_t socket(*context, zmq::socket_type::sub);
    socket.set(zmq::sockopt::linger, 0);
    socket.connect("inproc://relay-out");
    socket.set(zmq::sockopt::subscribe, prefix);
    return socket;
  };
  const zmq::socket_t of_state = listener("heartbeat/storage/");
  zmq::socket_t of_news = listener("event/");
  zmq::socket_t of_more_news = listener("event/node-");
  CHECK(wanted() == "\x01");
  of_news.close();
  of_more_news.close();
  CHECK(wanted() == std::string(1, '\0'));
  const zmq::socket_t of_all = listener("");
  CHECK(wanted() == "\x01");
}

TEST_CASE("a late subscriber gets the last value though nothing more is published") {
  const Cluster cluster(1);
  auto first = std::make_shared<Promised<bool>>();
  const auto early = puppet(*cluster.context, cluster.settings("client/1"), [=](Puppet& self) {
    self.on_observe = [=](const std::string&, Envelope) { first->set(true); };
    self.bus.subscribe("map");
  });
  auto publisher = puppet(*cluster.context, cluster.settings("monitor"), [=](Puppet& self) {
    retry(self.bus, [&self] {
      ClusterMap map;
      map.epoch = 17;
      self.bus.publish("map", envelope_of(map));
      return false;
    });
  });
  REQUIRE(first->arrived());
  publisher.reset();

  auto late = std::make_shared<Promised<Epoch>>();
  const auto listener = puppet(*cluster.context, cluster.settings("client/2"), [=](Puppet& self) {
    self.on_observe = [=](const std::string&, Envelope envelope) {
      late->set(decode<ClusterMap>(envelope.body)->epoch);
    };
    self.bus.subscribe("map");
  });
  CHECK(late->get() == 17);
}

TEST_CASE("a broker added later is asked, published to and listened to like any other") {
  const Cluster cluster(2);
  const Link first = cluster.brokers[0]->endpoints().requests;
  const Link second = cluster.brokers[1]->endpoints().requests;
  ActorSettings only_second = cluster.settings("storage/1");
  only_second.brokers = {second};
  ActorSettings only_first = cluster.settings("client/1");
  only_first.brokers = {first};

  auto heard = std::make_shared<Promised<bool>>();
  const auto listener = puppet(*cluster.context, only_first, [=](Puppet& self) {
    self.on_observe = [=](const std::string&, Envelope) { heard->set(true); };
    self.bus.subscribe("heartbeat/");
  });
  const auto publisher = puppet(*cluster.context, only_second);
  keep_publishing(*publisher, "heartbeat/storage/1");
  const auto brokers = test::on_thread<std::vector<Link>>(*listener, [=](Puppet& self) {
    self.bus.add_broker("nowhere");
    self.bus.add_broker(first);
    self.bus.add_broker(second);
    self.bus.add_broker(second);
    return self.bus.brokers();
  });
  CHECK(brokers == std::vector<Link>{first, second});
  CHECK(heard->get());

  // The other way round: who publishes learns of the broker that another listens to.
  auto told = std::make_shared<Promised<bool>>();
  const auto third = puppet(*cluster.context, only_first, [=](Puppet& self) {
    self.on_observe = [=](const std::string&, Envelope) { told->set(true); };
    self.bus.subscribe("heartbeat/");
  });
  publisher->post([=](Actor& actor) { static_cast<Puppet&>(actor).bus.add_broker(first); });
  CHECK(told->get());
}

TEST_CASE("an actor in the broker's process and one outside reach each other through it") {
  const Cluster cluster(1);
  ActorSettings inside = cluster.settings("monitor");
  inside.brokers = {"inproc://broker-0"};
  const auto server = puppet(*cluster.context, inside, [=](Puppet& self) {
    test::echo()(self);
    retry(self.bus, [&self] {
      (void)self.bus.send(self.bus.brokers()[0], envelope_of(Announce{"monitor", 1}, "broker"));
      return false;
    });
  });
  auto reply = std::make_shared<Promised<std::string>>();
  const auto client = puppet(*cluster.context, cluster.settings("client/1"), [=](Puppet& self) {
    self.on_receive = [=](Envelope envelope) {
      const auto pong = reply_as<Pong>(envelope);
      if (pong) reply->set(pong->actor);
    };
    retry(self.bus, [&self] {
      Envelope ping = test::ping(1);
      ping.header.to = "monitor";
      (void)self.bus.send(self.bus.brokers()[0], std::move(ping));
      return false;
    });
  });
  CHECK(reply->get() == "monitor");
}

TEST_CASE("a broker whose port is taken says so") {
  const Cluster cluster(1);
  BrokerSettings settings;
  settings.listen = cluster.brokers[0]->endpoints().requests;
  const Broker second(*cluster.context, settings);
  REQUIRE_FALSE(second.ready());
  CHECK(second.ready().code() == Code::unavailable);

  // The port for requests may be free while the next one is not.
  settings.listen = cluster.brokers[0]->endpoints().publish;
  const Broker third(*cluster.context, settings);
  CHECK_FALSE(third.ready());
}

}  // namespace broker_tests

TEST_SUITE_END();

}  // namespace
}  // namespace dfs
