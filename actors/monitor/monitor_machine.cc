#include "actors/monitor/monitor_machine.h"

#include "actors/monitor/operations.h"
#include "messages/envelope.h"

namespace dfs {

namespace {

Outcome refusal(const Error& error) {
  return {Type::Error, encode(ErrorReply::of(error))};
}

template <Fielded Reply>
Outcome outcome_of(const Reply& reply) {
  if constexpr (Message<Reply>) {
    return {Reply::kType, encode(reply)};
  } else {
    return {Type::None, encode(reply)};
  }
}

template <Message Request, Fielded Reply>
Outcome perform(Result<Reply> (*operation)(VersionedRows&, const Request&), const Command& command,
                Table& table, Batch& batch) {
  auto request = decode<Request>(command.body);
  if (!request) return refusal(request.error());
  VersionedRows rows(table, command);
  const Result<Reply> reply = operation(rows, *request);
  if (rows.broken()) {
    // Going on would make this monitor's state differ from what its log says.
    std::fprintf(stderr, "the monitor stops: %s\n", rows.broken()->describe().c_str());
    DFS_ASSERT(!rows.broken());
  }
  if (!reply) return refusal(reply.error());
  rows.commit(batch);
  return outcome_of(*reply);
}

Outcome dispatch_command(const Command& command, Table& table, Batch& batch) {
  switch (command.type) {
    case Type::MakeDir:
      return perform(make_dir, command, table, batch);
    case Type::Rename:
      return perform(rename, command, table, batch);
    case Type::Remove:
      return perform(remove, command, table, batch);
    case Type::CommitFile:
      return perform(commit_file, command, table, batch);
    case Type::CreateCluster:
      return perform(create_cluster, command, table, batch);
    case Type::RegisterNode:
      return perform(register_node, command, table, batch);
    case Type::SetNodeState:
      return perform(set_node_state, command, table, batch);
    case Type::SetGroups:
      return perform(set_groups, command, table, batch);
    case Type::ReserveObjects:
      return perform(reserve_objects, command, table, batch);
    case Type::PruneOrphans:
      return perform(prune_orphans, command, table, batch);
    default:
      return refusal(Error{Code::unsupported,
                           "log entry of type " + std::to_string(static_cast<int>(command.type)) +
                               " is not understood by this version",
                           {},
                           0});
  }
}

bool is_of_cluster(std::string_view key) {
  return key == keys::cluster() || key[0] == keys::kNode || key[0] == keys::kGroup ||
         key[0] == keys::kPool;
}

}  // namespace

Outcome MonitorMachine::apply(const Command& command, Table& table, Batch& batch) {
  const size_t before = batch.changes().size();
  Outcome outcome = dispatch_command(command, table, batch);
  for (size_t i = before; i < batch.changes().size() && !cluster_changed_; ++i) {
    cluster_changed_ = is_of_cluster(batch.changes()[i].first);
  }
  return outcome;
}

void MonitorMachine::applied(const Command& command, const Outcome& outcome) {
  if (!cluster_changed_) {
    if (listener_ && outcome.type != Type::Error) listener_(command, outcome, cluster_);
    return;
  }
  const ClusterView before = std::move(cluster_);
  const Result<void> reloaded = loaded(table_);
  DFS_ASSERT(reloaded.ok());
  if (listener_ && outcome.type != Type::Error) listener_(command, outcome, before);
}

Result<void> MonitorMachine::loaded(Table& table) {
  Rows rows(table);
  auto cluster = ClusterView::load(rows);
  if (!cluster) return cluster.error();
  cluster_ = std::move(*cluster);
  cluster_changed_ = false;
  return {};
}

}  // namespace dfs
