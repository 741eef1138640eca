// The shell that hosts a state machine: propose → log → fsync → apply → answer. This version has a
// single member, so an entry is committed when the own disk has it; voting replaces just that step.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>

#include "actors/disk.h"
#include "actors/replica/state_machine.h"
#include "actors/table.h"
#include "broker/bus.h"

namespace dfs {

class LogStore;

struct ReplicaSettings {
  std::string directory;                   // of the log
  size_t proposals_max = 4096;             // waiting or under way; more are refused as `busy`
  size_t batch_bytes_max = 4 << 20;        // appended with one fsync
  uint64_t log_bytes_kept = 256ull << 20;  // above this the log is cut up to the flushed index
  uint64_t replies_max = 64 * 1024;        // remembered for exactly-once retries
  int64_t reply_ms_max = 10 * 60 * 1000;   // by logged time
};

class Replica {
 public:
  Replica(Bus& bus, Disk& disk, Table& table, StateMachine& machine, ReplicaSettings settings);
  ~Replica();
  Replica(const Replica&) = delete;
  Replica& operator=(const Replica&) = delete;

  // Recovers: cuts a torn tail, replays what the table has not seen. Works on the pool; calls
  // `ready` on the actor's thread. `corrupt` when a synced part of the log does not check out.
  void open(std::function<void(Result<void>)> ready);

  // `done` gets the outcome once the entry is on stable storage and applied. A (client, request)
  // that was applied before is answered from memory, without a new entry, even when it is under way
  // right now. Errors: `busy`, `stopping`, `io_error` (the replica then takes nothing more).
  void propose(Command command, std::function<void(Result<Outcome>)> done);

  bool leading() const;
  uint64_t term() const;
  LogIndex applied() const;
  int64_t logged_ms() const;  // time of the last entry
  size_t waiting() const;

  // Refuses new proposals, finishes those under way, flushes the table, then calls `closed`.
  void close(std::function<void()> closed);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace dfs
