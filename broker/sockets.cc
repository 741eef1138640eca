#include "broker/sockets.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>

#include "broker/hex.h"
#include "messages/types.h"

namespace dfs {
namespace {

// What is queued at close may still leave for this long.
constexpr int kLingerMs = 200;

// A frozen or unplugged peer is noticed by ZMTP pings well before TCP would. The deadlines of
// requests are shorter; this one must not break links of a machine that is merely busy.
constexpr int kHeartbeatMs = 500;
constexpr int kHeartbeatTimeoutMs = 5000;

constexpr int kConnectTimeoutMs = 2000;
// Who listens hangs up on a peer that it does not admit when this is over; who connects waits for
// that, for by its own impatience it could not tell a refusal from a peer that stands still.
constexpr int kHandshakeTimeoutMs = 5000;
constexpr int kHandshakePatienceMs = 7000;
constexpr int kReconnectMs = 50;
constexpr int kReconnectMaxMs = 500;
constexpr int kNeverMs = 3'600'000;
constexpr int kBacklog = 1024;

// A frame somewhat over the protocol's limits still arrives, so that the sender can be told; one
// over this breaks the connection before memory is spent on it.
constexpr int64_t kFrameBytesMax = 2 * static_cast<int64_t>(kPayloadBytesMax);

LinkEnd end_of(uint16_t event, uint32_t value) {
  switch (event) {
    case ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL:
      return value == ZMQ_PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH ? LinkEnd::mismatch
                                                                 : LinkEnd::unfinished;
    case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH:
      return LinkEnd::refused;
    case ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL:
      // With the reason why; a peer that is frozen does not even hang up.
      return value == EPIPE || value == ECONNRESET ? LinkEnd::unfinished : LinkEnd::broke;
    default:
      return LinkEnd::broke;
  }
}

void set_key(zmq::socket_t& socket, int option, const std::string& key) {
  const std::string bytes = *from_hex(key);
  if (zmq_setsockopt(socket.handle(), option, bytes.data(), bytes.size()) != 0) {
    throw zmq::error_t();
  }
}

void set_number(zmq::socket_t& socket, int option, int value) {
  if (zmq_setsockopt(socket.handle(), option, &value, sizeof value) != 0) throw zmq::error_t();
}

}  // namespace

zmq::socket_t make_socket(zmq::context_t& context, zmq::socket_type type, int queue_max) {
  zmq::socket_t socket(context, type);
  socket.set(zmq::sockopt::linger, kLingerMs);
  socket.set(zmq::sockopt::sndhwm, std::max(queue_max, 1));
  socket.set(zmq::sockopt::rcvhwm, std::max(queue_max, 1));
  socket.set(zmq::sockopt::maxmsgsize, kFrameBytesMax);
  socket.set(zmq::sockopt::heartbeat_ivl, kHeartbeatMs);
  socket.set(zmq::sockopt::heartbeat_timeout, kHeartbeatTimeoutMs);
  socket.set(zmq::sockopt::connect_timeout, kConnectTimeoutMs);
  socket.set(zmq::sockopt::handshake_ivl, kHandshakeTimeoutMs);
  if (type == zmq::socket_type::dealer) {
    // A broken link is reported and replaced by its owner; it must not come back behind its back.
    socket.set(zmq::sockopt::reconnect_ivl, kNeverMs);
  } else {
    socket.set(zmq::sockopt::reconnect_ivl, kReconnectMs);
    socket.set(zmq::sockopt::reconnect_ivl_max, kReconnectMaxMs);
  }
  socket.set(zmq::sockopt::tcp_keepalive, 1);
  socket.set(zmq::sockopt::tcp_keepalive_idle, 10);
  socket.set(zmq::sockopt::tcp_keepalive_intvl, 5);
  socket.set(zmq::sockopt::tcp_keepalive_cnt, 3);
  socket.set(zmq::sockopt::backlog, kBacklog);
  if (type == zmq::socket_type::router) socket.set(zmq::sockopt::router_mandatory, 1);
  if (type == zmq::socket_type::xpub) socket.set(zmq::sockopt::xpub_verbose, 1);
  return socket;
}

void serve_encrypted(zmq::socket_t& socket, const KeyPair& keys, Audience audience) {
  set_number(socket, ZMQ_CURVE_SERVER, 1);
  set_key(socket, ZMQ_CURVE_SECRETKEY, keys.secret_key);
  socket.set(zmq::sockopt::zap_domain, std::string(name_of(audience)));
}

void connect_encrypted(zmq::socket_t& socket, const KeyPair& own, const std::string& server_key) {
  set_key(socket, ZMQ_CURVE_SERVERKEY, server_key);
  set_key(socket, ZMQ_CURVE_PUBLICKEY, own.public_key);
  set_key(socket, ZMQ_CURVE_SECRETKEY, own.secret_key);
}

Result<void> bind_socket(zmq::socket_t& socket, const std::string& endpoint) {
  if (zmq_bind(socket.handle(), endpoint.c_str()) == 0) return {};
  const int error = zmq_errno();
  const Code code = error == EINVAL || error == EPROTONOSUPPORT ? Code::usage : Code::unavailable;
  return {code, "cannot listen on " + endpoint + ": " + zmq_strerror(error)};
}

Result<void> connect_socket(zmq::socket_t& socket, const std::string& endpoint) {
  socket.set(zmq::sockopt::handshake_ivl, kHandshakePatienceMs);
  if (zmq_connect(socket.handle(), endpoint.c_str()) == 0) return {};
  const int error = zmq_errno();
  const Code code = error == EINVAL || error == EPROTONOSUPPORT ? Code::usage : Code::unavailable;
  return {code, "cannot connect to " + endpoint + ": " + zmq_strerror(error)};
}

std::string bound_endpoint(const zmq::socket_t& socket) {
  return socket.get(zmq::sockopt::last_endpoint);
}

std::string unique_inproc(const std::string& name) {
  static std::atomic<uint64_t> last{0};
  return "inproc://" + name + "-" + std::to_string(++last);
}

zmq::socket_t watch_connection(zmq::context_t& context, zmq::socket_t& socket) {
  const std::string endpoint = unique_inproc("watch");
  constexpr int kEvents = ZMQ_EVENT_CONNECT_RETRIED | ZMQ_EVENT_CLOSED | ZMQ_EVENT_DISCONNECTED |
                          ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL |
                          ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH;
  if (zmq_socket_monitor(socket.handle(), endpoint.c_str(), kEvents) != 0) throw zmq::error_t();
  zmq::socket_t watcher(context, zmq::socket_type::pair);
  watcher.set(zmq::sockopt::linger, 0);
  watcher.connect(endpoint);
  return watcher;
}

void stop_watching(zmq::socket_t& socket) {
  if (socket) (void)zmq_socket_monitor(socket.handle(), nullptr, 0);
}

LinkNews read_watcher(zmq::socket_t& watcher) {
  LinkNews news;
  zmq::message_t frame;
  while (watcher.recv(frame, zmq::recv_flags::dontwait)) {
    // The event and its value; the second frame is the peer's address.
    uint16_t event = 0;
    uint32_t value = 0;
    if (frame.size() >= sizeof event + sizeof value) {
      std::memcpy(&event, frame.data(), sizeof event);
      std::memcpy(&value, frame.data<char>() + sizeof event, sizeof value);
    }
    while (frame.more()) (void)watcher.recv(frame, zmq::recv_flags::none);
    if (event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED) {
      news.established = true;
    } else {
      news.end = std::max(news.end, end_of(event, value));
    }
  }
  return news;
}

}  // namespace dfs
