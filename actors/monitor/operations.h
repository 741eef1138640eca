// What a committed command does to the rows; each in a file of its own. An operation either changes
// rows and returns its reply, or returns an error, and then its changes are dropped.
#pragma once

#include "actors/monitor/commands.h"
#include "actors/monitor/tree.h"
#include "actors/monitor/versioned_rows.h"
#include "messages/grant_keys.h"
#include "messages/namespace.h"
#include "messages/pool_keys.h"
#include "messages/raft.h"
#include "messages/rebuild.h"
#include "messages/tasks.h"

namespace dfs {

// Of clients (namespace.h tells the errors a client sees).
Result<MakeDirReply> make_dir(VersionedRows& rows, const MakeDir& request);
Result<ShowFenceReply> show_fence(VersionedRows& rows, const ShowFence& request);
Result<RenameReply> rename(VersionedRows& rows, const Rename& request);
Result<RemoveReply> remove(VersionedRows& rows, const Remove& request);
Result<CommitFileReply> commit_file(VersionedRows& rows, const CommitFile& request);
Result<CopyFileReply> copy_file(VersionedRows& rows, const CopyFile& request);
Result<SetAttributesReply> set_attributes(VersionedRows& rows, const SetAttributes& request);
Result<SetPoolReply> set_pool(VersionedRows& rows, const SetPool& request);
Result<RotatePoolKeyReply> rotate_pool_key(VersionedRows& rows, const RotatePoolKey& request);
Result<Done> note_key_export(VersionedRows& rows, const ExportPoolKeys& request);
Result<ImportPoolKeysReply> import_pool_keys(VersionedRows& rows, const ImportPoolKeys& request);
Result<AddJoinTokenReply> add_join_token(VersionedRows& rows, const AddJoinToken& request);
Result<SetJoinRuleReply> set_join_rule(VersionedRows& rows, const SetJoinRule& request);
Result<ControlTaskReply> control_task(VersionedRows& rows, const ControlTask& request);

// Of the client that rebuilds.
Result<ImportGroupsReply> import_groups(VersionedRows& rows, const ImportGroups& request);
Result<ImportFilesReply> import_files(VersionedRows& rows, const ImportFiles& request);
Result<EndRebuildReply> end_rebuild(VersionedRows& rows, const EndRebuild& request);

// Of the leader.
Result<Done> create_cluster(VersionedRows& rows, const CreateCluster& request);
Result<JoinReply> register_node(VersionedRows& rows, const RegisterNode& request);
Result<Done> set_node_state(VersionedRows& rows, const SetNodeState& request);
Result<Done> set_groups(VersionedRows& rows, const SetGroups& request);
Result<Done> move_groups(VersionedRows& rows, const MoveGroups& request);
Result<Done> set_filled(VersionedRows& rows, const SetFilled& request);
Result<Done> set_lacking(VersionedRows& rows, const SetLacking& request);
Result<ChangeNodeReply> set_standing(VersionedRows& rows, const SetStanding& request);
Result<Done> set_task(VersionedRows& rows, const SetTask& request);
Result<ObjectRange> reserve_objects(VersionedRows& rows, const ReserveObjects& request);
Result<Pruned> prune_orphans(VersionedRows& rows, const PruneOrphans& request);
Result<Pruned> trim_events(VersionedRows& rows, const TrimEvents& request);
Result<Pruned> expire_history(VersionedRows& rows, const ExpireHistory& request);
Result<Done> declare_dead(VersionedRows& rows, const DeclareDead& request);
Result<Pruned> forget_objects(VersionedRows& rows, const ForgetObjects& request);
Result<Done> raise_epoch(VersionedRows& rows, const RaiseEpoch& request);
Result<Done> note_denied(VersionedRows& rows, const NoteDenied& request);

// Of the log itself.
Result<Done> become_leader(VersionedRows& rows, const BecomeLeader& request);
Result<Done> change_members(VersionedRows& rows, const ChangeMembers& request);

// Changes several operations share.

// Makes the directory `name` in `parent`, which must be one, as `who` would, and returns its
// number.
Result<Ino> add_directory(VersionedRows& rows, Ino parent, const std::string& name, uint32_t mode,
                          const Requester& who);
// Adds `entries` and `links` (either may be negative) to a directory and notes the time.
Result<void> touch_directory(VersionedRows& rows, Ino ino, int64_t entries, int64_t links);
// Adds to the counts of the tree.
Result<void> count(VersionedRows& rows, int64_t files, int64_t directories);
Result<Ino> next_ino(VersionedRows& rows);
// The object is content from now on: its row, with the layout, and the counts.
Result<void> add_object(VersionedRows& rows, const Layout& layout, ObjectRow object);
// The object dies now: its row says so, and the counts. It must be content or have no row.
Result<void> end_object(VersionedRows& rows, ObjectId id, std::optional<ObjectRow> object);
// `invalid` unless the cluster is being rebuilt.
Result<RebuildRow> active_rebuild(Rows& rows);
// Whether a node that nobody knows may join as `node`, and notes that its token was used. `denied`
// with the reason (agents.h) unless the rule or the token, whose hash this is, lets it in.
// Who made the token that was needed; empty: none was.
Result<std::string> let_in(VersionedRows& rows, JoinRule rule, const std::string& token,
                           NodeId node);
Result<RotateGrantKeyReply> add_grant_key(VersionedRows& rows, const AddGrantKey& request);
Result<Done> turn_grant_key(VersionedRows& rows, const TurnGrantKey& request);
// Takes a node out for good; see ChangeNode for when that is refused.
Result<ChangeNodeReply> remove_node(VersionedRows& rows, const SetStanding& request);
void add_pool_key(VersionedRows& rows, const KeptKey& kept, PoolId pool);
// Makes the cluster map's next epoch; the state machine tells everyone about it.
Result<Epoch> grow_map_epoch(VersionedRows& rows);

}  // namespace dfs
