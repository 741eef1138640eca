#include "actors/held_rows.h"

#include <algorithm>

namespace dfs {

namespace {

size_t bytes_of(const HeldRows::Value& value) {
  return value ? value->size() : 0;
}

}  // namespace

void HeldRows::write(const Batch& batch) {
  for (const auto& [key, value] : batch.changes()) {
    const auto [row, added] = changed_.try_emplace(key);
    bytes_ -= bytes_of(row->second);
    bytes_ += bytes_of(value) + (added ? key.size() : 0);
    row->second = value;
  }
}

const HeldRows::Value* HeldRows::find(std::string_view key) const {
  if (const auto row = changed_.find(key); row != changed_.end()) return &row->second;
  if (const auto row = known_.find(key); row != known_.end()) return &row->second;
  return nullptr;
}

void HeldRows::remember(std::string_view key, const Value& value) {
  if (!value || key.size() + value->size() > kRememberedBytesMax) return;
  // Those that are used often come back at once.
  if (known_.size() >= kRowsMax) known_.clear();
  known_.emplace(key, value);
}

void HeldRows::each_change(
    const std::function<void(const std::string& key, const Value& value)>& visit) {
  std::vector<const Rows::value_type*> changes;
  changes.reserve(changed_.size());
  for (const auto& row : changed_) changes.push_back(&row);
  std::sort(changes.begin(), changes.end(),
            [](const auto* a, const auto* b) { return a->first < b->first; });
  for (const auto* row : changes) visit(row->first, row->second);
}

void HeldRows::handed_over() {
  known_ = std::exchange(changed_, {});
  bytes_ = 0;
}

void HeldRows::clear() {
  changed_.clear();
  known_.clear();
  bytes_ = 0;
}

}  // namespace dfs
