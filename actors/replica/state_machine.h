// What a Replica replicates: rows in a Table, changed by commands, in the order of the log. Keys
// that begin with a zero byte are the Replica's own; a state machine uses all others.
#pragma once

#include <string>

#include "actors/table.h"
#include "messages/ids.h"
#include "messages/raft.h"
#include "messages/types.h"

namespace dfs {

// One committed entry of the log, as a state machine sees it.
using Command = LogEntry;

// The answer to a command: a reply message or an ErrorReply.
struct Outcome {
  Type type = Type::None;
  std::string body;
};

class StateMachine {
 public:
  virtual ~StateMachine() = default;

  // Applies one command: reads the table, adds its changes to `batch`, returns the answer. It must
  // depend on nothing but the table and the command, so that every member does the same. The
  // Replica writes the batch together with the applied index and the remembered reply.
  //
  // The group's own entries, BecomeLeader and ChangeMembers, come through here too, so that a
  // machine can record them; like every type that it does not know, one that has no use for them
  // answers with an error and leaves the batch alone.
  virtual Outcome apply(const Command& command, Table& table, Batch& batch) = 0;

  // Called on every member after the batch of `command` was written: the place for what is outside
  // the state (events, caches). What the table lost in a crash is applied again, and comes again.
  virtual void applied(const Command& command, const Outcome& outcome) {
    (void)command;
    (void)outcome;
  }

  // Called before anything is applied, when the table is open, and whenever it was replaced by a
  // snapshot: load caches here.
  virtual Result<void> loaded(Table& table) {
    (void)table;
    return {};
  }
};

}  // namespace dfs
