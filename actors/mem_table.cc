#include "actors/mem_table.h"

namespace dfs {

void MemTable::apply(Rows& rows, const Batch& batch) {
  for (const auto& [key, value] : batch.changes()) {
    if (value) {
      rows.insert_or_assign(key, *value);
    } else {
      rows.erase(key);
    }
  }
}

Result<std::optional<std::string>> MemTable::get(std::string_view key) {
  const auto row = rows_->find(key);
  if (row == rows_->end()) return std::optional<std::string>();
  return std::optional<std::string>(row->second);
}

Result<void> MemTable::write(const Batch& batch, Durability durability) {
  // A scan that is under way goes on over the rows it began with.
  if (rows_.use_count() > 1) rows_ = std::make_shared<Rows>(*rows_);
  apply(*rows_, batch);
  unsynced_.push_back(batch);
  if (durability == Durability::synced) return flush();
  return {};
}

Result<void> MemTable::scan(std::string_view from, std::string_view until, const Visit& visit) {
  const std::shared_ptr<const Rows> rows = rows_;
  // The bounds may point into rows that the visitor erases.
  const std::string end(until);
  for (auto row = rows->lower_bound(from); row != rows->end(); ++row) {
    if (!end.empty() && row->first >= end) break;
    if (!visit(row->first, row->second)) break;
  }
  return {};
}

Result<void> MemTable::flush() {
  for (const Batch& batch : unsynced_) apply(durable_, batch);
  unsynced_.clear();
  return {};
}

void MemTable::crash(size_t keep) {
  if (keep < unsynced_.size()) unsynced_.resize(keep);
  for (const Batch& batch : unsynced_) apply(durable_, batch);
  unsynced_.clear();
  rows_ = std::make_shared<Rows>(durable_);
}

}  // namespace dfs
