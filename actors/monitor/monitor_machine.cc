#include "actors/monitor/monitor_machine.h"

#include "actors/monitor/operations.h"
#include "actors/replica/perform.h"

namespace dfs {

namespace {

// One command on its way through its operation.
struct Work {
  const Command& command;
  Table& table;
  Batch& batch;
  uint32_t voters;
  std::vector<Event> events;
};

template <Message Request, Fielded Reply>
Outcome perform(Result<Reply> (*operation)(VersionedRows&, const Request&), Work& work) {
  VersionedRows rows(work.table, work.command, work.voters);
  return dfs::perform(operation, work.command, rows, work.batch, work.events);
}

Outcome dispatch_command(Work& work) {
  switch (work.command.type) {
    case Type::MakeDir:
      return perform(make_dir, work);
    case Type::Rename:
      return perform(rename, work);
    case Type::Remove:
      return perform(remove, work);
    case Type::CommitFile:
      return perform(commit_file, work);
    case Type::ShowFence:
      return perform(show_fence, work);
    case Type::CopyFile:
      return perform(copy_file, work);
    case Type::CreateCluster:
      return perform(create_cluster, work);
    case Type::RegisterNode:
      return perform(register_node, work);
    case Type::SetNodeState:
      return perform(set_node_state, work);
    case Type::SetGroups:
      return perform(set_groups, work);
    case Type::SetAttributes:
      return perform(set_attributes, work);
    case Type::SetPool:
      return perform(set_pool, work);
    case Type::RotatePoolKey:
      return perform(rotate_pool_key, work);
    case Type::ExportPoolKeys:
      return perform(note_key_export, work);
    case Type::ImportPoolKeys:
      return perform(import_pool_keys, work);
    case Type::AddJoinToken:
      return perform(add_join_token, work);
    case Type::SetJoinRule:
      return perform(set_join_rule, work);
    case Type::ControlTask:
      return perform(control_task, work);
    case Type::MoveGroups:
      return perform(move_groups, work);
    case Type::SetFilled:
      return perform(set_filled, work);
    case Type::SetLacking:
      return perform(set_lacking, work);
    case Type::SetStanding:
      return perform(set_standing, work);
    case Type::SetTask:
      return perform(set_task, work);
    case Type::ReserveObjects:
      return perform(reserve_objects, work);
    case Type::PruneOrphans:
      return perform(prune_orphans, work);
    case Type::TrimEvents:
      return perform(trim_events, work);
    case Type::ExpireHistory:
      return perform(expire_history, work);
    case Type::DeclareDead:
      return perform(declare_dead, work);
    case Type::ForgetObjects:
      return perform(forget_objects, work);
    case Type::ImportGroups:
      return perform(import_groups, work);
    case Type::ImportFiles:
      return perform(import_files, work);
    case Type::EndRebuild:
      return perform(end_rebuild, work);
    case Type::RaiseEpoch:
      return perform(raise_epoch, work);
    case Type::AddGrantKey:
      return perform(add_grant_key, work);
    case Type::TurnGrantKey:
      return perform(turn_grant_key, work);
    case Type::NoteDenied:
      return perform(note_denied, work);
    case Type::BecomeLeader:
      return perform(become_leader, work);
    case Type::ChangeMembers:
      return perform(change_members, work);
    default:
      return refusal_of(Error{Code::unsupported,
                              "log entry of type " +
                                  std::to_string(static_cast<int>(work.command.type)) +
                                  " is not understood by this version",
                              {},
                              0});
  }
}

bool is_of_cluster(std::string_view key) {
  return key == keys::cluster() || key == keys::heads() || key == keys::rebuild() ||
         key[0] == keys::kNode || key[0] == keys::kPool;
}

}  // namespace

Outcome MonitorMachine::apply(const Command& command, Table& table, Batch& batch) {
  const size_t before = batch.changes().size();
  Work work{command, table, batch, cluster_.voters(), {}};
  Outcome outcome = dispatch_command(work);
  for (size_t i = before; i < batch.changes().size() && !cluster_changed_; ++i) {
    const auto& [key, value] = batch.changes()[i];
    cluster_changed_ = is_of_cluster(key);
    if (key[0] == keys::kGroup && value) groups_changed_.emplace_back(read_u32(key, 1), *value);
  }
  events_ = std::move(work.events);
  return outcome;
}

void MonitorMachine::applied(const Command& command, const Outcome& outcome) {
  const Epoch epoch = cluster_.map().epoch;
  // A group may change with every commit; to load all of them each time would take too long.
  for (const auto& [group, value] : std::exchange(groups_changed_, {})) {
    const auto row = decode<GroupRow>(value);
    DFS_ASSERT(row.ok());
    if (!cluster_changed_) cluster_.set_group(group, *row);
  }
  if (cluster_changed_) {
    const Result<void> reloaded = loaded(table_);
    DFS_ASSERT(reloaded.ok());
  }
  if (outcome.type == Type::Error || !listener_) return;
  listener_(Change{command, events_, cluster_.map().epoch != epoch});
}

Result<void> MonitorMachine::loaded(Table& table) {
  Rows rows(table);
  auto cluster = ClusterView::load(rows);
  if (!cluster) return cluster.error();
  cluster_ = std::move(*cluster);
  cluster_changed_ = false;
  groups_changed_.clear();
  return {};
}

}  // namespace dfs
