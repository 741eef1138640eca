#include "actors/monitor/versioned_rows.h"

namespace dfs {

Requester requester_in(const Command& command) {
  if (command.requester.empty()) return superuser();
  auto requester = decode<Requester>(command.requester);
  return requester ? std::move(*requester) : Requester();
}

Result<void> Rows::scan(std::string_view from, std::string_view until, const Table::Visit& visit) {
  Result<void> scanned = table_.scan(from, until, visit);
  if (!scanned) broken_ = scanned.error();
  return scanned;
}

Result<std::optional<std::string>> Rows::read(std::string_view key) {
  auto value = table_.get(key);
  if (!value) broken_ = value.error();
  return value;
}

Error Rows::unreadable(std::string_view key, const Error& why) {
  broken_ = Error{Code::corrupt,
                  "row " + json_quote(key) + " of the monitor's table cannot be read: " + why.text +
                      "; restore the monitor's data directory from another head or a copy",
                  {},
                  0};
  return *broken_;
}

Result<std::optional<std::string>> VersionedRows::read(std::string_view key) {
  const Pending* row = load(key);
  if (row == nullptr) return *broken_;
  return row->now;
}

VersionedRows::Pending* VersionedRows::load(std::string_view key) {
  const auto found = pending_.lower_bound(key);
  if (found != pending_.end() && found->first == key) return &found->second;
  auto value = Rows::read(key);
  if (!value) return nullptr;
  Pending row;
  row.before = std::move(*value);
  row.now = row.before;
  return &pending_.emplace_hint(found, std::string(key), std::move(row))->second;
}

void VersionedRows::change(const std::string& key, std::optional<std::string> value, bool versioned,
                           LogIndex ended, int64_t ended_ms) {
  Pending* row = load(key);
  if (row == nullptr) return;  // broken() tells
  row->now = std::move(value);
  row->changed = true;
  row->versioned = versioned;
  row->ended = ended;
  row->ended_ms = ended_ms;
}

void VersionedRows::note(std::string topic, std::map<std::string, std::string> fields) {
  if (!requester_.user.empty()) fields.emplace("by", requester_.user);
  events_.push_back({std::move(topic), command_.index, command_.time_ms, kLogActor, command_.trace,
                     std::move(fields)});
}

void VersionedRows::commit(Batch& batch) {
  for (uint32_t number = 0; number < events_.size(); ++number) {
    const Event& event = events_[number];
    batch.put(keys::event(event.index, number),
              encode_row(EventRow{event.topic, event.time_ms, event.trace, event.fields}));
  }
  for (auto& [key, row] : pending_) {
    if (!row.changed || row.now == row.before) continue;
    if (row.versioned && row.before) {
      // Found again by the time of this command, which never goes back, though what was pruned may
      // have ended earlier.
      const std::string history = keys::history(key, row.ended);
      batch.put(history, encode_row(HistoryRow{row.ended_ms, Blob{std::move(*row.before)}}));
      batch.put(keys::history_by_time(command_.time_ms, history), encode_row(MarkRow()));
    }
    if (row.now) {
      batch.put(key, std::move(*row.now));
    } else {
      batch.erase(key);
    }
  }
  pending_.clear();
}

}  // namespace dfs
