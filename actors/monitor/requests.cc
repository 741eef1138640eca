#include <algorithm>

#include "actors/monitor/monitor_state.h"
#include "actors/monitor/reads.h"

namespace dfs {

namespace {

using std::chrono::milliseconds;

constexpr Duration kForeignAgain = std::chrono::minutes(1);
constexpr uint32_t kAskAgainMs = 20;

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
    case Type::Ping:
      return true;
    default:
      return false;
  }
}

uint32_t rounded_up_ms(Duration age) {
  const int64_t ms = std::chrono::ceil<milliseconds>(age).count();
  return static_cast<uint32_t>(std::clamp<int64_t>(ms, 0, UINT32_MAX));
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
      dispatch<Stat, List, OpenFile, MakeDir, Rename, Remove, PlanFile, CommitFile, Join, GetMap,
               GetStatus, ReadEvents, AddHead, RemoveHead, TransferLead, ListHeads, Ping,
               RenewUploads, JudgeBlocks, ListTasks, ConfirmSurplus, ControlTask, ChangeNode,
               SetPool, SetAttributes, ListAgents, AddJoinToken, SetJoinRule, ListJoinTokens,
               GetRebuild, ImportGroups, ImportFiles, EndRebuild>(*this, envelope);
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

// Why a request that only a serving leader can answer is refused.
Error Monitor::State::not_serving() const {
  if (!opened) {
    return {Code::unavailable,
            "this head is starting: it reads its log; ask again in a moment",
            {},
            10 * kAskAgainMs};
  }
  if (replica.leader() == identity.member) {
    return {
        Code::unavailable, "this head was just elected; ask again in a moment", {}, kAskAgainMs};
  }
  const std::string leader = replica.leader_address();
  if (leader.empty()) {
    return {Code::not_leader,
            "no head leads at the moment: they elect one, or too few of them are in contact; ask "
            "again in a moment",
            {},
            2 * kAskAgainMs};
  }
  return {Code::not_leader,
          bus.address() + " does not lead, " + leader + " does",
          {{"leader", leader}},
          0};
}

template <Request R, class Make>
void Monitor::State::read(const Envelope& envelope, const R& request, Make make) {
  if constexpr (requires { request.stale; }) {
    if (request.stale) return read_stale(envelope, request, make);
  }
  if (!serving()) return refuse(envelope, not_serving());
  Envelope origin{envelope.header, {}, {}, envelope.link};
  replica.read([this, origin = std::move(origin), request, make](const Result<void>& may) {
    if (!may) return refuse(origin, may.error());
    Rows rows(table);
    auto reply = make(rows, request);
    if constexpr (requires { reply->freshness; }) {
      if (reply) reply->freshness = {false, 0, replica.applied()};
    }
    answer_with(origin, reply);
  });
}

template <Request R, class Make>
void Monitor::State::read_stale(const Envelope& envelope, const R& request, Make make) {
  const bool readable = opened && cluster().exists();
  const std::optional<Duration> age = readable ? replica.staleness() : std::nullopt;
  if (!age) {
    return refuse(envelope, {Code::unavailable,
                             "this head has not caught up with the others yet; ask again, or ask "
                             "another",
                             {},
                             10 * kAskAgainMs});
  }
  Rows rows(table);
  auto reply = make(rows, request);
  const Freshness freshness{*age > Duration::zero(), rounded_up_ms(*age), replica.applied()};
  if (reply) {
    reply->freshness = freshness;
  } else if (freshness.stale) {
    reply.error().cause["stale_ms"] = std::to_string(freshness.stale_ms);
  }
  answer_with(envelope, reply);
}

void Monitor::State::on(const Envelope& envelope, const Stat& request) {
  read(envelope, request,
       [who = asker](Rows& rows, const Stat& asked) { return stat(rows, asked, who); });
}

void Monitor::State::on(const Envelope& envelope, const List& request) {
  read(envelope, request,
       [who = asker](Rows& rows, const List& asked) { return list(rows, asked, who); });
}

void Monitor::State::on(const Envelope& envelope, const OpenFile& request) {
  read(envelope, request, [this, who = asker](Rows& rows, const OpenFile& asked) {
    auto reply = open_file(rows, cluster(), asked, who);
    if (reply) reply->grant = grant_for(reply->info.object, BlockRight::read, who);
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
void Monitor::State::on(const Envelope& envelope, const Rename&) {
  change(envelope);
}
void Monitor::State::on(const Envelope& envelope, const Remove&) {
  change(envelope);
}
void Monitor::State::on(const Envelope& envelope, const CommitFile& request) {
  const ObjectId object = request.layout.object;
  if (object != 0) {
    const Result<void> theirs = check_upload_of(asker, object, request.grant);
    if (!theirs) return refuse(envelope, theirs.error());
  }
  change(envelope);
}

void Monitor::State::on(const Envelope& envelope, const SetPool&) {
  change(envelope);
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

// The request goes into the log as it came; dispatch() has seen that it decodes.
void Monitor::State::change(const Envelope& envelope) {
  propose_for(
      envelope, envelope.header.type, envelope.body,
      [this](const Envelope& origin, const Result<Outcome>& outcome) { answer(origin, outcome); });
}

void Monitor::State::propose_for(
    const Envelope& envelope, Type type, std::string body,
    std::function<void(const Envelope& origin, const Result<Outcome>&)> done) {
  const Header& header = envelope.header;
  Command command;
  command.type = type;
  command.body = std::move(body);
  command.client = header.request != 0 ? client_of(header) : std::string();
  command.request = header.request;
  command.trace = header.trace;
  if (authenticates() && !asker_is_cluster) command.requester = encode(asker);
  replica.propose(std::move(command),
                  [origin = Envelope{header, {}, {}, envelope.link}, done = std::move(done)](
                      const Result<Outcome>& outcome) { done(origin, outcome); });
}

void Monitor::State::refuse(const Envelope& request, Error error) {
  count_denial(request, error);
  if (request.header.request == 0) return;
  // The broker follows no advice that is older than what it knows.
  if (error.code == Code::not_leader) error.cause["term"] = std::to_string(replica.term());
  (void)bus.reply(reply_to(request, error));
}

void Monitor::State::answer(const Envelope& request, const Result<Outcome>& outcome) {
  if (!outcome) return refuse(request, outcome.error());
  if (outcome->type == Type::Error) count_denial(request, *outcome);
  if (request.header.request == 0) return;
  Envelope reply = reply_to(request, ErrorReply());
  reply.header.type = outcome->type;
  reply.body = outcome->body;
  (void)bus.reply(std::move(reply));
}

}  // namespace dfs
