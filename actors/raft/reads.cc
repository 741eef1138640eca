// Linearizable reads without log entries (thesis 6.4), and what a leader knows of its majority.
//
// A round begins when the leader sends heartbeats; a member that echoes it followed this leader
// after that moment, and will vote for no other within election_min of it. So once a majority has
// echoed a round, nobody else can lead before election_min has passed since the round began.
#include "actors/raft/raft.h"

namespace dfs::raft {

Time Raft::quorum_contact(Time now) const {
  const uint64_t at = quorum_.reached([&](MemberId id) -> uint64_t {
    if (id == settings_.id) return static_cast<uint64_t>(now.count());
    const auto found = progress_.find(id);
    return found == progress_.end() ? 0 : static_cast<uint64_t>(found->second.contact.count());
  });
  return Time(at);
}

void Raft::confirm_rounds(Time now) {
  confirmed_ = quorum_.reached([&](MemberId id) -> uint64_t {
    if (id == settings_.id) return round_;
    const auto found = progress_.find(id);
    return found == progress_.end() ? 0 : found->second.round;
  });
  while (rounds_.size() > 1 && rounds_[1].first <= confirmed_) rounds_.pop_front();
  if (!rounds_.empty() && rounds_.front().first <= confirmed_) {
    const double share = 1.0 - settings_.clock_drift_max;
    const auto lease =
        static_cast<Time::rep>(static_cast<double>(settings_.election_min.count()) * share);
    lease_until_ = rounds_.front().second + Time(lease);
  }
  confirm_reads(now);
}

// Every write that anyone was told of has been applied here, or was committed before this leader's
// first entry. So what is applied, if that entry is, answers a read.
std::optional<LogIndex> Raft::lease_read(Time now) const {
  if (!established()) return std::nullopt;
  const bool holds = lease_allowed_ && now < lease_until_;
  if (!holds && !quorum_.alone(settings_.id)) return std::nullopt;
  return std::max(applied_, term_begin_);
}

Result<uint64_t> Raft::begin_read(Time now) {
  if (role_ != Role::leader) {
    return {Code::not_leader, "this member does not lead; ask the one that does"};
  }
  const uint64_t id = ++read_id_;
  // One round at a time: who comes while it is under way shares the next.
  const bool idle = reads_.empty();
  reads_.push_back({id, round_ + 1});
  if (idle) begin_round(now);
  return id;
}

void Raft::confirm_reads(Time now) {
  if (!established()) return;
  while (!reads_.empty() && reads_.front().round <= confirmed_) {
    reads_done_.push_back({reads_.front().id, true, std::max(applied_, term_begin_)});
    reads_.pop_front();
  }
  if (!reads_.empty() && confirmed_ == round_) begin_round(now);
}

void Raft::fail_reads() {
  for (const Waiting& read : std::exchange(reads_, {})) reads_done_.push_back({read.id, false, 0});
}

}  // namespace dfs::raft
