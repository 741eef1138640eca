// Proposals and reads: who may ask, who waits, who is answered.
#include <algorithm>

#include "actors/replica/log_format.h"
#include "actors/replica/replica_state.h"

namespace dfs {

Error Replica::State::not_leader() const {
  Error error{Code::not_leader, "this head does not lead", {{"group", group}}, 0};
  const MemberId leader = core ? core->leader() : 0;
  if (leader != 0 && leader != self.member) {
    error.cause["leader"] = peers.address(leader);
    error.text += "; " + error.cause["leader"] + " does";
  } else {
    error.text += ", and no other is known to; ask again shortly";
    error.retry_after_ms = 50;
  }
  return error;
}

// Why nothing can be asked of this member right now.
Result<void> Replica::State::refusal() const {
  if (phase == Phase::failed) {
    return {Code::io_error, "this replica stopped after a failure of its disk: " + failure.text};
  }
  if (phase == Phase::closing || phase == Phase::closed || !closed.empty()) {
    return {Code::stopping, "this replica is shutting down; ask another"};
  }
  if (phase != Phase::open) {
    return {Code::unavailable, "this replica is still reading its log; ask again"};
  }
  if (leading_term != 0) return {};
  if (core->role() != raft::Role::leader) return not_leader();
  return Error{Code::unavailable, "this head was elected just now; ask again shortly", {}, 20};
}

void Replica::State::propose(Command command, Done done) {
  if (const auto refused = refusal(); !refused) return done(refused.error());
  if (auto remembered = replies.find(table, command); !remembered) {
    const auto alive = shared_from_this();
    fail(remembered.error());
    return done(remembered.error());
  } else if (*remembered) {
    return done(std::move(**remembered));
  }
  if (proposals.waiting() >= settings.proposals_max) {
    return done(Error{
        Code::busy,
        std::to_string(proposals.waiting()) + " changes are waiting already; ask again shortly",
        {},
        10});
  }
  if (command.client.size() > kAddressBytesMax || command.body.size() > kBodyBytesMax ||
      command.requester.size() > kRequesterBytesMax) {
    return done(Error{Code::too_large, "a change of over 1 MiB does not fit into the log", {}, 0});
  }
  Proposals::Request request = Proposals::request_of(command);
  if (proposals.join(request, done)) return;
  if (full) {
    return done(Error{Code::no_space, "there is no space for the log of this head", {}, 200});
  }
  command.time_ms = bus.wall_ms();
  const auto index = core->propose(now(), std::move(command));
  if (!index) return done(index.error());
  proposals.add(*index, core->term(), std::move(request), std::move(done));
  pump();
}

void Replica::State::read(Go go) {
  if (const auto refused = refusal(); !refused) return go(refused);
  if (const auto index = core->lease_read(now()); index && *index <= applied.index) return go({});
  if (asked_reads.size() + waiting_reads.size() >= settings.proposals_max) {
    return go(Error{Code::busy, "many reads are waiting already; ask again shortly", {}, 10});
  }
  const auto id = core->begin_read(now());
  if (!id) return go(id.error());
  asked_reads.emplace(*id, std::move(go));
  pump();
}

void Replica::State::answer_reads() {
  for (const raft::Read& read : core->take_reads()) {
    const auto asked = asked_reads.extract(read.id);
    if (asked.empty()) continue;
    if (read.confirmed) {
      waiting_reads.emplace(read.index, std::move(asked.mapped()));
    } else {
      asked.mapped()(not_leader());
      if (!running()) return;
    }
  }
  while (!waiting_reads.empty() && waiting_reads.begin()->first <= applied.index) {
    const auto ready_read = waiting_reads.extract(waiting_reads.begin());
    ready_read.mapped()({});
    if (!running()) return;
  }
}

// Everyone who waits for this member as a leader.
void Replica::State::answer_all(const Error& error) {
  const auto alive = shared_from_this();
  const auto reads = std::exchange(asked_reads, {});
  const auto ready_reads = std::exchange(waiting_reads, {});
  const auto changes = std::exchange(member_waits, {});
  for (const Done& done : proposals.take_all()) {
    done(error);
    if (phase == Phase::gone) return;
  }
  for (const auto& [id, go] : reads) {
    go(error);
    if (phase == Phase::gone) return;
  }
  for (const auto& [index, go] : ready_reads) {
    go(error);
    if (phase == Phase::gone) return;
  }
  for (const MemberWait& wait : changes) {
    wait.done(error);
    if (phase == Phase::gone) return;
  }
}

}  // namespace dfs
