// Elections: pre-vote, votes, and who may not vote (Raft 5.2, 5.4.1; thesis 4.2.3, 9.6).
#include <algorithm>
#include <tuple>

#include "actors/raft/raft.h"

namespace dfs::raft {

bool Raft::follows_live_leader(Time now) const {
  const Time recently = now - settings_.election_min;
  if (role_ == Role::leader) return quorum_contact(now) > recently;
  return promised_ > recently;  // even if it has learned of a later term since
}

// Who is left out of the newest members stands all the same until they are committed: it may be the
// only one that has their entry, and the others cannot go on without it (thesis 4.2.2). Its own
// vote does not count then.
bool Raft::may_stand() const {
  return std::any_of(members_.begin(), members_.end(), [&](const auto& known) {
    return Quorum(known.second.members).contains(settings_.id);
  });
}

void Raft::start_election(Time now, bool transfer) {
  leader_ = 0;
  if (transfer) return campaign(now, true);
  pre_campaign(now);
}

// Asking beforehand costs nobody anything, so it is done again soon: the others may still have been
// reading what the old leader had sent them.
void Raft::pre_campaign(Time now) {
  role_ = Role::pre_candidate;
  votes_ = {{settings_.id, true}};
  election_at_ = now + settings_.heartbeat + a_moment();
  ask_for_votes(true, false);
  count_votes(now);
}

void Raft::campaign(Time now, bool transfer) {
  role_ = Role::candidate;
  votes_.clear();
  set_hard(term() + 1, settings_.id);
  reset_election_timer(now);
  ask_for_votes(false, transfer);
}

void Raft::ask_for_votes(bool pre, bool transfer) {
  for (const Member& member : members().members) {
    if (member.id == settings_.id || !votes(member.id)) continue;
    auto request = to<RequestVote>(member.id);
    request.term = pre ? term() + 1 : term();
    request.last_index = log_.last();
    request.last_term = log_.last_term();
    request.pre = pre;
    request.transfer = transfer;
    // Asking relies on the own vote: after a crash it must not be given to another. A question
    // beforehand relies on nothing.
    pre ? send(request) : send_after(hard_promise_, request);
  }
}

void Raft::on(Time now, const RequestVote& message) {
  // "the voter denies its vote if its own log is more up-to-date" (5.4.1).
  const bool up_to_date = std::tie(message.last_term, message.last_index) >=
                          std::make_tuple(log_.last_term(), log_.last());
  auto reply = to<RequestVoteReply>(message.from);
  reply.pre = message.pre;
  if (message.pre) {
    reply.granted = message.term > term() && up_to_date;
    if (reply.granted) reply.term = message.term;
    // Nobody leads, and who asks cannot: this member has more, and need not wait any longer.
    if (!up_to_date && role_ == Role::follower) {
      election_at_ = std::min(election_at_, now + a_moment());
    }
    return send(reply);
  }
  const bool free = hard_.vote == message.from || (hard_.vote == 0 && leader_ == 0);
  reply.granted = free && up_to_date;
  if (reply.granted) {
    set_hard(term(), message.from);
    reset_election_timer(now);
  }
  send_after(hard_promise_, reply);
}

void Raft::on(Time now, const RequestVoteReply& message) {
  const Role asked = message.pre ? Role::pre_candidate : Role::candidate;
  if (role_ != asked) return;
  if (message.granted && message.term != (message.pre ? term() + 1 : term())) return;
  votes_[message.from] = message.granted;
  count_votes(now);
}

void Raft::count_votes(Time now) {
  const auto granted = [&](MemberId id) {
    const auto vote = votes_.find(id);
    return vote != votes_.end() && vote->second;
  };
  if (!quorum_.won(granted)) return;
  if (role_ == Role::pre_candidate) return campaign(now, false);
  become_leader(now);
}

void Raft::become_leader(Time now) {
  role_ = Role::leader;
  leader_ = settings_.id;
  votes_.clear();
  progress_.clear();
  rounds_.clear();
  round_ = confirmed_ = 0;
  lease_until_ = Time{};
  lease_allowed_ = true;
  transfer_to_ = 0;
  members_changed(now);
  // What earlier leaders left is committed together with an entry of this term (5.4.2).
  LogEntry entry;
  entry.time_ms = wall_ms_;
  entry.type = BecomeLeader::kType;
  entry.body = encode(BecomeLeader{settings_.id});
  append_own(now, std::move(entry));
  term_begin_ = log_.last();
  heartbeat_at_ = now;
  lead(now);
}

}  // namespace dfs::raft
