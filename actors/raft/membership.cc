// Changes of the members by joint consensus (Raft 6, thesis 4.3) and transfer of leadership (thesis
// 3.10).
#include "actors/raft/raft.h"

namespace dfs::raft {

namespace {

const Member* find_member(const std::vector<Member>& members, MemberId id) {
  for (const Member& member : members) {
    if (member.id == id) return &member;
  }
  return nullptr;
}

bool wants_to_vote(const Member& member) {
  return member.standing != Standing::learner;
}

}  // namespace

// "a server always uses the latest configuration in its log, regardless of whether the entry is
// committed" (6).
void Raft::adopt(Time now, const LogEntry& entry) {
  auto members = decode<ChangeMembers>(entry.body);
  DFS_ASSERT(members.ok());
  members_.emplace_back(entry.index, std::move(*members));
  members_changed(now);
}

void Raft::forget_members_from(Time now, LogIndex index) {
  bool changed = false;
  while (members_.size() > 1 && members_.back().first >= index) {
    members_.pop_back();
    changed = true;
  }
  if (changed) members_changed(now);
}

void Raft::members_changed(Time now) {
  quorum_ = Quorum(members().members);
  if (role_ != Role::leader) return;
  std::erase_if(progress_, [&](const auto& known) {
    return find_member(members().members, known.first) == nullptr;
  });
  for (const Member& member : members().members) {
    if (member.id == settings_.id || progress_.contains(member.id)) continue;
    Progress progress;
    progress.next = log_.last() + 1;
    progress.contact = now;
    progress_.emplace(member.id, progress);
  }
}

Result<LogIndex> Raft::change_members(Time now, const std::vector<Member>& wanted, MemberId last_id,
                                      int64_t time_ms) {
  if (role_ != Role::leader) {
    return {Code::not_leader, "this member does not lead; ask the one that does"};
  }
  if (!established() || quorum_.joint() || members_index() > commit_ || transfer_to_ != 0) {
    return Error{
        Code::busy, "another change of the members is under way; ask again shortly", {}, 100};
  }
  bool any_voter = false;
  for (const Member& member : wanted) {
    any_voter |= wants_to_vote(member);
    const Member* before = find_member(members().members, member.id);
    if (before != nullptr && wants_to_vote(*before) && !wants_to_vote(member)) {
      return {Code::invalid, "a voter cannot become a learner; remove it and add it anew"};
    }
  }
  if (!any_voter) return {Code::invalid, "a group needs at least one voter"};
  ChangeMembers change = joint_members(members(), wanted);
  change.last_id = std::max(change.last_id, last_id);
  LogEntry entry;
  entry.type = ChangeMembers::kType;
  entry.body = encode(change);
  entry.time_ms = time_ms;
  append_own(now, std::move(entry));
  return log_.last();
}

// A committed joint configuration is followed by the final one; a leader that is not in a committed
// final one has nothing more to do (thesis 4.3).
void Raft::finish_change(Time now) {
  if (members_index() > commit_) return;
  if (quorum_.joint()) {
    LogEntry entry;
    entry.type = ChangeMembers::kType;
    entry.body = encode(final_members(members()));
    append_own(now, std::move(entry));
    return;
  }
  if (votes(settings_.id)) return;
  if (const MemberId next = successor(now); next != 0) send_timeout_now(next);
  become_follower(now, term(), 0);
}

// The voter that lacks least, among those in contact; 0 when there is none.
MemberId Raft::successor(Time now) const {
  MemberId best = 0;
  LogIndex best_match = 0;
  for (const auto& [member, progress] : progress_) {
    const bool near = progress.heard && progress.contact + settings_.election_min > now;
    if (!near || !votes(member)) continue;
    if (best == 0 || progress.match > best_match) {
      best = member;
      best_match = progress.match;
    }
  }
  return best;
}

Result<void> Raft::transfer(Time now, MemberId to) {
  if (role_ != Role::leader) {
    return {Code::not_leader, "this member does not lead; ask the one that does"};
  }
  if (to == settings_.id) return {};
  const MemberId target = to != 0 ? to : successor(now);
  if (target == 0) return {Code::invalid, "no other voter is in contact with the leader"};
  const auto found = progress_.find(target);
  if (found == progress_.end()) return {Code::not_found, "there is no such member"};
  if (!votes(target)) return {Code::invalid, "a learner cannot lead"};
  const Progress& progress = found->second;
  if (!progress.heard || progress.contact + settings_.election_min <= now) {
    return {Code::invalid, "that member is out of contact with the leader"};
  }
  transfer_to_ = target;
  transfer_until_ = now + settings_.election_max;
  transfer_sent_ = false;
  drive_transfer(now);
  return {};
}

void Raft::drive_transfer(Time now) {
  if (role_ != Role::leader || transfer_to_ == 0) return;
  const auto found = progress_.find(transfer_to_);
  if (found == progress_.end() || now >= transfer_until_) {
    transfer_to_ = 0;
    return;
  }
  if (found->second.match == log_.last()) {
    if (!transfer_sent_) send_timeout_now(transfer_to_);
  } else {
    send_appends(transfer_to_, found->second);
  }
}

void Raft::send_timeout_now(MemberId member) {
  transfer_sent_ = true;
  // The message may take its time, and its receiver is elected without regard to the lease. So this
  // leader asks a majority for each read from now on.
  lease_allowed_ = false;
  send(to<TimeoutNow>(member));
}

void Raft::on(Time now, const TimeoutNow& message) {
  if (role_ == Role::leader || message.from != leader_ || !votes(settings_.id)) return;
  start_election(now, true);
}

}  // namespace dfs::raft
