// The outside of a Replica, and its end.
#include "actors/replica/replica.h"

#include <algorithm>
#include <utility>

#include "actors/replica/replica_state.h"

namespace dfs {

namespace {

constexpr Duration kHandOver = std::chrono::seconds(1);

}  // namespace

Replica::State::State(Bus& bus_, Disk& disk_, Table& table_, StateMachine& machine_,
                      ReplicaSettings settings_)
    : bus(bus_),
      disk(disk_),
      table(table_),
      machine(machine_),
      settings(std::move(settings_)),
      snapshots(settings.directory + ".snapshots"),
      jobs(bus),
      peers(bus, settings.group),
      calls(bus),
      log(jobs),
      replies(settings.replies_max, settings.reply_ms_max),
      trim_at(settings.log_bytes_kept),
      source(bus, jobs, disk, table, snapshots) {}

// Nothing is sent or acknowledged any more, so that the others elect another leader.
void Replica::State::fail(const Error& error) {
  const auto alive = shared_from_this();
  phase = Phase::failed;
  failure = error;
  fetch.reset();
  bus.log(Level::error, "replica failed", {{"why", error.text}, {"applied", applied.index}});
  const bool led = std::exchange(leading_term, 0) != 0;
  answer_all({Code::io_error,
              "the disk of this head failed (" + error.text +
                  "); whether this change took effect shows only later: look before repeating it",
              error.cause, 0});
  if (phase != Phase::gone && transfer_done) end_transfer(error);
  if (phase != Phase::gone && led && watcher.following) watcher.following();
  if (phase != Phase::gone) close_when_idle();
}

void Replica::State::close(std::function<void()> done) {
  if (phase == Phase::closed) return done();
  closed.push_back(std::move(done));
  if (closed.size() == 1 && phase != Phase::opening) hand_over_and_close();
}

// The others need not wait until they miss this leader; clients hardly notice then.
void Replica::State::hand_over_and_close() {
  const auto alive = shared_from_this();
  fetch.reset();
  const bool leads = running() && core->role() == raft::Role::leader;
  if (leads) handing_over = others_vote() && core->transfer(now(), 0).ok();
  if (running()) {
    jobs.after(kHandOver, guarded([](State& state) {
                 state.handing_over = false;
                 state.answer_all({Code::stopping,
                                   "this head is shutting down, and does not know whether this "
                                   "change took effect; ask another head again",
                                   {},
                                   0});
                 if (state.phase != Phase::gone) state.close_when_idle();
               }));
    pump();
  }
  close_when_idle();
}

bool Replica::State::idle() const {
  const bool saves = saving && !full && phase != Phase::failed;
  const bool hands_over =
      handing_over && running() && core->role() == raft::Role::leader && core->transferring();
  return !saves && !hands_over && proposals.waiting() == 0 && !flushing && !installing &&
         log.idle();
}

void Replica::State::close_when_idle() {
  const bool can = phase == Phase::created || phase == Phase::open || phase == Phase::failed;
  if (closed.empty() || !can || pumping || !idle()) return;
  const auto alive = shared_from_this();
  const bool led = std::exchange(leading_term, 0) != 0;
  phase = Phase::closing;
  if (timer != 0) bus.cancel(timer);
  if (led && watcher.following) watcher.following();
  if (phase == Phase::gone) return;
  auto outcome = std::make_shared<Result<void>>();
  jobs.run([outcome, &table = table] { *outcome = table.flush(); },
           guarded([outcome](State& state) {
             if (!*outcome) {
               // Not lost: the log has it, and the next start replays it.
               state.bus.log(Level::warn, "table not flushed", {{"why", outcome->error().text}});
             }
             state.log.close();  // frees the directory
             state.phase = Phase::closed;
             for (const auto& call : std::exchange(state.closed, {})) call();
           }));
}

Replica::Replica(Bus& bus, Disk& disk, Table& table, StateMachine& machine,
                 ReplicaSettings settings)
    : state_(std::make_shared<State>(bus, disk, table, machine, std::move(settings))) {}

Replica::~Replica() {
  state_->phase = State::Phase::gone;
  if (state_->timer != 0) state_->bus.cancel(state_->timer);
  state_->fetch.reset();
  state_->jobs.stop();
}

void Replica::watch(Watcher watcher) {
  state_->watcher = std::move(watcher);
}

void Replica::open(Identity self, std::string endpoint, std::string broker, bool founder,
                   std::function<void(Result<void>)> ready) {
  state_->open(std::move(self), std::move(endpoint), std::move(broker), founder, std::move(ready));
}

void Replica::propose(Command command, std::function<void(Result<Outcome>)> done) {
  state_->propose(std::move(command), std::move(done));
}

void Replica::read(std::function<void(Result<void>)> go) {
  state_->read(std::move(go));
}

std::optional<Duration> Replica::staleness() const {
  return state_->staleness();
}

bool Replica::receive(const Envelope& envelope) {
  return state_->receive(envelope);
}

void Replica::link_down(const Link& link) {
  state_->calls.link_down(link);
}

void Replica::add_member(Member wanted, std::function<void(Result<MemberId>)> done) {
  state_->add_member(std::move(wanted), std::move(done));
}

void Replica::remove_member(MemberId id, std::function<void(Result<void>)> done) {
  state_->remove_member(id, std::move(done));
}

void Replica::transfer(MemberId to, std::function<void(Result<MemberId>)> done) {
  state_->transfer(to, std::move(done));
}

bool Replica::leading() const {
  return state_->running() && state_->closed.empty() && state_->leading_term != 0;
}

MemberId Replica::id() const {
  return state_->self.member;
}

MemberId Replica::leader() const {
  return state_->running() ? state_->core->leader() : 0;
}

std::string Replica::leader_address() const {
  return leader() == 0 ? std::string() : state_->peers.address(leader());
}

uint64_t Replica::term() const {
  return state_->core ? state_->core->term() : 0;
}

LogIndex Replica::applied() const {
  return state_->applied.index;
}

LogIndex Replica::commit() const {
  return state_->core ? state_->core->commit() : state_->applied.index;
}

int64_t Replica::logged_ms() const {
  return state_->applied.time_ms;
}

size_t Replica::waiting() const {
  return state_->proposals.waiting() + state_->asked_reads.size() + state_->waiting_reads.size();
}

const ChangeMembers& Replica::members() const {
  return state_->members;
}

uint64_t Replica::state_hash() const {
  return state_->applied.hash;
}

HeadList Replica::status() const {
  return state_->status();
}

const raft::Raft* Replica::core() const {
  return state_->running() ? state_->core.get() : nullptr;
}

void Replica::close(std::function<void()> closed) {
  state_->close(std::move(closed));
}

}  // namespace dfs
