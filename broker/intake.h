// What a peer may have in flight without ever completing it. libzmq limits the size of a frame and
// counts whole messages, but of a message whose last frame does not come it keeps all frames,
// however many. Whoever may connect could fill the memory that way; so the connections of a bound
// socket are watched, on a thread of its own, and one that goes on too long is ended.
//
// Two bounds for what libzmq has read from a connection since its last complete message:
//
// - kUnfinishedBytesMax, once it is certain that no complete message of that connection waits for
//   the owner of the socket. That is so while the owner is at rest and the socket's descriptor is
//   quiet, for libzmq tells there of complete messages, and of frames without a last one it does
//   not; when the owner has been at work and come to rest since; or when it has had more messages
//   since than there could be before this connection's turn (libzmq takes from each in turn).
// - Else what the queue has room for (queue_bytes_max()): an owner who is slow, or stands still, is
//   no reason to end honest connections. libzmq reads no more from a connection of which rcvhwm
//   complete messages wait. With the usual 4096 of at most 2.1 MiB each (messages/types.h) that is
//   8.5 GiB, as much as complete messages may take anyway.
//
// What honest peers have unread at most, when the owner of a storage node stands still: a transfer
// of a client 64 parts of 1 MiB (Transfer::kPartsInFlightMax), a node that passes parts on down the
// chain 64 MiB (UploadSettings::memory_bytes_max), of each time until it gives up and tries again.
// So they do come above the first bound, with complete messages, and not near the second.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>
#include <vector>
#include <zmq.hpp>

#include "broker/bus.h"

namespace dfs {

class Intake {
 public:
  // Much more than a message within the limits has.
  static constexpr uint64_t kUnfinishedBytesMax = uint64_t{64} << 20;
  // What a connection may receive besides, such as the pings that keep it alive.
  static constexpr uint64_t kBesidesPerSecond = 1024;
  // Between looks, while anything arrives. In so long a connection over loopback brings 40 MiB.
  static constexpr Duration kPeriod = std::chrono::milliseconds(20);

  // Of connections over TCP, before the socket is bound. The socket must outlive it. `name` is the
  // module of its log lines. Throws zmq::error_t when the process has no sockets left.
  Intake(zmq::context_t& context, zmq::socket_t& socket, std::string name);
  ~Intake();
  Intake(const Intake&) = delete;
  Intake& operator=(const Intake&) = delete;

  // For the socket's thread only. Before anything else is done with the socket after at_rest():
  void at_work();
  // Nothing was left to receive, and nothing was done with the socket since.
  void at_rest();
  // A message came, of which this is a frame: what its connection sent is complete up to there. Not
  // the routing id of a ROUTER that somebody polls, for libzmq makes that one up without knowing.
  void completed(const zmq::message_t& frame);

  // From any thread.
  size_t connections() const { return open_; }
  uint64_t ended() const { return ended_; }  // because they went on too long
  uint64_t queue_bytes_max() const { return queue_bytes_max_; }

 private:
  struct Connection {
    bool open = false;
    bool suspected = false;  // over the first bound, and not judged yet
    uint64_t turns = 0;      // turns_ when that began
    uint64_t heard = 0;      // heard_ likewise
    uint64_t received = 0;   // bytes, when a message was complete
    Instant looked;
  };
  void watch();
  bool wait(int timeout_ms);
  void hear();
  bool look(int descriptor, Instant now);
  bool goes_on_too_long(int descriptor, Connection& connection, Instant now);
  bool has_completed(int descriptor);
  bool is_all_read() const;
  bool was_read_since(const Connection& connection) const;

  zmq::socket_t& socket_;
  const std::string name_;
  const int socket_descriptor_;
  const uint64_t queue_bytes_max_;

  bool working_ = true;             // of the socket's thread
  std::atomic<uint64_t> turns_{1};  // between work and rest; odd at work
  std::atomic<uint64_t> heard_{0};  // messages
  std::mutex mutex_;
  std::vector<bool> completed_;  // by descriptor, since it was looked at; under mutex_

  std::atomic<size_t> open_{0};
  std::atomic<uint64_t> ended_{0};

  // The rest is of the watching thread.
  zmq::socket_t watcher_;
  int epoll_;
  int stop_;
  std::vector<Connection> connections_;  // by descriptor
  std::vector<int> moved_;               // descriptors, to be looked at
  std::thread thread_;
};

}  // namespace dfs
