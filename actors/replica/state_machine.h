// What a Replica replicates: rows in a Table, changed by commands, in the order of the log. Keys
// that begin with a zero byte are the Replica's own; a state machine uses all others.
#pragma once

#include <cstdint>
#include <string>

#include "actors/table.h"
#include "messages/ids.h"
#include "messages/types.h"

namespace dfs {

// One committed entry of the log, as a state machine sees it.
struct Command {
  LogIndex index = 0;
  uint64_t term = 0;
  int64_t time_ms = 0;     // the leader's clock when it proposed; never goes back along the log
  Type type = Type::None;  // of the message in `body`
  std::string body;
  std::string client;  // (client, request) identify the request; empty: the leader itself
  uint64_t request = 0;
  uint64_t trace = 0;
};

// The answer to a command: a reply message or an ErrorReply.
struct Outcome {
  Type type = Type::None;
  std::string body;
};

class StateMachine {
 public:
  virtual ~StateMachine() = default;

  // Applies one command: reads the table, adds its changes to `batch`, returns the answer. It must
  // depend on nothing but the table and the command, so that every replica does the same. The
  // Replica writes the batch together with the applied index and the remembered reply.
  virtual Outcome apply(const Command& command, Table& table, Batch& batch) = 0;

  // Called after the batch of `command` was written, and not again after a restart: the place for
  // what is outside the state (events, caches).
  virtual void applied(const Command& command, const Outcome& outcome) {
    (void)command;
    (void)outcome;
  }

  // Called once when the log has been replayed and the table is current: load caches here.
  virtual Result<void> loaded(Table& table) {
    (void)table;
    return {};
  }
};

}  // namespace dfs
