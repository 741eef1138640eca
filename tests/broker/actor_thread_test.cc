#include "broker/actor_thread.h"

#include <doctest/doctest.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>
#include <zmq.hpp>

#include "broker/log.h"
#include "broker/sockets.h"
#include "tests/broker/harness.h"

namespace dfs::test {
namespace {

ActorSettings client_settings() {
  ActorSettings settings;
  settings.address = "client/1";
  return settings;
}
ActorSettings server_settings(std::string listen = "tcp://127.0.0.1:*") {
  ActorSettings settings;
  settings.address = "server";
  settings.listen = std::move(listen);
  return settings;
}

// Sends a Ping and returns the reply that comes back.
Envelope exchange(ActorThread& client, const Link& link, uint64_t nonce, Payload payload = {}) {
  auto reply = std::make_shared<Promised<Envelope>>();
  client.post([=](Actor& actor) {
    auto& self = static_cast<Puppet&>(actor);
    self.on_receive = [=](Envelope envelope) { reply->set(std::move(envelope)); };
    const Result<void> sent = self.bus.send(link, ping(nonce, payload));
    if (!sent) reply->set(reply_to(Envelope{}, sent.error()));
  });
  return reply->get();
}

TEST_SUITE_BEGIN("broker");

TEST_CASE("a request over tcp is answered, with header, body and payload") {
  const auto context = make_context();
  const auto server = puppet(*context, server_settings(), echo());
  REQUIRE(server->ready());
  const auto client = puppet(*context, client_settings());
  const std::string bytes(1 << 20, 'x');

  const Envelope reply = exchange(*client, server->endpoint(), 7, Payload::of(bytes));

  CHECK(reply.header.type == Type::Pong);
  CHECK(reply.header.request == 7);
  CHECK(reply.header.from == "server");
  CHECK(reply.header.to == "client/1");
  CHECK(reply.link == server->endpoint());
  CHECK(reply.payload.view() == bytes);
}

TEST_CASE("within a process the payload that arrives is the one that was sent") {
  const auto context = make_context();
  const std::string endpoint = unique_inproc("test");
  const auto server = puppet(*context, server_settings(endpoint), echo());
  const auto client = puppet(*context, client_settings());
  const Payload payload = Payload::of(std::string(100'000, 'x'));

  const Envelope reply = exchange(*client, endpoint, 7, payload);

  CHECK(reply.payload.data() == payload.data());
  CHECK(reply.payload.size() == payload.size());
}

TEST_CASE("an actor that cannot listen says why and can be destroyed") {
  const auto context = make_context();
  const auto first = puppet(*context, server_settings());
  const auto second = puppet(*context, server_settings(first->endpoint()));
  REQUIRE_FALSE(second->ready());
  CHECK(second->ready().code() == Code::unavailable);
  CHECK(second->ready().error().text.find(first->endpoint()) != std::string::npos);
  const auto third = puppet(*context, server_settings("carrier-pigeon://roof"));
  REQUIRE_FALSE(third->ready());
  CHECK(third->ready().code() == Code::usage);
}

TEST_CASE("an actor that refuses to start passes its reason on") {
  class Unwilling : public Puppet {
   public:
    using Puppet::Puppet;
    void start(std::function<void(Result<void>)> ready) override {
      ready({Code::io_error, "the disk is gone"});
    }
  };
  const auto context = make_context();
  ActorThread thread(*context, client_settings(),
                     [](Bus& bus) { return std::make_unique<Unwilling>(bus); });
  REQUIRE_FALSE(thread.ready());
  CHECK(thread.ready().error().text == "the disk is gone");
}

TEST_CASE("a link to nobody goes down once, outside of send, and may be tried again") {
  const auto context = make_context();
  std::string endpoint;
  {
    const auto gone = puppet(*context, server_settings());
    endpoint = gone->endpoint();
  }
  auto downs = std::make_shared<std::atomic<int>>(0);
  const auto client = puppet(*context, client_settings());
  for (int round = 1; round <= 2; ++round) {
    auto down = std::make_shared<Promised<Link>>();
    auto sending = std::make_shared<bool>(false);
    client->post([=](Actor& actor) {
      auto& self = static_cast<Puppet&>(actor);
      self.on_link_down = [=](const Link& link) {
        CHECK_FALSE(*sending);
        ++*downs;
        down->set(link);
      };
      *sending = true;
      CHECK(self.bus.send(endpoint, ping(1)));
      CHECK(self.bus.send(endpoint, ping(2)));
      *sending = false;
    });
    CHECK(down->get() == endpoint);
    CHECK(*downs == round);
  }
}

TEST_CASE("a peer's death is told, and the next send reaches its successor") {
  const auto context = make_context();
  auto server = puppet(*context, server_settings(), echo());
  const std::string endpoint = server->endpoint();
  const auto client = puppet(*context, client_settings());
  CHECK(exchange(*client, endpoint, 1).header.type == Type::Pong);

  auto down = std::make_shared<Promised<Link>>();
  on_thread<bool>(*client, [=](Puppet& self) {
    self.on_link_down = [=](const Link& link) { down->set(link); };
    return true;
  });
  server.reset();
  CHECK(down->get() == endpoint);

  server = puppet(*context, server_settings(endpoint), echo());
  REQUIRE(server->ready());
  CHECK(exchange(*client, endpoint, 2).header.request == 2);
}

TEST_CASE("a reply to a peer that left is refused as unavailable") {
  const auto context = make_context();
  auto request = std::make_shared<Promised<Envelope>>();
  const auto server = puppet(*context, server_settings(), [=](Puppet& self) {
    self.on_receive = [=](Envelope envelope) { request->set(std::move(envelope)); };
  });
  auto client = puppet(*context, client_settings());
  const std::string endpoint = server->endpoint();
  client->post(
      [=](Actor& actor) { CHECK(static_cast<Puppet&>(actor).bus.send(endpoint, ping(1))); });
  const Envelope received = request->get();
  client.reset();

  // The ROUTER learns of the end by an event of its own; until then a reply is accepted.
  auto code = std::make_shared<Promised<Code>>();
  server->post([=](Actor& actor) {
    auto& self = static_cast<Puppet&>(actor);
    retry(self.bus, [=, &self] {
      const Result<void> sent = self.bus.reply(reply_to(received, Pong{1, ""}));
      if (!sent) code->set(sent.code());
      return !sent;
    });
  });
  CHECK(code->get() == Code::unavailable);
}

TEST_CASE("a full link is busy, and nothing that was refused arrives") {
  const auto context = make_context();
  const std::string endpoint = unique_inproc("test");
  auto received = std::make_shared<std::atomic<size_t>>(0);
  auto last = std::make_shared<Promised<bool>>();
  ActorSettings settings = server_settings(endpoint);
  settings.link_messages_max = 8;
  auto gate = std::make_shared<Promised<bool>>();
  auto closed = std::make_shared<Promised<bool>>();
  const auto server = puppet(*context, settings, [=](Puppet& self) {
    self.on_receive = [=](Envelope envelope) {
      ++*received;
      if (envelope.header.request == 1'000'000) last->set(true);
    };
  });
  server->post([=](Actor&) {  // the server is stuck for a while
    closed->set(true);
    (void)gate->get();
  });
  REQUIRE(closed->get());
  ActorSettings sender = client_settings();
  sender.link_messages_max = 8;
  const auto client = puppet(*context, sender);
  const auto accepted = on_thread<size_t>(*client, [=](Puppet& self) {
    for (size_t i = 0;; ++i) {
      const Result<void> sent = self.bus.send(endpoint, ping(i + 1));
      if (sent) continue;
      CHECK(sent.code() == Code::busy);
      return i;
    }
  });
  CHECK(accepted >= 8);
  CHECK(accepted <= 16);
  gate->set(true);
  client->post([=](Actor& actor) {
    auto& self = static_cast<Puppet&>(actor);
    retry(self.bus, [=, &self] { return self.bus.send(endpoint, ping(1'000'000)).ok(); });
  });
  REQUIRE(last->arrived());
  CHECK(*received == accepted + 1);
}

TEST_CASE("over its limit of links an actor closes the longest idle, and says so") {
  const auto context = make_context();
  std::vector<std::unique_ptr<ActorThread>> servers;
  for (int i = 0; i < 3; ++i) servers.push_back(puppet(*context, server_settings(), echo()));
  ActorSettings settings = client_settings();
  settings.links_max = 2;
  const auto client = puppet(*context, settings);
  auto down = std::make_shared<Promised<Link>>();
  client->post([=](Actor& actor) {
    static_cast<Puppet&>(actor).on_link_down = [=](const Link& link) { down->set(link); };
  });
  for (const auto& server : servers) {
    CHECK(exchange(*client, server->endpoint(), 1).header.type == Type::Pong);
  }
  CHECK(down->get() == servers[0]->endpoint());
}

TEST_CASE("hostile frames are refused, answered where possible, and harm nobody") {
  const auto context = make_context();
  const auto server = puppet(*context, server_settings(), echo());
  zmq::socket_t raw = make_socket(*context, zmq::socket_type::dealer, 100);
  raw.connect(server->endpoint());
  raw.set(zmq::sockopt::rcvtimeo, 20'000);
  const auto send = [&](std::vector<std::string> frames) {
    for (size_t i = 0; i < frames.size(); ++i) {
      const auto more = i + 1 < frames.size() ? zmq::send_flags::sndmore : zmq::send_flags::none;
      REQUIRE(raw.send(zmq::buffer(frames[i]), more));
    }
  };
  const auto answer = [&] {
    zmq::message_t header, body;
    REQUIRE(raw.recv(header));
    REQUIRE(raw.recv(body));
    Envelope envelope;
    envelope.header = *decode_header({header.data<char>(), header.size()});
    envelope.body = body.to_string();
    return envelope;
  };
  Header header;
  header.type = Type::Ping;
  header.request = 5;
  const std::string good = encode_header(header);
  const std::string body = encode(Ping{5});

  send({""});
  send({"", "", "", "", "", "", "", ""});
  send({"\xff\xff\xff", body});
  send({std::string(kHeaderBytesMax + 1, 'x'), body});
  SUBCASE("a good message still gets through") {
    send({good, body});
  }
  SUBCASE("a message without body is malformed") {
    send({good});
    CHECK(reply_as<Pong>(answer()).code() == Code::malformed);
    send({good, body});
  }
  SUBCASE("a message with too many frames is malformed") {
    send({good, body, "", ""});
    CHECK(reply_as<Pong>(answer()).code() == Code::malformed);
    send({good, body, "", "", "", "", ""});
    CHECK(reply_as<Pong>(answer()).code() == Code::malformed);
    send({good, body});
  }
  SUBCASE("a body over the limit is too large") {
    send({good, std::string(kBodyBytesMax + 1, 'x')});
    CHECK(reply_as<Pong>(answer()).code() == Code::too_large);
    send({good, body});
  }
  SUBCASE("a payload over the limit is too large, one at the limit is not") {
    send({good, body, std::string(kPayloadBytesMax + 1, 'x')});
    CHECK(reply_as<Pong>(answer()).code() == Code::too_large);
    send({good, body, std::string(kPayloadBytesMax, 'x')});
    CHECK(reply_as<Pong>(answer()));
    zmq::message_t payload;
    REQUIRE(raw.recv(payload));
    CHECK(payload.size() == kPayloadBytesMax);
    send({good, body});
  }
  CHECK(reply_as<Pong>(answer()).value().nonce == 5);
}

TEST_CASE("a peer's bad messages are logged once, not each time") {
  char directory[] = "/tmp/dfs-refused-XXXXXX";
  REQUIRE(mkdtemp(directory) != nullptr);
  const std::string file = std::string(directory) + "/dfs.log";
  REQUIRE(open_log({file, "warn", 1 << 20, 1}));
  {
    const auto context = make_context();
    const auto server = puppet(*context, server_settings(), echo());
    zmq::socket_t raw = make_socket(*context, zmq::socket_type::dealer, 1000);
    raw.connect(server->endpoint());
    raw.set(zmq::sockopt::rcvtimeo, 20'000);
    for (int i = 0; i < 500; ++i) REQUIRE(raw.send(zmq::str_buffer("garbage")));
    const std::string good = encode_header(ping(1).header);
    REQUIRE(raw.send(zmq::buffer(good), zmq::send_flags::sndmore));
    REQUIRE(raw.send(zmq::buffer(encode(Ping{1}))));
    zmq::message_t answer;
    REQUIRE(raw.recv(answer));  // so all before it were taken too
  }
  REQUIRE(open_log({"", "off", 0, 0}));
  std::ifstream in(file);
  std::string line;
  size_t lines = 0;
  while (std::getline(in, line)) {
    ++lines;
    CHECK(line.find("code=malformed") != std::string::npos);
  }
  CHECK(lines == 1);
  std::filesystem::remove_all(directory);
}

TEST_CASE("work runs off the actor's thread and its outcome comes back on it") {
  const auto context = make_context();
  const auto client = puppet(*context, client_settings());
  struct Ids {
    std::thread::id actor, work, done;
  };
  auto ids = std::make_shared<Promised<Ids>>();
  client->post([=](Actor& actor) {
    auto seen = std::make_shared<Ids>();
    seen->actor = std::this_thread::get_id();
    const auto work = [=] { seen->work = std::this_thread::get_id(); };
    const auto done = [=] {
      seen->done = std::this_thread::get_id();
      ids->set(*seen);
    };
    CHECK(static_cast<Puppet&>(actor).bus.run(work, done));
  });
  const Ids seen = ids->get();
  CHECK(seen.actor == seen.done);
  CHECK(seen.actor != seen.work);
}

TEST_CASE("timers fire in their order, and cancelled ones never") {
  const auto context = make_context();
  const auto client = puppet(*context, client_settings());
  auto order = std::make_shared<Promised<std::string>>();
  client->post([=](Actor& actor) {
    Bus& bus = static_cast<Puppet&>(actor).bus;
    auto text = std::make_shared<std::string>();
    bus.after(std::chrono::milliseconds(5), [=] {
      *text += "c";
      order->set(*text);
    });
    bus.after(std::chrono::milliseconds(2), [=] { *text += "b"; });
    bus.after(Duration::zero(), [=] { *text += "a"; });
    bus.cancel(bus.after(std::chrono::milliseconds(1), [=] { *text += "x"; }));
  });
  CHECK(order->get() == "abc");
}

TEST_CASE("stop lets the actor finish, then delivers what it said last") {
  const auto context = make_context();
  auto farewell = std::make_shared<Promised<uint64_t>>();
  const auto server = puppet(*context, server_settings(), [=](Puppet& self) {
    self.on_receive = [=](Envelope envelope) { farewell->set(envelope.header.request); };
  });
  const std::string endpoint = server->endpoint();
  auto client = puppet(*context, client_settings(), [=](Puppet& self) {
    self.on_stop = [&self, endpoint](auto stopped) {
      self.bus.after(std::chrono::milliseconds(1), [&self, endpoint, stopped] {
        CHECK(self.bus.send(endpoint, ping(99)));
        stopped();
      });
    };
  });
  client->stop();
  client->stop();
  CHECK(farewell->get() == 99);
  client->post([](Actor&) { FAIL("a step ran after stop"); });
}

TEST_CASE("an actor that never finishes is stopped all the same") {
  const auto context = make_context();
  ActorSettings settings = client_settings();
  settings.stop_deadline = std::chrono::milliseconds(10);
  auto client = puppet(*context, settings, [](Puppet& self) { self.on_stop = [](auto) {}; });
  client->stop();
  client.reset();
}

TEST_CASE("a broker's three endpoints follow from one") {
  const auto tcp = BrokerEndpoints::of("tcp://host:7000");
  REQUIRE(tcp);
  CHECK(tcp->publish == "tcp://host:7001");
  CHECK(tcp->subscribe == "tcp://host:7002");
  const auto inproc = BrokerEndpoints::of("inproc://x");
  REQUIRE(inproc);
  CHECK(inproc->publish == "inproc://x-in");
  for (const char* bad : {"", "host:7000", "tcp://host", "tcp://host:*", "tcp://host:0",
                          "tcp://host:65534", "tcp://host:70x", "tcp://:"}) {
    CHECK(BrokerEndpoints::of(bad).code() == Code::usage);
  }
}

TEST_SUITE_END();

}  // namespace
}  // namespace dfs::test
