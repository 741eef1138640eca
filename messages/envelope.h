// What travels: a header, a body and perhaps a payload.
#pragma once

#include <cstdint>
#include <string>

#include "messages/message.h"
#include "messages/payload.h"
#include "messages/types.h"

namespace dfs {

// One connection as its owner names it: "tcp://host:port" (we connected), "inproc://name", or
// "peer/<hex>" (somebody connected to us; valid until they leave). Never sent over the wire.
using Link = std::string;

// On the wire: msgpack array [version, type, request, trace, deadline_ms, from, to, ticket,
// source], the last only when it is not empty. Later versions may append elements; a reader ignores
// what it does not know.
struct Header {
  uint8_t version = kProtocolVersion;
  Type type = Type::None;
  uint64_t request = 0;  // chosen by the asker, same in the reply and in every retry; 0: no reply
  uint64_t trace = 0;    // one id for everything done on behalf of one user command
  uint32_t deadline_ms = 0;  // how much longer the asker waits, counted from sending; 0: unset
  std::string from;          // address of the sender: "client/9f3c…", "storage/7"
  std::string to;            // address or service: "monitor", "storage/7"
  std::string ticket;
  // Where the connection came from on which the first actor of ours took this in: "10.0.0.7". That
  // actor sets it, whatever the sender wrote. Empty: from the same process.
  std::string source = {};

  bool operator==(const Header&) const = default;
};

struct Envelope {
  Header header;
  std::string body;  // msgpack map
  Payload payload;
  Link link;  // where it came from; a reply goes there
  // Who is at the other end of a connection that somebody made to us, as proven by its key:
  // "storage/7", "head", or "client" for a key that nobody knows. Empty: not known, because it came
  // from the same process, on a link of our own, or without encryption. Never on the wire.
  std::string peer = {};
  std::string peer_key = {};  // that key, 64 hex digits
};

std::string encode_header(const Header& header);
Result<Header> decode_header(std::string_view bytes);

// A reply that says no.
struct ErrorReply {
  uint16_t code = 0;
  std::string text;
  std::map<std::string, std::string> cause;
  uint32_t retry_after_ms = 0;
  static constexpr Type kType = Type::Error;
  static constexpr const char* kName = "Error";
  const char* invalid() const { return code == 0 ? "an error without a code" : nullptr; }
  DFS_FIELDS(code, text, cause, retry_after_ms)

  Error to_error() const { return Error{static_cast<Code>(code), text, cause, retry_after_ms}; }
  static ErrorReply of(const Error& error) {
    return {static_cast<uint16_t>(error.code), error.text, error.cause, error.retry_after_ms};
  }
};

// A fresh envelope holding `message`; the sender's Bus fills in `from`.
template <Message T>
Envelope envelope_of(const T& message, std::string to = {}, Payload payload = {}) {
  Envelope envelope;
  envelope.header.type = T::kType;
  envelope.header.to = std::move(to);
  envelope.body = encode(message);
  envelope.payload = std::move(payload);
  return envelope;
}

// The answer to `request`: same request and trace id, addressed to its sender, on its link.
template <Message T>
Envelope reply_to(const Envelope& request, const T& message, Payload payload = {}) {
  Envelope envelope = envelope_of(message, request.header.from, std::move(payload));
  envelope.header.request = request.header.request;
  envelope.header.trace = request.header.trace;
  envelope.link = request.link;
  return envelope;
}
inline Envelope reply_to(const Envelope& request, const Error& error) {
  return reply_to(request, ErrorReply::of(error));
}

}  // namespace dfs
