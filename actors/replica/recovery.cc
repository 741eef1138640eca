// How a replica begins: what the disk has is checked, completed and given to the core.
#include <algorithm>

#include "actors/replica/install_marker.h"
#include "actors/replica/replica_state.h"

namespace dfs {

namespace {

Result<std::shared_ptr<LogStore>> recover(Disk& disk, Table& table, LogStoreSettings settings,
                                          const std::string& snapshots) {
  auto log = LogStore::open(disk, std::move(settings));
  if (!log) return log.error();
  DFS_CHECK(finish_install(disk, table, **log, snapshots));
  DFS_CHECK(disk.remove_tree(snapshots));
  DFS_CHECK(disk.make_directories(snapshots));
  return std::shared_ptr<LogStore>(std::move(*log));
}

}  // namespace

void Replica::State::open(Identity identity, std::string endpoint_, std::string broker_,
                          bool founder, Go done) {
  DFS_ASSERT(phase == Phase::created && identity.member != 0);
  phase = Phase::opening;
  ready = std::move(done);
  self = std::move(identity);
  endpoint = std::move(endpoint_);
  broker = std::move(broker_);
  group = self.cluster + "/" + settings.group;
  using Recovered = Result<std::shared_ptr<LogStore>>;
  auto recovered = std::make_shared<Recovered>(std::shared_ptr<LogStore>());
  const LogStoreSettings log_settings{settings.directory, settings.segment_bytes, bus.random()};
  jobs.run([recovered, log_settings, &disk = disk, &table = table,
            snapshots = snapshots] { *recovered = recover(disk, table, log_settings, snapshots); },
           guarded([recovered, founder](State& state) {
             if (!*recovered) return state.opened(recovered->error());
             state.recovered(std::move(**recovered), founder);
           }));
}

void Replica::State::recovered(std::shared_ptr<LogStore> store, bool founder) {
  if (auto loaded = load_rows(); !loaded) return opened(std::move(loaded));
  if (auto checked = check_log(*store); !checked) return opened(std::move(checked));
  if (store->torn_bytes() > 0) {
    bus.log(Level::warn, "torn end of the log cut",
            {{"bytes", store->torn_bytes()}, {"last", store->last()}});
  }
  if (founder && store->last() == 0 && applied.index == 0) return found(std::move(store));
  start_core(std::move(store));
}

Result<void> Replica::State::load_rows() {
  const auto row = table.get(kAppliedKey);
  if (!row) return row.error();
  applied = AppliedRow();
  if (*row) {
    auto decoded = decode<AppliedRow>(**row);
    if (!decoded) return {Code::corrupt, "the table's applied index does not decode"};
    applied = *decoded;
  }
  const auto members_row = table.get(kMembersKey);
  if (!members_row) return members_row.error();
  members = ChangeMembers();
  if (*members_row) {
    auto decoded = decode<ChangeMembers>(**members_row);
    if (!decoded) return {Code::corrupt, "the table's row of the members does not decode"};
    members = std::move(*decoded);
  }
  members_log = {{applied.index, members}};
  flushed_to = applied.index;
  return replies.load(table);
}

// An entry is applied only when the log has it on stable storage, and cut from the log only when
// the table has it there. Anything else means that one of the two is not the other's.
Result<void> Replica::State::check_log(const LogStore& store) const {
  const std::string both = "the table has entries up to " + std::to_string(applied.index) +
                           ", but the log in " + settings.directory;
  const std::string advice = "; restore log and table from the same copy";
  if (applied.index > store.last() || applied.index < store.base()) {
    return {Code::corrupt, both + " holds " + std::to_string(store.first()) + " to " +
                               std::to_string(store.last()) + advice};
  }
  const raft::Log log(store.base(), store.base_term(), store.terms(), store.last());
  if (applied.index > 0 && log.term_at(applied.index) != applied.term) {
    return {Code::corrupt, both + " has another entry there" + advice};
  }
  return {};
}

// The group begins with the entry that says who belongs to it.
void Replica::State::found(std::shared_ptr<LogStore> store) {
  LogEntry entry;
  entry.index = 1;
  entry.term = 1;
  entry.time_ms = bus.wall_ms();
  entry.type = ChangeMembers::kType;
  entry.body = encode(ChangeMembers{
      {Member{self.member, endpoint, broker, self.uuid, Standing::voter}}, self.member});
  auto outcome = std::make_shared<Result<void>>();
  jobs.run(
      [outcome, store, entry = std::make_shared<const LogEntry>(std::move(entry))] {
        *outcome = store->save_state({1, 0});
        if (*outcome) *outcome = store->append({entry});
      },
      guarded([outcome, store](State& state) {
        if (!*outcome) return state.opened(*outcome);
        state.start_core(store);
      }));
}

void Replica::State::start_core(std::shared_ptr<LogStore> store) {
  raft::Settings core_settings;
  core_settings.id = self.member;
  core_settings.group = group;
  core_settings.seed = bus.random();
  core_settings.heartbeat = settings.heartbeat;
  core_settings.election_min = settings.election_min;
  core_settings.election_max = settings.election_max;
  core_settings.clock_drift_max = settings.clock_drift_max;
  core_settings.unstable_bytes_max = settings.unsaved_bytes_max;
  raft::Start start;
  start.hard = store->state();
  start.base = store->base();
  start.base_term = store->base_term();
  start.runs = store->terms();
  start.last = store->last();
  start.time_ms = std::max(applied.time_ms, store->last_time_ms());
  start.applied = applied.index;
  start.members = members;
  start.changes = store->changes_after(applied.index);
  core = std::make_unique<raft::Raft>(std::move(core_settings), std::move(start), now());
  log.use(std::move(store));
  opened({});
}

void Replica::State::opened(Result<void> outcome) {
  const auto self_alive = shared_from_this();
  if (outcome) outcome = machine.loaded(table);
  if (outcome) {
    bus.log(Level::info, "replica open",
            {{"last", core->log().last()},
             {"applied", applied.index},
             {"term", core->term()},
             {"log_bytes", log.facts().bytes}});
    phase = Phase::open;
  } else {
    phase = Phase::failed;
    failure = outcome.error();
    core.reset();
  }
  std::exchange(ready, nullptr)(outcome);
  if (phase == Phase::gone) return;
  if (outcome && !members.members.empty() && watcher.members_changed) watcher.members_changed();
  if (phase == Phase::gone) return;
  if (closed.empty()) return pump();
  hand_over_and_close();
}

}  // namespace dfs
