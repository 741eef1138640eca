// From an envelope to a typed handler.
#pragma once

#include "messages/envelope.h"

namespace dfs {

// Decodes `envelope` as the one of Messages… that it names and calls handler.on(envelope, message).
// Returns `malformed` when it does not decode, and `unsupported` when its type is not among them;
// the handler was not called then.
template <Message... Messages, class Handler>
Result<void> dispatch(Handler& handler, const Envelope& envelope) {
  Result<void> outcome(Code::unsupported,
                       "message type " + std::to_string(static_cast<int>(envelope.header.type)) +
                           " is not understood here");
  const auto attempt = [&]<Message T>() {
    if (envelope.header.type != T::kType) return false;
    auto message = decode<T>(envelope.body);
    if (message) {
      outcome = Result<void>();
      handler.on(envelope, *message);
    } else {
      Error error = std::move(message).error();
      error.text = std::string(T::kName) + ": " + error.text;
      outcome = Result<void>(std::move(error));
    }
    return true;
  };
  (void)(attempt.template operator()<Messages>() || ...);
  return outcome;
}

// The reply inside `envelope`: a T, the error that the other side answered, or `malformed`.
template <Message T>
Result<T> reply_as(const Envelope& envelope) {
  if (envelope.header.type == Type::Error) {
    auto error = decode<ErrorReply>(envelope.body);
    if (!error) return std::move(error).error();
    return error->to_error();
  }
  if (envelope.header.type != T::kType) {
    return Result<T>(Code::malformed, "the reply has an unexpected type");
  }
  return decode<T>(envelope.body);
}

}  // namespace dfs
