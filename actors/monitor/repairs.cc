#include "actors/monitor/repairs.h"

#include <algorithm>

#include "actors/monitor/versioned_rows.h"

namespace dfs {

namespace {

constexpr Duration kTick = std::chrono::milliseconds(400);
// Groups under way, per node that can take copies: enough to keep every node's fills busy, and few
// enough that what was begun is soon done.
constexpr size_t kMovingPerNode = 8;

bool is_moving(const GroupView& group) {
  return !group.leaving.empty() || !group.lacking.empty();
}

}  // namespace

Repairs::Repairs(World world) : world_(std::move(world)) {}

Repairs::~Repairs() {
  world_.bus.cancel(timer_);
}

void Repairs::begin() {
  digests_again_ = world_.bus.now() + world_.settings.digest_period;
  timer_ = world_.bus.after(kTick, [this] { tick(); });
}

void Repairs::tick() {
  timer_ = world_.bus.after(kTick, [this] { tick(); });
  load_tasks();
  give_up_nodes();
  look_for_losses();
  move_groups();
  rebalance();
  tend_fills();
  begin_and_end_tasks();
  const Duration period = world_.settings.digest_period;
  if (period <= Duration::zero() || comparing_ || world_.bus.now() < digests_again_) return;
  digests_again_ = world_.bus.now() + period;
  scope_.spawn(compare_digests());
}

size_t Repairs::complete_live(const ClusterView& cluster, const GroupView& group) {
  const auto counts = [&](NodeId node) { return cluster.is_up(node) && !group.lacks(node); };
  return static_cast<size_t>(std::count_if(group.members.begin(), group.members.end(), counts) +
                             std::count_if(group.leaving.begin(), group.leaving.end(), counts));
}

// ---- nodes

// Each leader counts anew: what went on before its time it does not know.
void Repairs::give_up_nodes() {
  const Instant now = world_.bus.now();
  for (const NodeView& node : world_.cluster.map().nodes) {
    if (node.state == NodeState::up) {
      down_since_.erase(node.node);
      continue;
    }
    const Instant since = down_since_.try_emplace(node.node, now).first->second;
    if (node.standing != NodeStanding::in || now - since < world_.settings.repair_after) continue;
    const std::string name = "out/" + std::to_string(node.node);
    if (!proposed_.insert(name).second) continue;
    const auto seconds = (now - since) / std::chrono::seconds(1);
    world_.bus.log(Level::warn, "node given up", {{"node", node.node}});
    const SetStanding command{node.node, NodeStanding::out, false,
                              "down for " + std::to_string(seconds) + " s"};
    propose(command, [this, name](const Result<Outcome>& outcome) {
      proposed_.erase(name);
      world_.regroup();
      if (outcome) move_groups();
    });
  }
}

// Nodes say how often they found blocks damaged or gone, counted from their start. How many of
// those were dealt with is in their rows.
void Repairs::look_for_losses() {
  Rows rows(world_.table);
  for (const NodeView& node : world_.cluster.map().nodes) {
    const Heartbeat* const heartbeat = world_.members.last(node.node);
    if (heartbeat == nullptr || heartbeat->losses == 0 || node.state != NodeState::up) continue;
    const std::string name = "losses/" + std::to_string(node.node);
    if (proposed_.contains(name)) continue;
    const auto row = rows.get<NodeRow>(keys::node(node.node));
    if (!row || !*row) continue;
    if ((*row)->boot == heartbeat->boot && heartbeat->losses <= (*row)->losses) continue;
    proposed_.insert(name);
    world_.bus.log(Level::warn, "node lost blocks",
                   {{"node", node.node}, {"losses", heartbeat->losses}});
    propose(
        SetLacking{
            node.node, {}, "blocks were found damaged or gone", heartbeat->boot, heartbeat->losses},
        [this, name](const Result<Outcome>&) { proposed_.erase(name); });
  }
}

// ---- moves

std::vector<PlacementNode> Repairs::candidates() const {
  std::vector<PlacementNode> nodes;
  for (const NodeView& node : world_.cluster.map().nodes) {
    PlacementNode& candidate = nodes.emplace_back();
    candidate.node = node.node;
    candidate.host = node.host;
    candidate.rack = node.rack;
    candidate.capacity = node.total_bytes;
    candidate.usable = node.state == NodeState::up && node.standing == NodeStanding::in &&
                       world_.members.accepts_writes(node.node);
    const bool out = node.standing == NodeStanding::out && !paused("repair");
    const bool drains =
        node.standing == NodeStanding::draining && !paused("drain/" + std::to_string(node.node));
    candidate.to_be_emptied = out || drains;
  }
  return nodes;
}

PoolWidths Repairs::widths() const {
  PoolWidths widths;
  for (const PoolView& pool : world_.cluster.map().pools) widths.push_back(pool.replicas);
  return widths;
}

// Whether the group has too few members, or some that are not to stay.
bool Repairs::is_wanting(const GroupView& group) const {
  if (group.members.size() < world_.cluster.pool_of(group).replicas) return true;
  return std::any_of(group.members.begin(), group.members.end(), [&](NodeId member) {
    const NodeView* const node = world_.cluster.node(member);
    return node == nullptr || node->standing != NodeStanding::in;
  });
}

// Most endangered first.
std::vector<GroupMove> Repairs::moves_wanted() const {
  const std::vector<GroupView> groups = world_.groups();
  const bool any = std::any_of(groups.begin(), groups.end(), [&](const GroupView& group) {
    return group.used && is_wanting(group);
  });
  std::vector<GroupMove> moves;
  if (!any) return moves;
  for (GroupMembers& change : placement(candidates(), groups, widths(), PlacementOf::wanting)) {
    const GroupView& group = groups[change.group];
    const bool gains = change.members.size() > group.members.size();
    const bool waits_for_nodes = group.members.empty() && !group.used;
    if (waits_for_nodes || (gains && paused("repair"))) continue;
    moves.push_back({change.group, group.epoch, std::move(change.members)});
  }
  std::stable_sort(moves.begin(), moves.end(), [&](const GroupMove& a, const GroupMove& b) {
    return complete_live(world_.cluster, groups[a.group]) <
           complete_live(world_.cluster, groups[b.group]);
  });
  return moves;
}

size_t Repairs::moving_max() const {
  const std::vector<PlacementNode> nodes = candidates();
  const auto usable = std::count_if(nodes.begin(), nodes.end(),
                                    [](const PlacementNode& node) { return node.usable; });
  return kMovingPerNode * std::max<size_t>(1, static_cast<size_t>(usable));
}

void Repairs::move_groups() {
  if (proposed_.contains("moves")) return;
  std::vector<GroupMove> moves = moves_wanted();
  if (moves.empty()) return;
  const std::vector<GroupView>& groups = world_.cluster.map().groups;
  // Those that wait for a node that is down keep nobody busy.
  const auto is_busy = [this](const GroupView& group) {
    return std::any_of(group.lacking.begin(), group.lacking.end(), [&](const Lack& lack) {
      return group.has_member(lack.node) && world_.cluster.is_up(lack.node);
    });
  };
  auto moving = static_cast<size_t>(std::count_if(groups.begin(), groups.end(), is_busy));
  const size_t most = moving_max();
  // One that is under way already, to a node that is no good any more, may always go on elsewhere.
  std::erase_if(moves, [&](const GroupMove& move) {
    return !is_moving(groups[move.group]) && moving++ >= most;
  });
  if (moves.empty()) return;
  proposed_.insert("moves");
  world_.bus.log(Level::info, "groups move", {{"groups", moves.size()}});
  propose(MoveGroups{std::move(moves), "members are to be replaced or added"},
          [this](const Result<Outcome>& outcome) {
            proposed_.erase("moves");
            if (outcome) tend_fills();
          });
}

// What would have to move for everyone to have a fair share. Groups that are on the move already
// count as what they will be.
std::vector<GroupMove> Repairs::moves_to_balance() const {
  const std::vector<GroupView>& map = world_.cluster.map().groups;
  std::vector<GroupView> groups = world_.groups();
  for (GroupView& group : groups) {
    if (is_moving(group) || is_wanting(group)) group.used = false;
  }
  std::vector<GroupMove> moves;
  for (GroupMembers& change : placement(candidates(), groups, widths(), PlacementOf::uneven)) {
    moves.push_back({change.group, map[change.group].epoch, std::move(change.members)});
  }
  return moves;
}

void Repairs::rebalance() {
  const TaskRow& settings = task("rebalance");
  if (!settings.active || settings.paused || proposed_.contains("moves")) return;
  const std::vector<GroupView>& groups = world_.cluster.map().groups;
  const auto moving =
      static_cast<size_t>(std::count_if(groups.begin(), groups.end(), [&](const GroupView& group) {
        return is_moving(group) && task_of(group) == "rebalance";
      }));
  // Repair comes first: what is endangered needs the nodes' time more than fair shares do.
  const bool busy = std::any_of(groups.begin(), groups.end(), [&](const GroupView& group) {
    return group.used && (is_wanting(group) || (is_moving(group) && task_of(group) == "repair"));
  });
  const size_t most = moving_max() / 2;
  if (busy || moving >= most) return;
  std::vector<GroupMove> moves = moves_to_balance();
  if (moves.empty()) {
    if (moving == 0) set_active("rebalance", false);
    return;
  }
  if (moves.size() > most - moving) moves.resize(most - moving);
  proposed_.insert("moves");
  propose(MoveGroups{std::move(moves), "rebalance"},
          [this](const Result<Outcome>&) { proposed_.erase("moves"); });
}

std::vector<PlannedMove> Repairs::plan() const {
  std::vector<PlannedMove> plan = described(moves_to_balance());
  if (plan.size() > kBatchMax) plan.resize(kBatchMax);
  return plan;
}

template <Message M>
void Repairs::propose(const M& command, std::function<void(Result<Outcome>)> done) {
  Command entry;
  entry.type = M::kType;
  entry.body = encode(command);
  world_.propose(std::move(entry), [this, done = std::move(done)](const Result<Outcome>& outcome) {
    if (!outcome) {
      world_.bus.log(
          Level::warn, "the monitor's log took no command of the repair",
          {{"type", static_cast<uint64_t>(M::kType)}, {"error", outcome.error().describe()}});
    }
    if (done) done(outcome);
  });
}

template void Repairs::propose(const SetFilled&, std::function<void(Result<Outcome>)>);
template void Repairs::propose(const SetLacking&, std::function<void(Result<Outcome>)>);
template void Repairs::propose(const SetTask&, std::function<void(Result<Outcome>)>);

}  // namespace dfs
