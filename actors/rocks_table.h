// Table over RocksDB.
#pragma once

#include <memory>
#include <string>

#include "actors/table.h"

namespace dfs {

struct RocksTableSettings {
  std::string directory;
  bool write_ahead_log = true;  // false: Durability::later survives only flush(); the owner replays
  size_t cache_bytes = 32 << 20;
  size_t write_buffer_bytes = 16 << 20;
};

// Blocks; called while a process starts.
Result<std::unique_ptr<Table>> open_rocks_table(RocksTableSettings settings);

}  // namespace dfs
