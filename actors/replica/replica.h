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
  uint64_t segment_bytes = 16 << 20;       // of one file of the log
  uint64_t log_bytes_kept = 256ull << 20;  // above this the log is cut up to the flushed index
  // Remembered for exactly-once retries; the same on every replica of a group.
  uint64_t replies_max = 64 * 1024;
  int64_t reply_ms_max = 10 * 60 * 1000;  // by logged time
};

// Everything it is given must outlive it, and the table and disk also its jobs on the pool.
class Replica {
 public:
  Replica(Bus& bus, Disk& disk, Table& table, StateMachine& machine, ReplicaSettings settings);
  ~Replica();
  Replica(const Replica&) = delete;
  Replica& operator=(const Replica&) = delete;

  // Recovers: cuts a torn tail, replays what the table has not seen. Reads on the pool, applies on
  // the actor's thread, and calls `ready` there. `corrupt` when a synced part of the log does not
  // check out, or when log and table do not belong together.
  void open(std::function<void(Result<void>)> ready);

  // `done` gets the outcome once the entry is on stable storage and applied. A (client, request)
  // that was applied before is answered from memory, without a new entry, perhaps before propose()
  // returns; one that is under way right now is answered with it. Errors after which nothing was
  // done: `busy`, `stopping`, `too_large`, `no_space`, `unavailable` (not open). After `io_error`
  // the outcome is unknown until a restart, and the replica takes nothing more. A replica that is
  // destroyed calls nobody.
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
