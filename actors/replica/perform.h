// From a command in the log to the operation that carries it out.
#pragma once

#include <cstdio>
#include <vector>

#include "actors/replica/rows.h"
#include "messages/envelope.h"

namespace dfs {

inline Outcome refusal_of(const Error& error) {
  return {Type::Error, encode(ErrorReply::of(error))};
}

template <Fielded Reply>
Outcome outcome_of(const Reply& reply) {
  if constexpr (Message<Reply>) {
    return {Reply::kType, encode(reply)};
  } else {
    return {Type::None, encode(reply)};
  }
}

// Decodes the command, lets `operation` change `rows`, and adds the changes to `batch`, with the
// events to `events`; when the operation fails, neither.
template <class View, Message Request, Fielded Reply>
Outcome perform(Result<Reply> (*operation)(View&, const Request&), const Command& command,
                View& rows, Batch& batch, std::vector<Event>& events) {
  auto request = decode<Request>(command.body);
  if (!request) return refusal_of(request.error());
  const Result<Reply> reply = operation(rows, *request);
  if (rows.broken()) {
    // Going on would make this head's state differ from what its log says.
    std::fprintf(stderr, "this head stops: %s\n", rows.broken()->describe().c_str());
    DFS_ASSERT(!rows.broken());
  }
  if (!reply) return refusal_of(reply.error());
  rows.commit(batch);
  events = rows.take_events();
  return outcome_of(*reply);
}

}  // namespace dfs
