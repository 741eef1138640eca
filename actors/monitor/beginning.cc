#include <cstdio>
#include <map>

#include "actors/monitor/monitor_state.h"

namespace dfs {

namespace {

std::string beginning_path(const std::string& directory) {
  return directory + "/beginning";
}

Result<Beginning> load_beginning(Disk& disk, const std::string& directory) {
  auto there = disk.exists(beginning_path(directory));
  if (!there) return there.error();
  if (!*there) return Beginning();
  auto bytes = read_file(disk, beginning_path(directory));
  if (!bytes) return bytes.error();
  auto beginning = decode<Beginning>(*bytes);
  if (!beginning) {
    return Error{Code::corrupt,
                 beginning_path(directory) +
                     " cannot be read; this head never began, so its directory may be emptied",
                 {},
                 0};
  }
  return std::move(*beginning);
}

std::string random_uuid(Bus& bus) {
  char text[33];
  std::snprintf(text, sizeof text, "%016llx%016llx", static_cast<unsigned long long>(bus.random()),
                static_cast<unsigned long long>(bus.random()));
  return text;
}

Error founds_again(const std::string& directory, const Identity& identity) {
  return Error{Code::exists,
               directory + " is that of head " + std::to_string(identity.member) + " of cluster " +
                   identity.cluster +
                   "; start it without --bootstrap, or found the new cluster in an empty directory",
               {{"cluster", identity.cluster}, {"head", std::to_string(identity.member)}},
               0};
}

constexpr Duration kNeighbourDeadline = std::chrono::milliseconds(500);

// To which clusters the brokers belong that this head was told of.
struct Neighbours {
  std::map<Link, std::string> clusters;  // of those that answered
  size_t over = 0;
  Signal step;
};

Task<void> ask_neighbour(Calls* calls, Link broker, Neighbours* neighbours) {
  CallOptions options;
  options.deadline = kNeighbourDeadline;
  Task<Result<Answer<GetStatus>>> calling =
      calls->call<GetStatus>(broker, "monitor-replica", GetStatus{true}, std::move(options));
  const Result<Answer<GetStatus>> answer = co_await calling;
  if (answer) neighbours->clusters.emplace(broker, answer->message.cluster);
  ++neighbours->over;
  neighbours->step.notify();
}

// All brokers at once.
Task<void> ask_neighbours(Bus* bus, Calls* calls, Neighbours* neighbours) {
  TaskScope asking;
  const std::vector<Link> brokers = bus->brokers();
  for (const Link& broker : brokers) asking.spawn(ask_neighbour(calls, broker, neighbours));
  while (neighbours->over < brokers.size()) {
    Signal::Waiter step = neighbours->step.wait();
    co_await step;
  }
  // Not on the stack of the flow that is about to be destroyed.
  Task<void> stepping_aside = sleep(*bus, Duration::zero());
  co_await stepping_aside;
}

Error is_not_gone(const Link& broker, const std::string& cluster) {
  return Error{Code::exists,
               "the broker " + broker + " answers for cluster " + cluster +
                   ", so some of its heads live: a cluster is rebuilt only when all of them are "
                   "lost. A new head becomes part of it with --join",
               {{"cluster", cluster}, {"broker", broker}},
               0};
}

Error is_foreign(const std::string& directory, const Identity& identity, const Link& broker,
                 const std::string& cluster) {
  return Error{Code::invalid,
               directory + " is that of head " + std::to_string(identity.member) + " of cluster " +
                   identity.cluster + ", but the broker " + broker + " belongs to cluster " +
                   cluster +
                   "; start it with brokers of its own cluster, or give it an empty directory to "
                   "join the other",
               {{"cluster", identity.cluster}, {"foreign", cluster}},
               0};
}

Error wants_to_know(const std::string& directory) {
  return Error{Code::invalid,
               directory +
                   " is empty: start its head with --bootstrap to found a new cluster, with --join "
                   "and the address of a broker to become part of one, or with --rebuild and the "
                   "id of a cluster that has lost all its heads",
               {},
               0};
}

}  // namespace

Task<void> Monitor::State::begin() {
  Task<Result<bool>> taking = take_identity();
  const Result<bool> taken = co_await taking;
  if (!taken) {
    report_ready(taken.error());
  } else {
    founder = *taken;
    open();
  }
}

// True when this head founds its cluster, or was about to when it was interrupted.
Task<Result<bool>> Monitor::State::take_identity() {
  struct There {
    Result<std::optional<Identity>> identity{std::optional<Identity>()};
    Result<Beginning> beginning{Beginning()};
  };
  const auto there = std::make_shared<There>();
  Task<Result<void>> reading = run(bus, [there, &disk = disk, directory = settings.directory] {
    there->identity = load_identity(disk, directory);
    there->beginning = load_beginning(disk, directory);
  });
  const Result<void> ran = co_await reading;
  if (!ran) co_return ran.error();
  if (!there->identity) co_return there->identity.error();
  if (!there->beginning) co_return there->beginning.error();
  const Beginning unfinished = *there->beginning;
  if (*there->identity) {
    identity = **there->identity;
    const bool founds = unfinished.founds && unfinished.uuid == identity.uuid;
    rebuilds = unfinished.rebuilds;
    if (settings.found && !founds) co_return founds_again(settings.directory, identity);
    Task<Result<void>> looking = look_around();
    const Result<void> looked = co_await looking;
    if (!looked) co_return looked.error();
    co_return founds;
  }
  if (settings.found == settings.join) co_return wants_to_know(settings.directory);
  Task<Result<bool>> beginning = settings.found ? found(unfinished) : join(unfinished);
  const Result<bool> begun = co_await beginning;
  co_return begun;
}

// A head that announced itself to the brokers of another cluster would be taken for one of its
// heads by the clients there. Brokers that do not answer are let pass: all may be starting.
Task<Result<void>> Monitor::State::look_around() {
  bus.set_address("head/" + identity.uuid.substr(0, 16));
  Neighbours neighbours;
  Task<void> asking = ask_neighbours(&bus, &calls, &neighbours);
  co_await asking;
  for (const auto& [broker, cluster] : neighbours.clusters) {
    if (cluster.empty() || cluster == identity.cluster) continue;
    co_return is_foreign(settings.directory, identity, broker, cluster);
  }
  co_return Result<void>();
}

// Two sets of heads with one cluster's id would each take its nodes for theirs.
Task<Result<void>> Monitor::State::check_cluster_is_gone() {
  bus.set_address("head/" + random_uuid(bus).substr(0, 16));
  Neighbours neighbours;
  Task<void> asking = ask_neighbours(&bus, &calls, &neighbours);
  co_await asking;
  for (const auto& [broker, cluster] : neighbours.clusters) {
    if (cluster == settings.rebuild) co_return is_not_gone(broker, cluster);
  }
  co_return Result<void>();
}

Task<Result<bool>> Monitor::State::found(Beginning unfinished) {
  const bool again = unfinished.founds && !unfinished.uuid.empty();
  Beginning begun = unfinished;
  if (!again) {
    begun.founds = true;
    begun.rebuilds = !settings.rebuild.empty();
    begun.cluster = begun.rebuilds ? settings.rebuild : random_uuid(bus);
    begun.uuid = random_uuid(bus);
  }
  if (begun.rebuilds) {
    Task<Result<void>> checking = check_cluster_is_gone();
    const Result<void> gone = co_await checking;
    if (!gone) co_return gone.error();
  }
  rebuilds = begun.rebuilds;
  Task<Result<void>> settling = settle(begun, Identity{begun.cluster, 1, begun.uuid});
  const Result<void> settled = co_await settling;
  if (!settled) co_return settled.error();
  co_return true;
}

Task<Result<bool>> Monitor::State::join(Beginning unfinished) {
  const bool again = !unfinished.founds && !unfinished.uuid.empty();
  const Beginning begun = again ? unfinished : Beginning{false, {}, random_uuid(bus), false};
  const AddHead request{begun.uuid, bus.endpoint(), settings.broker};
  if (const char* why = request.invalid()) {
    co_return Error{Code::invalid, std::string("this head cannot join: its ") + why, {}, 0};
  }
  // The others will know this uuid before this head knows its number.
  Task<Result<void>> noting = settle(begun, std::nullopt);
  const Result<void> noted = co_await noting;
  if (!noted) co_return noted.error();
  bus.set_address("head/" + begun.uuid.substr(0, 16));
  CallOptions options;
  options.deadline = settings.join_deadline;
  auto asking = calls.ask<AddHead>("monitor", request, std::move(options));
  const Result<Answer<AddHead>> answer = co_await asking;
  if (!answer) {
    Error error = answer.error();
    error.text = "this head could not join: " + error.text;
    if (error.code == Code::timeout) error.code = Code::unavailable;
    co_return error;
  }
  const AddHeadReply& reply = answer->message;
  bus.log(Level::info, "joining", {{"cluster", reply.cluster}, {"head", reply.head}});
  Task<Result<void>> settling =
      settle(Beginning(), Identity{reply.cluster, reply.head, begun.uuid});
  const Result<void> settled = co_await settling;
  if (!settled) co_return settled.error();
  co_return false;
}

// Makes durable what this head is about to become, and who it is, as far as that is known.
Task<Result<void>> Monitor::State::settle(Beginning beginning, std::optional<Identity> who) {
  const auto outcome = std::make_shared<Result<void>>();
  const auto work = [beginning, who, &disk = disk,
                     directory = settings.directory]() -> Result<void> {
    DFS_CHECK(disk.make_directories(directory));
    if (!beginning.uuid.empty()) {
      DFS_CHECK(write_file_atomically(disk, beginning_path(directory), encode(beginning)));
    }
    if (who) DFS_CHECK(save_identity(disk, directory, *who));
    if (who && beginning.uuid.empty()) DFS_CHECK(disk.remove(beginning_path(directory)));
    return {};
  };
  Task<Result<void>> working = run(bus, [outcome, work] { *outcome = work(); });
  const Result<void> ran = co_await working;
  if (!ran) co_return ran;
  if (*outcome && who) identity = *who;
  co_return *outcome;
}

// The cluster is there: from now on this head's log is never to begin anew.
Task<void> Monitor::State::forget_beginning() {
  if (!std::exchange(founder, false)) co_return;
  const auto outcome = std::make_shared<Result<void>>();
  const auto work = [outcome, &disk = disk, directory = settings.directory] {
    *outcome = disk.remove(beginning_path(directory));
    if (*outcome) *outcome = disk.sync_directory(directory);
  };
  Task<Result<void>> working = run(bus, work);
  const Result<void> ran = co_await working;
  if (ran && *outcome) co_return;
  // The next start sees the file and the cluster, and tries again.
  bus.log(Level::warn, "beginning not forgotten",
          {{"why", (ran ? *outcome : ran).error().describe()}});
}

}  // namespace dfs
