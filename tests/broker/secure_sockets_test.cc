// Real sockets with keys: who gets in, who does not, and what they are told.
#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <future>
#include <mutex>
#include <set>
#include <thread>
#include <zmq.hpp>

#include "broker/broker.h"
#include "broker/security.h"
#include "broker/zap.h"
#include "messages/events.h"
#include "tests/broker/harness.h"

namespace dfs {
namespace {

using namespace dfs::test;

constexpr const char* kAnyPort = "tcp://127.0.0.1:*";

// A head's process: its keys, and a handler that is asked who may connect.
struct SecureHead {
  KeyPair keys = make_key_pair();
  std::shared_ptr<Security> security = std::make_shared<Security>();
  std::shared_ptr<zmq::context_t> context = make_context();
  ZapHandler zap{*context, security->known};

  SecureHead() {
    REQUIRE(zap.ready());
    security->own = keys;
    security->cluster_keys = {keys.public_key};
    security->served = keys;
    security->known->set("given", {{keys.public_key, kHeadPeer}});
  }
  ActorSettings port(Audience audience) const {
    ActorSettings settings;
    settings.address = "monitor";
    settings.listen = kAnyPort;
    settings.security = security;
    settings.audience = audience;
    return settings;
  }
  std::shared_ptr<Security> guest(std::vector<std::string> cluster_keys) const {
    auto made = std::make_shared<Security>();
    made->own = make_key_pair();
    made->cluster_keys = std::move(cluster_keys);
    return made;
  }
  std::shared_ptr<Security> guest() const { return guest({keys.public_key}); }
};

ActorSettings listening(const std::string& address) {
  ActorSettings settings;
  settings.address = address;
  settings.listen = kAnyPort;
  return settings;
}

// On loopback; `port` 0 becomes one that is free.
int listen_on(uint16_t& port) {
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  const int yes = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  REQUIRE(bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  REQUIRE(listen(listener, 1) == 0);
  socklen_t size = sizeof address;
  getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size);
  port = ntohs(address.sin_port);
  return listener;
}

ActorSettings client(std::shared_ptr<const Security> security) {
  ActorSettings settings;
  settings.address = "client/1";
  settings.security = std::move(security);
  return settings;
}

// The first answer to pings that are repeated until there is one, or the first error that says that
// there will be none.
Result<Envelope> ask(zmq::context_t& context, std::shared_ptr<const Security> security,
                     const Link& link) {
  auto outcome = std::make_shared<Promised<Result<Envelope>>>();
  const auto actor = puppet(context, client(std::move(security)), [&](Puppet& self) {
    self.on_receive = [outcome](Envelope envelope) { outcome->set(std::move(envelope)); };
  });
  actor->post([=](Actor& each) {
    Bus& bus = static_cast<Puppet&>(each).bus;
    auto attempt = std::make_shared<std::function<void()>>();
    *attempt = [=, &bus, again = std::weak_ptr(attempt)] {
      const auto sent = bus.send(link, ping(1));
      if (!sent && sent.code() == Code::denied) return outcome->set(sent.error());
      bus.after(std::chrono::milliseconds(20), [attempt = again.lock()] { (*attempt)(); });
    };
    (*attempt)();
  });
  return outcome->get();
}

// Answers pings, and keeps what it was sent.
struct Heard {
  std::mutex mutex;
  std::vector<Envelope> envelopes;

  Setup echo() {
    return [this](Puppet& self) {
      self.on_receive = [this, &self](Envelope envelope) {
        {
          const std::lock_guard lock(mutex);
          envelopes.push_back(envelope);
        }
        (void)self.bus.reply(reply_to(envelope, Pong{1, "here"}));
      };
    };
  }
  Envelope last() {
    const std::lock_guard lock(mutex);
    REQUIRE_FALSE(envelopes.empty());
    return envelopes.back();
  }
};

TEST_SUITE_BEGIN("broker");

TEST_CASE("whoever has the server's key is let in, and is nobody in particular") {
  SecureHead head;
  Heard heard;
  const auto server = puppet(*head.context, head.port(Audience::all), heard.echo());
  REQUIRE(server->ready());
  const auto context = make_context();
  const auto guest = head.guest();
  const auto answer = ask(*context, guest, server->endpoint());
  REQUIRE(answer);
  CHECK(heard.last().peer == kUnknownPeer);
  CHECK(heard.last().peer_key == guest->own.public_key);
  CHECK(heard.last().header.source == "127.0.0.1");
  // What comes on a link of one's own is nobody's word about the sender.
  CHECK(answer->peer.empty());
  CHECK(answer->header.source.empty());
}

TEST_CASE("a peer has its name from the moment its key is known, and no longer than that") {
  SecureHead head;
  Heard heard;
  const auto server = puppet(*head.context, head.port(Audience::all), heard.echo());
  const auto context = make_context();
  const auto guest = head.guest();
  auto answers = std::make_shared<std::atomic<int>>(0);
  const auto actor = puppet(*context, client(guest), [=](Puppet& self) {
    self.on_receive = [answers](Envelope) { ++*answers; };
  });
  // On one connection all the time.
  const auto peer_now = [&] {
    const int before = *answers;
    on_thread<bool>(*actor,
                    [&](Puppet& self) { return self.bus.send(server->endpoint(), ping(1)).ok(); });
    while (*answers == before) std::this_thread::yield();
    return heard.last().peer;
  };
  CHECK(peer_now() == kUnknownPeer);
  head.security->known->set("nodes", {{guest->own.public_key, "storage/7"}});
  CHECK(peer_now() == "storage/7");
  head.security->known->set("nodes", {});
  CHECK(peer_now() == kUnknownPeer);
  CHECK(head.zap.admitted() == 1);
}

TEST_CASE("what the sender says of its source is not believed") {
  const auto context = make_context();
  Heard heard;
  const auto server = puppet(*context, listening("s"), heard.echo());
  Promised<bool> answered;
  const auto actor = puppet(*context, client(nullptr), [&](Puppet& self) {
    self.on_receive = [&](Envelope) { answered.set(true); };
  });
  actor->post([&](Actor& each) {
    Envelope envelope = ping(1);
    envelope.header.source = "10.9.9.9";
    CHECK(static_cast<Puppet&>(each).bus.send(server->endpoint(), std::move(envelope)));
  });
  CHECK(answered.get());
  CHECK(heard.last().header.source == "127.0.0.1");
  CHECK(heard.last().peer.empty());
}

TEST_CASE("a port for heads refuses others, until their key is that of a head") {
  SecureHead head;
  Heard heard;
  const auto server = puppet(*head.context, head.port(Audience::heads), heard.echo());
  const auto context = make_context();
  const auto guest = head.guest();
  const auto refused = ask(*context, guest, server->endpoint());
  REQUIRE_FALSE(refused);
  CHECK(refused.code() == Code::denied);
  CHECK(refused.error().text.find("not admitted") != std::string::npos);
  CHECK(head.zap.refused() >= 1);
  head.security->known->set("nodes", {{guest->own.public_key, "storage/7"}});
  CHECK_FALSE(ask(*context, guest, server->endpoint()));
  const auto other = std::make_shared<Security>(*guest);
  other->own = head.keys;
  CHECK(ask(*context, other, server->endpoint()));
  CHECK(heard.last().peer == kHeadPeer);
}

TEST_CASE("with a wrong key, without one, or with one where none is, one is told so") {
  SecureHead head;
  const auto server = puppet(*head.context, head.port(Audience::all), echo());
  const auto context = make_context();
  const auto wrong = ask(*context, head.guest({make_key_pair().public_key}), server->endpoint());
  REQUIRE_FALSE(wrong);
  CHECK(wrong.code() == Code::denied);
  CHECK(wrong.error().text.find("cluster-key is not that of the cluster") != std::string::npos);
  const auto plain = ask(*context, nullptr, server->endpoint());
  REQUIRE_FALSE(plain);
  CHECK(plain.error().text.find("this side is insecure") != std::string::npos);

  const auto open = puppet(*context, listening("s"), echo());
  const auto reverse = ask(*context, head.guest(), open->endpoint());
  REQUIRE_FALSE(reverse);
  CHECK(reverse.error().text.find("not encrypted there") != std::string::npos);
  CHECK(ask(*context, nullptr, open->endpoint()));
}

TEST_CASE("a process that ends in the middle of a handshake is waited for") {
  const auto context = make_context();
  uint16_t port = 0;
  const int listener = listen_on(port);
  const std::string endpoint = "tcp://127.0.0.1:" + std::to_string(port);
  auto asking = std::async(std::launch::async, [&] { return ask(*context, nullptr, endpoint); });
  pollfd waiting{listener, POLLIN, 0};
  REQUIRE_MESSAGE(poll(&waiting, 1, 20'000) == 1, "nobody tries");
  const int connection = accept(listener, nullptr, nullptr);
  REQUIRE(connection >= 0);
  close(listener);
  close(connection);
  ActorSettings settings = listening("s");
  settings.listen = endpoint;
  const auto server = puppet(*context, settings, echo());
  CHECK(asking.get());
}

TEST_CASE("of several keys of a cluster the one that fits is found") {
  SecureHead head;
  const auto server = puppet(*head.context, head.port(Audience::all), echo());
  const auto context = make_context();
  const auto keys = {make_key_pair().public_key, make_key_pair().public_key, head.keys.public_key};
  CHECK(ask(*context, head.guest(keys), server->endpoint()));
}

TEST_CASE("an endpoint says how it is to be reached") {
  SecureHead head;
  const auto context = make_context();
  const auto guest = head.guest();
  SUBCASE("of a node that encrypts: with its own key") {
    auto node = std::make_shared<Security>();
    node->own = make_key_pair();
    node->cluster_keys = {head.keys.public_key};
    node->served = node->own;
    const auto node_context = make_context();
    const ZapHandler zap(*node_context, node->known);
    ActorSettings settings = listening("storage");
    settings.security = node;
    settings.audience = Audience::all;
    const auto server = puppet(*node_context, settings, echo());
    CHECK(server->endpoint().ends_with("#" + node->own.public_key));
    CHECK(ask(*context, guest, server->endpoint()));
    const auto insecure = ask(*context, nullptr, server->endpoint());
    CHECK(insecure.code() == Code::denied);
  }
  SUBCASE("of one that does not: plain, by whoever") {
    auto node = std::make_shared<Security>();
    node->own = make_key_pair();
    ActorSettings settings = listening("storage");
    settings.security = node;
    const auto server = puppet(*context, settings, echo());
    CHECK(server->endpoint().ends_with("#plain"));
    CHECK(ask(*context, guest, server->endpoint()));
    CHECK(ask(*context, nullptr, server->endpoint()));
  }
}

TEST_CASE("a connection that never finishes its handshake is closed") {
  SecureHead head;
  const auto server = puppet(*head.context, head.port(Audience::all), echo());
  const std::string endpoint = server->endpoint();
  const int peer = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port =
      htons(static_cast<uint16_t>(std::stoi(endpoint.substr(endpoint.rfind(':') + 1))));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const timeval patience{.tv_sec = 20, .tv_usec = 0};
  setsockopt(peer, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  REQUIRE(connect(peer, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  // The greeting comes, and then the end.
  char buffer[256];
  ssize_t size = 1;
  while (size > 0) size = recv(peer, buffer, sizeof buffer, 0);
  CHECK(size == 0);
  close(peer);
  // And nobody else was kept waiting.
  CHECK(ask(*make_context(), head.guest(), endpoint));
}

// What storage/7 says on a topic; of a full disk it says it for another.
Envelope said_on(const std::string& topic) {
  if (!topic.starts_with(kEventTopic)) return envelope_of(Ping{1});
  Event event;
  event.topic = topic.substr(std::string_view(kEventTopic).size());
  event.actor = "storage/7";
  event.fields["node"] = event.topic == "disk-full" ? "8" : "7";
  return envelope_of(event);
}

TEST_CASE("publications come from nodes, each on its own topics, and from heads") {
  SecureHead head;
  BrokerSettings serving;
  serving.listen = kAnyPort;
  serving.security = head.security;
  const Broker broker(*head.context, serving);
  REQUIRE(broker.ready());
  const std::string requests = broker.endpoints().requests;
  const auto context = make_context();
  auto node = head.guest();
  head.security->known->set("nodes", {{node->own.public_key, "storage/7"}});

  std::mutex mutex;
  std::set<std::string> topics;
  Promised<bool> own_came;
  Promised<bool> map_came;
  const auto other_node = head.guest();
  head.security->known->set("others", {{other_node->own.public_key, "storage/1"}});
  ActorSettings hearing = client(other_node);
  hearing.brokers = {requests};
  const auto listener = puppet(*context, hearing, [&](Puppet& self) {
    self.on_observe = [&](const std::string& topic, Envelope) {
      const std::lock_guard lock(mutex);
      topics.insert(topic);
      if (topic == "heartbeat/storage/7") own_came.set(true);
      if (topic == "map") map_came.set(true);
    };
    self.bus.subscribe("");
  });
  const auto publish = [&](std::shared_ptr<const Security> security,
                           std::vector<std::string> list) {
    ActorSettings settings = client(nullptr);
    settings.address = "storage/7";
    settings.security = std::move(security);
    settings.brokers = {requests};
    return puppet(*context, settings, [list](Puppet& self) {
      retry(self.bus, [&self, list] {
        for (const auto& topic : list) self.bus.publish(topic, said_on(topic));
        return false;
      });
    });
  };
  const auto stranger = publish(head.guest(), {"heartbeat/storage/9", "event/disk-full"});
  // What is forged goes out before what is not, each time. "event/disk-full" names another node.
  const auto publisher =
      publish(node, {"heartbeat/storage/8", "map", "tickets", "event/leader", "heartbeat/agent/h",
                     "event/disk-full", "event/disk-ok", "heartbeat/storage/7"});
  CHECK(own_came.get());
  {
    const std::lock_guard lock(mutex);
    topics.erase("event/disk-ok");
    CHECK(topics == std::set<std::string>{"heartbeat/storage/7"});
  }
  // Nobody else hears anything.
  std::atomic<int> overheard = 0;
  ActorSettings curious = client(head.guest());
  curious.brokers = {requests};
  const auto spy = puppet(*context, curious, [&](Puppet& self) {
    self.on_observe = [&](const std::string&, Envelope) { ++overheard; };
    self.bus.subscribe("");
  });
  const auto own = std::make_shared<Security>(*head.guest());
  own->own = head.keys;
  const auto leader = publish(own, {"map"});
  CHECK(map_came.get());
  CHECK(head.zap.refused() >= 1);
  CHECK(overheard == 0);
}

TEST_SUITE_END();

}  // namespace
}  // namespace dfs
