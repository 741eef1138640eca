#include "broker/intake.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <doctest/doctest.h>

#include <string>
#include <string_view>

#include "broker/frames.h"
#include "broker/sockets.h"

namespace dfs {
namespace {

constexpr size_t kFrameBytes = size_t{1} << 20;
constexpr size_t kFramesMax = 2000;
constexpr int kQueueMax = 1000;

// A bound ROUTER, and what its owner does in a round.
struct Port {
  explicit Port(int queue_max = kQueueMax)
      : socket(make_socket(context, zmq::socket_type::router, queue_max)),
        intake(context, socket, "test") {
    socket.set(zmq::sockopt::heartbeat_ivl, 0);  // RawPeer answers none
    REQUIRE(bind_socket(socket, "tcp://127.0.0.1:*").ok());
  }
  void turn() {
    zmq::pollitem_t item{socket.handle(), 0, ZMQ_POLLIN, 0};
    intake.at_work();
    (void)zmq::poll(&item, 1, std::chrono::milliseconds(1));
    while (take_one()) {
    }
    intake.at_rest();
  }
  bool take_one() {
    RawMessage raw;
    if (!receive_frames(socket, raw)) return false;
    intake.completed(raw.frames[1]);
    ++messages;
    return true;
  }

  zmq::context_t context;
  zmq::socket_t socket;
  Intake intake;
  size_t messages = 0;
};

std::string large_frame(bool more) {
  std::string head("\x02\0\0\0\0\0\x10\0\0", 9);
  if (more) head[0] = '\x03';
  return head + std::string(kFrameBytes, 'x');
}

// A peer that speaks ZMTP by hand, without encryption.
class RawPeer {
 public:
  explicit RawPeer(const zmq::socket_t& port) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    const std::string endpoint = bound_endpoint(port);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(static_cast<uint16_t>(std::stoi(endpoint.substr(endpoint.rfind(':') + 1))));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::connect(socket_, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0);
    std::string greeting("\xff\0\0\0\0\0\0\0\x01\x7f\x03\0NULL", 16);
    greeting.resize(64, '\0');
    std::string ready(
        "\x04\x1c\x05READY\x0bSocket-Type\0\0\0\x06"
        "DEALER",
        30);
    REQUIRE(say(greeting + ready));
    // What comes before the other side is ready as well would be no message to it.
    (void)hear(greeting.size());
    (void)hear(static_cast<uint8_t>(hear(2)[1]));
  }
  ~RawPeer() { ::close(socket_); }
  RawPeer(const RawPeer&) = delete;
  RawPeer& operator=(const RawPeer&) = delete;

  // False when the other side has ended the connection.
  bool say(const std::string& bytes) {
    size_t said = 0;
    while (said < bytes.size()) {
      const ssize_t sent = ::send(socket_, &bytes[said], bytes.size() - said, MSG_NOSIGNAL);
      if (sent <= 0) return false;
      said += static_cast<size_t>(sent);
    }
    return true;
  }
  bool say_frame(bool more) { return say(large_frame(more)); }
  // Says what there is room for within `patience`; returns how much that was.
  size_t say_some(std::string_view bytes, int patience_ms) {
    size_t said = 0;
    pollfd room{socket_, POLLOUT, 0};
    while (said < bytes.size() && ::poll(&room, 1, patience_ms) > 0) {
      const ssize_t sent =
          ::send(socket_, &bytes[said], bytes.size() - said, MSG_NOSIGNAL | MSG_DONTWAIT);
      if (sent <= 0) break;
      said += static_cast<size_t>(sent);
    }
    return said;
  }

 private:
  std::string hear(size_t count) {
    std::string heard(count, '\0');
    REQUIRE(::recv(socket_, heard.data(), count, MSG_WAITALL) == static_cast<ssize_t>(count));
    return heard;
  }

  const int socket_;
};

// Frames of one message until the connection is ended; how many those were.
size_t say_without_end(RawPeer& peer) {
  size_t sent = 0;
  while (sent < kFramesMax && peer.say_frame(true)) ++sent;
  return sent;
}

TEST_SUITE("broker") {
  TEST_CASE("a message whose last frame never comes ends its connection") {
    Port port;
    RawPeer peer(port.socket);
    size_t sent = 0;
    while (sent < kFramesMax && peer.say_frame(true)) {
      ++sent;
      port.turn();
    }
    CHECK(sent * kFrameBytes >= Intake::kUnfinishedBytesMax);
    CHECK(sent < kFramesMax);
    CHECK(port.messages == 0);
    while (port.intake.ended() == 0) port.turn();
    CHECK(port.intake.connections() == 0);
  }

  TEST_CASE("a message without end ends its connection while the owner does not run") {
    Port port;
    RawPeer peer(port.socket);
    REQUIRE(peer.say_frame(false));
    while (port.messages == 0) port.turn();
    const size_t sent = say_without_end(peer);
    CHECK(sent * kFrameBytes >= Intake::kUnfinishedBytesMax);
    CHECK(sent < kFramesMax);
  }

  TEST_CASE("a message without end takes no more than a full queue when the owner never ran") {
    Port port(50);
    RawPeer peer(port.socket);
    const size_t sent = say_without_end(peer);
    CHECK(port.intake.queue_bytes_max() > Intake::kUnfinishedBytesMax);
    CHECK(sent * kFrameBytes >= port.intake.queue_bytes_max());
    CHECK(sent < kFramesMax);
  }

  TEST_CASE("a message without end ends its connection though the owner finds no rest") {
    Port port;
    RawPeer endless(port.socket);
    RawPeer busy(port.socket);
    const size_t ahead = 500;
    const std::string small("\x01\0\0\x01x", 5);  // an empty frame and one of a byte
    const auto say_small = [&] { REQUIRE(busy.say(small)); };
    for (size_t i = 0; i < ahead; ++i) say_small();
    size_t frames = 0;
    size_t said = ahead;
    while (frames < kFramesMax && endless.say_frame(true)) {
      ++frames;
      for (size_t i = 0; i < 100; ++i, ++said) say_small();
      while (port.messages + ahead < said) (void)port.take_one();
    }
    CHECK(frames * kFrameBytes >= Intake::kUnfinishedBytesMax);
    CHECK(frames < kFramesMax);
    while (port.messages < said) (void)port.take_one();
    CHECK(port.intake.ended() == 1);
  }

  TEST_CASE("who stopped in the middle of a message too large is ended when that is certain") {
    Port port;
    RawPeer peer(port.socket);
    const size_t frames = 2 * Intake::kUnfinishedBytesMax / kFrameBytes;
    for (size_t i = 0; i < frames; ++i) REQUIRE(peer.say_frame(true));
    while (port.intake.ended() == 0) port.turn();
    CHECK(port.messages == 0);
  }

  TEST_CASE("messages that end may be many and large") {
    Port port;
    RawPeer peer(port.socket);
    for (size_t sent = 0; sent < 100; ++sent) {
      REQUIRE(peer.say_frame(true));
      REQUIRE(peer.say_frame(false));
      port.turn();
    }
    while (port.messages < 100) port.turn();
    CHECK(port.intake.ended() == 0);
    CHECK(port.intake.connections() == 1);
  }

  TEST_CASE("messages that end may fill the queue while the owner does not run") {
    Port port(100);
    RawPeer peer(port.socket);
    const std::string message = large_frame(true) + large_frame(false);
    REQUIRE(peer.say(message));
    while (port.messages == 0) port.turn();
    // Until nothing of it is taken any more, for several looks.
    constexpr int kPatienceMs = 20 * (Intake::kPeriod / std::chrono::milliseconds(1));
    size_t said = 1;
    size_t part = 0;
    while (part == 0) {
      part = peer.say_some(message, kPatienceMs);
      if (part < message.size()) break;
      part = 0;
      ++said;
    }
    REQUIRE(said > 100);
    REQUIRE(said * message.size() > 2 * Intake::kUnfinishedBytesMax);
    while (part < message.size()) {
      port.turn();
      part += peer.say_some(std::string_view(message).substr(part), 0);
    }
    while (port.messages <= said) port.turn();
    CHECK(port.intake.ended() == 0);
    CHECK(port.intake.connections() == 1);
  }
}

}  // namespace
}  // namespace dfs
