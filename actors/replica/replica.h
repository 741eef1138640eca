// One member of a group that keeps a state machine together: the shell around the Raft core
// (actors/raft). It owns the log, applies what is committed to the table, feeds members that are
// behind, and answers. README.md tells how the parts work together.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "actors/disk.h"
#include "actors/replica/identity.h"
#include "actors/replica/state_machine.h"
#include "actors/table.h"
#include "broker/bus.h"
#include "messages/heads.h"
#include "messages/raft.h"

namespace dfs {

namespace raft {
class Raft;
}

struct ReplicaSettings {
  std::string directory;          // of the log; snapshots go into "<directory>.snapshots",
                                  // on the file system of the table
  std::string group = "monitor";  // members are the actors "<group>/<member>"
  // Members bring the numbers they have elsewhere, where none is ever given twice.
  bool numbers_given = false;
  size_t proposals_max = 4096;             // waiting; more are refused as `busy`. Reads likewise
  size_t unsaved_bytes_max = 32 << 20;     // proposed and not on disk; likewise
  uint64_t segment_bytes = 16 << 20;       // of one file of the log
  uint64_t log_bytes_kept = 256ull << 20;  // above this the log is cut up to the flushed index
  uint64_t flush_entries = 50'000;         // after so many the table is flushed: a restart replays
                                           // no more than about these
  // Remembered for exactly-once retries; the same on every member of a group.
  uint64_t replies_max = 64 * 1024;
  int64_t reply_ms_max = 10 * 60 * 1000;  // by logged time
  // See raft::Settings.
  Duration heartbeat = std::chrono::milliseconds(100);
  Duration election_min = std::chrono::milliseconds(500);
  Duration election_max = std::chrono::milliseconds(1000);
  double clock_drift_max = 0.1;
  size_t snapshot_parts_in_flight = 4;
  uint64_t snapshot_part_bytes = kPartBytes;
};

// Everything it is given must outlive it, and the table and disk also its jobs on the pool. All of
// it is called, and calls back, on the actor's thread. Callbacks may call the replica again, and
// may destroy it.
class Replica {
 public:
  // Each may be empty.
  struct Watcher {
    // This member leads, has applied all that was committed before, and may propose and read.
    std::function<void()> leading;
    // It no longer does; only after `leading`.
    std::function<void()> following;
    // A committed change of the members was applied; also after open and after a snapshot.
    std::function<void()> members_changed;
    // The table was replaced by a snapshot; StateMachine::loaded() was called before.
    std::function<void()> restored;
  };

  Replica(Bus& bus, Disk& disk, Table& table, StateMachine& machine, ReplicaSettings settings);
  ~Replica();
  Replica(const Replica&) = delete;
  Replica& operator=(const Replica&) = delete;

  void watch(Watcher watcher);  // before open()

  // Recovers: cuts a torn tail, finishes the installation of a snapshot. `founder`: when log and
  // table are empty, begins a group whose only voter is this member; otherwise an empty log waits
  // for a leader to fill it. `ready` is called when that is done; the member leads, if it does,
  // later. Errors: `corrupt` when a synced part of the log does not check out, or when log and
  // table do not belong together; `busy` when another process has the directory.
  void open(Identity self, std::string endpoint, std::string broker, bool founder,
            std::function<void(Result<void>)> ready);

  // `done` gets the outcome once the entry is committed and applied here. A (client, request) that
  // was applied before is answered from memory, without a new entry, perhaps before propose()
  // returns; one that is under way right now is answered with it. Errors after which nothing was
  // done: `busy`, `stopping`, `too_large`, `no_space`, `unavailable` (not open, or just elected).
  // `not_leader` (cause `leader`: the address of the leader, when known; `group`): also when the
  // leader changed while the entry was under way, so it may yet be applied; the same (client,
  // request), sent to the new leader, is applied once. After `io_error` the outcome is unknown, and
  // the replica takes nothing more. A replica that is destroyed calls nobody.
  void propose(Command command, std::function<void(Result<Outcome>)> done);

  // Calls `go` at once, or a little later, when rows of the table may be read so that the answer is
  // linearizable. Errors: `not_leader`, `unavailable`, `busy`, `stopping`, `io_error`.
  void read(std::function<void(Result<void>)> go);

  // For stale reads: how long ago this member was up to date with a leader, for all it knows; 0 for
  // a leader with its lease. One that has heard none since it was started goes by the wall clock
  // and the time of the entry applied last. Nothing while the table may not be read: not open,
  // empty, or a snapshot is being installed.
  std::optional<Duration> staleness() const;

  // True when the envelope was a message of this replica's group, or the answer to a request of its
  // own; it has been dealt with. False for those of another group, and for everything else.
  bool receive(const Envelope& envelope);
  void link_down(const Link& link);

  // Membership, on the leader (`not_leader` otherwise). `busy` while another change is under way.
  // A learner that has caught up becomes a voter by itself.

  // `wanted.id` 0: chosen. Called back when the change is committed; a member that is there already
  // is answered at once. `exists`: the endpoint is that of a member with another uuid.
  void add_member(Member wanted, std::function<void(Result<MemberId>)> done);
  // Called back when the final members are committed; one that was removed before is answered at
  // once. A leader that is to remove itself hands over first, and answers `not_leader`: its
  // successor does it. Errors: `not_found`, `invalid` (the last voter, or those left would have no
  // majority in contact).
  void remove_member(MemberId id, std::function<void(Result<void>)> done);
  // `to` 0: whoever is furthest. Called back with the new leader. Errors: `not_found`, `invalid` (a
  // learner, or out of contact), `timeout`.
  void transfer(MemberId to, std::function<void(Result<MemberId>)> done);

  bool leading() const;
  MemberId id() const;
  MemberId leader() const;             // 0: unknown
  std::string leader_address() const;  // "monitor/3"; empty: unknown
  uint64_t term() const;
  LogIndex applied() const;
  LogIndex commit() const;
  int64_t logged_ms() const;             // time of the entry applied last
  size_t waiting() const;                // proposals and reads
  const ChangeMembers& members() const;  // as of applied()
  // Chained over all that was ever applied: equal on all members at the same applied().
  uint64_t state_hash() const;
  HeadList status() const;
  const raft::Raft* core() const;  // for checkers and tests; nullptr when it does not run

  // Refuses new proposals; hands leadership over when another voter is in contact (at most 1 s);
  // finishes what is under way, flushes the table, then calls `closed`.
  void close(std::function<void()> closed);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace dfs
