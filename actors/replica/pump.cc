// The loop of a replica: what happened goes into the core, and what the core wants done is done.
#include <algorithm>

#include "actors/replica/replica_state.h"

namespace dfs {

namespace {

constexpr Duration kSpaceRetry = std::chrono::milliseconds(200);

// How long proposals wait at most for the batch before theirs to be committed, and how many do.
constexpr Duration kGather = std::chrono::milliseconds(1);
constexpr LogIndex kGatherEntries = 256;

}  // namespace

// What the core wants to be on disk. Parts that were written are taken out, so that a repetition
// after `no_space` writes the rest.
struct Replica::State::SaveJob {
  raft::Save save;
  Result<void> outcome;

  Result<void> write(LogStore& log) {
    if (save.hard) DFS_CHECK(log.save_state(*save.hard));
    save.hard.reset();
    if (save.truncate_from > 0) DFS_CHECK(log.truncate_from(save.truncate_from));
    save.truncate_from = 0;
    return save.entries.empty() ? Result<void>() : log.append(save.entries);
  }
};

bool Replica::State::receive(const Envelope& envelope) {
  if (group.empty()) return false;
  switch (envelope.header.type) {
    case Type::ReadSnapshot: {
      const auto read = decode<ReadSnapshot>(envelope.body);
      if (!read || read->group != group) return false;
      if (running()) {
        source.serve(envelope, *read);
      } else {
        (void)bus.reply(reply_to(
            envelope, Error{Code::stopping, "this replica is not open; ask again", {}, 0}));
      }
      return true;
    }
    case Type::ReadSnapshotReply:
    case Type::Error: {
      const auto alive = shared_from_this();
      Envelope answer = envelope;
      return calls.receive(answer);
    }
    default: {
      auto message = consensus_message(envelope);
      if (!message || !*message || group_of(**message) != group) return false;
      if (listens()) step(envelope, std::move(**message));
      return true;
    }
  }
}

// One that closes has nothing more to hear, unless it still leads.
bool Replica::State::listens() const {
  return running() && (closed.empty() || core->role() == raft::Role::leader);
}

void Replica::State::step(const Envelope& envelope, raft::Message message) {
  peers.heard(sender_of(message), envelope.link);
  std::optional<LogIndex> promised;
  if (const auto* append = std::get_if<AppendEntries>(&message)) {
    if (append->term >= core->term()) promised = append->commit;
  }
  core->tell_time(bus.wall_ms());
  core->step(now(), std::move(message));
  // Whatever anyone was told of before it was sent is in the log up to there.
  if (promised && core->role() != raft::Role::leader && !fresh_after)
    fresh_after = {*promised, now()};
  pump();
}

// Callbacks of what is done here may come back in; then it goes round once more.
void Replica::State::pump() {
  if (!running() || !core) return;
  if (pumping) {
    pump_again = true;
    return;
  }
  const auto alive = shared_from_this();
  pumping = true;
  do {
    pump_again = false;
    notice_leadership();
    if (!running()) break;
    start_save();
    send_messages();
    start_fetches();
    offer_snapshots();
    start_install();
    install();
    apply_committed();
    if (!running()) break;
    answer_reads();
    if (!running()) break;
    notice_contact();
    answer_members();
    if (!running()) break;
    tend_members();
  } while (pump_again);
  pumping = false;
  if (running()) set_timer();
  close_when_idle();
}

// While the last batch of a leader is on its way to a majority, what is proposed gathers for the
// next one: under load that makes fewer writes and messages, on all members, of more entries each.
// Alone, a proposal never waits.
bool Replica::State::gathers() {
  const raft::Log& entries = core->log();
  const bool on_its_way = core->known_commit() < entries.stable();
  if (leading_term == 0 || !on_its_way || entries.last() - entries.stable() >= kGatherEntries) {
    return false;
  }
  if (!gathering_until) gathering_until = now() + kGather;
  if (now() >= *gathering_until) return false;
  if (!std::exchange(gather_timer, true)) {
    jobs.after(kGather, guarded([](State& state) {
                 state.gather_timer = false;
                 if (state.gathering_until) state.pump();
               }));
  }
  return true;
}

void Replica::State::start_save() {
  if (saving || installing || !core->has_save() || gathers()) return;
  gathering_until.reset();
  auto save = core->take_save();
  if (!save) return;
  saving = true;
  auto job = std::make_shared<SaveJob>();
  job->save = std::move(*save);
  write(std::move(job));
}

void Replica::State::write(std::shared_ptr<SaveJob> save) {
  log.run_next([save](LogStore& store) { save->outcome = save->write(store); },
               guarded([save](State& state) { state.wrote(save); }));
}

void Replica::State::wrote(std::shared_ptr<SaveJob> save) {
  core->tell_time(bus.wall_ms());
  if (phase == Phase::failed) {
    saving = false;
    return close_when_idle();
  }
  if (save->outcome.code() == Code::no_space) {
    out_of_space(save->outcome.error());
    save->outcome = Result<void>();
    jobs.after(kSpaceRetry, guarded([save](State& state) {
                 if (state.running()) state.write(save);
               }));
    return pump();
  }
  saving = false;
  if (!save->outcome) return fail(save->outcome.error());
  if (full) bus.log(Level::info, "log goes on", {{"last", core->log().last()}});
  full = false;
  core->saved(now());
  pump();
}

// Another member may have room.
void Replica::State::out_of_space(const Error& why) {
  if (!full) bus.log(Level::error, "no space for the log", {{"why", why.text}});
  full = true;
  const bool leads = core->role() == raft::Role::leader;
  if (leads && others_vote() && !core->transferring()) (void)core->transfer(now(), 0);
}

void Replica::State::send_messages() {
  for (const raft::Message& message : core->take_messages()) peers.send(message, core->members());
}

// For members so far behind that memory does not hold what they lack.
void Replica::State::start_fetches() {
  for (const raft::Fetch& fetch : core->take_fetches()) {
    auto read = std::make_shared<Result<LogEntries>>(LogEntries());
    log.run(
        [read, fetch](LogStore& store) {
          if (fetch.from < store.first() || fetch.from > store.last()) return;
          *read = store.read(fetch.from, fetch.bytes_max);
        },
        guarded([read, fetch](State& state) {
          if (!state.running()) return state.close_when_idle();
          if (!*read) return state.fail(read->error());
          state.core->fetched(state.now(), fetch.member, fetch.from, **read);
          state.pump();
        }));
  }
}

void Replica::State::set_timer() {
  const raft::Time wake = core->wake_at();
  if (timer != 0 && timer_at <= wake) return;  // comes early, and then asks again
  if (timer != 0) bus.cancel(timer);
  timer_at = std::max(wake, now());
  timer = jobs.after(timer_at - now(), guarded([](State& state) {
                       state.timer = 0;
                       if (!state.running()) return;
                       state.core->tell_time(state.bus.wall_ms());
                       state.core->tick(state.now());
                       state.source.expire();
                       state.pump();
                     }));
}

void Replica::State::notice_leadership() {
  const bool leads = core->role() == raft::Role::leader && core->term() == leading_term;
  if (leading_term != 0 && !leads) lose_leadership();
  if (phase != Phase::gone) notice_transfer();
}

void Replica::State::lose_leadership() {
  leading_term = 0;
  bus.log(Level::info, "no longer leading", {{"term", core->term()}, {"leader", core->leader()}});
  answer_all(not_leader());
  if (phase != Phase::gone && watcher.following) watcher.following();
}

// The member is up to date as of the moment when it was told of an entry that it has applied by
// now.
void Replica::State::notice_contact() {
  if (leading_term != 0) {
    fresh_after.reset();
    if (core->lease_read(now())) fresh_at = now();
  } else if (fresh_after && fresh_after->first <= applied.index) {
    fresh_at = fresh_after->second;
    fresh_after.reset();
  }
}

}  // namespace dfs
