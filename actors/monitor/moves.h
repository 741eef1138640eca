// Changes of members that keep every copy.
#pragma once

#include <vector>

#include "actors/monitor/rows.h"

namespace dfs {

// `members` are the members from log entry `index` on. Those that come lack everything. Nobody
// leaves here: who is no member any more is still a holder, until the new ones are complete. Writes
// under way stay good, so nothing is fenced; the commit of one that was made for the old members
// marks those that do not have it.
void move_to(GroupRow& group, const std::vector<NodeId>& members, LogIndex index);

}  // namespace dfs
