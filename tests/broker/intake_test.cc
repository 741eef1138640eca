#include "broker/intake.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <doctest/doctest.h>

#include <string>

#include "broker/frames.h"
#include "broker/sockets.h"

namespace dfs {
namespace {

constexpr size_t kFrameBytes = size_t{1} << 20;
constexpr size_t kFramesMax = 2000;

Instant real_now() {
  return Instant(std::chrono::steady_clock::now().time_since_epoch());
}

// A bound ROUTER, and what its owner does in a round.
struct Port {
  Port() : socket(make_socket(context, zmq::socket_type::router, 1000)), intake(context, socket) {
    REQUIRE(bind_socket(socket, "tcp://127.0.0.1:*").ok());
  }
  void turn() {
    zmq::pollitem_t item{socket.handle(), 0, ZMQ_POLLIN, 0};
    (void)zmq::poll(&item, 1, std::chrono::milliseconds(1));
    RawMessage raw;
    while (receive_frames(socket, raw)) {
      intake.completed(raw.frames[1]);
      ++messages;
    }
    ended += intake.check(real_now());
  }

  zmq::context_t context;
  zmq::socket_t socket;
  Intake intake;
  size_t messages = 0;
  size_t ended = 0;
};

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
  bool say_frame(bool more) {
    std::string head("\x02\0\0\0\0\0\x10\0\0", 9);
    if (more) head[0] = '\x03';
    return say(head + std::string(kFrameBytes, 'x'));
  }

 private:
  const int socket_;
};

TEST_SUITE("broker") {
  TEST_CASE("a message whose last frame never comes ends its connection") {
    Port port;
    RawPeer peer(port.socket);
    size_t sent = 0;
    while (sent < kFramesMax && peer.say_frame(true)) {
      ++sent;
      port.turn();
    }
    CHECK(port.ended == 1);
    CHECK(sent * kFrameBytes >= Intake::kUnfinishedBytesMax);
    CHECK(sent < kFramesMax);
    CHECK(port.messages == 0);
    CHECK(port.intake.connections() == 0);
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
    CHECK(port.ended == 0);
    CHECK(port.intake.connections() == 1);
  }
}

}  // namespace
}  // namespace dfs
