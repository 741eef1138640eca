#include <algorithm>

#include "actors/monitor/monitor_state.h"
#include "actors/monitor/placement.h"
#include "actors/monitor/tree.h"

namespace dfs {

namespace {

constexpr uint64_t kObjectsReserved = 4096;
constexpr size_t kWaitingPlansMax = 4096;

}  // namespace

// A range is asked for while the previous one still lasts, so that uploads wait for none but the
// first. What a leader did not hand out before it ends is never used: ids are plentiful.
void Monitor::State::reserve_objects() {
  if (reign.reserving || reign.next_ids.count > 0) return;
  reign.reserving = true;
  propose(ReserveObjects{kObjectsReserved}, [this](Result<Outcome> outcome) {
    reign.reserving = false;
    if (!outcome) {
      command_failed("ReserveObjects", outcome.error());
      return refuse_waiting_plans(outcome.error());
    }
    auto range = decode<ObjectRange>(outcome->body);
    DFS_ASSERT(range.ok() && range->count > 0);
    (reign.ids.count == 0 ? reign.ids : reign.next_ids) = *range;
    if (reign.next_ids.count == 0) reserve_objects();
    retry_waiting_plans();
  });
}

bool Monitor::State::must_wait(const PlanFile& request) const {
  return reign.regrouping || (request.object == 0 && reign.ids.count == 0);
}

void Monitor::State::on(const Envelope& envelope, const PlanFile& request) {
  if (reign.regroup_timer != 0) regroup_now();
  if (!must_wait(request)) return plan(envelope, request, asker);
  if (reign.waiting_plans.size() >= kWaitingPlansMax) {
    return refuse(envelope,
                  Error{Code::busy, "too many uploads begin at once; try again", {}, 100});
  }
  reign.waiting_plans.push_back({Envelope{envelope.header, {}, {}, envelope.link}, request, asker});
  reserve_objects();
}

void Monitor::State::retry_waiting_plans() {
  while (!reign.waiting_plans.empty() && !must_wait(reign.waiting_plans.front().request)) {
    const WaitingPlan waiting = std::move(reign.waiting_plans.front());
    reign.waiting_plans.pop_front();
    plan(waiting.envelope, waiting.request, waiting.who);
  }
}

void Monitor::State::refuse_waiting_plans(const Error& error) {
  for (const WaitingPlan& waiting : std::exchange(reign.waiting_plans, {})) {
    refuse(waiting.envelope, error);
  }
}

void Monitor::State::plan(const Envelope& envelope, const PlanFile& request, const Requester& who) {
  if (const Result<void> good = check_target(request, who); !good) {
    return refuse(envelope, good.error());
  }
  const uint64_t block_bytes =
      request.block_bytes != 0 ? request.block_bytes : settings.block_bytes;
  auto pool = pool_of_path(request.path);
  if (!pool) return refuse(envelope, pool.error());
  auto groups = choose_groups(request, *pool, block_bytes);
  if (!groups) return refuse(envelope, groups.error());
  PlanFileReply reply;
  reply.object = request.object;
  if (reply.object == 0) {
    auto wrapped = wrap_key(request, *pool, reign.ids.first);
    if (!wrapped) return refuse(envelope, wrapped.error());
    reply.wrapped_key = std::move(*wrapped);
    reply.object = reign.ids.first++;
    if (--reign.ids.count == 0) reign.ids = std::exchange(reign.next_ids, {});
    reserve_objects();
  }
  if (!reign.leases.renew(reply.object)) {
    return refuse(envelope,
                  Error{Code::busy, "too many uploads are under way; try again", {}, 1000});
  }
  reply.lease_ms = lease_ms();
  reply.grant = grant_for(reply.object, BlockRight::write, who);
  reply.block_bytes = block_bytes;
  reply.replicas = pool->replicas;
  reply.min_copies = pool->min_copies;
  reply.groups = std::move(*groups);
  answer_with(envelope, Result<PlanFileReply>(std::move(reply)));
}

// What CommitFile would refuse anyway is refused before gigabytes are sent.
Result<void> Monitor::State::check_target(const PlanFile& request, const Requester& who) {
  Rows rows(table);
  if (request.object != 0) {
    DFS_CHECK(check_upload_of(who, request.object, request.grant));
    DFS_CHECK(check_not_content(rows, request));
  }
  DFS_CHECK(check_changes(who, request.path));
  auto place = find_place(rows, request.path, who);
  if (!place) return place.error();
  if (place->is_directory()) {
    return error_at(Code::is_directory, "a directory has that name", request.path);
  }
  if (!place->entry) return check_may_add(rows, place->parent, who, request.path);
  if (who.admin) return {};
  auto inode = rows.require<InodeRow>(keys::inode(place->entry->ino));
  if (!inode) return inode.error();
  return check_rights(who, *inode, kMayWrite, request.path);
}

Result<PoolView> Monitor::State::pool_of_path(const std::string& path) {
  Rows rows(table);
  auto name = pool_for(rows, path);
  if (!name) return name.error();
  const PoolView* const named = name->empty() ? nullptr : cluster().pool_named(*name);
  return named != nullptr ? *named : cluster().pool(0);
}

Result<std::vector<GroupRoute>> Monitor::State::choose_groups(const PlanFile& request,
                                                              const PoolView& pool,
                                                              uint64_t block_bytes) {
  const ClusterMap& map = cluster().map();
  // A node that has not told yet counts like the emptiest that has: to take its whole size for free
  // would send it everything.
  uint64_t most_free = 1;
  for (const NodeView& node : map.nodes) {
    most_free = std::max(most_free, members.free_bytes(node.node).value_or(0));
  }
  std::vector<TargetNode> targets;
  for (const NodeView& node : map.nodes) {
    const bool live = node.state == NodeState::up && members.accepts_writes(node.node);
    targets.push_back({node.node, live, members.free_bytes(node.node).value_or(most_free),
                       node.standing == NodeStanding::in});
  }
  std::vector<GroupView> of_pool;
  for (const GroupView& group : map.groups) {
    if (map.pools.size() > 1 && group.pool == pool.id) of_pool.push_back(group);
  }
  const std::vector<GroupView>& groups = map.pools.size() > 1 ? of_pool : map.groups;
  const uint32_t copies = std::max(pool.min_copies, request.copies);
  LayoutRequest layout;
  layout.blocks = request.size / block_bytes + (request.size % block_bytes != 0 ? 1 : 0);
  layout.replicas = pool.replicas;
  layout.min_copies = copies;
  layout.avoid = request.avoid;
  std::vector<GroupRoute> routes;
  const auto chosen = choose_layout(targets, groups, layout, [this] { return bus.random(); });
  for (const GroupId group : chosen) {
    routes.push_back(route_for(group, request, copies));
    reign.planned[group] = bus.now();
  }
  if (routes.empty()) return nowhere_to_write(pool, copies);
  return routes;
}

// Members only: who is leaving gets no new blocks. The nodes the client should not write to are not
// flagged up, unless too little would be left.
GroupRoute Monitor::State::route_for(GroupId group, const PlanFile& request,
                                     uint32_t copies) const {
  std::vector<NodeId> shun;
  for (const NodeView& node : cluster().map().nodes) {
    if (!members.accepts_writes(node.node)) shun.push_back(node.node);
  }
  std::vector<NodeId> shun_all = shun;
  shun_all.insert(shun_all.end(), request.avoid.begin(), request.avoid.end());
  const auto route_without = [&](const std::vector<NodeId>& nodes) {
    GroupRoute route = cluster().route(group, nodes);
    std::erase_if(route.members, [](const GroupMember& member) { return member.leaving; });
    return route;
  };
  GroupRoute route = route_without(shun_all);
  const auto live = std::count_if(route.members.begin(), route.members.end(),
                                  [](const GroupMember& member) { return member.up; });
  if (static_cast<uint64_t>(live) >= copies) return route;
  return route_without(shun);
}

Error Monitor::State::nowhere_to_write(const PoolView& pool, uint32_t copies) const {
  const ClusterMap& map = cluster().map();
  const std::string needed = std::to_string(copies);
  Error error{Code::too_few_nodes, "", {{"min_copies", needed}}, 0};
  if (map.nodes.empty()) {
    error.text = "no storage node has joined this cluster yet; start one with: dfsd storage";
    return error;
  }
  std::string states;
  size_t up = 0;
  size_t full = 0;
  for (const NodeView& node : map.nodes) {
    const bool is_up = node.state == NodeState::up;
    const bool takes = members.accepts_writes(node.node);
    const std::string state = !is_up ? "down" : takes ? "up" : "full";
    up += is_up ? 1 : 0;
    full += is_up && !takes ? 1 : 0;
    if (!states.empty()) states += ", ";
    states += "storage/" + std::to_string(node.node) + " at " + node.endpoint + " is " + state;
    error.cause["storage/" + std::to_string(node.node)] = state;
  }
  error.text = "no group of storage nodes has " + needed + (copies == 1 ? " node" : " nodes") +
               " that take data: " + states;
  if (pool.id != 0) error.cause["pool"] = pool.name;
  if (full > 0 && up >= copies) {
    error.code = Code::no_space;
    error.text += "; remove files or add a storage node";
  } else {
    error.text += "; start the nodes that are down, or add new ones";
  }
  return error;
}

}  // namespace dfs
