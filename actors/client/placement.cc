#include "actors/client/placement.h"

#include <algorithm>

namespace dfs {

using std::chrono::milliseconds;

namespace {

constexpr Duration kPauseMin = milliseconds(50);
constexpr Duration kPauseMax = milliseconds(1000);

// Errors that may pass while nodes restart and the monitor notices.
bool may_pass(Code code) {
  return is_retryable(code) || code == Code::too_few_nodes;
}

const char* what_is_wrong(const PlanFileReply& plan) {
  if (plan.object == 0) return "the plan names no object";
  if (plan.block_bytes < kBlockBytesMin || plan.block_bytes > kBlockBytesMax ||
      plan.block_bytes % kPartBytes != 0) {
    return "the plan's block size is not a multiple of 1 MiB up to 128 MiB";
  }
  if (plan.groups.empty() || plan.groups.size() > kLayoutGroupsMax) {
    return "the plan has no groups or more than 64";
  }
  return nullptr;
}

// The pool's minimum holds for every level: the monitor takes no fewer.
uint32_t copies_at(CopyLevel level, const PlanFileReply& plan) {
  const uint32_t least = std::max(plan.min_copies, 1u);
  switch (level) {
    case CopyLevel::standard:
    case CopyLevel::one:
      break;
    case CopyLevel::quorum:
      return std::max(least, plan.replicas / 2 + 1);
    case CopyLevel::all:
      return std::max(least, plan.replicas);
  }
  return least;
}

}  // namespace

// How many copies a level means is known with the plan. When that is more than what its groups can
// take, choose() asks for others.
Task<Result<void>> Placement::begin(uint64_t size, uint64_t block_bytes) {
  asked_size_ = size;
  PlanFile request;
  request.path = path_;
  request.size = size;
  request.block_bytes = block_bytes;
  request.key.bytes = transfer_.bench.random_bytes(kKeyBytes);
  SparePlan& spare = transfer_.bench.spare_plan;
  if (auto plan = spare.take(request)) {
    plan_ = std::move(*plan);
  } else {
    Task<Result<Answer<PlanFile>>> asking = transfer_.ask_monitor(request);
    Result<Answer<PlanFile>> answer = co_await asking;
    if (!answer) co_return answer.error();
    plan_ = std::move(answer->message);
  }
  key_ = request.key;
  spare.used(request, plan_, transfer_.bench.ask_deadline);
  min_copies_ = copies_at(transfer_.options.copies, plan_);
  if (const char* why = what_is_wrong(plan_)) co_return Result<void>(Code::malformed, why);
  for (const GroupRoute& route : plan_.groups) routes_[route.group] = route;
  co_return Result<void>();
}

Task<Result<BlockTarget>> Placement::choose(uint32_t index, std::set<GroupId> shunned) {
  Duration pause = kPauseMin;
  while (true) {
    if (auto target = pick_whole(index, shunned)) co_return std::move(*target);
    Result<void> asked;
    if (planned_at_ != std::pair(transfer_.health.changes(), changes_)) {
      Task<Result<void>> planning = plan_again();
      asked = co_await planning;
      if (asked) continue;
      if (!may_pass(asked.code())) co_return asked.error();
    }
    if (auto target = pick_what_is_left(index)) co_return std::move(*target);
    if (transfer_.out_of_time()) {
      std::string text = "no group of storage nodes can take block " + std::to_string(index) +
                         " of " + path_ + " with " + std::to_string(min_copies_) +
                         (min_copies_ == 1 ? " copy" : " copies");
      const std::string failed = transfer_.health.describe();
      if (!failed.empty()) text += "; failed nodes: " + failed;
      if (!asked) text += "; the monitor says: " + asked.error().text;
      co_return Error{Code::unavailable, text + "; see `cluster status`", {}, 0};
    }
    Task<void> pausing = sleep(transfer_.bench.bus, pause);
    co_await pausing;
    pause = std::min(pause * 2, kPauseMax);
    // They may be back; whoever is not fails again quickly. A fresh plan tells about epochs too.
    transfer_.health.forgive_all();
    shunned.clear();
    ++changes_;
  }
}

void Placement::mark_stale(GroupId group) {
  const auto route = routes_.find(group);
  if (route == routes_.end()) return;
  Epoch& epoch = stale_[group];
  if (epoch >= route->second.epoch && epoch != 0) return;
  epoch = route->second.epoch;
  ++changes_;
}

std::vector<GroupId> Placement::home_groups() const {
  std::vector<GroupId> groups;
  for (const GroupRoute& route : plan_.groups) groups.push_back(route.group);
  return groups;
}

const GroupRoute* Placement::known(GroupId group) const {
  const auto route = routes_.find(group);
  if (route == routes_.end()) return nullptr;
  const auto stale = stale_.find(group);
  if (stale != stale_.end() && route->second.epoch <= stale->second) return nullptr;
  return &route->second;
}

std::vector<GroupMember> Placement::live_members(const GroupRoute& route) const {
  std::vector<GroupMember> live;
  for (const GroupMember& member : route.members) {
    const bool writable = member.up && !member.leaving;
    if (writable && !transfer_.health.failed(member.node)) live.push_back(member);
  }
  return live;
}

// Members that the monitor knows to be down do not count: it chose the group knowing that.
bool Placement::whole(const GroupRoute& route) const {
  const auto up = std::count_if(route.members.begin(), route.members.end(),
                                [](const GroupMember& m) { return m.up && !m.leaving; });
  const size_t live = live_members(route).size();
  return live == static_cast<size_t>(up) && live >= min_copies_;
}

BlockTarget Placement::target_of(const GroupRoute& route, uint32_t index) {
  if (route.group != home(index)) away_.insert(index);
  return {route.group, route.epoch, live_members(route)};
}

std::optional<BlockTarget> Placement::pick_whole(uint32_t index, const std::set<GroupId>& shunned) {
  const GroupRoute* at_home = known(home(index));
  if (at_home != nullptr && whole(*at_home) && !shunned.contains(home(index))) {
    return target_of(*at_home, index);
  }
  if (!away_.contains(index) && away_.size() >= kOverridesMax) return std::nullopt;
  std::vector<const GroupRoute*> best;
  for (const auto& [group, unused] : routes_) {
    const GroupRoute* route = known(group);
    if (route == nullptr || !whole(*route) || shunned.contains(group)) continue;
    const size_t most = best.empty() ? 0 : live_members(*best.front()).size();
    const size_t live = live_members(*route).size();
    if (live < most) continue;
    if (live > most) best.clear();
    best.push_back(route);
  }
  if (best.empty()) return std::nullopt;
  return target_of(*best[index % best.size()], index);
}

std::optional<BlockTarget> Placement::pick_what_is_left(uint32_t index) {
  const GroupRoute* best = known(home(index));
  size_t most = best == nullptr ? 0 : live_members(*best).size();
  // Home first: it needs no override.
  if (most < min_copies_ && (away_.contains(index) || away_.size() < kOverridesMax)) {
    for (const auto& [group, unused] : routes_) {
      const GroupRoute* route = known(group);
      if (route == nullptr || live_members(*route).size() <= most) continue;
      best = route;
      most = live_members(*route).size();
    }
  }
  if (best == nullptr || most < min_copies_) return std::nullopt;
  return target_of(*best, index);
}

Task<Result<void>> Placement::plan_again() {
  if (planning_) {
    while (planning_) {
      Signal::Waiter done = planned_.wait();
      co_await done;
    }
    co_return Result<void>();  // the caller looks again
  }
  planning_ = true;
  transfer_.bench.spare_plan.drop();  // what is wrong with this plan is likely wrong with that one
  planned_at_ = {transfer_.health.changes(), changes_};
  PlanFile request;
  request.path = path_;
  request.size = asked_size_;
  request.block_bytes = plan_.block_bytes;
  request.object = plan_.object;
  request.avoid = transfer_.health.failed_nodes();
  request.copies = copies_asked();
  request.grant = plan_.grant;
  Task<Result<Answer<PlanFile>>> asking = transfer_.ask_monitor(std::move(request));
  Result<Answer<PlanFile>> answer = co_await asking;
  planning_ = false;
  if (answer) {
    plan_.grant = std::move(answer->message.grant);
    const bool nothing_since = planned_at_.second == changes_;
    for (GroupRoute& route : answer->message.groups) {
      const GroupId group = route.group;
      // Asked after the refusal, the monitor still says so: whatever was wrong, the epoch was not.
      if (nothing_since) stale_.erase(group);
      routes_[group] = std::move(route);
    }
  }
  planned_.notify();
  if (!answer) co_return answer.error();
  co_return Result<void>();
}

}  // namespace dfs
