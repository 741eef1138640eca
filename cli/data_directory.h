// The directory in which a daemon keeps what must survive.
#pragma once

#include <memory>
#include <string>

#include "actors/disk.h"
#include "actors/table.h"

namespace dfs::cli {

// Held by one process at a time. Destroyed in reverse order: the lock is given back last.
struct DataDirectory {
  std::shared_ptr<Disk> disk;
  std::unique_ptr<DiskLock> lock;
  std::unique_ptr<Table> table;
};

// Makes or opens `path` for a daemon of `role`, with its table below, and closes it to other users.
// Fails with a text that names the directory: `busy` when another process has it, `invalid` when it
// holds another role's data, `io_error`, `corrupt`.
Result<DataDirectory> open_data_directory(const std::string& path, const std::string& role);

// The same without a table.
Result<DataDirectory> take_directory(const std::string& path, const std::string& role);

}  // namespace dfs::cli
