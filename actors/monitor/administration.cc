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

void Monitor::State::on(const Envelope& envelope, const ChangeNode& request) {
  if (request.dry_run) {
    Rows rows(table);
    return answer_with(envelope, try_removal(rows, request.node));
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
