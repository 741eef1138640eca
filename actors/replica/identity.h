// Who a member is, for ever: written once into its data directory, before anything else of it.
#pragma once

#include <optional>
#include <string>

#include "actors/disk.h"
#include "messages/ids.h"
#include "messages/message.h"

namespace dfs {

struct Identity {
  std::string cluster;  // 32 hex digits
  MemberId member = 0;
  std::string uuid;  // of this data directory, 32 hex digits
  const char* invalid() const;
  DFS_FIELDS(cluster, member, uuid)
};

// Both block: pool, or while the actor starts. The file is `identity` in `directory`.

// Nothing in a fresh directory; `corrupt` when the file does not check out.
Result<std::optional<Identity>> load_identity(Disk& disk, const std::string& directory);
// Durable on return. `exists` when the directory has another identity already.
Result<void> save_identity(Disk& disk, const std::string& directory, const Identity& identity);

}  // namespace dfs
