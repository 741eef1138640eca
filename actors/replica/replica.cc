#include "actors/replica/replica.h"

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "actors/replica/log_format.h"
#include "actors/replica/log_record.h"
#include "actors/replica/log_store.h"
#include "actors/replica/replies.h"
#include "messages/message.h"

namespace dfs {

namespace {

// How far the table has come; written with each command's changes.
struct AppliedRow {
  LogIndex index = 0;
  uint64_t term = 0;
  int64_t time_ms = 0;
  DFS_FIELDS(index, term, time_ms)
};

constexpr std::string_view kAppliedKey("\0applied", 8);
constexpr size_t kReplayBytes = 1 << 20;  // read from the log at once
constexpr Duration kPoolRetry = std::chrono::milliseconds(1);

using Done = std::function<void(Result<Outcome>)>;

struct Proposal {
  Command command;  // moved into the flight that appends it
  std::vector<Done> done;
};

// One append, on its way through the pool.
struct Flight {
  std::vector<Command> commands;
  LogIndex drop_before = 0;
  Result<void> outcome;
  uint64_t log_bytes = 0;
};

}  // namespace

struct Replica::State : std::enable_shared_from_this<State> {
  enum class Phase { created, opening, open, failed, closing, closed, gone };

  State(Bus& bus_, Disk& disk_, Table& table_, StateMachine& machine_, ReplicaSettings settings_)
      : bus(bus_),
        disk(disk_),
        table(table_),
        machine(machine_),
        settings(std::move(settings_)),
        replies(settings.replies_max, settings.reply_ms_max),
        trim_at(settings.log_bytes_kept) {}

  void open(std::function<void(Result<void>)> done);
  void recovered();
  void replay();
  Result<void> load_applied();
  void opened(Result<void> outcome);

  void propose(Command command, Done done);
  void pump();
  void landed(Flight& flight);
  Result<Outcome> apply(const Command& command, bool& repeated);
  void answer(Result<Outcome> outcome);
  void fail(const Error& error);

  void trim();
  void close(std::function<void()> done);
  void close_when_idle();

  // The pool may be full for a moment; what a replica has to do must be done.
  void run(std::function<void()> work, std::function<void(State&)> done) {
    auto self = weak_from_this();
    const auto guarded = [self, done] {
      const auto state = self.lock();
      if (state && state->phase != Phase::gone) done(*state);
    };
    if (bus.run(work, guarded)) return;
    bus.after(kPoolRetry, [self, work = std::move(work), done = std::move(done)] {
      const auto state = self.lock();
      if (state && state->phase != Phase::gone) state->run(work, done);
    });
  }

  Bus& bus;
  Disk& disk;
  Table& table;
  StateMachine& machine;
  const ReplicaSettings settings;

  Phase phase = Phase::created;
  std::function<void(Result<void>)> ready;
  std::vector<std::function<void()>> closed;
  Error failure;
  bool flushing = false;

  std::shared_ptr<LogStore> log;  // touched by one job at a time
  LogIndex last = 0;              // of the log
  int64_t last_ms = 0;            // time of that entry
  uint64_t term = 1;
  LogIndex applied = 0;
  LogIndex replayed = 0;

  // In the order of their entries: first those of the flight that has landed and is being applied,
  // then those in the air, then those that wait for the next one.
  std::deque<Proposal> proposals;
  std::map<std::pair<std::string, uint64_t>, Proposal*> under_way;
  size_t landing = 0;  // proposals that have landed
  size_t flying = 0;   // proposals in the air
  size_t waiting = 0;  // callers to be answered
  Replies replies;

  uint64_t trim_at;          // bytes of log above which it is cut
  LogIndex drop_before = 0;  // the next flight drops what the flushed table no longer needs
};

void Replica::State::open(std::function<void(Result<void>)> done) {
  DFS_ASSERT(phase == Phase::created);
  phase = Phase::opening;
  ready = std::move(done);
  auto store = std::make_shared<Result<std::unique_ptr<LogStore>>>(
      Error{Code::unavailable, "the log was not opened", {}, 0});
  const LogSettings log_settings{settings.directory, settings.segment_bytes, bus.random()};
  run([store, log_settings, &disk = disk] { *store = LogStore::open(disk, log_settings); },
      [store](State& state) {
        if (!*store) return state.opened((*store).error());
        state.log = std::move(**store);
        state.recovered();
      });
}

Result<void> Replica::State::load_applied() {
  const auto value = table.get(kAppliedKey);
  if (!value) return value.error();
  AppliedRow row;
  if (*value) {
    auto decoded = decode<AppliedRow>(**value);
    if (!decoded) return {Code::corrupt, "the table's applied index does not decode"};
    row = *decoded;
  }
  applied = row.index;
  last = log->last();
  last_ms = std::max(row.time_ms, log->last_time_ms());
  term = std::max({uint64_t{1}, row.term, log->last_term()});
  // An entry is applied only when the log has it on stable storage, and cut from the log only when
  // the table has it there. Anything else means that one of the two is not the other's.
  if (applied > last || applied + 1 < log->first()) {
    return {Code::corrupt, "the table has entries up to " + std::to_string(applied) +
                               ", but the log in " + settings.directory + " holds " +
                               std::to_string(log->first()) + " to " + std::to_string(last) +
                               "; restore log and table from the same copy"};
  }
  return replies.load(table);
}

void Replica::State::recovered() {
  if (auto loaded = load_applied(); !loaded) return opened(std::move(loaded));
  if (log->torn_bytes() > 0) {
    bus.log(Level::warn, "torn end of the log cut",
            {{"bytes", log->torn_bytes()}, {"last", log->last()}});
  }
  replayed = last - applied;
  replay();
}

void Replica::State::replay() {
  if (applied == last) return opened({});
  auto read = std::make_shared<Result<std::vector<Command>>>(std::vector<Command>());
  run([read, log = log, from = applied + 1] { *read = log->read(from, kReplayBytes); },
      [read](State& state) {
        if (!*read) return state.opened(read->error());
        for (const Command& command : **read) {
          bool repeated = false;
          if (const auto outcome = state.apply(command, repeated); !outcome) {
            return state.opened(outcome.error());
          }
        }
        state.replay();
      });
}

void Replica::State::opened(Result<void> outcome) {
  if (outcome) outcome = machine.loaded(table);
  if (outcome) {
    bus.log(Level::info, "replica open",
            {{"last", last}, {"replayed", replayed}, {"log_bytes", log->bytes()}});
    phase = Phase::open;
  } else {
    phase = Phase::failed;
    failure = outcome.error();
  }
  const auto self = shared_from_this();
  std::exchange(ready, nullptr)(std::move(outcome));
  if (phase != Phase::gone) close_when_idle();
}

void Replica::State::propose(Command command, Done done) {
  if (phase == Phase::failed) {
    return done(Error{Code::io_error,
                      "this replica stopped after a failure of its disk: " + failure.text,
                      {},
                      0});
  }
  if (phase == Phase::closing || phase == Phase::closed || !closed.empty()) {
    return done(Error{Code::stopping, "this replica is shutting down; ask another", {}, 0});
  }
  if (phase != Phase::open) {
    return done(
        Error{Code::unavailable, "this replica is still reading its log; ask again", {}, 0});
  }
  if (auto remembered = replies.find(table, command); !remembered) {
    const auto self = shared_from_this();
    const Error error = remembered.error();
    fail(error);
    return done(error);
  } else if (*remembered) {
    return done(std::move(**remembered));
  }
  if (waiting >= settings.proposals_max) {
    return done(Error{Code::busy,
                      std::to_string(waiting) + " changes are waiting already; ask again shortly",
                      {},
                      10});
  }
  if (command.client.size() > kAddressBytesMax || command.body.size() > kBodyBytesMax) {
    return done(Error{Code::too_large, "a change of over 1 MiB does not fit into the log", {}, 0});
  }
  ++waiting;
  if (Replies::identified(command)) {
    const auto [place, fresh] = under_way.try_emplace({command.client, command.request}, nullptr);
    if (!fresh) {
      place->second->done.push_back(std::move(done));
      return;
    }
    proposals.push_back({std::move(command), {}});
    place->second = &proposals.back();
  } else {
    proposals.push_back({std::move(command), {}});
  }
  proposals.back().done.push_back(std::move(done));
  pump();
}

// One flight is in the air at a time; all that arrives meanwhile shares the next one's sync.
void Replica::State::pump() {
  if (flying > 0 || proposals.size() == landing || phase == Phase::failed) return;
  auto flight = std::make_shared<Flight>();
  flight->drop_before = std::exchange(drop_before, 0);
  const int64_t time_ms = std::max(bus.wall_ms(), last_ms);
  size_t bytes = 0;
  for (size_t i = landing; i < proposals.size(); ++i) {
    Proposal& proposal = proposals[i];
    bytes += record_bytes(proposal.command);
    if (bytes > settings.batch_bytes_max && !flight->commands.empty()) break;
    proposal.command.index = last + 1 + flight->commands.size();
    proposal.command.term = term;
    proposal.command.time_ms = time_ms;
    flight->commands.push_back(std::move(proposal.command));
  }
  flying = flight->commands.size();
  run(
      [flight, log = log] {
        if (flight->drop_before > 0) flight->outcome = log->drop_before(flight->drop_before);
        if (flight->outcome) flight->outcome = log->append(flight->commands);
        flight->log_bytes = log->bytes();
      },
      [flight](State& state) { state.landed(*flight); });
}

void Replica::State::landed(Flight& flight) {
  const auto self = shared_from_this();
  landing = std::exchange(flying, 0);
  if (phase == Phase::failed) {
    landing = 0;
    return close_when_idle();
  }
  if (flight.drop_before > 0) {
    trim_at = std::max(settings.log_bytes_kept, flight.log_bytes + settings.log_bytes_kept / 2);
  }
  if (!flight.outcome) {
    const Code code = flight.outcome.code();
    if (code != Code::no_space && code != Code::too_large) return fail(flight.outcome.error());
    // Nothing was written: only these are refused, and room may be found for later ones.
    bus.log(Level::error, "log refused a batch", {{"why", flight.outcome.error().text}});
    for (const Command& command : flight.commands) {
      if (Replies::identified(command)) under_way.erase({command.client, command.request});
      answer(flight.outcome.error());
      if (phase == Phase::gone) return;
    }
    pump();
    return close_when_idle();
  }
  last = flight.commands.back().index;
  last_ms = flight.commands.back().time_ms;
  pump();  // the disk works on the next batch while this one is applied
  for (const Command& command : flight.commands) {
    bool repeated = false;
    auto outcome = apply(command, repeated);
    if (!outcome) return fail(outcome.error());
    if (Replies::identified(command)) under_way.erase({command.client, command.request});
    if (!repeated) machine.applied(command, *outcome);
    answer(std::move(outcome));
    if (phase == Phase::gone || phase == Phase::failed) return;
  }
  if (flight.log_bytes > trim_at) trim();
  close_when_idle();
}

Result<Outcome> Replica::State::apply(const Command& command, bool& repeated) {
  DFS_ASSERT(command.index == applied + 1);
  Batch batch;
  Outcome outcome;
  // A request can be in the log twice: proposed again before its first entry was applied.
  auto remembered = replies.find(table, command);
  if (!remembered) return remembered.error();
  repeated = remembered->has_value();
  if (repeated) {
    outcome = std::move(**remembered);
  } else {
    outcome = machine.apply(command, table, batch);
    replies.remember(command, outcome, batch);
  }
  batch.put(std::string(kAppliedKey),
            encode(AppliedRow{command.index, command.term, command.time_ms}));
  if (const auto written = table.write(batch); !written) return written.error();
  applied = command.index;
  return outcome;
}

// Of the first proposal, to everyone who waits for it.
void Replica::State::answer(Result<Outcome> outcome) {
  const std::vector<Done> done = std::move(proposals.front().done);
  proposals.pop_front();
  if (landing > 0) --landing;
  waiting -= done.size();
  for (const Done& call : done) {
    call(outcome);
    if (phase == Phase::gone) return;
  }
}

void Replica::State::fail(const Error& error) {
  const auto self = shared_from_this();
  phase = Phase::failed;
  failure = error;
  bus.log(Level::error, "replica failed", {{"why", error.text}, {"applied", applied}});
  under_way.clear();
  landing = 0;
  const Error unknown{
      Code::io_error,
      "the disk of this replica failed (" + error.text +
          "); whether this change took effect shows only after a restart: look before repeating it",
      error.cause, 0};
  while (!proposals.empty()) {
    answer(unknown);
    if (phase == Phase::gone) return;
  }
  close_when_idle();
}

void Replica::State::trim() {
  if (flushing || drop_before > 0 || phase != Phase::open) return;
  flushing = true;
  auto flushed = std::make_shared<Result<void>>();
  run([flushed, &table = table] { *flushed = table.flush(); },
      [flushed, index = applied](State& state) {
        state.flushing = false;
        if (state.phase == Phase::failed) return state.close_when_idle();
        if (!*flushed) return state.fail(flushed->error());
        state.drop_before = index + 1;
        state.close_when_idle();
      });
}

void Replica::State::close(std::function<void()> done) {
  if (phase == Phase::closed) return done();
  closed.push_back(std::move(done));
  close_when_idle();
}

void Replica::State::close_when_idle() {
  if (closed.empty() || phase == Phase::opening || phase == Phase::closing) return;
  if (flying > 0 || !proposals.empty() || flushing) return;
  phase = Phase::closing;
  auto flushed = std::make_shared<Result<void>>();
  run([flushed, &table = table] { *flushed = table.flush(); },
      [flushed](State& state) {
        if (!*flushed) {
          // Not lost: the log has it, and the next start replays it.
          state.bus.log(Level::warn, "table not flushed", {{"why", flushed->error().text}});
        }
        const auto self = state.shared_from_this();
        state.log.reset();  // frees the directory
        state.phase = Phase::closed;
        for (const auto& call : std::exchange(state.closed, {})) call();
      });
}

Replica::Replica(Bus& bus, Disk& disk, Table& table, StateMachine& machine,
                 ReplicaSettings settings)
    : state_(std::make_shared<State>(bus, disk, table, machine, std::move(settings))) {}

Replica::~Replica() {
  state_->phase = State::Phase::gone;
}

void Replica::open(std::function<void(Result<void>)> ready) {
  state_->open(std::move(ready));
}

void Replica::propose(Command command, std::function<void(Result<Outcome>)> done) {
  state_->propose(std::move(command), std::move(done));
}

bool Replica::leading() const {
  return state_->phase == State::Phase::open && state_->closed.empty();
}

uint64_t Replica::term() const {
  return state_->term;
}

LogIndex Replica::applied() const {
  return state_->applied;
}

int64_t Replica::logged_ms() const {
  return state_->last_ms;
}

size_t Replica::waiting() const {
  return state_->waiting;
}

void Replica::close(std::function<void()> closed) {
  state_->close(std::move(closed));
}

}  // namespace dfs
