// What must hold of a group at every moment, whatever happens to it. The names are those of the
// Raft paper (figure 3). Nothing here asks the code under test how majorities are counted.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "actors/raft/raft.h"

namespace dfs::raft {

struct Node;

struct Violation : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// A majority of each half of the members, counted one by one.
bool is_majority(const ChangeMembers& members, const std::function<bool(MemberId)>& yes);

class Checker {
 public:
  Checker(const std::map<MemberId, Node>& nodes, Time election_min)
      : nodes_(nodes), election_min_(election_min) {}

  void started(const Node& node);
  void arrives(const Node& node, const Message& message);
  void sent(const Node& node, const Message& message);
  void saving(const Node& node, const Save& save);
  void applied(const Node& node, const LogEntry& entry, uint64_t hash);
  void stepped(const Node& node);
  void read(const Node& node, LogIndex index, LogIndex floor);

  // What any leader has found to be committed.
  LogIndex committed() const { return terms_.size() - 1; }
  // What leaders have applied, and so may have answered.
  LogIndex acknowledged() const { return acknowledged_; }

 private:
  struct Made {  // an entry
    uint64_t previous_term = 0;
    size_t content = 0;
    int64_t time_ms = 0;
  };
  struct Seen {  // of a member
    uint64_t term = 0;
    Role role = Role::follower;
    LogIndex last = 0;
    LogIndex commit = 0;
    ChangeMembers members;
  };

  void check_leader(const Node& node, const Seen& before);
  void check_commit(const Node& node, const Seen& before);
  void check_complete(const Node& leader) const;
  void check_vote(const Node& node, const RequestVoteReply& reply);
  void check_reply(const Node& node, const AppendEntriesReply& reply) const;
  bool holds(MemberId id, LogIndex index, uint64_t term) const;  // on its disk
  [[noreturn]] void fail(const Node& node, const std::string& what) const;
  void expect(bool condition, const Node& node, const char* what) const {
    if (!condition) fail(node, what);
  }

  const std::map<MemberId, Node>& nodes_;
  const Time election_min_;
  std::map<MemberId, Seen> seen_;
  std::map<uint64_t, MemberId> leaders_;                       // by term
  std::map<std::pair<MemberId, uint64_t>, MemberId> granted_;  // (voter, term) → candidate
  // When a member heard a leader last, by its own clock, and for whom it might vote: nobody had
  // led for election_min when it was asked, or the leader itself wished it.
  std::map<MemberId, Time> heard_;
  std::set<std::tuple<MemberId, MemberId, uint64_t>> free_;  // voter, candidate, term
  std::map<std::pair<LogIndex, uint64_t>, Made> made_;
  std::vector<uint64_t> terms_{0};  // of the committed entries, by index
  LogIndex acknowledged_ = 0;
  std::vector<uint64_t> hashes_{0};  // of the state after each of them, as far as it was applied
};

}  // namespace dfs::raft
