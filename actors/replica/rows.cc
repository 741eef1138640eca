#include "actors/replica/rows.h"

#include "actors/replica/event_rows.h"

namespace dfs {

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
                  "row " + json_quote(key) + " of the table cannot be read: " + why.text +
                      "; restore this head's data directory from another head or a copy",
                  {},
                  0};
  return *broken_;
}

Result<std::optional<std::string>> PendingRows::read(std::string_view key) {
  const Pending* row = load(key);
  if (row == nullptr) return *broken_;
  return row->now;
}

PendingRows::Pending* PendingRows::load(std::string_view key) {
  const auto found = pending_.lower_bound(key);
  if (found != pending_.end() && found->first == key) return &found->second;
  auto value = Rows::read(key);
  if (!value) return nullptr;
  Pending row;
  row.before = std::move(*value);
  row.now = row.before;
  return &pending_.emplace_hint(found, std::string(key), std::move(row))->second;
}

void PendingRows::change(const std::string& key, std::optional<std::string> value) {
  Pending* row = load(key);
  if (row == nullptr) return;  // broken() tells
  row->now = std::move(value);
  row->changed = true;
}

void PendingRows::note(std::string topic, std::map<std::string, std::string> fields) {
  events_.push_back({std::move(topic), command_.index, command_.time_ms, actor_, command_.trace,
                     std::move(fields)});
}

void PendingRows::commit(Batch& batch) {
  for (uint32_t number = 0; number < events_.size(); ++number) {
    const Event& event = events_[number];
    batch.put(keys::event(event.index, number),
              encode_row(EventRow{event.topic, event.time_ms, event.trace, event.fields}));
  }
  for (auto& [key, row] : pending_) {
    if (!row.changed || row.now == row.before) continue;
    if (row.before) ending(key, std::move(*row.before), batch);
    if (row.now) {
      batch.put(key, std::move(*row.now));
    } else {
      batch.erase(key);
    }
  }
  pending_.clear();
}

}  // namespace dfs
