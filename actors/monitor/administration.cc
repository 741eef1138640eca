#include <algorithm>

#include "actors/monitor/monitor_state.h"
#include "actors/monitor/reads.h"

namespace dfs {

void Monitor::State::begin_repairs() {
  Repairs::World world{bus, calls, table, cluster(), members, settings, {}, {}, {}, {}};
  world.applied = [this] { return replica.applied(); };
  world.propose = [this, in = reigns](Command command, std::function<void(Result<Outcome>)> done) {
    replica.propose(std::move(command), [this, in, done = std::move(done)](auto outcome) {
      if (in == reigns && reign.repairs) done(std::move(outcome));
    });
  };
  world.groups = [this] { return groups_to_place(); };
  world.regroup = [this] { regroup_soon(); };
  reign.repairs = std::make_unique<Repairs>(std::move(world));
  reign.repairs->begin();
}

Result<TaskList> Monitor::State::list_tasks() const {
  TaskList list;
  if (reign.repairs) list.tasks = reign.repairs->tasks();
  if (list.tasks.size() > kBatchMax) list.tasks.resize(kBatchMax);
  return list;
}

void Monitor::State::on(const Envelope& envelope, const ControlTask& request) {
  const bool starts = request.action == TaskAction::start && request.id == "rebalance";
  std::vector<PlannedMove> plan;
  if (starts && reign.repairs) plan = reign.repairs->plan();
  if (starts && request.dry_run) {
    return answer_with(envelope, Result<ControlTaskReply>(ControlTaskReply{std::move(plan), {}}));
  }
  propose_for(
      envelope, ControlTask::kType, envelope.body,
      [this, plan = std::move(plan)](const Envelope& origin, const Result<Outcome>& outcome) {
        if (!outcome || outcome->type != ControlTaskReply::kType) return answer(origin, outcome);
        auto reply = decode<ControlTaskReply>(outcome->body);
        if (reply) reply->plan = plan;
        answer_with(origin, reply);
      });
}

// Nobody counts on a node that is in no group, and yet it may have the last good copy of what
// others found to be damaged or gone: it keeps what it has until the members of the group vouch for
// theirs.
Result<void> Monitor::State::check_others_undamaged(NodeId node) const {
  const NodeView* const leaving = cluster().node(node);
  const Heartbeat* const its = members.last(node);
  const bool empty = its != nullptr && its->blocks == 0;
  if (leaving == nullptr || (leaving->state == NodeState::up && empty)) return {};
  const std::string name = "storage/" + std::to_string(node);
  for (const NodeView& other : cluster().map().nodes) {
    const Heartbeat* const told = members.last(other.node);
    if (other.node == node || told == nullptr) continue;
    if (told->blocks_bad == 0 && told->directories_failed == 0) continue;
    const std::string damaged = "storage/" + std::to_string(other.node);
    return Error{
        Code::conflict,
        name + " cannot be removed yet: " + damaged +
            " has damaged blocks or lost a directory, and " + name +
            " is not known to be empty: it may have the last good copy. Let it run until it "
            "has no blocks, or see what would be lost with: dfsctl node remove " +
            std::to_string(node) + " --accept-loss",
        {{"node", std::to_string(node)}, {"damaged", std::to_string(other.node)}},
        0};
  }
  return {};
}

void Monitor::State::on(const Envelope& envelope, const ChangeNode& request) {
  if (request.dry_run) {
    Rows rows(table);
    return answer_with(envelope, try_removal(rows, request.node));
  }
  if (request.action == NodeAction::remove && !request.accept_loss) {
    const Result<void> undamaged = check_others_undamaged(request.node);
    if (!undamaged) return refuse(envelope, undamaged.error());
  }
  SetStanding change;
  change.node = request.node;
  change.standing = request.action == NodeAction::drain ? NodeStanding::draining : NodeStanding::in;
  change.remove = request.action == NodeAction::remove;
  change.reason = "an administrator asked for it";
  change.accept_loss = request.accept_loss;
  change.accepted = request.accepted;
  propose_for(
      envelope, SetStanding::kType, encode(change),
      [this](const Envelope& origin, const Result<Outcome>& outcome) { answer(origin, outcome); });
}

Result<ConfirmSurplusReply> Monitor::State::confirm_surplus(const ConfirmSurplus& request) const {
  const std::string name = "group " + std::to_string(request.group);
  const GroupView* const group = cluster().group(request.group);
  if (group == nullptr) return Error{Code::not_found, "there is no " + name, {}, 0};
  if (group->holds(request.node)) {
    return Error{Code::invalid,
                 "storage/" + std::to_string(request.node) + " is needed in " + name +
                     "; it must keep what it holds",
                 {},
                 0};
  }
  const PoolView& pool = cluster().pool_of(*group);
  if (cluster().rebuilding()) {
    return Error{Code::busy, "the cluster is being rebuilt; ask again later", {}, 10'000};
  }
  const auto wait = [&](const std::string& why) {
    return Error{Code::busy, name + " is not whole: " + why + "; ask again later", {}, 10'000};
  };
  if (group->members.size() < pool.replicas) {
    return wait("it has " + std::to_string(group->members.size()) + " of " +
                std::to_string(pool.replicas) + " members");
  }
  ConfirmSurplusReply reply{group->epoch, pool.replicas, {}};
  for (const NodeId member : group->members) {
    const std::string its = "storage/" + std::to_string(member);
    const NodeView* const node = cluster().node(member);
    if (node == nullptr || node->state != NodeState::up) return wait(its + " is down");
    if (group->lacks(member)) return wait(its + " is being filled");
    reply.members.push_back({member, node->endpoint, true});
  }
  return reply;
}

}  // namespace dfs
