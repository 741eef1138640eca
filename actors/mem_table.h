// Table in memory, for the simulator and for tests. It stands for a table on disk: crash() loses
// the batches that were not synced or flushed, as a crash of the machine would. One thread.
#pragma once

#include <deque>
#include <functional>
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
  // A checkpoint is one file, `rows`.
  Result<std::optional<std::string>> checkpoint(Disk& disk, const std::string& directory,
                                                std::string_view key) override;
  Result<void> restore(Disk& disk, const std::string& directory) override;

  // Undoes all but the first `keep` of the batches written since the last sync or flush.
  void crash(size_t keep = 0);
  size_t unsynced() const { return unsynced_.size(); }
  // For checkers: called after each write, and with nothing when all rows were replaced at once.
  std::function<void(const Batch*)> changed;

 private:
  using Rows = std::map<std::string, std::string, std::less<>>;
  static void apply(Rows& rows, const Batch& batch);
  static std::string encode(const Rows& rows);
  static std::optional<Rows> decode(std::string_view bytes);

  std::shared_ptr<Rows> rows_ = std::make_shared<Rows>();  // as readers see them
  Rows durable_;                                           // as a crash would leave them
  std::deque<Batch> unsynced_;
};

}  // namespace dfs
