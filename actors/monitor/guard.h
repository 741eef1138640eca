// The guard of the group table. Members and leaving members of a group are its holders; one that is
// not lacking is complete: it has every block that was acknowledged. Whoever takes a holder out of
// a group asks may_replace() first, or, where an administrator accepts a loss, may_give_up();
// nothing else decides it.
#pragma once

#include <string>
#include <vector>

#include "actors/monitor/versioned_rows.h"

namespace dfs {

bool includes(const std::vector<NodeId>& nodes, NodeId node);
bool is_holder(const GroupRow& group, NodeId node);
bool is_complete(const GroupRow& group, NodeId node);  // of a holder
std::vector<NodeId> holders(const GroupRow& group);
// The holder may lack what was acknowledged up to now, log entry `since`. True when that is news.
bool become_lacking(GroupRow& group, NodeId node, LogIndex since);
// Forgets what nodes that hold nothing lack.
void drop_foreign_lacks(GroupRow& group);

// Whether `after` may take the place of `before`, when some holders leave with that: all members
// that stay are complete, and as many as the pool asks for, or as there were holders. A group
// without data may change freely. The error says what is missing (`conflict`).
Result<void> may_replace(GroupId id, const GroupRow& before, const GroupRow& after,
                         uint32_t replicas);

// Whether nobody but the node is known to have all that the group promised to keep.
bool is_last_complete(const GroupRow& group, NodeId node);
// The other way out, for a node that will never come back: `after` is `before` without it, and
// `accepted` is an administrator's word in the log that what only it had of this group is lost
// (`conflict` otherwise). Those that stay lack what they lack; they are filled from each other.
Result<void> may_give_up(GroupId id, const GroupRow& before, const GroupRow& after, NodeId node,
                         const LossRow& accepted);

// Drops the leaving holders when all members are complete and the guard agrees. Says whether it
// did; then `map_epoch` is the epoch of the map that this made (0 before: it is grown here).
Result<bool> finish_move(VersionedRows& rows, GroupId id, GroupRow& group, Epoch& map_epoch);

// The row of a pool by its number.
Result<PoolRow> pool_of(Rows& rows, PoolId id);

// "3, 7, 12 and 40 more".
std::string enumerated(const std::vector<GroupId>& groups, size_t most = 8);

}  // namespace dfs
