// What a replica says of itself and of the others.
#include <algorithm>

#include "actors/replica/replica_state.h"

namespace dfs {

namespace {

using std::chrono::duration_cast;
using std::chrono::milliseconds;

uint32_t ms_of(Duration duration) {
  return static_cast<uint32_t>(
      std::clamp<int64_t>(duration_cast<milliseconds>(duration).count(), 0, UINT32_MAX));
}

HeadRole role_of(const raft::Raft& core, Standing standing) {
  switch (core.role()) {
    case raft::Role::leader:
      return HeadRole::leader;
    case raft::Role::follower:
      return standing == Standing::learner ? HeadRole::learner : HeadRole::follower;
    default:
      return HeadRole::candidate;
  }
}

}  // namespace

std::optional<Duration> Replica::State::staleness() const {
  if (!running() || installing || applied.index == 0) return std::nullopt;
  if (!fresh_at)
    return std::max(Duration::zero(), Duration(milliseconds(bus.wall_ms() - applied.time_ms)));
  if (leading_term != 0 && core->lease_read(now())) return Duration::zero();
  return std::max(Duration::zero(), now() - *fresh_at);
}

HeadList Replica::State::status() const {
  HeadList list;
  list.from = self.member;
  list.log_bytes = log.facts().bytes;
  list.log_syncs = log.facts().syncs;
  list.log_entries = log.facts().entries_written;
  if (!core) return list;
  list.leader = core->leader();
  list.term = core->term();
  const bool leads = core->role() == raft::Role::leader;
  const LogIndex last = core->log().last();
  for (const Member& member : core->members().members) {
    HeadStatus head;
    head.head = member.id;
    head.endpoint = member.endpoint;
    head.broker = member.broker;
    head.standing = member.standing;
    if (member.id == self.member) {
      head.role = role_of(*core, member.standing);
      head.term = core->term();
      head.match = last;
      head.commit = core->known_commit();
      head.applied = applied.index;
      head.installing = fetch != nullptr;
    } else if (const auto known = core->progress().find(member.id);
               leads && known != core->progress().end()) {
      const raft::Progress& progress = known->second;
      const bool learns = member.standing == Standing::learner;
      if (progress.heard) {
        head.role = learns ? HeadRole::learner : HeadRole::follower;
        head.term = core->term();
      }
      head.match = progress.match;
      head.commit = std::min(progress.match, core->known_commit());
      head.applied = progress.applied;
      head.lag = last - std::min(last, progress.match);
      head.silent_ms = ms_of(now() - progress.contact);
      head.installing = progress.flow == raft::Flow::snapshot;
    } else if (member.id == core->leader()) {
      head.role = HeadRole::leader;
      head.term = core->term();
      head.silent_ms = ms_of(now() - core->leader_heard());
    }
    list.heads.push_back(std::move(head));
  }
  return list;
}

}  // namespace dfs
