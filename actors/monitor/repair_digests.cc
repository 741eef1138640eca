// Repairs: now and then all members of each group are asked what they hold. They should agree.
#include <algorithm>

#include "actors/monitor/repairs.h"

namespace dfs {

namespace {

constexpr Duration kAnswer = std::chrono::seconds(5);
// What is being written or removed differs for a moment; what differs twice and does not change is
// a loss that nobody noticed.
constexpr Duration kSecondLook = std::chrono::seconds(10);

Task<void> pause(Bus& bus, Duration time) {
  Completion<bool> completion;
  bus.after(time, [fire = completion.fire()] { fire(true); });
  (void)co_await completion;
}

bool agree(const std::map<NodeId, Digest>& digests) {
  return std::all_of(digests.begin(), digests.end(),
                     [&](const auto& entry) { return entry.second == digests.begin()->second; });
}

}  // namespace

// Groups with several complete members that are live, and nothing under way.
std::vector<GroupId> Repairs::comparable() const {
  std::vector<GroupId> groups;
  for (const GroupView& group : world_.cluster.map().groups) {
    const bool quiet = group.lacking.empty() && group.leaving.empty();
    if (group.used && quiet && complete_live(world_.cluster, group) > 1) {
      groups.push_back(group.group);
    }
  }
  return groups;
}

Task<Repairs::Digests> Repairs::look(std::vector<GroupId> groups) {
  std::map<NodeId, GetDigests> requests;
  for (const GroupId id : groups) {
    const GroupView* const group = world_.cluster.group(id);
    if (group == nullptr) continue;
    for (const NodeId member : group->members) {
      if (world_.cluster.is_up(member)) requests[member].groups.push_back(id);
    }
  }
  Digests digests;
  for (auto& [id, request] : requests) {
    const NodeView* const node = world_.cluster.node(id);
    if (node == nullptr) continue;
    CallOptions options;
    options.deadline = kAnswer;
    const std::vector<GroupId> asked = request.groups;
    Task<Result<Answer<GetDigests>>> asking = world_.calls.call(
        node->endpoint, "storage/" + std::to_string(id), std::move(request), std::move(options));
    const Result<Answer<GetDigests>> answer = co_await asking;
    if (!answer || answer->message.digests.size() != asked.size()) continue;
    for (size_t i = 0; i < asked.size(); ++i) digests[asked[i]][id] = answer->message.digests[i];
  }
  co_return digests;
}

Task<void> Repairs::compare_digests() {
  comparing_ = true;
  Task<Digests> first_look = look(comparable());
  const Digests first = co_await first_look;
  std::vector<GroupId> suspects;
  for (const auto& [group, digests] : first) {
    if (!agree(digests)) suspects.push_back(group);
  }
  if (!suspects.empty()) {
    Task<void> pausing = pause(world_.bus, kSecondLook);
    co_await pausing;
    Task<Digests> second_look = look(std::move(suspects));
    const Digests second = co_await second_look;
    judge(first, second);
  }
  comparing_ = false;
}

// Who holds fewer blocks lacks some. When all hold as many, but not the same, all do.
void Repairs::judge(const Digests& before, const Digests& now) {
  std::map<NodeId, SetLacking> lacking;
  for (const auto& [id, digests] : now) {
    const GroupView* const group = world_.cluster.group(id);
    const bool quiet = group != nullptr && group->lacking.empty() && group->leaving.empty();
    if (!quiet || agree(digests) || before.at(id) != digests) continue;
    const auto by_blocks = [](const auto& a, const auto& b) {
      return a.second.blocks < b.second.blocks;
    };
    const auto [least, most] = std::minmax_element(digests.begin(), digests.end(), by_blocks);
    const bool unclear = least->second.blocks == most->second.blocks;
    for (const auto& [node, digest] : digests) {
      if (!unclear && digest.blocks == most->second.blocks) continue;
      lacking[node].groups.push_back(id);
    }
  }
  for (auto& [node, command] : lacking) {
    command.node = node;
    command.reason = "the members of the groups do not hold the same blocks";
    world_.bus.log(Level::warn, "members of groups disagree",
                   {{"node", node}, {"groups", command.groups.size()}});
    propose(command);
  }
}

}  // namespace dfs
