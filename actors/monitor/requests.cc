#include "actors/monitor/monitor_state.h"
#include "actors/monitor/reads.h"
#include "actors/replica/event_rows.h"

namespace dfs {

namespace {

constexpr Duration kForeignAgain = std::chrono::minutes(1);

// What every message between members of a group begins with.
struct GroupName {
  std::string group;
  DFS_FIELDS(group)
};

bool is_of_consensus(Type type) {
  return type >= Type::RequestVote && type <= Type::TimeoutNow;
}

// Any head answers these, in its own way; all else is the leader's.
bool is_for_any_head(Type type) {
  switch (type) {
    case Type::Stat:
    case Type::List:
    case Type::OpenFile:
    case Type::GetStatus:
    case Type::ReadEvents:
    case Type::ListHeads:
    case Type::GetNodePass:
    case Type::Ping:
      return true;
    default:
      return false;
  }
}

}  // namespace

void Monitor::State::receive(Envelope& envelope) {
  const Type type = envelope.header.type;
  if (is_of_consensus(type)) return receive_consensus(envelope);
  if (calls.pending() > 0 && calls.receive(envelope)) return;
  // An error is somebody's answer; answering it could go on for ever.
  if (type == Type::Error) {
    if (begun) (void)replica.receive(envelope);
    return;
  }
  if (stopping) {
    return refuse(envelope,
                  Error{Code::stopping, "the monitor is shutting down; ask again", {}, 0});
  }
  if (!serving() && !is_for_any_head(type)) return refuse(envelope, not_serving());
  if (!is_let_in(envelope)) return;
  if (serving() && is_refused_for_rebuild(envelope)) return;
  const Result<void> understood =
      dispatch<Stat, List, OpenFile, MakeDir, Rename, Remove, PlanFile, CommitFile, ShowFence,
               GetHistory, CopyFile, Join, GetMap, GetStatus, ReadEvents, AddHead, RemoveHead,
               TransferLead, ListHeads, Ping, RenewUploads, JudgeBlocks, ListTasks, ConfirmSurplus,
               ControlTask, ChangeNode, SetPool, SetAttributes, ListAgents, AddJoinToken,
               SetJoinRule, ListJoinTokens, GetRebuild, ImportGroups, ImportFiles, EndRebuild,
               GetGrantKeys, RotateGrantKey, GetNodePass, RotatePoolKey, ExportPoolKeys,
               ImportPoolKeys>(*this, envelope);
  if (!understood) refuse(envelope, understood.error());
}

void Monitor::State::receive_consensus(const Envelope& envelope) {
  if (!begun || replica.receive(envelope)) return;
  if (told_foreign && bus.now() - *told_foreign < kForeignAgain) return;
  const auto name = decode<GroupName>(envelope.body);
  if (!name || name->group.empty() || name->group.starts_with(identity.cluster)) return;
  told_foreign = bus.now();
  bus.log(Level::warn, "a head of another cluster speaks to this one; check the addresses of both",
          {{"from", envelope.header.from}, {"its", name->group}, {"own", identity.cluster}});
}

void Monitor::State::on(const Envelope& envelope, const Stat& request) {
  read(envelope, request, [this, who = asker](Rows& rows, const Stat& asked) {
    return answer_at(rows, asked.at, replica.applied(),
                     [&](Rows& then) { return stat(then, asked, who); });
  });
}

void Monitor::State::on(const Envelope& envelope, const List& request) {
  read(envelope, request, [this, who = asker](Rows& rows, const List& asked) {
    return answer_at(rows, asked.at, replica.applied(),
                     [&](Rows& then) { return list(then, asked, who); });
  });
}

void Monitor::State::on(const Envelope& envelope, const GetHistory& request) {
  read(envelope, request, [this, who = asker](Rows& rows, const GetHistory& asked) {
    return answer_at(rows, asked.at, replica.applied(),
                     [&](Rows& then) { return history(rows, then, asked, who); });
  });
}

void Monitor::State::on(const Envelope& envelope, const OpenFile& request) {
  read(envelope, request, [this, who = asker](Rows& rows, const OpenFile& asked) {
    auto reply = answer_at(rows, asked.at, replica.applied(),
                           [&](Rows& then) { return open_file(then, cluster(), asked, who); });
    if (!reply) return reply;
    if (auto opened = unwrap_content(rows, asked.path, *reply); !opened) {
      return Result<OpenFileReply>(opened.error());
    }
    reply->grant = grant_for(reply->info.object, BlockRight::read, who);
    return reply;
  });
}

void Monitor::State::on(const Envelope& envelope, const GetMap& request) {
  read(envelope, request,
       [this](Rows&, const GetMap&) { return Result<ClusterMap>(cluster().map()); });
}

void Monitor::State::on(const Envelope& envelope, const GetStatus& request) {
  read(envelope, request, [this](Rows& rows, const GetStatus&) { return status(rows); });
}

void Monitor::State::on(const Envelope& envelope, const ReadEvents& request) {
  read(envelope, request, [this](Rows& rows, const ReadEvents& asked) {
    return read_events(rows, replica.applied(), asked);
  });
}

// Linearizable like any read: a leader that was deposed without its knowledge renews nothing.
void Monitor::State::on(const Envelope& envelope, const RenewUploads& request) {
  read(envelope, request, [this, who = asker](Rows& rows, const RenewUploads& asked) {
    return renew_uploads(rows, asked, who);
  });
}

void Monitor::State::on(const Envelope& envelope, const JudgeBlocks& request) {
  read(envelope, request,
       [this](Rows& rows, const JudgeBlocks& asked) { return judge_blocks(rows, asked); });
}

void Monitor::State::on(const Envelope& envelope, const ListTasks& request) {
  read(envelope, request, [this](Rows&, const ListTasks&) { return list_tasks(); });
}

void Monitor::State::on(const Envelope& envelope, const ListJoinTokens& request) {
  read(envelope, request,
       [this](Rows& rows, const ListJoinTokens&) { return list_join_tokens(rows); });
}

// Agents are in no log, and whoever leads has heard the same of them as any other head.
void Monitor::State::on(const Envelope& envelope, const ListAgents&) {
  answer_with(envelope, Result<AgentList>(agents.list(bus.now())));
}

// What is confirmed here is a part of the proof that a copy may be removed: it must not be the
// belief of a leader that was deposed.
void Monitor::State::on(const Envelope& envelope, const ConfirmSurplus& request) {
  read(envelope, request,
       [this](Rows&, const ConfirmSurplus& asked) { return confirm_surplus(asked); });
}

void Monitor::State::on(const Envelope& envelope, const MakeDir&) {
  change(envelope);
}
void Monitor::State::on(const Envelope& envelope, const Rename& request) {
  if (has_fence(envelope, request.from, request.fence, request.fence_proof) &&
      has_fence(envelope, request.to, request.to_fence, request.to_fence_proof)) {
    change(envelope);
  }
}
void Monitor::State::on(const Envelope& envelope, const Remove& request) {
  if (has_fence(envelope, request.path, request.fence, request.fence_proof)) change(envelope);
}
void Monitor::State::on(const Envelope& envelope, const ShowFence& request) {
  const bool subtree = request.subtree;
  if (has_fence(envelope, request.path, request.fence, request.fence_proof, subtree)) {
    change(envelope);
  }
}
void Monitor::State::on(const Envelope& envelope, const CommitFile& request) {
  if (!has_fence(envelope, request.path, request.fence, request.fence_proof)) return;
  const ObjectId object = request.layout.object;
  if (object != 0) {
    const Result<void> theirs = check_upload_of(asker, object, request.grant);
    if (!theirs) return refuse(envelope, theirs.error());
  }
  commit(envelope, request);
}

void Monitor::State::on(const Envelope& envelope, const CopyFile& request) {
  if (has_fence(envelope, request.to, request.fence, request.fence_proof)) change(envelope);
}

void Monitor::State::on(const Envelope& envelope, const SetAttributes&) {
  change(envelope);
}
void Monitor::State::on(const Envelope& envelope, const AddJoinToken&) {
  change(envelope);
}
void Monitor::State::on(const Envelope& envelope, const SetJoinRule&) {
  change(envelope);
}

void Monitor::State::on(const Envelope& envelope, const GetRebuild& request) {
  read(envelope, request, [this](Rows& rows, const GetRebuild&) { return rebuild_status(rows); });
}
void Monitor::State::on(const Envelope& envelope, const ImportGroups&) {
  change(envelope);
}
void Monitor::State::on(const Envelope& envelope, const ImportFiles&) {
  change(envelope);
}
void Monitor::State::on(const Envelope& envelope, const EndRebuild&) {
  change(envelope);
}

void Monitor::State::on(const Envelope& envelope, const Ping& request) {
  answer_with(envelope, Result<Pong>(Pong{request.nonce, bus.address()}));
}

}  // namespace dfs
