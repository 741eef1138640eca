// The rows that a replica keeps in the table of its state machine, beside the replies.
#pragma once

#include <string_view>

#include "messages/ids.h"
#include "messages/message.h"

namespace dfs {

// How far the table has come; written with the changes of each entry.
struct AppliedRow {
  LogIndex index = 0;
  uint64_t term = 0;
  int64_t time_ms = 0;
  uint64_t hash = 0;  // see Replica::state_hash()
  DFS_FIELDS(index, term, time_ms, hash)
};

inline constexpr std::string_view kAppliedKey("\0applied", 8);
// The ChangeMembers applied last.
inline constexpr std::string_view kMembersKey("\0members", 8);

}  // namespace dfs
