// Watches every event of the replicas of one group, and every message of theirs, for what must
// never happen.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "actors/raft/raft.h"
#include "actors/replica/replica.h"
#include "messages/raft.h"
#include "tests/sim/findings.h"
#include "tests/sim/process.h"

namespace dfs::sim {

class RaftChecker {
 public:
  explicit RaftChecker(Findings& findings) : findings_(findings) {}

  // After each event of the process that hosts the replica.
  void after_event(const Process& process, const Replica& replica);
  // Before anything else happens to a message.
  void sent(const Process& process, const Replica& replica, const Envelope& envelope);
  // As an entry is applied; where nobody can tell, some checks are left out.
  void applied(const Process& process, const Command& command);
  void disk_replaced(const Process& process);

  LogIndex committed() const { return committed_.empty() ? 0 : committed_.rbegin()->first; }
  size_t leaders() const { return leaders_.size(); }
  uint64_t snapshots() const { return snapshots_; }  // offered

 private:
  struct Fact {
    uint64_t term = 0;  // of an entry
    uint64_t by = 0;    // of the leader that is first known to have committed it
  };
  // What a process has let others believe, and how far it was seen to be.
  struct Seen {
    uint64_t incarnation = 0;
    MemberId member = 0;
    raft::Role role = raft::Role::follower;
    uint64_t term = 0;
    LogIndex commit = 0;
    LogIndex applied = 0;
    // Kept over restarts, as the disk must keep them.
    uint64_t promised_term = 0;
    LogIndex promised_index = 0;  // its log was acknowledged up to here,
    uint64_t promised_entry = 0;  // where it had an entry of this term
  };

  void check_restart(const Process& process, const raft::Raft& core, Seen& seen);
  void check_leader(const Process& process, const raft::Raft& core);
  void check_commit(const Process& process, const raft::Raft& core, Seen& seen);
  void check_state(const Process& process, const Replica& replica, Seen& seen);
  void promise_vote(const Process& process, MemberId voter, uint64_t term, MemberId candidate);
  void on(const Process& process, const Replica& replica, const RequestVote& message);
  void on(const Process& process, const Replica& replica, const RequestVoteReply& message);
  void on(const Process& process, const Replica& replica, const AppendEntries& message);
  void on(const Process& process, const Replica& replica, const AppendEntriesReply& message);
  void check_entry(const Process& process, const LogEntry& entry);
  void fault(const Process& process, const std::string& what);

  Findings& findings_;
  std::map<size_t, Seen> seen_;                              // by index of the process
  std::map<uint64_t, MemberId> leaders_;                     // by term
  std::map<std::pair<MemberId, uint64_t>, MemberId> votes_;  // by voter and term
  std::map<LogIndex, Fact> committed_;
  std::map<std::pair<LogIndex, uint64_t>, uint64_t> entries_;      // by index and term: contents
  std::map<LogIndex, uint64_t> applied_;                           // the term of the entry
  std::map<LogIndex, uint64_t> states_;                            // hash of the state after it
  std::map<std::pair<std::string, uint64_t>, LogIndex> requests_;  // where each was applied
  uint64_t snapshots_ = 0;
};

}  // namespace dfs::sim
