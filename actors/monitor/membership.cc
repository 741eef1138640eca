#include "actors/monitor/monitor_state.h"
#include "actors/monitor/placement.h"
#include "messages/join_token.h"

namespace dfs {

namespace {

// Nodes that start together join within moments; their groups are then set once.
constexpr Duration kRegroupDelay = std::chrono::milliseconds(200);
constexpr Duration kRegroupAgain = std::chrono::seconds(1);  // after a failure
// An upload that takes longer may have to write some blocks again when nodes join meanwhile.
constexpr Duration kUploadLasts = std::chrono::minutes(10);
constexpr Duration kMapRepeat = std::chrono::seconds(2);

Error foreign_cluster(const Join& request, const std::string& cluster) {
  return Error{Code::denied,
               "this node belongs to cluster " + request.cluster + ", and this monitor serves " +
                   cluster +
                   "; start the node with the brokers of its own cluster, or with an empty data "
                   "directory to join this one",
               {{"cluster", cluster}},
               0};
}

}  // namespace

void Monitor::State::on(const Envelope& envelope, const Join& request) {
  const std::string& own = cluster().map().cluster;
  if (!request.cluster.empty() && request.cluster != own) {
    bus.log(Level::warn, "foreign node refused",
            {{"endpoint", request.endpoint}, {"cluster", request.cluster}});
    return refuse(envelope, foreign_cluster(request, own));
  }
  RegisterNode node;
  node.uuid = request.uuid;
  node.endpoint = request.endpoint;
  node.host = request.host;
  node.rack = request.rack;
  node.total_bytes = request.total_bytes;
  node.feature_level = request.feature_level;
  node.number = request.node;
  if (!request.token.empty()) node.token = hash_of_token(request.token);
  node.key = request.key;
  node.source = envelope.header.source;
  node.heartbeat_ms =
      static_cast<uint32_t>(settings.heartbeat_period / std::chrono::milliseconds(1));
  propose_for(
      envelope, RegisterNode::kType, encode(node),
      [this, endpoint = request.endpoint, verify_key = request.verify_key](
          const Envelope& origin, const Result<Outcome>& outcome) {
        std::optional<JoinReply> joined;
        if (outcome && outcome->type == JoinReply::kType) {
          auto reply = decode<JoinReply>(outcome->body);
          DFS_ASSERT(reply.ok());
          members.joined(reply->node, bus.now());
          joined = *reply;
          if (serving()) {
            reign.strangers.erase(reply->node);
            bus.log(Level::info, "node joined", {{"node", reply->node}, {"endpoint", endpoint}});
            regroup_soon();
          }
        }
        count_refusal(outcome);
        if (!joined) return answer(origin, outcome);
        // They are of now, and the reply may be one that the log has kept.
        GrantKeys told = grant_keys_for(joined->node, verify_key);
        joined->grant_keys = std::move(told.keys);
        joined->warrant = std::move(told.warrant);
        answer_with(origin, Result<JoinReply>(std::move(*joined)));
      });
}

void Monitor::State::heartbeat(const Envelope& envelope) {
  auto heartbeat = decode<Heartbeat>(envelope.body);
  // Nobody says of another node that it lives.
  if (!heartbeat || envelope.header.from != "storage/" + std::to_string(heartbeat->node)) return;
  outgrow(heartbeat->epoch);
  const NodeView* node = cluster().node(heartbeat->node);
  if (node != nullptr) {
    const bool up = node->state == NodeState::up;
    const Members::Sign sign = members.heard(*heartbeat, bus.now(), up);
    if (serving() && sign == Members::Sign::alive) judge_heartbeat(*heartbeat, up);
  } else if (serving() && reign.strangers.size() < kBatchMax &&
             reign.strangers.insert(heartbeat->node).second) {
    // It will join as soon as it hears that nobody knows it.
    bus.log(Level::warn, "heartbeat of an unknown node", {{"node", heartbeat->node}});
  }
}

void Monitor::State::judge_heartbeat(const Heartbeat& heartbeat, bool up) {
  if (!up) set_node_state(heartbeat.node, NodeState::up, "its heartbeats are back");
  // The map is published when it changes, and publishing may lose.
  const bool behind = heartbeat.epoch < cluster().map().epoch;
  if (behind && bus.now() - reign.map_published >= kMapRepeat) publish_map();
}

void Monitor::State::check_nodes() {
  reign.check_timer = bus.after(settings.check_interval, [this] { check_nodes(); });
  const Instant now = bus.now();
  // When this actor itself stood still (a suspended machine, a debugger), heartbeats wait unread in
  // its queues; the silence was ours.
  const Duration late = now - reign.last_check - settings.check_interval;
  if (late > settings.down_after / 2) members.excuse(late, now);
  reign.last_check = now;
  if (now >= reign.regroup_again) regroup_soon();
  turn_grant_key();
  for (const NodeId node : members.silent(cluster().map(), settings.down_after, now)) {
    const auto silent_ms = members.silence(node, now) / std::chrono::milliseconds(1);
    set_node_state(node, NodeState::down, "no heartbeat for " + std::to_string(silent_ms) + " ms");
  }
}

void Monitor::State::set_node_state(NodeId node, NodeState state, std::string reason) {
  if (stopping || !reign.changing.insert(node).second) return;
  bus.log(state == NodeState::up ? Level::info : Level::warn,
          state == NodeState::up ? "node up" : "node down", {{"node", node}, {"reason", reason}});
  const SetNodeState command{node, state, std::move(reason)};
  propose(command, [this, node, state](Result<Outcome> outcome) {
    reign.changing.erase(node);
    if (!outcome) return command_failed("SetNodeState", outcome.error());
    if (state == NodeState::up) regroup_soon();
    if (state == NodeState::down && reign.repairs) reign.repairs->give_up_nodes();
  });
}

void Monitor::State::regroup_soon() {
  if (stopping || !serving() || cluster().rebuilding() || reign.regroup_timer != 0) return;
  reign.regroup_timer = bus.after(kRegroupDelay, [this] { regroup_now(); });
}

// The groups as placement() may change them. One that a running upload was just sent to, with all
// its copies, is left alone as if it were in use: the upload would have to write its blocks again.
std::vector<GroupView> Monitor::State::groups_to_place() const {
  std::vector<GroupView> groups = cluster().map().groups;
  for (GroupView& group : groups) {
    const auto plan = reign.planned.find(group.group);
    if (plan == reign.planned.end() || bus.now() - plan->second >= kUploadLasts) continue;
    if (group.members.size() >= cluster().pool_of(group).replicas) group.used = true;
  }
  return groups;
}

// Groups follow the nodes that join; a node that is down keeps its places, for it may be back with
// all it holds. A plan that is asked for meanwhile waits, so that the first upload after the first
// Join already finds groups.
void Monitor::State::regroup_now() {
  bus.cancel(std::exchange(reign.regroup_timer, 0));
  if (reign.regrouping) return regroup_soon();
  std::erase_if(reign.planned, [now = bus.now()](const auto& planned) {
    return now - planned.second >= kUploadLasts;
  });
  reign.regroup_again = reign.planned.empty() ? Instant::max() : bus.now() + kUploadLasts;
  std::vector<PlacementNode> nodes;
  for (const NodeView& node : cluster().map().nodes) {
    const bool usable = node.state == NodeState::up && node.standing == NodeStanding::in;
    nodes.push_back({node.node, node.host, node.total_bytes, usable, node.rack});
  }
  PoolWidths widths;
  for (const PoolView& pool : cluster().map().pools) widths.push_back(pool.replicas);
  SetGroups command{placement(nodes, groups_to_place(), widths)};
  if (command.groups.empty()) return;
  reign.regrouping = true;
  bus.log(Level::info, "groups change", {{"groups", command.groups.size()}});
  propose(command, [this](Result<Outcome> outcome) {
    reign.regrouping = false;
    if (!outcome) {
      command_failed("SetGroups", outcome.error());
      reign.regroup_again = bus.now() + kRegroupAgain;
      return refuse_waiting_plans(outcome.error());
    }
    retry_waiting_plans();
  });
}

}  // namespace dfs
