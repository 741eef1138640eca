// The file that keys of encrypted pools are exported to. It is its owner's alone: whoever reads it
// can read every file of those pools. Its lines: "ID KEY POOL", the first two in hex digits, and
// comments that begin with '#'.
#pragma once

#include <string>
#include <vector>

#include "messages/pool_keys.h"

namespace dfs::cli {

// Durable on return. `exists` when there is such a file; `local_io`.
Result<void> write_key_file(const std::string& path, const PoolKeyList& list);
// `denied` when others than its owner could read it, `corrupt` when it is no such file.
Result<std::vector<PoolKeyView>> read_key_file(const std::string& path);

}  // namespace dfs::cli
