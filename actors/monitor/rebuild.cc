// What the leader does, and leaves alone, while its cluster is being rebuilt.
#include "actors/monitor/monitor_state.h"

namespace dfs {

namespace {

// What would change files, nodes or groups in a cluster that does not know yet what it has.
bool is_users_change(Type type) {
  switch (type) {
    case Type::MakeDir:
    case Type::Rename:
    case Type::Remove:
    case Type::PlanFile:
    case Type::CommitFile:
    case Type::CopyFile:
    case Type::ShowFence:
    case Type::SetAttributes:
    case Type::SetPool:
    case Type::ControlTask:
    case Type::ChangeNode:
    case Type::RenewUploads:
      return true;
    default:
      return false;
  }
}

}  // namespace

bool Monitor::State::is_refused_for_rebuild(const Envelope& envelope) {
  if (!cluster().rebuilding() || !is_users_change(envelope.header.type)) return false;
  refuse(envelope, {Code::denied,
                    "the cluster is being rebuilt from its storage nodes and cannot be changed "
                    "yet; run dfsctl rebuild",
                    {},
                    0});
  return true;
}

// A node that outlived the heads still has their map, and takes none that is older.
void Monitor::State::outgrow(Epoch known) {
  if (!serving() || !cluster().rebuilding() || reign.raising) return;
  if (known < cluster().map().epoch) return;
  reign.raising = true;
  propose(RaiseEpoch{known}, [this](const Result<Outcome>& outcome) {
    reign.raising = false;
    if (!outcome) command_failed("RaiseEpoch", outcome.error());
  });
}

Result<RebuildStatus> Monitor::State::rebuild_status(Rows& rows) const {
  auto row = rows.get<RebuildRow>(keys::rebuild());
  if (!row) return row.error();
  const RebuildRow rebuild = row->value_or(RebuildRow());
  return RebuildStatus{rebuild.active, cluster().map().cluster, rebuild.groups, rebuild.files,
                       rebuild.lost};
}

}  // namespace dfs
