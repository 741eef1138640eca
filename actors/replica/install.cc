// Snapshots: offered to members that need one, and installed by a member that is offered one.
#include <utility>

#include "actors/replica/install_marker.h"
#include "actors/replica/replica_state.h"

namespace dfs {

namespace {

constexpr Duration kInstallRetry = std::chrono::seconds(1);
constexpr Duration kSpaceRetry = std::chrono::milliseconds(200);

}  // namespace

void Replica::State::offer_snapshots() {
  for (const MemberId member : core->take_snapshots()) {
    if (!closed.empty() || fetch) continue;
    const SnapshotSource::Snapshot* snapshot = source.offer(core->log().first() - 1);
    if (snapshot == nullptr) {
      // Offered with a later heartbeat.
      source.make(applied.index);
      continue;
    }
    const auto then = members_after(snapshot->at.index);
    if (!then) continue;
    InstallSnapshot offer = core->offer_to(member);
    offer.index = snapshot->at.index;
    offer.index_term = snapshot->at.term;
    offer.time_ms = snapshot->at.time_ms;
    offer.members = *then;
    offer.snapshot = snapshot->id;
    offer.files = snapshot->files;
    peers.send(offer, core->members());
  }
}

void Replica::State::start_install() {
  if (installing || fetch_ended) return;
  auto offer = core->take_install();
  if (!offer) return;
  if (now() < install_after || !closed.empty()) return core->install_failed();
  SnapshotFetch::Settings fetch_settings;
  fetch_settings.directory = snapshots + "/received-" + std::to_string(offer->snapshot);
  fetch_settings.link = [this, from = offer->from] { return peers.link(from, core->members()); };
  fetch_settings.to = peers.address(offer->from);
  fetch_settings.parts_in_flight = settings.snapshot_parts_in_flight;
  fetch_settings.part_bytes = settings.snapshot_part_bytes;
  bus.log(Level::info, "fetching a snapshot", {{"index", offer->index}, {"from", offer->from}});
  fetch = std::make_unique<SnapshotFetch>(bus, calls, disk, std::move(*offer),
                                          std::move(fetch_settings));
  fetch->start([weak = weak_from_this()](Result<void> outcome) {
    if (const auto state = weak.lock(); state && state->running()) {
      state->fetched(std::move(outcome));
    }
  });
}

void Replica::State::fetched(Result<void> outcome) {
  if (!outcome) return give_up_install(outcome.error());
  fetch_ended = true;
  install();
}

// The table and the log are replaced while nobody else uses them.
void Replica::State::install() {
  if (!fetch_ended || installing || !running()) return;
  const InstallSnapshot& snapshot = fetch->offer();
  if (core->commit() >= snapshot.index) {
    return give_up_install({Code::conflict, "the log brought what the snapshot has", {}, 0});
  }
  if (saving || flushing || reading_log || source.making() || !log.idle()) return;
  installing = true;
  fresh_at.reset();
  fresh_after.reset();
  replace_table();
}

void Replica::State::replace_table() {
  struct Job {
    Result<void> outcome;
    bool intact = false;
  };
  auto job = std::make_shared<Job>();
  log.run(
      [job, &disk = disk, &table = table, snapshots = snapshots, snapshot = fetch->offer(),
       directory = fetch->directory()](LogStore& store) {
        job->outcome =
            install_snapshot(disk, table, store, snapshots, directory, snapshot, job->intact);
      },
      guarded([job](State& state) {
        if (!state.running()) {
          state.installing = false;
          return state.close_when_idle();
        }
        if (!job->outcome && job->intact) {
          state.installing = false;
          return state.give_up_install(job->outcome.error());
        }
        if (job->outcome.code() == Code::no_space) {
          // There is no way back. Nothing else happens to this member until there is room.
          state.bus.log(Level::error, "no space for the log", {{"why", job->outcome.error().text}});
          state.jobs.after(kSpaceRetry, state.guarded([](State& later) {
            if (later.running()) return later.replace_table();
            later.installing = false;
            later.close_when_idle();
          }));
          return;
        }
        state.installed(job->outcome);
      }));
}

void Replica::State::installed(Result<void> outcome) {
  const auto alive = shared_from_this();
  if (!outcome) return fail(outcome.error());
  const InstallSnapshot snapshot = fetch->offer();
  fetch.reset();
  fetch_ended = false;
  if (auto loaded = load_rows(); !loaded) return fail(loaded.error());
  if (applied.index != snapshot.index || applied.term != snapshot.index_term) {
    return fail({Code::corrupt, "the snapshot is not of the entry that was said", {}, 0});
  }
  if (auto loaded = machine.loaded(table); !loaded) return fail(loaded.error());
  installing = false;
  core->installed(now(), snapshot);
  bus.log(Level::info, "snapshot installed", {{"index", applied.index}, {"from", snapshot.from}});
  if (watcher.restored) watcher.restored();
  if (running() && watcher.members_changed) watcher.members_changed();
  pump();
}

void Replica::State::give_up_install(const Error& why) {
  bus.log(Level::warn, "snapshot not installed",
          {{"why", why.text}, {"index", fetch->offer().index}});
  auto removed = std::make_shared<Result<void>>();
  jobs.run([removed, &disk = disk,
            directory = fetch->directory()] { *removed = disk.remove_tree(directory); },
           [] {});
  fetch.reset();
  fetch_ended = false;
  install_after = now() + kInstallRetry;
  core->install_failed();
  pump();
}

}  // namespace dfs
