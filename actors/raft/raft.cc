// The core's life: who is asked what, terms, promises and the way out. election.cc, replication.cc,
// reads.cc and membership.cc hold the rest.
#include "actors/raft/raft.h"

namespace dfs::raft {

namespace {

// Only the leader of its term sends it.
template <class M>
constexpr bool kFromLeader = std::is_same_v<M, AppendEntries> || std::is_same_v<M, InstallSnapshot>;

}  // namespace

Raft::Raft(Settings settings, Start start, Time now)
    : settings_(std::move(settings)),
      random_(settings_.seed),
      hard_(start.hard),
      log_(start.base, start.base_term, std::move(start.runs), start.last),
      time_ms_(start.time_ms),
      commit_(start.applied),
      applied_(start.applied) {
  DFS_ASSERT(settings_.id != 0 && settings_.election_max > settings_.election_min);
  DFS_ASSERT(commit_ >= log_.first() - 1 && commit_ <= log_.last());
  const bool fresh = start.hard.term == 0 && log_.last() == 0;
  if (!fresh) promised_ = now;
  members_.emplace_back(start.applied, std::move(start.members));
  for (auto& change : start.changes) members_.push_back(std::move(change));
  members_changed(now);
  reset_election_timer(now);
  // Nobody else could be leading.
  if (quorum_.alone(settings_.id)) election_at_ = now;
}

void Raft::step(Time now, Message message) {
  std::visit(
      [&](const auto& m) {
        if (m.to != settings_.id || m.from == settings_.id) return;
        if (accept_term(now, m)) on(now, m);
      },
      message);
}

template <class M>
bool Raft::accept_term(Time now, const M& message) {
  if constexpr (std::is_same_v<M, RequestVote>) {
    // Who follows a live leader helps nobody against it. That keeps a member that was cut off, or
    // removed, from unseating a good leader, and it is what the leader's lease rests on (thesis
    // 4.2.3, 6.4.1). A leader that asks for an election itself has given up its lease.
    if (message.transfer) {
      if (message.term > term()) promised_ = Time::min();
    } else if (message.term >= term() && follows_live_leader(now)) {
      return false;
    }
    if (message.pre) return true;
  }
  if constexpr (std::is_same_v<M, RequestVoteReply>) {
    if (message.pre && message.granted) return true;  // of the term that we have not begun
  }
  if (message.term > term()) {
    become_follower(now, message.term, kFromLeader<M> ? message.from : 0);
    return true;
  }
  if (message.term == term()) return true;
  // An old leader, or a candidate of an old term, learns from the answer that time has moved on.
  if constexpr (kFromLeader<M>) {
    send_after(hard_promise_, to<AppendEntriesReply>(message.from));
  } else if constexpr (std::is_same_v<M, RequestVote>) {
    send_after(hard_promise_, to<RequestVoteReply>(message.from));
  }
  return false;
}

template <class M>
M Raft::to(MemberId member) const {
  M message;
  message.group = settings_.group;
  message.from = settings_.id;
  message.to = member;
  message.term = term();
  return message;
}

template RequestVote Raft::to(MemberId member) const;
template RequestVoteReply Raft::to(MemberId member) const;
template AppendEntries Raft::to(MemberId member) const;
template AppendEntriesReply Raft::to(MemberId member) const;
template InstallSnapshot Raft::to(MemberId member) const;
template TimeoutNow Raft::to(MemberId member) const;

void Raft::become_follower(Time now, uint64_t term, MemberId leader) {
  if (term > hard_.term) set_hard(term, 0);
  if (role_ == Role::leader) {
    fail_reads();
    progress_.clear();
    rounds_.clear();
    transfer_to_ = 0;
  }
  role_ = Role::follower;
  leader_ = leader;
  votes_.clear();
  reset_election_timer(now);
}

void Raft::hear(Time now, MemberId leader) {
  if (role_ != Role::follower) become_follower(now, term(), leader);
  leader_ = leader;
  heard_ = promised_ = now;
  reset_election_timer(now);
}

void Raft::step_down(Time now) {
  if (role_ != Role::leader) return;
  become_follower(now, term(), 0);
  election_at_ += settings_.election_max;  // the others go first
}

void Raft::tick(Time now) {
  if (role_ == Role::leader) return lead(now);
  if (now < election_at_) return;
  if (may_stand()) {
    start_election(now, false);
  } else {
    leader_ = 0;
    reset_election_timer(now);
  }
}

Time Raft::wake_at() const {
  if (role_ != Role::leader) return election_at_;
  return transfer_to_ != 0 ? std::min(heartbeat_at_, transfer_until_) : heartbeat_at_;
}

void Raft::reset_election_timer(Time now) {
  const auto span =
      static_cast<uint64_t>((settings_.election_max - settings_.election_min).count());
  election_at_ = now + settings_.election_min + Time(random_() % span);
}

// Keeps those who do the same thing from doing it at the same time.
Time Raft::a_moment() {
  return Time(random_() % static_cast<uint64_t>(settings_.heartbeat.count()));
}

void Raft::set_hard(uint64_t term, MemberId vote) {
  const HardState hard{term, vote};
  if (hard == hard_) return;
  hard_ = hard;
  unsaved_hard_ = hard;
  hard_promise_ = ++promise_;
}

void Raft::send_after(uint64_t promise, Message message) {
  if (promise <= kept_) return send(std::move(message));
  after_save_.emplace_back(promise, std::move(message));
}

std::optional<Save> Raft::take_save() {
  if (!has_save()) return std::nullopt;
  flush();
  Save save;
  save.hard = std::exchange(unsaved_hard_, std::nullopt);
  std::tie(save.truncate_from, save.entries) = log_.take_unsaved();
  saving_ = promise_;
  save_under_way_ = true;
  return save;
}

void Raft::saved(Time now) {
  DFS_ASSERT(save_under_way_);
  save_under_way_ = false;
  kept_ = saving_;
  log_.saved();
  release_messages();
  if (role_ == Role::candidate && kept_ >= hard_promise_) {
    // Its own vote counts when it cannot be forgotten any more.
    votes_[settings_.id] = true;
    count_votes(now);
  } else if (role_ == Role::leader) {
    advance_commit(now);
  }
}

void Raft::release_messages() {
  std::deque<std::pair<uint64_t, Message>> later;
  for (auto& [promise, message] : std::exchange(after_save_, {})) {
    if (promise > kept_) {
      later.emplace_back(promise, std::move(message));
      continue;
    }
    // What was promised in an earlier term is of no use, and perhaps no longer so.
    const bool current = std::visit([&](const auto& m) { return m.term == term(); }, message);
    if (current) send(std::move(message));
  }
  after_save_ = std::move(later);
}

void Raft::applied(LogIndex index) {
  DFS_ASSERT(index <= commit_);
  applied_ = std::max(applied_, index);
  log_.trim_cache(applied_, settings_.cache_bytes_max);
}

}  // namespace dfs::raft
