// What a committed command does to the rows; each in a file of its own. An operation either changes
// rows and returns its reply, or returns an error, and then its changes are dropped.
#pragma once

#include "actors/monitor/commands.h"
#include "actors/monitor/tree.h"
#include "actors/monitor/versioned_rows.h"
#include "messages/namespace.h"
#include "messages/raft.h"

namespace dfs {

// Of clients (namespace.h tells the errors a client sees).
Result<MakeDirReply> make_dir(VersionedRows& rows, const MakeDir& request);
Result<RenameReply> rename(VersionedRows& rows, const Rename& request);
Result<RemoveReply> remove(VersionedRows& rows, const Remove& request);
Result<CommitFileReply> commit_file(VersionedRows& rows, const CommitFile& request);

// Of the leader.
Result<Done> create_cluster(VersionedRows& rows, const CreateCluster& request);
Result<JoinReply> register_node(VersionedRows& rows, const RegisterNode& request);
Result<Done> set_node_state(VersionedRows& rows, const SetNodeState& request);
Result<Done> set_groups(VersionedRows& rows, const SetGroups& request);
Result<ObjectRange> reserve_objects(VersionedRows& rows, const ReserveObjects& request);
Result<Pruned> prune_orphans(VersionedRows& rows, const PruneOrphans& request);
Result<Pruned> trim_events(VersionedRows& rows, const TrimEvents& request);

// Of the log itself.
Result<Done> become_leader(VersionedRows& rows, const BecomeLeader& request);
Result<Done> change_members(VersionedRows& rows, const ChangeMembers& request);

// Changes several operations share.

// Makes the directory `name` in `parent`, which must be one, and returns its number.
Result<Ino> add_directory(VersionedRows& rows, Ino parent, const std::string& name, uint32_t mode);
// Adds `entries` and `links` (either may be negative) to a directory and notes the time.
Result<void> touch_directory(VersionedRows& rows, Ino ino, int64_t entries, int64_t links);
// Adds to the counts of the tree.
Result<void> count(VersionedRows& rows, int64_t files, int64_t directories);
Result<Ino> next_ino(VersionedRows& rows);
// Makes the cluster map's next epoch; the state machine tells everyone about it.
Result<Epoch> grow_map_epoch(VersionedRows& rows);

}  // namespace dfs
