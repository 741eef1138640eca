#include "actors/monitor/placement.h"

#include <algorithm>
#include <numeric>
#include <optional>

namespace dfs {

namespace {

struct Node {
  PlacementNode is;
  double fair = 0;        // copies it should hold
  double fair_heads = 0;  // chains it should head
  int copies = 0;
  int heads = 0;
};

struct Group {
  GroupId id = 0;
  bool used = false;
  std::vector<size_t> members;  // indices of nodes, chain order
  bool has(size_t node) const {
    return std::find(members.begin(), members.end(), node) != members.end();
  }
};

// Spreads ties without order or clumps; the same on every machine (the finaliser of MurmurHash3).
uint64_t mixed(uint64_t a, uint64_t b) {
  uint64_t x = a * 0x9e3779b97f4a7c15u + b + 1;
  x = (x ^ x >> 33) * 0xff51afd7ed558ccdu;
  x = (x ^ x >> 33) * 0xc4ceb9fe1a85ec53u;
  return x ^ x >> 33;
}

class Placement {
 public:
  Placement(const std::vector<PlacementNode>& nodes, const std::vector<GroupView>& groups,
            uint32_t replicas)
      : replicas_(replicas) {
    for (const PlacementNode& node : nodes) nodes_.push_back({node});
    const auto usable = std::count_if(nodes.begin(), nodes.end(),
                                      [](const PlacementNode& node) { return node.usable; });
    width_ = std::min<size_t>(replicas, static_cast<size_t>(usable));
    pairs_.assign(nodes_.size(), std::vector<int>(nodes_.size()));
    for (const GroupView& view : groups) {
      groups_.push_back({view.group, view.used, {}});
      for (const NodeId member : view.members) keep(groups_.back(), member);
    }
    set_fair_shares();
  }

  std::vector<GroupMembers> decide(const std::vector<GroupView>& before) {
    for (Group& group : groups_) {
      while (group.members.size() < width_ && add_member(group)) {
      }
    }
    level_copies();
    level_heads();
    std::vector<GroupMembers> changes;
    for (size_t i = 0; i < groups_.size(); ++i) {
      GroupMembers now{groups_[i].id, {}};
      for (const size_t member : groups_[i].members) now.members.push_back(nodes_[member].is.node);
      if (now.members != before[i].members) changes.push_back(std::move(now));
    }
    return changes;
  }

 private:
  // Takes over a member that the group has; an unusable one only where the group is in use.
  void keep(Group& group, NodeId id) {
    const auto found = std::find_if(nodes_.begin(), nodes_.end(),
                                    [&](const Node& node) { return node.is.node == id; });
    if (found == nodes_.end()) return;
    if (!group.used && (!found->is.usable || group.members.size() >= width_)) return;
    insert(group, static_cast<size_t>(found - nodes_.begin()));
  }

  void insert(Group& group, size_t node) {
    for (const size_t other : group.members) {
      ++pairs_[node][other];
      ++pairs_[other][node];
    }
    group.members.push_back(node);
    ++nodes_[node].copies;
    if (group.members.size() == 1) ++nodes_[node].heads;
  }

  void exchange(Group& group, size_t out, size_t in) {
    for (size_t& member : group.members) {
      if (member == out) continue;
      --pairs_[out][member];
      --pairs_[member][out];
      ++pairs_[in][member];
      ++pairs_[member][in];
    }
    if (group.members.front() == out) {
      --nodes_[out].heads;
      ++nodes_[in].heads;
    }
    *std::find(group.members.begin(), group.members.end(), out) = in;
    --nodes_[out].copies;
    ++nodes_[in].copies;
  }

  // Shares proportional to capacity. A node can be in a group but once, so the share of one that is
  // larger than all groups is cut, and the others take over the rest.
  void set_fair_shares() {
    double copies = static_cast<double>(width_ * groups_.size());
    const double most = static_cast<double>(groups_.size());
    std::vector<Node*> open;
    for (Node& node : nodes_) {
      if (node.is.usable) open.push_back(&node);
    }
    while (!open.empty()) {
      double capacity = 0;
      for (const Node* node : open) capacity += weight(*node);
      bool cut = false;
      std::vector<Node*> rest;
      double given = 0;
      for (Node* node : open) {
        node->fair = copies * weight(*node) / capacity;
        if (node->fair >= most) {
          node->fair = most;
          given += most;
          cut = true;
        } else {
          rest.push_back(node);
        }
      }
      if (!cut) break;
      copies -= given;
      open = std::move(rest);
    }
    for (Node& node : nodes_) {
      if (width_ > 0) node.fair_heads = node.fair / static_cast<double>(width_);
    }
  }

  static double weight(const Node& node) {
    return static_cast<double>(std::max<uint64_t>(node.is.capacity, 1));
  }

  int hosts_shared(const Group& group, size_t node, std::optional<size_t> without = {}) const {
    const std::string& host = nodes_[node].is.host;
    if (host.empty()) return 0;
    return static_cast<int>(std::count_if(
        group.members.begin(), group.members.end(),
        [&](size_t member) { return member != without && nodes_[member].is.host == host; }));
  }

  int pairs_with(const Group& group, size_t node, std::optional<size_t> without = {}) const {
    int pairs = 0;
    for (const size_t member : group.members) {
      if (member != without) pairs += pairs_[node][member];
    }
    return pairs;
  }

  // The emptiest node that fits. Nodes about equally full are told apart by how rarely they meet
  // the group's members, so that the work of replacing any node is shared by all others.
  bool add_member(Group& group) {
    struct Choice {
      int hosts;
      int filled;  // in eighths of the fair share
      int pairs;
      uint64_t tie;
      auto operator<=>(const Choice&) const = default;
    };
    std::optional<Choice> best;
    size_t chosen = 0;
    for (size_t i = 0; i < nodes_.size(); ++i) {
      const Node& node = nodes_[i];
      if (!node.is.usable || group.has(i)) continue;
      const int filled = static_cast<int>(node.copies * 8 / std::max(node.fair, 1.0));
      const Choice choice{hosts_shared(group, i), filled, pairs_with(group, i),
                          mixed(group.id, node.is.node)};
      if (best && *best <= choice) continue;
      best = choice;
      chosen = i;
    }
    if (best) insert(group, chosen);
    return best.has_value();
  }

  // Moves single copies in groups that hold no data from nodes with too many to nodes with too few,
  // until no move brings both closer to their share. Each move lowers the sum of squared excesses.
  void level_copies() {
    while (move_one_copy()) {
    }
  }

  bool move_one_copy() {
    std::vector<size_t> order(nodes_.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](size_t a, size_t b) { return excess(a) > excess(b); });
    for (size_t i = 0; i < order.size(); ++i) {
      for (size_t j = order.size(); j-- > i + 1;) {
        if (excess(order[i]) - excess(order[j]) <= 1 + 1e-9) break;
        if (nodes_[order[j]].is.usable && move_copy(order[i], order[j])) return true;
      }
    }
    return false;
  }

  // Moves a copy of the group in which `in` meets the others most rarely.
  bool move_copy(size_t out, size_t in) {
    Group* best = nullptr;
    int least = 0;
    for (Group& group : groups_) {
      if (group.used || !group.has(out) || group.has(in)) continue;
      if (hosts_shared(group, in, out) > hosts_shared(group, out, out)) continue;
      const int pairs = pairs_with(group, in, out) - pairs_with(group, out, out);
      if (best != nullptr && pairs >= least) continue;
      best = &group;
      least = pairs;
    }
    if (best != nullptr) exchange(*best, out, in);
    return best != nullptr;
  }

  double excess(size_t node) const { return nodes_[node].copies - nodes_[node].fair; }
  double excess_heads(size_t node) const { return nodes_[node].heads - nodes_[node].fair_heads; }

  // The same for chain heads, by changing the order within groups that hold no data.
  void level_heads() {
    bool moved = true;
    while (moved) {
      moved = false;
      for (Group& group : groups_) {
        if (group.used || group.members.size() < 2) continue;
        const auto least =
            std::min_element(group.members.begin(), group.members.end(),
                             [&](size_t a, size_t b) { return excess_heads(a) < excess_heads(b); });
        const size_t head = group.members.front();
        if (excess_heads(head) - excess_heads(*least) <= 1 + 1e-9) continue;
        --nodes_[head].heads;
        ++nodes_[*least].heads;
        std::iter_swap(group.members.begin(), least);
        moved = true;
      }
    }
  }

  const uint32_t replicas_;
  size_t width_ = 0;  // members a group can have
  std::vector<Node> nodes_;
  std::vector<Group> groups_;
  std::vector<std::vector<int>> pairs_;  // groups in which two nodes meet
};

}  // namespace

std::vector<GroupMembers> placement(const std::vector<PlacementNode>& nodes,
                                    const std::vector<GroupView>& groups, uint32_t replicas) {
  return Placement(nodes, groups, replicas).decide(groups);
}

}  // namespace dfs
