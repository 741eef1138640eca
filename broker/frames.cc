#include "broker/frames.h"

#include <cerrno>
#include <cstring>

#if defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>
#endif

namespace dfs {
namespace {

constexpr std::string_view kPeerPrefix = "peer/";

// Below this, copying a body into the frame is cheaper than handing the string over.
constexpr size_t kCopyBytesMax = 4 * 1024;

// ThreadSanitizer does not see libzmq's own synchronisation between sender and receiver.
void mark_released([[maybe_unused]] const void* data) {
#if defined(__SANITIZE_THREAD__)
  __tsan_release(const_cast<void*>(data));
#endif
}
void mark_acquired([[maybe_unused]] const void* data) {
#if defined(__SANITIZE_THREAD__)
  __tsan_acquire(const_cast<void*>(data));
#endif
}

// A received frame whose bytes are read in place until it is destroyed.
struct ReadInPlace {
  explicit ReadInPlace(zmq::message_t received) : frame(std::move(received)) {}
  ReadInPlace(const ReadInPlace&) = delete;
  ReadInPlace& operator=(const ReadInPlace&) = delete;
  ~ReadInPlace() { mark_read(frame); }

  zmq::message_t frame;
};

// A frame over `owner`'s bytes; libzmq drops the owner, on a thread of its own, once they are sent.
template <class Owner>
zmq::message_t frame_over(const void* data, size_t size, Owner* owner) {
  const auto drop = [](void* sent, void* hint) {
    mark_acquired(sent);
    delete static_cast<Owner*>(hint);
  };
  return zmq::message_t(const_cast<void*>(data), size, drop, owner);
}

zmq::message_t frame_of(std::string bytes) {
  if (bytes.size() <= kCopyBytesMax) return zmq::message_t(bytes.data(), bytes.size());
  auto* owner = new std::string(std::move(bytes));
  return frame_over(owner->data(), owner->size(), owner);
}

zmq::message_t frame_of(const Payload& payload) {
  return frame_over(payload.data(), payload.size(), new std::shared_ptr(payload.owner()));
}

std::string_view view_of(const zmq::message_t& frame) {
  return {static_cast<const char*>(frame.data()), frame.size()};
}

// Returns 0 or errno. Only the first frame of a message can be refused: libzmq counts whole
// messages against the high-water mark.
int send_one(zmq::socket_t& socket, zmq::message_t& frame, bool more) {
  mark_released(frame.data());
  const int flags = ZMQ_DONTWAIT | (more ? ZMQ_SNDMORE : 0);
  while (zmq_msg_send(frame.handle(), socket.handle(), flags) < 0) {
    if (errno != EINTR) return errno;
  }
  return 0;
}

Error refusal(int error) {
  if (error == EAGAIN) return {Code::busy, "the link's queue is full; try again later", {}, 10};
  if (error == EHOSTUNREACH) return {Code::unavailable, "the peer has left", {}, 0};
  return {Code::unavailable, std::string("the link cannot send: ") + zmq_strerror(error), {}, 0};
}

Result<void> check_limits(size_t header_bytes, size_t body_bytes, size_t payload_bytes) {
  if (header_bytes > kHeaderBytesMax) return {Code::too_large, "the header is over 4 KiB"};
  if (body_bytes > kBodyBytesMax) return {Code::too_large, "the body is over 1 MiB"};
  if (payload_bytes > kPayloadBytesMax) return {Code::too_large, "the payload is over 1088 KiB"};
  return {};
}

}  // namespace

void mark_read(const zmq::message_t& frame) {
  mark_released(frame.data());
}

bool receive_frames(zmq::socket_t& socket, RawMessage& message) {
  message.count = 0;
  message.overlong = false;
  bool more = true;
  while (more) {
    zmq::message_t surplus;
    message.overlong = message.count == RawMessage::kFramesMax;
    zmq::message_t& frame = message.overlong ? surplus : message.frames[message.count];
    while (zmq_msg_recv(frame.handle(), socket.handle(), ZMQ_DONTWAIT) < 0) {
      if (errno != EINTR) return false;
    }
    mark_acquired(frame.data());
    more = frame.more();
    if (!message.overlong) ++message.count;
  }
  return true;
}

Result<void> decode_frames(std::span<zmq::message_t> frames, bool overlong, Envelope& envelope) {
  envelope.header.type = Type::None;
  if (frames.empty()) return {Code::malformed, "a message without frames"};
  if (frames[0].size() > kHeaderBytesMax) return {Code::too_large, "the header is over 4 KiB"};
  Result<Header> header = decode_header(view_of(frames[0]));
  if (!header) return std::move(header).error();
  envelope.header = std::move(*header);
  if (overlong || frames.size() < 2 || frames.size() > 3) {
    return {Code::malformed, "a message is [header][body] or [header][body][payload]"};
  }
  const size_t payload_bytes = frames.size() == 3 ? frames[2].size() : 0;
  DFS_CHECK(check_limits(frames[0].size(), frames[1].size(), payload_bytes));
  envelope.body.assign(view_of(frames[1]));
  mark_read(frames[1]);
  if (frames.size() == 3) {
    auto owner = std::make_shared<ReadInPlace>(std::move(frames[2]));
    const auto* data = static_cast<const uint8_t*>(owner->frame.data());
    const size_t size = owner->frame.size();
    envelope.payload = Payload(std::move(owner), data, size);
  }
  return {};
}

Result<void> send_frames(zmq::socket_t& socket, std::string_view prefix, Envelope envelope) {
  std::string header = encode_header(envelope.header);
  const bool has_payload = !envelope.payload.empty();
  DFS_CHECK(check_limits(header.size(), envelope.body.size(), envelope.payload.size()));
  if (!prefix.empty()) {
    zmq::message_t first(prefix.data(), prefix.size());
    if (const int error = send_one(socket, first, true)) return refusal(error);
  }
  zmq::message_t header_frame(header.data(), header.size());
  if (const int error = send_one(socket, header_frame, true)) return refusal(error);
  zmq::message_t body_frame = frame_of(std::move(envelope.body));
  if (const int error = send_one(socket, body_frame, has_payload)) return refusal(error);
  if (!has_payload) return {};
  zmq::message_t payload_frame = frame_of(envelope.payload);
  if (const int error = send_one(socket, payload_frame, false)) return refusal(error);
  return {};
}

std::string source_of(const zmq::message_t& frame) {
  const char* address = zmq_msg_gets(frame.handle(), "Peer-Address");
  return address == nullptr ? std::string() : std::string(address).substr(0, kSourceBytesMax);
}

ProvenPeer peer_of(const zmq::message_t& frame, const Security& security) {
  const char* key = zmq_msg_gets(frame.handle(), "User-Id");
  if (key == nullptr) return {};
  ProvenPeer peer{{}, key};
  peer.name = security.known->name_of(peer.key);
  return peer;
}

Link peer_link(std::string_view routing_id) {
  static constexpr char kHex[] = "0123456789abcdef";
  // libzmq's own ids have 5 bytes: the link then fits into a std::string without allocation.
  Link link(kPeerPrefix.size() + 2 * routing_id.size(), '\0');
  std::memcpy(link.data(), kPeerPrefix.data(), kPeerPrefix.size());
  char* out = link.data() + kPeerPrefix.size();
  for (const char c : routing_id) {
    *out++ = kHex[static_cast<uint8_t>(c) >> 4];
    *out++ = kHex[static_cast<uint8_t>(c) & 15];
  }
  return link;
}

bool is_peer_link(std::string_view link) {
  return link.starts_with(kPeerPrefix);
}

bool routing_id_of(std::string_view link, std::string& routing_id) {
  if (!is_peer_link(link) || link.size() == kPeerPrefix.size() || link.size() % 2 == 0)
    return false;
  const auto digit = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
  };
  routing_id.clear();
  for (size_t i = kPeerPrefix.size(); i < link.size(); i += 2) {
    const int high = digit(link[i]);
    const int low = digit(link[i + 1]);
    if (high < 0 || low < 0) return false;
    routing_id.push_back(static_cast<char>(high << 4 | low));
  }
  return true;
}

}  // namespace dfs
