// The conversation "consensus": the heads of a cluster among themselves, over direct links.
//
//   candidate → each member:  RequestVote → RequestVoteReply
//   leader → each member:     AppendEntries → AppendEntriesReply, again and again, pipelined
//   leader → one behind:      InstallSnapshot (an offer); the member fetches what it names with
//                             ReadSnapshot → ReadSnapshotReply and then answers AppendEntriesReply
//   leader → its successor:   TimeoutNow
//
// Raft: Ongaro and Ousterhout, "In Search of an Understandable Consensus Algorithm" (2014), and
// Ongaro's thesis (2014). All of them are one way for the bus (header.request is 0), except
// ReadSnapshot; a message that is lost is made up for by the next heartbeat.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "messages/ids.h"
#include "messages/message.h"

namespace dfs {

// One entry of a replicated log.
struct LogEntry {
  LogIndex index = 0;
  uint64_t term = 0;
  int64_t time_ms = 0;     // the leader's clock when it proposed; never goes back along the log
  Type type = Type::None;  // of the message in `body`
  std::string body;
  std::string client;  // (client, request) identify the request; empty: the leader itself
  uint64_t request = 0;
  uint64_t trace = 0;
  std::string requester = {};  // encoded (requester.h): who asked; empty: the cluster itself
};
// Shared by the log in memory, the one being written and the messages to the other members.
using LogEntries = std::vector<std::shared_ptr<const LogEntry>>;

// What a member of a group may decide. A group that has joining or leaving members is in joint
// consensus: whatever is decided needs a majority of the old voters (voter, leaving) and one of the
// new voters (voter, joining).
enum class Standing : uint8_t { learner = 1, voter = 2, joining = 3, leaving = 4 };

struct Member {
  MemberId id = 0;
  std::string endpoint;  // where the other members reach it
  std::string broker;    // where clients reach the broker of the same head
  std::string uuid;      // of its data directory: a lost disk does not come back as a voter
  Standing standing = Standing::voter;
  DFS_FIELDS(id, endpoint, broker, uuid, standing)
};

// A log entry: from here on the group has these members.
struct ChangeMembers {
  std::vector<Member> members;
  MemberId last_id = 0;  // the highest that was ever given to a member
  const char* invalid() const {
    for (const Member& member : members) {
      if (member.id == 0 || member.id > last_id) return "a member's number is out of range";
      if (member.endpoint.size() > kAddressBytesMax) return "a member's endpoint is long";
      if (member.broker.size() > kAddressBytesMax) return "a member's broker is long";
      if (member.standing < Standing::learner || member.standing > Standing::leaving) {
        return "a member has no known standing";
      }
    }
    return nullptr;
  }
  DFS_MESSAGE(ChangeMembers, members, last_id)
};

// A log entry: the first of each leader's term.
struct BecomeLeader {
  MemberId leader = 0;
  DFS_MESSAGE(BecomeLeader, leader)
};

// Every message of this conversation names its group ("CLUSTER/monitor"): one of another cluster is
// dropped, whatever endpoint it was sent to.

struct RequestVote {
  std::string group;
  MemberId from = 0;
  MemberId to = 0;
  uint64_t term = 0;
  LogIndex last_index = 0;
  uint64_t last_term = 0;
  bool pre = false;       // only asks whether it would be granted; nobody's term changes
  bool transfer = false;  // the leader itself asked for this election
  DFS_MESSAGE(RequestVote, group, from, to, term, last_index, last_term, pre, transfer)
};

struct RequestVoteReply {
  std::string group;
  MemberId from = 0;
  MemberId to = 0;
  uint64_t term = 0;
  bool pre = false;
  bool granted = false;
  DFS_MESSAGE(RequestVoteReply, group, from, to, term, pre, granted)
};

// Without entries it is a heartbeat. The entries travel in the payload as records of the log
// (actors/replica/README.md), each with its checksum.
struct AppendEntries {
  std::string group;
  MemberId from = 0;
  MemberId to = 0;
  uint64_t term = 0;
  LogIndex prev_index = 0;
  uint64_t prev_term = 0;
  LogIndex commit = 0;
  uint64_t round = 0;  // echoed: proves that the member followed this leader after the round began
  LogEntries entries;
  DFS_MESSAGE(AppendEntries, group, from, to, term, prev_index, prev_term, commit, round)
};

struct AppendEntriesReply {
  std::string group;
  MemberId from = 0;
  MemberId to = 0;
  uint64_t term = 0;
  bool accepted = false;
  LogIndex prev_index = 0;  // of the request
  LogIndex index =
      0;  // accepted: the log is the leader's up to here and on disk; else where it may be
  uint64_t hint_term = 0;  // refused: the term of the entry at `index`
  LogIndex applied = 0;
  uint64_t round = 0;
  DFS_MESSAGE(AppendEntriesReply, group, from, to, term, accepted, prev_index, index, hint_term,
              applied, round)
};

struct SnapshotFile {
  std::string name;
  uint64_t bytes = 0;
  DFS_FIELDS(name, bytes)
};

struct InstallSnapshot {
  std::string group;
  MemberId from = 0;
  MemberId to = 0;
  uint64_t term = 0;
  LogIndex index = 0;  // the state after this entry
  uint64_t index_term = 0;
  int64_t time_ms = 0;  // of that entry
  ChangeMembers members;
  uint64_t snapshot = 0;  // names it in ReadSnapshot
  std::vector<SnapshotFile> files;
  uint64_t round = 0;
  DFS_MESSAGE(InstallSnapshot, group, from, to, term, index, index_term, time_ms, members, snapshot,
              files, round)
};

struct ReadSnapshotReply {
  uint32_t crc32c = 0;  // of the payload
  DFS_MESSAGE(ReadSnapshotReply, crc32c)
};

// `not_found` when the snapshot is no longer kept: wait for the next offer.
struct ReadSnapshot {
  std::string group;
  uint64_t snapshot = 0;
  std::string name;
  uint64_t offset = 0;
  uint32_t length = 0;  // at most kPartBytes
  using Reply = ReadSnapshotReply;
  const char* invalid() const {
    return length == 0 || length > kPartBytes ? "the length is zero or over 1 MiB" : nullptr;
  }
  DFS_MESSAGE(ReadSnapshot, group, snapshot, name, offset, length)
};

struct TimeoutNow {
  std::string group;
  MemberId from = 0;
  MemberId to = 0;
  uint64_t term = 0;
  DFS_MESSAGE(TimeoutNow, group, from, to, term)
};

}  // namespace dfs
