#include <algorithm>

#include "actors/monitor/fences.h"
#include "actors/monitor/monitor_state.h"

namespace dfs {

namespace {

// Between two batches, so that clients' requests come first.
constexpr Duration kPause = std::chrono::milliseconds(10);
constexpr Duration kPeriod = std::chrono::seconds(10);
constexpr uint32_t kEventsTrimmed = 256;  // by one command
constexpr uint32_t kRowsForgotten = 256;

int64_t in_ms(Duration time) {
  return time / std::chrono::milliseconds(1);
}

// Often enough that what is to be forgotten after a short time does not stay for a long one.
Duration period_for(Duration retention) {
  return std::clamp<Duration>(retention / 4, 10 * kPause, kPeriod);
}

bool any_row(Table& table, const std::string& from, const std::string& until) {
  bool any = false;
  const Result<void> scanned = table.scan(from, until, [&](auto, auto) {
    any = true;
    return false;
  });
  return scanned && any;
}

}  // namespace

// One batch after the other until no removed directory is left.
void Monitor::State::prune_orphans() {
  if (stopping || !serving() || reign.pruning) return;
  bus.cancel(std::exchange(reign.prune_timer, 0));
  bool any = false;
  const std::string prefix(1, keys::kOrphan);
  const Result<void> scanned = table.scan(prefix, after_prefix(prefix), [&](auto, auto) {
    any = true;
    return false;
  });
  if (!scanned || !any) return;
  reign.pruning = true;
  propose(PruneOrphans(), [this](const Result<Outcome>& outcome) {
    reign.pruning = false;
    if (!outcome) command_failed("PruneOrphans", outcome.error());
    reign.prune_timer = bus.after(outcome ? kPause : kPeriod, [this] { prune_orphans(); });
  });
}

Result<LogIndex> Monitor::State::events_to_trim() {
  Rows rows(table);
  const int64_t oldest_ms = replica.logged_ms() - settings.events_ms_max;
  return dfs::events_to_trim(rows, replica.applied(),
                             {settings.events_entries_max, oldest_ms, kEventsTrimmed});
}

// One batch; the next one soon when there is more to do, else with the period.
template <Message M>
void Monitor::State::propose_sweep(const char* name, const M& command, Sweep Reign::*sweep,
                                   void (State::*again)()) {
  (reign.*sweep).running = true;
  propose(command, [=, this, limit = command.limit](const Result<Outcome>& outcome) {
    (reign.*sweep).running = false;
    if (!outcome) return command_failed(name, outcome.error());
    const auto pruned = decode<Pruned>(outcome->body);
    if (!pruned || !(pruned->more || pruned->rows >= limit)) return;
    bus.cancel((reign.*sweep).timer);
    (reign.*sweep).timer = bus.after(kPause, [this, again] { (this->*again)(); });
  });
}

void Monitor::State::trim_events() {
  if (stopping || !serving() || reign.trim.running) return;
  bus.cancel(reign.trim.timer);
  reign.trim.timer = bus.after(kPeriod, [this] { trim_events(); });
  const Result<LogIndex> before = events_to_trim();
  if (!before || *before == 0) return;
  propose_sweep("TrimEvents", TrimEvents{*before, kEventsTrimmed}, &Reign::trim,
                &State::trim_events);
}

// By the wall clock, and not by the log's time: that stands still while nothing changes.
void Monitor::State::expire_history() {
  if (stopping || !serving() || reign.expiry.running) return;
  bus.cancel(reign.expiry.timer);
  reign.expiry.timer =
      bus.after(period_for(settings.history_retention), [this] { expire_history(); });
  const int64_t before_ms = bus.wall_ms() - in_ms(settings.history_retention);
  Rows rows(table);
  const auto kept = rows.get<KeptRow>(keys::kept());
  if (!kept || before_ms <= 0) return;
  const KeptRow from = kept->value_or(KeptRow());
  if (!any_row(table, keys::history_since(from.history_ms), keys::history_since(before_ms)) &&
      !any_row(table, keys::fence_by_time(from.fences_ms, {}),
               keys::fence_by_time(fences_kept_since(before_ms, bus.wall_ms()), {}))) {
    return;
  }
  propose_sweep("ExpireHistory", ExpireHistory{before_ms, kRowsForgotten}, &Reign::expiry,
                &State::expire_history);
}

void Monitor::State::forget_objects() {
  if (stopping || !serving() || reign.forgetting.running) return;
  bus.cancel(reign.forgetting.timer);
  reign.forgetting.timer =
      bus.after(period_for(settings.object_retention), [this] { forget_objects(); });
  Rows rows(table);
  const auto content = rows.get<ContentRow>(keys::content());
  const auto kept = rows.get<KeptRow>(keys::kept());
  if (!content || !kept) return;
  const ObjectId lowest = lowest_upload(rows);
  const int64_t before_ms = std::max<int64_t>(bus.wall_ms() - in_ms(settings.object_retention), 0);
  const bool settles = lowest > content->value_or(ContentRow()).settled;
  if (!settles &&
      !any_row(table, keys::died(kept->value_or(KeptRow()).dead_ms), keys::died(before_ms)))
    return;
  propose_sweep("ForgetObjects", ForgetObjects{before_ms, kRowsForgotten, lowest},
                &Reign::forgetting, &State::forget_objects);
}

}  // namespace dfs
