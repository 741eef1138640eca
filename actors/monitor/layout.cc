#include <algorithm>
#include <cmath>
#include <limits>
#include <unordered_map>

#include "actors/monitor/placement.h"

namespace dfs {

namespace {

struct Target {
  bool live = false;
  bool avoid = false;
  bool stays = true;
  double weight = 1;  // share of the free space, the emptiest node's is 1
  double copies = 0;  // placed so far in this layout
  double heads = 0;
};

struct Candidate {
  GroupId group = 0;
  std::vector<Target*> writes;  // members that would be written, head first
  double lot = 0;               // small: comes first among equals
  int chosen = 0;
  bool complete = true;  // nobody lacks anything, nobody leaves
};

// Above this many groups a random sample is judged; it spreads just as well.
constexpr size_t kCandidatesMax = 256;
// A nearly full node still gets a little, or a cluster of full nodes would weigh nothing at all.
constexpr double kWeightMin = 0.02;

class LayoutChoice {
 public:
  LayoutChoice(const std::vector<TargetNode>& nodes, const LayoutRequest& request,
               const std::function<uint64_t()>& random)
      : request_(request), random_(random) {
    uint64_t most = 1;
    for (const TargetNode& node : nodes) most = std::max(most, node.free_bytes);
    for (const TargetNode& node : nodes) {
      Target& target = targets_[node.node];
      target.live = node.live;
      target.stays = node.stays;
      target.weight =
          std::max(kWeightMin, static_cast<double>(node.free_bytes) / static_cast<double>(most));
    }
    for (const NodeId node : request.avoid) {
      if (const auto found = targets_.find(node); found != targets_.end()) {
        found->second.avoid = true;
      }
    }
  }

  std::vector<GroupId> choose(const std::vector<GroupView>& groups) {
    collect(groups, {.copies = request_.replicas, .whole = true, .stays = true});
    prefer_complete();
    if (candidates_.empty()) collect(groups, {.copies = request_.replicas, .whole = true});
    if (candidates_.empty()) collect(groups, {.copies = request_.min_copies});
    if (candidates_.empty()) collect(groups, {.copies = request_.min_copies, .avoid = false});
    std::vector<GroupId> layout;
    if (candidates_.empty()) return layout;
    sample();
    draw_lots();
    const size_t width = std::clamp<uint64_t>(request_.blocks, 1, kLayoutGroupsMax);
    while (layout.size() < width) layout.push_back(next());
    return layout;
  }

 private:
  struct Demand {
    size_t copies = 1;   // live members, at least
    bool avoid = true;   // those to avoid do not count
    bool whole = false;  // every member must
    bool stays = false;  // and stay
  };

  void collect(const std::vector<GroupView>& groups, Demand demand) {
    for (const GroupView& group : groups) {
      Candidate candidate;
      candidate.group = group.group;
      candidate.complete = group.lacking.empty() && group.leaving.empty();
      bool all_stay = true;
      for (const NodeId member : group.members) {
        const auto found = targets_.find(member);
        if (found == targets_.end() || !found->second.live) continue;
        if (demand.avoid && found->second.avoid) continue;
        all_stay = all_stay && found->second.stays;
        candidate.writes.push_back(&found->second);
      }
      if (candidate.writes.size() < std::max<size_t>(demand.copies, 1)) continue;
      if (demand.whole && candidate.writes.size() < group.members.size()) continue;
      if (demand.stays && !all_stay) continue;
      candidates_.push_back(std::move(candidate));
    }
  }

  // A group that is being repaired takes writes as well as any, but has other work. When few are
  // complete, though, they would get all the load.
  void prefer_complete() {
    const auto complete =
        std::count_if(candidates_.begin(), candidates_.end(),
                      [](const Candidate& candidate) { return candidate.complete; });
    if (static_cast<size_t>(complete) * 4 < candidates_.size()) return;
    std::erase_if(candidates_, [](const Candidate& candidate) { return !candidate.complete; });
  }

  void sample() {
    for (size_t i = 0; i < std::min(kCandidatesMax, candidates_.size()); ++i) {
      std::swap(candidates_[i], candidates_[i + random_() % (candidates_.size() - i)]);
    }
    if (candidates_.size() > kCandidatesMax) candidates_.resize(kCandidatesMax);
  }

  // Exponentially distributed with a rate that follows the free space: the first group of a layout
  // is then drawn in proportion to it, and the many files of one block fill nodes evenly.
  void draw_lots() {
    for (Candidate& candidate : candidates_) {
      double weight = std::numeric_limits<double>::max();
      for (const Target* target : candidate.writes) weight = std::min(weight, target->weight);
      const double uniform = (static_cast<double>(random_() >> 11) + 1) * 0x1p-53;
      candidate.lot = -std::log(uniform) / weight;
    }
  }

  // What one more block in the group costs: how full, relative to their space, its nodes are by
  // this layout. Always taking the cheapest keeps the sum of squares least, so no node runs ahead.
  static double cost(const Candidate& candidate) {
    double sum = 0;
    for (const Target* target : candidate.writes) sum += target->copies / target->weight;
    return sum + candidate.writes.front()->heads / candidate.writes.front()->weight;
  }

  GroupId next() {
    Candidate* best = nullptr;
    double least = 0;
    for (Candidate& candidate : candidates_) {
      const double its = cost(candidate);
      const bool equal = best != nullptr && std::abs(its - least) < 1e-9;
      if (best != nullptr && !equal && its > least) continue;
      if (equal && (candidate.chosen > best->chosen ||
                    (candidate.chosen == best->chosen && candidate.lot >= best->lot))) {
        continue;
      }
      best = &candidate;
      least = its;
    }
    for (Target* target : best->writes) target->copies += 1;
    best->writes.front()->heads += 1;
    ++best->chosen;
    return best->group;
  }

  const LayoutRequest& request_;
  const std::function<uint64_t()>& random_;
  std::unordered_map<NodeId, Target> targets_;
  std::vector<Candidate> candidates_;
};

}  // namespace

std::vector<GroupId> choose_layout(const std::vector<TargetNode>& nodes,
                                   const std::vector<GroupView>& groups,
                                   const LayoutRequest& request,
                                   const std::function<uint64_t()>& random) {
  return LayoutChoice(nodes, request, random).choose(groups);
}

}  // namespace dfs
