#include "broker/intake.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <utility>

#include "broker/log.h"
#include "broker/refusals.h"
#include "broker/sockets.h"
#include "messages/types.h"

namespace dfs {

namespace {

// At most so many connections are looked at each time. The kernel tells of those that moved in
// turn, so none is passed over.
constexpr size_t kLooksMax = 1000;
// Peers in this process, which are in the socket's queue too and are not counted here, and messages
// until libzmq looks which connections have any.
constexpr uint64_t kOtherTurns = 1000;
// A routing id or topic, and what the encryption adds to each frame.
constexpr uint64_t kAroundMessageBytes = 1024;

constexpr int kPeriodMs = Intake::kPeriod / std::chrono::milliseconds(1);

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

// One more than libzmq queues may be on its way into the queue.
uint64_t bytes_of_queue(const zmq::socket_t& socket) {
  const auto messages = static_cast<uint64_t>(socket.get(zmq::sockopt::rcvhwm)) + 1;
  return messages * (kHeaderBytesMax + kBodyBytesMax + kPayloadBytesMax + kAroundMessageBytes);
}

Instant now() {
  return Instant(std::chrono::steady_clock::now().time_since_epoch());
}

void add_to(int epoll, int descriptor, uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.fd = descriptor;
  (void)epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event);  // fails when it is gone already
}

}  // namespace

Intake::Intake(zmq::context_t& context, zmq::socket_t& socket, std::string name)
    : socket_(socket),
      name_(std::move(name)),
      socket_descriptor_(socket.get(zmq::sockopt::fd)),
      queue_bytes_max_(bytes_of_queue(socket)),
      watcher_(context, zmq::socket_type::pair),
      epoll_(epoll_create1(EPOLL_CLOEXEC)),
      stop_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  DFS_ASSERT(epoll_ >= 0 && stop_ >= 0);
  const std::string endpoint = unique_inproc("intake");
  constexpr int kEvents = ZMQ_EVENT_ACCEPTED | ZMQ_EVENT_CLOSED | ZMQ_EVENT_DISCONNECTED;
  if (zmq_socket_monitor(socket.handle(), endpoint.c_str(), kEvents) != 0) throw zmq::error_t();
  watcher_.set(zmq::sockopt::linger, 0);
  // The threads of libzmq would wait for room.
  watcher_.set(zmq::sockopt::rcvhwm, 0);
  watcher_.connect(endpoint);
  add_to(epoll_, stop_, EPOLLIN);
  add_to(epoll_, watcher_.get(zmq::sockopt::fd), EPOLLIN);
  thread_ = std::thread([this] { watch(); });
}

Intake::~Intake() {
  const uint64_t one = 1;
  (void)!write(stop_, &one, sizeof one);
  thread_.join();
  stop_watching(socket_);
  close(stop_);
  close(epoll_);
}

void Intake::at_work() {
  if (std::exchange(working_, true)) return;
  ++turns_;
}

void Intake::at_rest() {
  if (!std::exchange(working_, false)) return;
  ++turns_;
}

void Intake::completed(const zmq::message_t& frame) {
  heard_.fetch_add(1, std::memory_order_relaxed);
  const int descriptor = zmq_msg_get(frame.handle(), ZMQ_SRCFD);
  if (descriptor < 0) return;
  const auto place = static_cast<size_t>(descriptor);
  const std::lock_guard lock(mutex_);
  if (place >= completed_.size()) completed_.resize(place + 1);
  completed_[place] = true;
}

// --- the watching thread -------------------------------------------------------------------------

void Intake::watch() {
  pollfd stop{stop_, POLLIN, 0};
  hear();  // the descriptor of a socket tells of what comes after that was found empty
  do {
    // Who is suspected is looked at again, whether it moves or not.
    if (!wait(moved_.empty() ? -1 : 0)) return;
    hear();
    uint64_t ended = 0;
    for (const int descriptor : std::exchange(moved_, {})) ended += look(descriptor, now()) ? 1 : 0;
    if (ended == 0) continue;
    log_event(Level::warn, name_, "connection ended",
              {{"why", "a message without end"}, {"count", ended}});
  } while (poll(&stop, 1, kPeriodMs) == 0);
}

// Notes what moved; false at the end.
bool Intake::wait(int timeout_ms) {
  std::array<epoll_event, kLooksMax> events;
  const int count = epoll_wait(epoll_, events.data(), kLooksMax, timeout_ms);
  for (int i = 0; i < count; ++i) {
    const int descriptor = events[static_cast<size_t>(i)].data.fd;
    if (descriptor == stop_) return false;
    moved_.push_back(descriptor);
  }
  std::sort(moved_.begin(), moved_.end());
  moved_.erase(std::unique(moved_.begin(), moved_.end()), moved_.end());
  return true;
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
    if (event != ZMQ_EVENT_ACCEPTED) continue;
    connection.open = true;
    ++open_;
    // Told of what arrives, once for whatever came since it was asked for.
    add_to(epoll_, static_cast<int>(descriptor), EPOLLIN | EPOLLET);
  }
}

// Whether it ended the connection.
bool Intake::look(int descriptor, Instant now) {
  if (static_cast<size_t>(descriptor) >= connections_.size()) return false;
  Connection& connection = connections_[static_cast<size_t>(descriptor)];
  if (!connection.open || !goes_on_too_long(descriptor, connection, now)) return false;
  // libzmq tells of an end before it closes the descriptor, which may be another connection's then.
  hear();
  Connection& same = connections_[static_cast<size_t>(descriptor)];
  if (!same.open || same.looked != now) return false;
  same = Connection();
  --open_;
  ++ended_;
  ++process_refusals().floods;
  // libzmq sees it end, frees what it kept, and closes it, which resets the connection: its peer is
  // not left waiting for room.
  const linger at_once{1, 0};
  (void)setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  (void)shutdown(descriptor, SHUT_RDWR);
  return true;
}

bool Intake::goes_on_too_long(int descriptor, Connection& connection, Instant now) {
  const auto received = received_on(descriptor);
  if (!received) return false;
  const bool first = connection.looked == Instant();
  const auto since = std::chrono::duration_cast<std::chrono::milliseconds>(now - connection.looked);
  connection.looked = now;
  const auto besides = kBesidesPerSecond * static_cast<uint64_t>(since.count()) / 1000;
  if (!first) connection.received = std::min(*received, connection.received + besides);
  const auto is_sound = [&] {
    if (has_completed(descriptor)) connection.received = *received;
    return *received - std::min(*received, connection.received) <= kUnfinishedBytesMax;
  };
  if (is_sound()) {
    connection.suspected = false;
    return false;
  }
  if (!std::exchange(connection.suspected, true)) {
    connection.turns = turns_;
    connection.heard = heard_;
  }
  // First whether all is read, then whether there was a complete message in it.
  if (is_all_read() || was_read_since(connection)) return !is_sound();
  if (*received - connection.received > queue_bytes_max_) return true;
  moved_.push_back(descriptor);
  return false;
}

bool Intake::has_completed(int descriptor) {
  const auto place = static_cast<size_t>(descriptor);
  const std::lock_guard lock(mutex_);
  if (place >= completed_.size() || !completed_[place]) return false;
  completed_[place] = false;
  return true;
}

// Whatever libzmq had complete when this was called.
bool Intake::is_all_read() const {
  const uint64_t turns = turns_;
  pollfd socket{socket_descriptor_, POLLIN, 0};
  return turns % 2 == 0 && poll(&socket, 1, 0) == 0 && turns_ == turns;
}

// Whatever libzmq had complete when the connection became suspected: the owner went to work and
// came to rest since, or had many messages.
bool Intake::was_read_since(const Connection& connection) const {
  const uint64_t next_rest = connection.turns + 2 + connection.turns % 2;
  return turns_ >= next_rest || heard_ - connection.heard > 2 * (open_ + kOtherTurns);
}

}  // namespace dfs
