#include "tests/actors/raft/checker.h"

#include <algorithm>

#include "tests/actors/raft/group.h"

namespace dfs::raft {

namespace {

size_t content_of(const LogEntry& entry) {
  const std::string all = std::to_string(static_cast<int>(entry.type)) + "/" + entry.client + "/" +
                          std::to_string(entry.request) + "/" + std::to_string(entry.time_ms) +
                          "/" + entry.body;
  return std::hash<std::string>()(all);
}

}  // namespace

bool is_majority(const ChangeMembers& members, const std::function<bool(MemberId)>& yes) {
  const auto majority_of = [&](Standing stays, Standing moves) {
    size_t all = 0;
    size_t for_it = 0;
    for (const Member& member : members.members) {
      if (member.standing != stays && member.standing != moves) continue;
      ++all;
      if (yes(member.id)) ++for_it;
    }
    return 2 * for_it > all;
  };
  return majority_of(Standing::voter, Standing::leaving) &&
         majority_of(Standing::voter, Standing::joining);
}

void Checker::fail(const Node& node, const std::string& what) const {
  std::string text = "member " + std::to_string(node.id);
  if (node.up()) text += " in term " + std::to_string(node.core->term());
  throw Violation(text + ": " + what);
}

bool Checker::holds(MemberId id, LogIndex index, uint64_t term) const {
  const auto found = nodes_.find(id);
  if (found == nodes_.end()) return false;
  const Disk& disk = found->second.disk;
  // What is before the base was applied, and so had been committed.
  return index <= disk.base || disk.term_at(index) == term;
}

// Figure 2: "Respond to RPCs … after updating stable storage."
void Checker::sent(const Node& node, const Message& message) {
  const HardState& hard = node.disk.hard;
  const auto* ask = std::get_if<RequestVote>(&message);
  const auto* vote = std::get_if<RequestVoteReply>(&message);
  const bool pre = (ask != nullptr && ask->pre) || (vote != nullptr && vote->pre);
  if (!pre) expect(hard.term >= term_of(message), node, "sends a term that its disk does not hold");
  if (ask != nullptr && !ask->pre && hard.term == ask->term) {
    expect(hard.vote == node.id, node, "asks for votes before its own is on disk");
  }
  if (vote != nullptr && vote->granted) check_vote(node, *vote);
  if (const auto* reply = std::get_if<AppendEntriesReply>(&message)) check_reply(node, *reply);
}

void Checker::arrives(const Node& node, const Message& message) {
  const bool of_leader = std::holds_alternative<AppendEntries>(message) ||
                         std::holds_alternative<InstallSnapshot>(message);
  if (of_leader && term_of(message) >= node.core->term()) heard_[node.id] = node.now;
  if (const auto* ask = std::get_if<RequestVote>(&message)) {
    // Whoever it was that wishes for an election relies on nobody any more.
    if (ask->transfer && ask->term > node.core->term()) heard_.erase(node.id);
    const auto heard = heard_.find(node.id);
    const bool alone = heard == heard_.end() || node.now - heard->second >= election_min_;
    if (alone || ask->transfer) free_.insert({node.id, ask->from, ask->term});
  }
}

void Checker::check_vote(const Node& node, const RequestVoteReply& reply) {
  expect(free_.contains({node.id, reply.to, reply.term}), node,
         "supports a candidate while it follows a live leader");
  if (reply.pre) return;
  if (node.disk.hard.term == reply.term) {
    expect(node.disk.hard.vote == reply.to, node, "grants a vote that its disk does not hold");
  }
  const auto [given, first] = granted_.try_emplace({node.id, reply.term}, reply.to);
  expect(first || given->second == reply.to, node, "votes twice in one term");
}

void Checker::check_reply(const Node& node, const AppendEntriesReply& reply) const {
  if (!reply.accepted || node.disk.hard.term != reply.term) return;
  expect(node.disk.last() >= reply.index, node, "accepts entries that its disk does not hold");
  const auto leader = leaders_.find(reply.term);
  if (leader == leaders_.end() || reply.index == 0) return;
  const Node& other = nodes_.at(leader->second);
  if (!other.leads() || other.core->term() != reply.term) return;
  const auto wanted = other.core->log().term_at(reply.index);
  const auto have = node.disk.term_at(reply.index);
  expect(!wanted || !have || *wanted == *have, node, "accepts what its leader does not have");
}

void Checker::saving(const Node& node, const Save& save) {
  const HardState& hard = node.disk.hard;
  if (save.hard) {
    expect(save.hard->term >= hard.term, node, "goes back to an earlier term");
    const bool same_vote = hard.vote == 0 || save.hard->vote == hard.vote;
    expect(save.hard->term > hard.term || same_vote, node, "changes its vote within a term");
  }
  if (save.truncate_from != 0) {
    expect(save.truncate_from > node.table.applied, node, "truncates what it has applied");
    expect(save.truncate_from > node.core->commit(), node, "truncates committed entries");
  }
  // Log matching: an entry's index and term tell what it says and, through the term of the one
  // before it, what the whole log before it is.
  for (const auto& entry : save.entries) {
    const auto previous = node.core->log().term_at(entry->index - 1);
    expect(previous.has_value(), node, "saves an entry that follows nothing");
    expect(entry->term >= *previous, node, "saves an entry of a lower term than the one before");
    const Made made{*previous, content_of(*entry), entry->time_ms};
    const auto [known, first] = made_.try_emplace({entry->index, entry->term}, made);
    expect(first || known->second.content == made.content, node,
           "has another entry of the same index and term");
    expect(first || known->second.previous_term == made.previous_term, node,
           "has another log before an entry of the same index and term");
    const auto earlier = made_.find({entry->index - 1, *previous});
    expect(earlier == made_.end() || earlier->second.time_ms <= made.time_ms, node,
           "lets time go back along its log");
  }
}

void Checker::applied(const Node& node, const LogEntry& entry, uint64_t hash) {
  expect(entry.index <= committed(), node, "applies what nobody committed");
  expect(terms_[entry.index] == entry.term, node, "applies another entry than was committed");
  if (entry.index == hashes_.size()) hashes_.push_back(hash);
  expect(entry.index < hashes_.size(), node, "applies an entry whose predecessors nobody applied");
  expect(hashes_[entry.index] == hash, node, "is in another state than others at this index");
  if (node.leads()) acknowledged_ = std::max(acknowledged_, entry.index);
}

void Checker::started(const Node& node) {
  seen_.erase(node.id);
}

void Checker::stepped(const Node& node) {
  const Seen before = seen_[node.id];
  const Raft& core = *node.core;
  expect(core.term() >= before.term, node, "goes back in terms");
  expect(core.known_commit() >= before.commit, node, "forgets what is committed");
  if (core.role() == Role::leader) check_leader(node, before);
  if (core.known_commit() > before.commit) check_commit(node, before);
  // A read under the lease sees everything that anybody was told of.
  for (const auto& [id, other] : nodes_) {
    if (!other.leads()) continue;
    const auto index = other.core->lease_read(other.now);
    expect(!index || *index >= acknowledged_, other, "has a lease and lacks answered changes");
  }
  seen_[node.id] = {core.term(), core.role(), core.log().last(), core.known_commit(),
                    core.members()};
}

void Checker::check_leader(const Node& node, const Seen& before) {
  const Raft& core = *node.core;
  // Election safety: at most one leader can be elected in a given term.
  const MemberId leader = leaders_.try_emplace(core.term(), node.id).first->second;
  expect(leader == node.id, node, "is the second leader of this term");
  if (before.role != Role::leader || before.term != core.term()) {
    check_complete(node);
  } else {
    // Leader append-only: a leader never overwrites or deletes entries in its log.
    expect(core.log().last() >= before.last, node, "deletes entries while it leads");
  }
}

void Checker::check_commit(const Node& node, const Seen& before) {
  const Raft& core = *node.core;
  const LogIndex commit = core.known_commit();
  expect(commit <= core.log().last(), node, "knows entries as committed that it lacks");
  // A leader that the committed members leave out steps down in the same moment.
  const bool led = before.role == Role::leader && before.term == core.term();
  if (led || core.role() == Role::leader) {
    const auto term = core.log().term_at(commit);
    expect(term == core.term(), node, "commits an entry of an earlier term by itself");
    const auto on_disk = [&](MemberId id) { return holds(id, commit, core.term()); };
    expect(is_majority(before.members, on_disk) || is_majority(core.members(), on_disk), node,
           "commits what is not on the disks of a majority");
    const LogIndex known = committed();
    for (LogIndex index = known + 1; index <= commit; ++index) {
      const auto added = core.log().term_at(index);
      expect(added.has_value(), node, "commits entries whose terms it does not know");
      terms_.push_back(*added);
    }
    for (const auto& [id, other] : nodes_) {
      if (commit > known && other.leads() && other.core->term() > core.term()) {
        check_complete(other);
      }
    }
  }
  expect(commit <= committed(), node, "takes for committed what no leader committed");
  for (LogIndex index = before.commit + 1; index <= commit; ++index) {
    const auto term = core.log().term_at(index);
    expect(!term || *term == terms_[index], node, "has another entry than was committed");
  }
}

// Leader completeness: what was committed in a term is in the logs of the leaders of all later
// terms.
void Checker::check_complete(const Node& leader) const {
  const Log& log = leader.core->log();
  expect(log.last() >= committed(), leader, "leads and lacks committed entries");
  for (LogIndex index = log.first() - 1; index <= committed(); ++index) {
    expect(log.term_at(index) == terms_[index], leader, "leads and has other entries");
  }
}

void Checker::read(const Node& node, LogIndex index, LogIndex floor) {
  expect(index >= floor, node, "reads a state older than what was answered before");
}

}  // namespace dfs::raft
