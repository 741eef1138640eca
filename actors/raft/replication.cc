// Log replication (Raft 5.3, 5.4.2), pipelined (thesis 10.2.1).
#include "actors/raft/raft.h"

namespace dfs::raft {

void Raft::lead(Time now) {
  if (quorum_contact(now) + settings_.election_max < now) {
    // Whoever can reach the others shall be found; clients shall not wait here in vain.
    return become_follower(now, term(), 0);
  }
  if (now >= heartbeat_at_) {
    heartbeat_at_ = now + settings_.heartbeat;
    begin_round(now);
  }
  drive_transfer(now);
}

void Raft::begin_round(Time now) {
  rounds_.emplace_back(++round_, now);
  for (auto& [member, progress] : progress_) heartbeat(member, progress);
  confirm_rounds(now);
}

void Raft::heartbeat(MemberId member, Progress& progress) {
  // What it lacks was cut from the log while an append to it was lost, or read from the disk.
  if (progress.next < log_.first()) progress.become_snapshot();
  auto message = to<AppendEntries>(member);
  message.commit = commit_;
  message.round = round_;
  if (progress.flow == Flow::snapshot) {
    // It says only who leads: everybody's log agrees before its beginning.
    snapshots_.push_back(member);
  } else {
    // It also finds out whether what was sent has arrived.
    message.prev_index = progress.next - 1;
    message.prev_term = *log_.term_at(progress.next - 1);
  }
  send(std::move(message));
}

void Raft::flush() {
  for (auto& [member, progress] : progress_) send_appends(member, progress);
}

void Raft::send_appends(MemberId member, Progress& progress) {
  while (progress.flow != Flow::snapshot && !progress.waiting && !progress.fetching) {
    if (progress.next < log_.first()) return want_snapshot(member, progress);
    if (progress.next > log_.last()) {
      // The next heartbeat will do to find out where a log stands that lacks nothing we know of.
      return;
    }
    if (progress.flights.size() >= settings_.flights_max ||
        progress.flying_bytes >= settings_.flying_bytes_max) {
      return;
    }
    auto entries = log_.entries(progress.next, settings_.append_bytes_max);
    if (!entries) {
      progress.fetching = true;
      fetches_.push_back({member, progress.next, settings_.append_bytes_max});
      return;
    }
    send_append(member, progress, std::move(*entries));
  }
}

void Raft::send_append(MemberId member, Progress& progress, LogEntries entries) {
  auto message = to<AppendEntries>(member);
  message.prev_index = progress.next - 1;
  message.prev_term = *log_.term_at(progress.next - 1);
  message.commit = commit_;
  message.round = round_;
  size_t bytes = 0;
  for (const auto& entry : entries) bytes += entry->body.size() + entry->client.size();
  if (progress.flow == Flow::probe) {
    progress.waiting = true;
  } else {
    progress.next = entries.back()->index + 1;
    progress.sent(entries.back()->index, bytes);
  }
  message.entries = std::move(entries);
  send(std::move(message));
}

void Raft::fetched(Time now, MemberId member, LogIndex from, const LogEntries& entries) {
  const auto found = progress_.find(member);
  if (role_ != Role::leader || found == progress_.end()) return;
  Progress& progress = found->second;
  progress.fetching = false;
  // The answer may be to an earlier question, and the log may have been cut since.
  if (progress.flow == Flow::snapshot || progress.next != from || from < log_.first()) {
    return send_appends(member, progress);
  }
  // When the disk failed, the next heartbeat's answer makes it try again.
  if (entries.empty()) return;
  for (const auto& entry : entries) {
    if (entry->index > log_.last() || entry->term != log_.term_at(entry->index)) return;
  }
  send_append(member, progress, entries);
  send_appends(member, progress);
  drive_transfer(now);
}

void Raft::want_snapshot(MemberId member, Progress& progress) {
  progress.become_snapshot();
  snapshots_.push_back(member);
}

InstallSnapshot Raft::offer_to(MemberId member) const {
  auto offer = to<InstallSnapshot>(member);
  offer.round = round_;
  return offer;
}

void Raft::on(Time now, const AppendEntriesReply& message) {
  const auto found = progress_.find(message.from);
  if (role_ != Role::leader || found == progress_.end()) return;
  Progress& progress = found->second;
  progress.contact = now;
  progress.heard = true;
  progress.applied = std::max(progress.applied, message.applied);
  if (message.round > progress.round && message.round <= round_) {
    progress.round = message.round;
    confirm_rounds(now);
  }
  if (message.accepted) {
    on_accepted(now, progress, message);
  } else {
    on_refused(progress, message);
  }
  // A change of members that was committed just now may have ended its membership, or ours.
  const auto still = progress_.find(message.from);
  if (role_ != Role::leader || still == progress_.end()) return;
  send_appends(message.from, still->second);
  drive_transfer(now);
}

void Raft::on_accepted(Time now, Progress& progress, const AppendEntriesReply& message) {
  if (message.index > log_.last()) return;  // no member has more of our log than we do
  progress.landed(message.index);
  const bool grew = message.index > progress.match;
  progress.match = std::max(progress.match, message.index);
  progress.next = std::max(progress.next, progress.match + 1);
  const bool answered = message.prev_index + 1 >= progress.next || grew;
  if (progress.flow == Flow::probe && answered) {
    progress.become_replicate();
  } else if (progress.flow == Flow::snapshot && progress.match + 1 >= log_.first()) {
    progress.become_replicate();
  }
  if (grew) advance_commit(now);
}

void Raft::on_refused(Progress& progress, const AppendEntriesReply& message) {
  if (progress.flow == Flow::snapshot || message.prev_index <= progress.match) return;  // outdated
  if (progress.flow == Flow::probe && message.prev_index != progress.next - 1) return;
  // Whole terms are skipped at once: nothing of a later term than the member has at `index` can be
  // in its log there (5.3, the optimisation at the end).
  const LogIndex common = log_.last_at_most(message.index, message.hint_term);
  const LogIndex next = std::min(message.prev_index, common + 1);
  const LogIndex least = progress.match + 1;
  progress.become_probe();
  progress.next = std::max(next, least);
}

void Raft::advance_commit(Time now) {
  const LogIndex index = quorum_.reached([&](MemberId id) -> uint64_t {
    if (id == settings_.id) return log_.stable();
    const auto found = progress_.find(id);
    return found == progress_.end() ? 0 : found->second.match;
  });
  // "Only log entries from the leader's current term are committed by counting replicas" (5.4.2).
  if (index <= commit_ || log_.term_at(index) != term()) return;
  set_commit(index);
  finish_change(now);
  if (role_ == Role::leader) confirm_reads(now);
}

void Raft::set_commit(LogIndex index) {
  commit_ = std::max(commit_, index);
  while (members_.size() > 1 && members_[1].first <= commit_) members_.pop_front();
}

Result<LogIndex> Raft::propose(Time now, LogEntry entry) {
  if (role_ != Role::leader) {
    return {Code::not_leader, "this member does not lead; ask the one that does"};
  }
  if (transfer_to_ != 0) {
    return Error{Code::busy, "leadership is being handed over; ask again shortly", {}, 50};
  }
  if (log_.unstable_bytes() > settings_.unstable_bytes_max) {
    return Error{Code::busy, "the log's disk is behind; ask again shortly", {}, 50};
  }
  append_own(now, std::move(entry));
  return log_.last();
}

void Raft::append_own(Time now, LogEntry entry) {
  entry.index = log_.last() + 1;
  entry.term = term();
  entry.time_ms = time_ms_ = std::max(time_ms_, entry.time_ms);
  ++promise_;
  auto shared = std::make_shared<const LogEntry>(std::move(entry));
  log_.append(shared);
  if (shared->type == ChangeMembers::kType) adopt(now, *shared);
}

void Raft::on(Time now, const AppendEntries& message) {
  if (role_ == Role::leader) return;  // there is no other of this term
  hear(now, message.from);
  // Committed entries are the same everywhere.
  if (message.prev_index < commit_ || installing_) {
    return answer(message, hard_promise_, true, std::min(commit_, log_.stable()));
  }
  if (log_.term_at(message.prev_index) != message.prev_term) {
    return answer(message, hard_promise_, false,
                  log_.last_at_most(message.prev_index, message.prev_term));
  }
  if (!acceptable(message)) return;
  append_received(now, message);
  const LogIndex last = message.prev_index + message.entries.size();
  set_commit(std::min(message.commit, last));
  // A heartbeat is answered at once, with what is on disk by now, so that a slow disk does not look
  // like a dead member.
  if (message.entries.empty()) {
    answer(message, hard_promise_, true, std::min(last, log_.stable()));
  } else {
    answer(message, promise_, true, last);
  }
}

void Raft::answer(const AppendEntries& message, uint64_t promise, bool accepted, LogIndex index) {
  auto reply = to<AppendEntriesReply>(message.from);
  reply.accepted = accepted;
  reply.prev_index = message.prev_index;
  reply.index = index;
  reply.hint_term = log_.term_at(index).value_or(0);
  reply.applied = applied_;
  reply.round = message.round;
  send_after(promise, reply);
}

bool Raft::acceptable(const AppendEntries& message) const {
  LogIndex index = message.prev_index;
  uint64_t last_term = message.prev_term;
  for (const auto& entry : message.entries) {
    if (entry->index != ++index || entry->term < last_term || entry->term > message.term) {
      return false;
    }
    last_term = entry->term;
    if (entry->type == ChangeMembers::kType && !decode<ChangeMembers>(entry->body)) return false;
  }
  return true;
}

void Raft::append_received(Time now, const AppendEntries& message) {
  for (const auto& entry : message.entries) {
    const auto own = log_.term_at(entry->index);
    if (own == entry->term) continue;
    if (own) {
      DFS_ASSERT(entry->index > commit_);
      log_.truncate_from(entry->index);
      forget_members_from(now, entry->index);
    }
    ++promise_;
    log_.append(entry);
    time_ms_ = std::max(time_ms_, entry->time_ms);
    if (entry->type == ChangeMembers::kType) adopt(now, *entry);
  }
}

void Raft::on(Time now, const InstallSnapshot& message) {
  if (role_ == Role::leader) return;
  hear(now, message.from);
  if (installing_) return;
  if (message.index > commit_ && log_.term_at(message.index) != message.index_term) {
    installing_ = true;
    install_ = message;
    return;
  }
  // The log has all that the snapshot has.
  set_commit(message.index);
  auto reply = to<AppendEntriesReply>(message.from);
  reply.accepted = true;
  reply.index = message.index > log_.stable() ? log_.stable() : commit();
  reply.applied = applied_;
  reply.round = message.round;
  send_after(hard_promise_, reply);
}

void Raft::installed(Time now, const InstallSnapshot& snapshot) {
  DFS_ASSERT(snapshot.index > commit_);
  installing_ = false;
  log_.restart_after(snapshot.index, snapshot.index_term);
  time_ms_ = std::max(time_ms_, snapshot.time_ms);
  commit_ = applied_ = snapshot.index;
  members_.clear();
  members_.emplace_back(snapshot.index, snapshot.members);
  members_changed(now);
  if (leader_ == 0) return;
  auto reply = to<AppendEntriesReply>(leader_);
  reply.accepted = true;
  reply.index = snapshot.index;
  reply.applied = applied_;
  send_after(hard_promise_, reply);
}

}  // namespace dfs::raft
