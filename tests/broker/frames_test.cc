#include "broker/frames.h"

#include <doctest/doctest.h>

#include "broker/actor_thread.h"
#include "broker/sockets.h"
#include "messages/cluster.h"

namespace dfs {
namespace {

struct Pair {
  std::shared_ptr<zmq::context_t> context = make_context();
  zmq::socket_t a;
  zmq::socket_t b;

  explicit Pair(int queue_max = 1000)
      : a(make_socket(*context, zmq::socket_type::pair, queue_max)),
        b(make_socket(*context, zmq::socket_type::pair, queue_max)) {
    const std::string endpoint = unique_inproc("frames");
    a.bind(endpoint);
    b.connect(endpoint);
  }
  Result<void> receive(Envelope& envelope, size_t skip = 0) {
    RawMessage raw;
    REQUIRE(receive_frames(b, raw));
    return decode_frames(raw.from(skip), raw.overlong, envelope);
  }
};

Envelope message(std::string body, Payload payload = {}) {
  Envelope envelope;
  envelope.header.type = Type::Ping;
  envelope.header.request = 3;
  envelope.header.from = std::string("a");
  envelope.body = std::move(body);
  envelope.payload = std::move(payload);
  return envelope;
}

TEST_SUITE_BEGIN("broker");

TEST_CASE("an envelope survives the frames, small and large, with and without payload") {
  Pair pair;
  for (const size_t body : {0, 1, 4096, 4097, 100'000}) {
    for (const size_t payload : {0, 1, 40, 1 << 20}) {
      const std::string bytes(payload, 'p');
      REQUIRE(send_frames(pair.a, {}, message(std::string(body, 'b'), Payload::of(bytes))));
      Envelope envelope;
      REQUIRE(pair.receive(envelope));
      CHECK(envelope.header == message("").header);
      CHECK(envelope.body == std::string(body, 'b'));
      CHECK(envelope.payload.view() == bytes);
    }
  }
}

TEST_CASE("a payload is never copied, and lives as long as anybody needs it") {
  Pair pair;
  auto owner = std::make_shared<std::string>(1000, 'x');
  const auto* data = reinterpret_cast<const uint8_t*>(owner->data());
  const std::weak_ptr<std::string> watch = owner;
  REQUIRE(send_frames(pair.a, {}, message("", Payload(owner, data + 10, 900))));
  owner.reset();
  CHECK_FALSE(watch.expired());
  {
    Envelope envelope;
    REQUIRE(pair.receive(envelope));
    CHECK(envelope.payload.data() == data + 10);
    CHECK(envelope.payload.size() == 900);
    const Payload part = envelope.payload.slice(5, 10);
    envelope = Envelope();
    CHECK_FALSE(watch.expired());
    CHECK(part.view() == "xxxxxxxxxx");
  }
  CHECK(watch.expired());
}

TEST_CASE("limits hold exactly, when sending and when receiving") {
  Pair pair;
  Envelope envelope;
  const auto bytes = [](size_t size) { return std::string(size, 'x'); };
  REQUIRE(send_frames(pair.a, {}, message(bytes(kBodyBytesMax))));
  CHECK(pair.receive(envelope));
  CHECK(send_frames(pair.a, {}, message(bytes(kBodyBytesMax + 1))).code() == Code::too_large);
  REQUIRE(send_frames(pair.a, {}, message("", Payload::of(bytes(kPayloadBytesMax)))));
  CHECK(pair.receive(envelope));
  CHECK(send_frames(pair.a, {}, message("", Payload::of(bytes(kPayloadBytesMax + 1)))).code() ==
        Code::too_large);
  Envelope long_header = message("");
  long_header.header.ticket = bytes(kHeaderBytesMax);
  CHECK(send_frames(pair.a, {}, long_header).code() == Code::too_large);

  const auto raw = [&](const std::vector<std::string>& frames) {
    for (size_t i = 0; i < frames.size(); ++i) {
      const bool more = i + 1 < frames.size();
      REQUIRE(pair.a.send(zmq::buffer(frames[i]),
                          more ? zmq::send_flags::sndmore : zmq::send_flags::none));
    }
    return pair.receive(envelope).code();
  };
  const std::string header = encode_header(message("").header);
  CHECK(raw({header, bytes(kBodyBytesMax + 1)}) == Code::too_large);
  CHECK(envelope.header.type == Type::Ping);
  CHECK(raw({header, "", bytes(kPayloadBytesMax + 1)}) == Code::too_large);
  CHECK(raw({bytes(kHeaderBytesMax + 1), ""}) == Code::too_large);
  CHECK(envelope.header.type == Type::None);
  CHECK(raw({header}) == Code::malformed);
  CHECK(envelope.header.request == 3);
  CHECK(raw({header, "", "", ""}) == Code::malformed);
  CHECK(raw({header, "", "", "", "", ""}) == Code::malformed);
  CHECK(raw({"", ""}) == Code::malformed);
  CHECK(raw({header, ""}) == Code::ok);
  Envelope nothing;
  CHECK(decode_frames({}, false, nothing).code() == Code::malformed);
}

TEST_CASE("a full queue is busy and nothing of the message is sent") {
  Pair pair(4);
  size_t accepted = 0;
  while (send_frames(pair.a, {}, message("b", Payload::of("p")))) ++accepted;
  CHECK(accepted == 8);  // both high-water marks
  CHECK(send_frames(pair.a, {}, message("b")).code() == Code::busy);
  Envelope envelope;
  for (size_t i = 0; i < accepted; ++i) REQUIRE(pair.receive(envelope));
  RawMessage raw;
  CHECK_FALSE(receive_frames(pair.b, raw));
}

TEST_CASE("a ROUTER that does not know the peer says unavailable") {
  const auto context = make_context();
  zmq::socket_t router = make_socket(*context, zmq::socket_type::router, 4);
  CHECK(send_frames(router, "stranger", message("")).code() == Code::unavailable);
}

TEST_CASE("a peer's link and its routing id are one another's name") {
  const std::string id("\x00\x1f\xa0\xff\x07", 5);
  CHECK(peer_link(id) == "peer/001fa0ff07");
  std::string back;
  REQUIRE(routing_id_of("peer/001fa0ff07", back));
  CHECK(back == id);
  for (const char* bad : {"", "peer/", "peer/0", "peer/0g", "peer/001", "tcp://a", "peer/0A"}) {
    CHECK_FALSE(routing_id_of(bad, back));
  }
}

TEST_SUITE_END();

}  // namespace
}  // namespace dfs
