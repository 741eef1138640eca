// The one place where sockets get their options; README.md gives the reasons.
#pragma once

#include <string>
#include <zmq.hpp>

#include "broker/security.h"
#include "messages/result.h"

namespace dfs {

// A socket for the network or for peers in this process. `queue_max` is the high-water mark, in
// messages, of either direction. Throws zmq::error_t when the process has no sockets left.
zmq::socket_t make_socket(zmq::context_t& context, zmq::socket_type type, int queue_max);

// Before it is bound or connected. `audience` is who may connect to it; without a ZapHandler in the
// context that would be anybody who has the server's key. Keys are hex.
void serve_encrypted(zmq::socket_t& socket, const KeyPair& keys, Audience audience);
void connect_encrypted(zmq::socket_t& socket, const KeyPair& own, const std::string& server_key);

// Fail with `usage` (not an endpoint) or `unavailable` (port taken, no such address, …).
Result<void> bind_socket(zmq::socket_t& socket, const std::string& endpoint);
Result<void> connect_socket(zmq::socket_t& socket, const std::string& endpoint);

// What bind chose for "tcp://127.0.0.1:*".
std::string bound_endpoint(const zmq::socket_t& socket);

// "inproc://NAME-<number>", never the same twice in a process.
std::string unique_inproc(const std::string& name);

// Watches a connecting socket. Own thread only, like the socket. Call stop_watching(socket) before
// the watcher is closed: libzmq's I/O thread would wait for ever to tell a watcher that is gone.
zmq::socket_t watch_connection(zmq::context_t& context, zmq::socket_t& socket);
void stop_watching(zmq::socket_t& socket);

enum class LinkEnd {
  none,
  broke,       // the connection broke, or could not be made
  unfinished,  // the other side ended it before the two had agreed on the encryption
  mismatch,    // one side wants encryption and the other does not
  refused,     // the other side knows this key and wants nothing of it
};
struct LinkNews {
  bool established = false;
  LinkEnd end = LinkEnd::none;
};
// Reads what the watcher saw since it was last asked.
LinkNews read_watcher(zmq::socket_t& watcher);

}  // namespace dfs
