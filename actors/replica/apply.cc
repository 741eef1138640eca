// What is committed is applied to the table, in order; then the log may forget it.
#include <algorithm>
#include <cstring>

#include "actors/replica/replica_state.h"

namespace dfs {

namespace {

// Of one turn, so that the actor stays responsive while much is to be applied.
constexpr size_t kTurnEntries = 256;
constexpr size_t kTurnBytes = 1 << 20;

// A group that feeds a slow member keeps up to so many times the usual log for it.
constexpr uint64_t kKeptForOthers = 4;

constexpr uint64_t kHashFactor = 0x9e3779b97f4a7c15;

uint64_t mix(uint64_t hash, uint64_t word) {
  hash = (hash ^ word) * kHashFactor;
  return hash ^ (hash >> 32);
}

uint64_t mix(uint64_t hash, std::string_view bytes) {
  hash = mix(hash, bytes.size());
  for (size_t at = 0; at < bytes.size(); at += sizeof(uint64_t)) {
    uint64_t word = 0;
    std::memcpy(&word, bytes.data() + at, std::min(sizeof word, bytes.size() - at));
    hash = mix(hash, word);
  }
  return hash;
}

uint64_t mix(uint64_t hash, const Batch& batch) {
  for (const auto& [key, value] : batch.changes()) {
    hash = mix(hash, key);
    hash = value ? mix(hash, *value) : mix(hash, ~uint64_t{0});
  }
  return hash;
}

}  // namespace

void Replica::State::apply_committed() {
  if (applying_later || reading_log || installing) return;
  size_t entries_left = kTurnEntries;
  size_t bytes_left = kTurnBytes;
  const LogIndex before = applied.index;
  while (applied.index < core->commit()) {
    if (entries_left == 0 || bytes_left == 0) {
      apply_later();
      break;
    }
    const LogIndex from = applied.index + 1;
    const auto entries = core->entries(from, bytes_left);
    if (!entries) {
      apply_from_disk();
      break;
    }
    for (const auto& entry : *entries) {
      if (entry->index > core->commit() || entries_left == 0) break;
      --entries_left;
      bytes_left -= std::min(bytes_left, entry->body.size() + entry->client.size() + 1);
      if (!apply_one(*entry)) return;
    }
  }
  if (applied.index == before) return;
  core->applied(applied.index);
  trim();
  pump_again = true;
}

void Replica::State::apply_later() {
  applying_later = true;
  jobs.after(Duration::zero(), guarded([](State& state) {
               state.applying_later = false;
               state.pump();
             }));
}

// Committed entries that memory no longer holds: after a start, mostly.
void Replica::State::apply_from_disk() {
  reading_log = true;
  auto read = std::make_shared<Result<LogEntries>>(LogEntries());
  log.run(
      [read, from = applied.index + 1](LogStore& store) { *read = store.read(from, kTurnBytes); },
      guarded([read](State& state) {
        if (state.running() && *read) state.apply_all(**read);
        state.reading_log = false;
        if (!state.running()) return state.close_when_idle();
        if (!*read) return state.fail(read->error());
        state.core->applied(state.applied.index);
        state.trim();
        state.pump();
      }));
}

// Whoever is told of an entry may propose, and so pump; `reading_log` keeps that from applying the
// next ones in between.
void Replica::State::apply_all(const LogEntries& entries) {
  for (const auto& entry : entries) {
    if (entry->index > core->commit() || !apply_one(*entry)) return;
  }
}

// False when the replica failed or is gone.
bool Replica::State::apply_one(const LogEntry& entry) {
  DFS_ASSERT(entry.index == applied.index + 1);
  bool repeated = false;
  auto outcome = change_table(entry, repeated);
  if (!outcome) {
    fail(outcome.error());
    return false;
  }
  const std::vector<Done> waiting = proposals.take(entry.index, entry.term);
  if (!repeated) machine.applied(entry, *outcome);
  for (const Done& done : waiting) {
    done(outcome);
    if (!running()) return false;
  }
  if (entry.type == Type::ChangeMembers && watcher.members_changed) watcher.members_changed();
  if (entry.type == Type::BecomeLeader && running()) applied_leader(entry);
  return running();
}

Result<Outcome> Replica::State::change_table(const LogEntry& entry, bool& repeated) {
  // A request can be in the log twice: proposed again before its first entry was applied.
  auto remembered = replies.find(table, entry);
  if (!remembered) return remembered.error();
  repeated = remembered->has_value();
  Batch batch;
  Outcome outcome;
  if (repeated) {
    outcome = std::move(**remembered);
  } else {
    outcome = machine.apply(entry, table, batch);
    replies.remember(entry, outcome, batch);
  }
  const bool changes_members = entry.type == Type::ChangeMembers;
  if (changes_members) batch.put(std::string(kMembersKey), entry.body);
  const uint64_t hash = mix(mix(mix(applied.hash, entry.index), entry.term), batch);
  const AppliedRow row{entry.index, entry.term, entry.time_ms, hash};
  batch.put(std::string(kAppliedKey), encode(row));
  if (const auto written = table.write(batch); !written) return written.error();
  applied = row;
  if (changes_members) applied_members(entry);
  return outcome;
}

void Replica::State::applied_members(const LogEntry& entry) {
  auto changed = decode<ChangeMembers>(entry.body);
  DFS_ASSERT(changed.ok());  // the core refuses others
  members = std::move(*changed);
  members_log.emplace_back(entry.index, members);
  const LogIndex needed = source.needs_log_after().value_or(entry.index);
  while (members_log.size() > 1 && members_log[1].first <= needed) members_log.pop_front();
}

// The first entry of its own term: all that was committed before has been applied.
void Replica::State::applied_leader(const LogEntry& entry) {
  if (core->role() != raft::Role::leader || entry.term != core->term()) return;
  leading_term = entry.term;
  fresh_after.reset();
  bus.log(Level::info, "leading", {{"term", entry.term}, {"applied", entry.index}});
  if (watcher.leading) watcher.leading();
}

// Nothing when that was too long ago.
std::optional<ChangeMembers> Replica::State::members_after(LogIndex index) const {
  for (auto known = members_log.rbegin(); known != members_log.rend(); ++known) {
    if (known->first <= index) return known->second;
  }
  return std::nullopt;
}

// The table must not need what the log forgets; so it is flushed first.
void Replica::State::trim() {
  const bool due =
      log.facts().bytes > trim_at || applied.index - flushed_to >= settings.flush_entries;
  if (!due || flushing || installing || fetch_ended) return;
  flushing = true;
  auto outcome = std::make_shared<Result<void>>();
  jobs.run(
      [outcome, &table = table] { *outcome = table.flush(); },
      guarded([outcome, index = applied.index](State& state) { state.flushed(*outcome, index); }));
}

void Replica::State::flushed(Result<void> outcome, LogIndex index) {
  flushing = false;
  if (!running()) return close_when_idle();
  if (!outcome) return fail(outcome.error());
  flushed_to = index;
  if (log.facts().bytes <= trim_at) return pump();
  const LogIndex from = std::min(index + 1, log_needed_from());
  auto dropped = std::make_shared<Result<void>>();
  log.run([dropped, from](LogStore& store) { *dropped = store.drop_before(from); },
          guarded([dropped](State& state) {
            if (!state.running()) return state.close_when_idle();
            if (!*dropped) return state.fail(dropped->error());
            const LogQueue::Facts& facts = state.log.facts();
            state.core->compacted(facts.first);
            const uint64_t kept = state.settings.log_bytes_kept;
            state.trim_at = std::max(kept, facts.bytes + kept / 2);
            state.pump();
          }));
}

// By members that are a little behind, now or when the next leader is another; by those who are
// installing a snapshot; by those who read it at this moment. But not beyond all bounds.
LogIndex Replica::State::log_needed_from() const {
  const LogIndex last = core->log().last();
  const uint64_t entries = last + 1 - core->log().first();
  const uint64_t bytes = log.facts().bytes;
  LogIndex needed = last + 1;
  if (bytes > 0) {
    const double share =
        static_cast<double>(settings.log_bytes_kept) / 2 / static_cast<double>(bytes);
    needed -= std::min(entries, static_cast<uint64_t>(static_cast<double>(entries) * share));
  }
  if (bytes > settings.log_bytes_kept * kKeptForOthers) return needed;
  if (const auto after = source.needs_log_after(); after) needed = std::min(needed, *after + 1);
  for (const auto& [member, progress] : core->progress()) {
    if (in_contact(member)) needed = std::min(needed, progress.match + 1);
  }
  return needed;
}

}  // namespace dfs
