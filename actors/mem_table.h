// Table in memory, for the simulator and for tests. It stands for a table on disk: crash() loses
// the batches that were not synced or flushed, as a crash of the machine would. One thread.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>

#include "actors/table.h"

namespace dfs {

class MemTable : public Table {
 public:
  Result<std::optional<std::string>> get(std::string_view key) override;
  Result<void> write(const Batch& batch, Durability durability) override;
  Result<void> scan(std::string_view from, std::string_view until, const Visit& visit) override;
  Result<void> flush() override;

  // Undoes all but the first `keep` of the batches written since the last sync or flush.
  void crash(size_t keep = 0);
  size_t unsynced() const { return unsynced_.size(); }

 private:
  using Rows = std::map<std::string, std::string, std::less<>>;
  static void apply(Rows& rows, const Batch& batch);

  std::shared_ptr<Rows> rows_ = std::make_shared<Rows>();  // as readers see them
  Rows durable_;                                           // as a crash would leave them
  std::deque<Batch> unsynced_;
};

}  // namespace dfs
