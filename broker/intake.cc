#include "broker/intake.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

#include "broker/sockets.h"

namespace dfs {

namespace {

constexpr size_t kLooksMax = 1000;

// Bytes that libzmq has taken from a connection since it was made; nothing when it is gone. What
// the kernel still has is bounded, and says nothing: its reader may be slow.
std::optional<uint64_t> received_on(int descriptor) {
  tcp_info info{};
  socklen_t size = sizeof info;
  int waiting = 0;
  if (ioctl(descriptor, FIONREAD, &waiting) != 0) return std::nullopt;
  if (getsockopt(descriptor, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return std::nullopt;
  const uint64_t arrived = info.tcpi_bytes_received;
  return arrived - std::min(arrived, static_cast<uint64_t>(std::max(waiting, 0)));
}

}  // namespace

Intake::Intake(zmq::context_t& context, zmq::socket_t& socket)
    : socket_(socket), watcher_(context, zmq::socket_type::pair) {
  const std::string endpoint = unique_inproc("intake");
  constexpr int kEvents = ZMQ_EVENT_ACCEPTED | ZMQ_EVENT_CLOSED | ZMQ_EVENT_DISCONNECTED;
  if (zmq_socket_monitor(socket.handle(), endpoint.c_str(), kEvents) != 0) throw zmq::error_t();
  watcher_.set(zmq::sockopt::linger, 0);
  // The threads of libzmq would wait for room.
  watcher_.set(zmq::sockopt::rcvhwm, 0);
  watcher_.connect(endpoint);
}

Intake::~Intake() {
  stop_watching(socket_);
}

void Intake::completed(const zmq::message_t& frame) {
  const int descriptor = zmq_msg_get(frame.handle(), ZMQ_SRCFD);
  if (descriptor >= 0 && static_cast<size_t>(descriptor) < connections_.size()) {
    connections_[static_cast<size_t>(descriptor)].completed = true;
  }
}

// The other end of a connection, or of a listening socket, whose descriptor is the event's value.
void Intake::hear() {
  zmq::message_t frame;
  while (watcher_.recv(frame, zmq::recv_flags::dontwait)) {
    uint16_t event = 0;
    uint32_t descriptor = 0;
    if (frame.size() >= sizeof event + sizeof descriptor) {
      std::memcpy(&event, frame.data(), sizeof event);
      std::memcpy(&descriptor, frame.data<char>() + sizeof event, sizeof descriptor);
    }
    while (frame.more()) (void)watcher_.recv(frame, zmq::recv_flags::none);
    if (event == ZMQ_EVENT_ACCEPTED && descriptor >= connections_.size()) {
      connections_.resize(descriptor + 1);
    }
    if (descriptor >= connections_.size()) continue;
    Connection& connection = connections_[descriptor];
    if (connection.open) --open_;
    connection = Connection();
    connection.open = event == ZMQ_EVENT_ACCEPTED;
    if (connection.open) ++open_;
  }
}

bool Intake::goes_on_too_long(int descriptor, Connection& connection, Instant now) {
  const auto received = received_on(descriptor);
  if (!received) return false;
  const bool first = connection.looked == Instant();
  const auto since = std::chrono::duration_cast<std::chrono::milliseconds>(now - connection.looked);
  connection.looked = now;
  if (std::exchange(connection.completed, false)) {
    connection.received = *received;
    return false;
  }
  if (!first) {
    const auto besides = kBesidesPerSecond * static_cast<uint64_t>(since.count()) / 1000;
    connection.received = std::min(*received, connection.received + besides);
  }
  return *received - std::min(*received, connection.received) > kUnfinishedBytesMax;
}

size_t Intake::check(Instant now) {
  hear();
  size_t ended = 0;
  const size_t looks = std::min(connections_.size(), kLooksMax);
  for (size_t i = 0; i < looks; ++i, ++next_) {
    if (next_ >= connections_.size()) next_ = 0;
    Connection& connection = connections_[next_];
    const int descriptor = static_cast<int>(next_);
    if (!connection.open || !goes_on_too_long(descriptor, connection, now)) continue;
    // libzmq sees it end, frees what it kept, and closes it. Should the descriptor have become
    // another connection's in this moment, that one is made again by whoever needs it.
    (void)shutdown(descriptor, SHUT_RDWR);
    connection.open = false;
    --open_;
    ++ended;
  }
  return ended;
}

}  // namespace dfs
