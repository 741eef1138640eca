#include "actors/monitor/monitor_state.h"

namespace dfs {

namespace {

// Between two batches, so that clients' requests come first.
constexpr Duration kPause = std::chrono::milliseconds(10);
constexpr Duration kPeriod = std::chrono::seconds(10);
constexpr uint32_t kEventsTrimmed = 256;  // by one command

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

// Events before the returned entry are to be forgotten; 0: all stay.
Result<LogIndex> Monitor::State::events_to_trim() {
  Rows rows(table);
  auto row = rows.get<RetentionRow>(keys::retention());
  if (!row) return row.error();
  const RetentionRow retention = row->value_or(RetentionRow());
  LogIndex before = retention.first_kept;
  // A command that forgets is an entry itself. Without some slack an idle cluster would go on for
  // ever, forgetting one event with each.
  const LogIndex kept = replica.applied() + 1 - before;
  const uint64_t most = settings.events_entries_max;
  if (kept > most + most / 16) before = replica.applied() + 1 - most;

  const int64_t oldest_ms = replica.logged_ms() - settings.events_ms_max;
  const std::string until = after_prefix(std::string(1, keys::kEvent));
  uint32_t visited = 0;
  DFS_CHECK(rows.scan(keys::events_from(before), until, [&](auto key, auto value) {
    const auto event = decode<EventRow>(value);
    const bool old = event && event->time_ms < oldest_ms;
    if (old) before = read_u64(key, 1) + 1;
    return old && ++visited < kEventsTrimmed;
  }));
  const bool rest = retention.erased < retention.first_kept;
  return before > retention.first_kept || rest ? before : 0;
}

void Monitor::State::trim_events() {
  if (stopping || !serving() || reign.trimming) return;
  bus.cancel(reign.trim_timer);
  reign.trim_timer = bus.after(kPeriod, [this] { trim_events(); });
  const Result<LogIndex> before = events_to_trim();
  if (!before || *before == 0) return;
  reign.trimming = true;
  propose(TrimEvents{*before, kEventsTrimmed}, [this](const Result<Outcome>& outcome) {
    reign.trimming = false;
    if (!outcome) return command_failed("TrimEvents", outcome.error());
    const auto pruned = decode<Pruned>(outcome->body);
    if (!pruned || pruned->rows < kEventsTrimmed) return;
    bus.cancel(reign.trim_timer);
    reign.trim_timer = bus.after(kPause, [this] { trim_events(); });
  });
}

}  // namespace dfs
