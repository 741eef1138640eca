// An Envelope as ZeroMQ frames, [header][body][payload?], in both directions. Payloads are never
// copied: a received frame becomes the owner of a Payload, a sent Payload is kept alive by libzmq.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <zmq.hpp>

#include "broker/security.h"
#include "messages/envelope.h"

namespace dfs {

// One multipart message as it came from a socket: perhaps a routing id or a topic, then an
// envelope.
struct RawMessage {
  static constexpr size_t kFramesMax = 4;
  std::array<zmq::message_t, kFramesMax> frames;
  size_t count = 0;
  bool overlong = false;  // there were more frames; they were dropped

  std::span<zmq::message_t> from(size_t first) {
    return std::span(frames).subspan(std::min(first, count), count - std::min(first, count));
  }
};

// Takes the next message off the socket; false when there is none. Never blocks.
bool receive_frames(zmq::socket_t& socket, RawMessage& message);

// To be called after the last look at a frame's bytes in place, before the frame is sent on or
// dropped. Does nothing but tell ThreadSanitizer, which does not see libzmq's count of references.
void mark_read(const zmq::message_t& frame);

// Reads an envelope out of [header][body][payload?], which are moved from. Fails with `malformed`,
// `too_large` or `unsupported`; limits are checked before anything is decoded. When the header was
// good in spite of a failure, envelope.header holds it (else its type is None), so that the sender
// can be told.
Result<void> decode_frames(std::span<zmq::message_t> frames, bool overlong, Envelope& envelope);

// Queues [prefix?][header][body][payload?]. Fails, nothing sent, with `busy` when the queue is
// full, with `unavailable` when a ROUTER does not know the peer named by the prefix, and with
// `too_large` when a peer would refuse it. Never blocks.
Result<void> send_frames(zmq::socket_t& socket, std::string_view prefix, Envelope envelope);

// What libzmq knows of the connection that a frame came on: the address, "10.0.0.7", and the key it
// showed. Empty for a frame from this process, and the key without encryption.
std::string source_of(const zmq::message_t& frame);
struct ProvenPeer {
  std::string name;
  std::string key;
};
ProvenPeer peer_of(const zmq::message_t& frame, const Security& security);

// "peer/<hex>" of a ROUTER's routing id, and back; false when `link` is not of that form.
Link peer_link(std::string_view routing_id);
bool is_peer_link(std::string_view link);
bool routing_id_of(std::string_view link, std::string& routing_id);

}  // namespace dfs
