#include "actors/lock/lock.h"

#include "actors/lock/lock_state.h"

namespace dfs {

namespace {

constexpr Duration kIdentityAgain = std::chrono::milliseconds(50);
constexpr Duration kFoundAgain = std::chrono::seconds(1);
constexpr size_t kFirstPasswordBytes = 20;
constexpr size_t kUuidBytes = 16;

std::string hex(const std::string& bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (const char byte : bytes) {
    text.push_back(kDigits[static_cast<unsigned char>(byte) / 16]);
    text.push_back(kDigits[static_cast<unsigned char>(byte) % 16]);
  }
  return text;
}

ReplicaSettings replica_settings(const LockSettings& settings) {
  ReplicaSettings replica = settings.replica;
  replica.directory = settings.directory;
  replica.group = lock::kActor;
  replica.numbers_given = true;
  return replica;
}

// Letters and digits that are not taken for one another, about 5 bits each.
std::string readable_password(const std::string& bytes) {
  constexpr std::string_view kLetters = "abcdefghijkmnpqrstuvwxyz23456789";
  static_assert(kLetters.size() == 32);
  std::string password;
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (i > 0 && i % 5 == 0) password.push_back('-');
    password.push_back(kLetters[static_cast<unsigned char>(bytes[i]) % kLetters.size()]);
  }
  return password;
}

Result<void> check(const LockSettings& settings) {
  if (settings.ticket_lasts < std::chrono::seconds(1)) {
    return {Code::invalid, "ticket_lasts must be at least 1 s"};
  }
  if (settings.lock_lease < kLeaseTicks * std::chrono::milliseconds(10)) {
    return {Code::invalid, "lock_lease must be at least 80 ms"};
  }
  if (settings.password_checks_max == 0) {
    return {Code::invalid, "password_checks_max must be above zero"};
  }
  return {};
}

}  // namespace

Lock::State::State(Bus& bus_, Disk& disk_, Table& table_, LockSettings settings_)
    : Service(bus_, replica, table_),
      bus(bus_),
      disk(disk_),
      table(table_),
      settings(std::move(settings_)),
      replica(bus_, disk_, table_, machine, replica_settings(settings)),
      calls(bus_),
      passwords(bus_, settings.password_checks_max, settings.password_waits_max),
      locks(*this, bus_, replica, machine.locks(), settings.lock_lease, settings.fence_key,
            [this](const Envelope& envelope, const lock::LockService::Asker& asker,
                   const std::string& what) { deny(envelope, asker.user, what); }) {
  needs_ticket = settings.locks_need_ticket;
  machine.listen_to_locks(
      [this](const Command& command, const lock::LockWork& work) { locks.applied(command, work); });
  machine.listen([this](const lock::LockMachine::Change& change) { applied(change); });
  Replica::Watcher watcher;
  watcher.leading = [this] { lead(); };
  watcher.following = [this] { follow(); };
  watcher.members_changed = [this] { heads_changed(); };
  replica.watch(std::move(watcher));
}

Lock::State::~State() {
  cancel_timers();
}

void Lock::State::cancel_timers() {
  bus.cancel(reign.publish_timer);
  bus.cancel(reign.denials_timer);
  bus.cancel(reign.tidy_timer);
  bus.cancel(reign.heads_timer);
}

void Lock::State::start(std::function<void(Result<void>)> done) {
  ready = std::move(done);
  if (Result<void> good = check(settings); !good) return report_ready(std::move(good));
  scope.spawn(begin());
}

void Lock::State::report_ready(Result<void> outcome) {
  if (ready) std::exchange(ready, nullptr)(std::move(outcome));
}

Task<void> Lock::State::begin() {
  Task<Result<Identity>> waiting = await_identity();
  const Result<Identity> known = co_await waiting;
  if (!known) {
    report_ready(known.error());
    co_return;
  }
  identity = *known;
  Task<Result<void>> identifying = identify();
  const Result<void> identified = co_await identifying;
  if (!identified) {
    report_ready(identified.error());
    co_return;
  }
  open();
}

// The data of this actor have an id of their own: should they be lost and made anew, the others
// must not take them for what they were.
Task<Result<void>> Lock::State::identify() {
  struct Found {
    Result<void> outcome;
    Identity own;
    bool was_founded = false;
  };
  const auto found = std::make_shared<Found>();
  found->own = identity;
  found->own.uuid = hex(settings.random_bytes(kUuidBytes));
  const auto look = [this, found]() -> Result<void> {
    DFS_CHECK(disk.make_directories(settings.directory));
    auto before = load_identity(disk, settings.directory);
    if (!before) return before.error();
    if (*before) {
      found->own.uuid = (*before)->uuid;
    } else {
      DFS_CHECK(save_identity(disk, settings.directory, found->own));
    }
    if (!settings.was_founded) return {};
    auto was = settings.was_founded();
    if (!was) return was.error();
    found->was_founded = *was;
    return {};
  };
  Task<Result<void>> running = run(bus, [found, look] { found->outcome = look(); });
  const Result<void> ran = co_await running;
  if (!ran) co_return ran.error();
  if (!found->outcome) co_return found->outcome.error();
  identity.uuid = found->own.uuid;
  // The first head of a cluster has number 1 for ever, and nobody else has.
  founder = identity.member == 1 && !found->was_founded;
  co_return Result<void>();
}

Task<void> Lock::State::note_founded() {
  const auto outcome = std::make_shared<Result<void>>();
  Task<Result<void>> running =
      run(bus, [outcome, note = settings.note_founded] { *outcome = note(); });
  const Result<void> ran = co_await running;
  noted_founded = ran && *outcome;
}

Task<Result<Identity>> Lock::State::await_identity() {
  while (true) {
    using Known = Result<std::optional<Identity>>;
    const auto known = std::make_shared<Known>(std::optional<Identity>());
    Task<Result<void>> reading = run(bus, [known, ask = settings.identity] { *known = ask(); });
    const Result<void> ran = co_await reading;
    if (ran && !*known) co_return known->error();
    if (ran && **known) co_return ***known;
    Task<void> pausing = sleep(bus, kIdentityAgain);
    co_await pausing;
  }
}

void Lock::State::open() {
  bus.set_address(std::string(lock::kActor) + "/" + std::to_string(identity.member));
  begun = true;
  replica.open(identity, bus.endpoint(), settings.broker, founder, [this](Result<void> outcome) {
    if (!outcome) return report_ready(std::move(outcome));
    opened = true;
    admitted = founder || replica.term() != 0;
    if (stopping) return;
    heads_changed();
    bus.subscribe(kMapTopic);
    announcer.emplace(bus, settings.announce_period);
    announcer->begin("lock-replica");
    report_ready({});
    if (!founder) scope.spawn(belong());
  });
}

void Lock::State::lead() {
  if (stopping || leading) return;
  leading = true;
  ++reigns;
  reign = Reign();
  if (founded()) return serve();
  scope.spawn(found());
}

// The first leader of a new cluster does this; should it end before, the next one.
Task<void> Lock::State::found() {
  const uint64_t in = reigns;
  if (first_password.empty()) {
    first_password = readable_password(settings.random_bytes(kFirstPasswordBytes));
    // Told before it is of any use: should this head die in between, it founds again with another.
    if (settings.founding) settings.founding(first_password);
  }
  Task<Result<PasswordHash>> hashing = hash_of(first_password);
  Result<PasswordHash> hash = co_await hashing;
  if (in != reigns) co_return;
  if (!hash) {
    command_failed("FoundUsers", hash.error());
    reign.tidy_timer = bus.after(kFoundAgain, [this] { scope.spawn(found()); });
    co_return;
  }
  const SignKeys keys = make_sign_keys(settings.random_bytes(kSeedBytes));
  lock::FoundUsers command;
  command.cluster = identity.cluster;
  command.secret.bytes = keys.secret;
  command.verify_key.bytes = keys.verify_key;
  command.password = std::move(*hash);
  command.sign_up = settings.sign_up;
  propose(command, [this](const Result<Outcome>& outcome) {
    if (!outcome) {
      command_failed("FoundUsers", outcome.error());
      reign.tidy_timer = bus.after(kFoundAgain, [this] { scope.spawn(found()); });
      return;
    }
    first_password.clear();
    bus.log(Level::info, "users founded", {{"cluster", identity.cluster}});
    serve();
  });
}

void Lock::State::serve() {
  if (founder && !noted_founded && settings.note_founded) scope.spawn(note_founded());
  learn_tickets();
  publish_tickets();
  locks.begin();
  reign.announcer = std::make_unique<Announcer>(bus, settings.announce_period);
  reign.announcer->begin(kLockService, replica.term());
  tidy();
  tend_heads();
}

void Lock::State::follow() {
  if (!std::exchange(leading, false)) return;
  ++reigns;
  locks.end();
  cancel_timers();
  reign = Reign();
}

void Lock::State::stop(std::function<void()> stopped) {
  stopping = true;
  announcer.reset();
  reign.announcer.reset();
  locks.end();
  cancel_timers();
  scope.clear();
  report_ready(Error{Code::stopping, "the lock actor is shutting down", {}, 0});
  if (!begun) return stopped();
  replica.close(std::move(stopped));
}

void Lock::State::command_failed(const char* name, const Error& error) {
  if (stopping) return;
  bus.log(Level::error, "the lock actor's log took no command",
          {{"command", name}, {"error", error.describe()}});
}

Lock::Lock(Bus& bus, Disk& disk, Table& table, LockSettings settings)
    : state_(std::make_unique<State>(bus, disk, table, std::move(settings))) {}

Lock::~Lock() = default;

void Lock::start(std::function<void(Result<void>)> ready) {
  state_->start(std::move(ready));
}

void Lock::receive(Envelope envelope) {
  state_->receive(envelope);
}

void Lock::observe(const std::string& topic, Envelope envelope) {
  if (topic == kMapTopic) state_->take_brokers(envelope);
}

// Requests carry their link; what cannot be answered any more is answered to a retry.
void Lock::link_down(const Link& link) {
  state_->replica.link_down(link);
  state_->calls.link_down(link);
}

void Lock::stop(std::function<void()> stopped) {
  state_->stop(std::move(stopped));
}

const Replica& Lock::replica() const {
  return state_->replica;
}

}  // namespace dfs
