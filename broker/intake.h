// What a peer may have in flight without ever completing it. libzmq limits the size of a frame and
// counts whole messages, but of a message whose last frame does not come it keeps all frames,
// however many. Whoever may connect could fill the memory that way; so the connections of a bound
// socket are watched, and one that goes on too long is ended.
#pragma once

#include <cstdint>
#include <vector>
#include <zmq.hpp>

#include "broker/bus.h"

namespace dfs {

// Own thread only, like the socket.
class Intake {
 public:
  // Much more than a message within the limits has, for the owner of the socket may be slow.
  static constexpr uint64_t kUnfinishedBytesMax = uint64_t{64} << 20;
  // What a connection may receive besides, such as the pings that keep it alive.
  static constexpr uint64_t kBesidesPerSecond = 1024;
  static constexpr Duration kPeriod = std::chrono::milliseconds(100);  // of check()

  // Of connections over TCP, before the socket is bound. The socket must outlive it. Throws
  // zmq::error_t when the process has no sockets left.
  Intake(zmq::context_t& context, zmq::socket_t& socket);
  ~Intake();
  Intake(const Intake&) = delete;
  Intake& operator=(const Intake&) = delete;

  // A message came, of which this is a frame: what its connection sent is complete up to there.
  void completed(const zmq::message_t& frame);
  // Ends what goes on too long; returns how many connections that were. A limited number is looked
  // at each time, so that many connections cost no more than a few.
  size_t check(Instant now);

  size_t connections() const { return open_; }

 private:
  struct Connection {
    bool open = false;
    bool completed = false;  // since it was looked at
    uint64_t received = 0;   // bytes, when a message was complete
    Instant looked;
  };
  void hear();
  bool goes_on_too_long(int descriptor, Connection& connection, Instant now);

  zmq::socket_t& socket_;
  zmq::socket_t watcher_;
  std::vector<Connection> connections_;  // by descriptor
  size_t open_ = 0;
  size_t next_ = 0;  // to be looked at
};

}  // namespace dfs
