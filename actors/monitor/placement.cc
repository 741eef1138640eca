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
  size_t width = 0;             // members it can have
  bool free = false;            // it may change
  std::vector<size_t> members;  // indices of nodes, chain order
  bool has(size_t node) const {
    return std::find(members.begin(), members.end(), node) != members.end();
  }
};

// Members of a group that would fail together with a node; fewer are better, hosts before racks.
struct Shared {
  int hosts = 0;
  int racks = 0;
  auto operator<=>(const Shared&) const = default;
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
            const PoolWidths& widths, PlacementOf which)
      : which_(which) {
    for (const PlacementNode& node : nodes) nodes_.push_back({node});
    const auto usable = std::count_if(nodes.begin(), nodes.end(),
                                      [](const PlacementNode& node) { return node.usable; });
    pairs_.assign(nodes_.size(), std::vector<int>(nodes_.size()));
    for (const GroupView& view : groups) {
      const size_t wanted = widths.at(view.pool < widths.size() ? view.pool : 0);
      Group& group = groups_.emplace_back();
      group.id = view.group;
      group.width = std::min(wanted, static_cast<size_t>(usable));
      group.free = view.used != (which == PlacementOf::unused);
      for (const NodeId member : view.members) keep(group, view.used, member);
    }
    set_fair_shares();
  }

  std::vector<GroupMembers> decide(const std::vector<GroupView>& before) {
    for (Group& group : groups_) {
      if (!group.free || which_ == PlacementOf::uneven) continue;
      if (which_ == PlacementOf::wanting) replace_members(group);
      while (group.members.size() < group.width && add_member(group)) {
      }
    }
    if (which_ != PlacementOf::wanting) {
      part_domains();
      level_copies();
    }
    if (which_ == PlacementOf::unused) level_heads();
    std::vector<GroupMembers> changes;
    for (size_t i = 0; i < groups_.size(); ++i) {
      if (!groups_[i].free) continue;
      GroupMembers now{groups_[i].id, {}};
      for (const size_t member : groups_[i].members) now.members.push_back(nodes_[member].is.node);
      if (now.members != before[i].members) changes.push_back(std::move(now));
    }
    return changes;
  }

 private:
  // Takes over a member that the group has; an unusable one only where the group is in use.
  void keep(Group& group, bool used, NodeId id) {
    const auto found = std::find_if(nodes_.begin(), nodes_.end(),
                                    [&](const Node& node) { return node.is.node == id; });
    if (found == nodes_.end()) return;
    if (!used && (!found->is.usable || group.members.size() >= group.width)) return;
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
    double all = 0;
    for (const Group& group : groups_) all += static_cast<double>(group.width);
    double copies = all;
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
      if (all > 0) node.fair_heads = node.fair * most / all;
    }
  }

  static double weight(const Node& node) {
    return static_cast<double>(std::max<uint64_t>(node.is.capacity, 1));
  }

  Shared shared(const Group& group, size_t node, std::optional<size_t> without = {}) const {
    Shared sum;
    const PlacementNode& its = nodes_[node].is;
    for (const size_t member : group.members) {
      if (member == without || member == node) continue;
      const PlacementNode& other = nodes_[member].is;
      sum.hosts += !its.host.empty() && its.host == other.host ? 1 : 0;
      sum.racks += !its.rack.empty() && its.rack == other.rack ? 1 : 0;
    }
    return sum;
  }

  int pairs_with(const Group& group, size_t node, std::optional<size_t> without = {}) const {
    int pairs = 0;
    for (const size_t member : group.members) {
      if (member != without) pairs += pairs_[node][member];
    }
    return pairs;
  }

  // The emptiest node that fits, beside the group's members or in place of `without`. Nodes about
  // equally full are told apart by how rarely they meet the group's members, so that the work of
  // replacing any node is shared by all others.
  std::optional<size_t> best_node(const Group& group, std::optional<size_t> without = {}) const {
    struct Choice {
      Shared shared;
      int filled;  // in eighths of the fair share
      int pairs;
      uint64_t tie;
      auto operator<=>(const Choice&) const = default;
    };
    std::optional<Choice> best;
    std::optional<size_t> chosen;
    for (size_t i = 0; i < nodes_.size(); ++i) {
      const Node& node = nodes_[i];
      if (!node.is.usable || group.has(i)) continue;
      const int filled = static_cast<int>(node.copies * 8 / std::max(node.fair, 1.0));
      const Choice choice{shared(group, i, without), filled, pairs_with(group, i, without),
                          mixed(group.id, node.is.node)};
      if (best && *best <= choice) continue;
      best = choice;
      chosen = i;
    }
    return chosen;
  }

  bool add_member(Group& group) {
    const std::optional<size_t> chosen = best_node(group);
    if (chosen) insert(group, *chosen);
    return chosen.has_value();
  }

  // The new one takes the old one's place in the chain.
  void replace_members(Group& group) {
    for (const size_t member : std::vector<size_t>(group.members)) {
      if (!nodes_[member].is.to_be_emptied) continue;
      if (const std::optional<size_t> chosen = best_node(group, member)) {
        exchange(group, member, *chosen);
      }
    }
  }

  // Groups that came to share a host or a rack when there was no other choice part when there is.
  void part_domains() {
    for (Group& group : groups_) {
      if (!group.free) continue;
      for (const size_t member : std::vector<size_t>(group.members)) {
        const Shared now = shared(group, member);
        if (now == Shared{}) continue;
        const std::optional<size_t> chosen = best_node(group, member);
        if (chosen && shared(group, *chosen, member) < now) exchange(group, member, *chosen);
      }
    }
  }

  // Moves single copies from nodes with too many to nodes with too few,
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
      if (!group.free || !group.has(out) || group.has(in)) continue;
      if (shared(group, in, out) > shared(group, out)) continue;
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

  // The same for chain heads, by changing the order within groups.
  void level_heads() {
    bool moved = true;
    while (moved) {
      moved = false;
      for (Group& group : groups_) {
        if (!group.free || group.members.size() < 2) continue;
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

  const PlacementOf which_;
  std::vector<Node> nodes_;
  std::vector<Group> groups_;
  std::vector<std::vector<int>> pairs_;  // groups in which two nodes meet
};

}  // namespace

std::vector<GroupMembers> placement(const std::vector<PlacementNode>& nodes,
                                    const std::vector<GroupView>& groups, const PoolWidths& widths,
                                    PlacementOf which) {
  return Placement(nodes, groups, widths, which).decide(groups);
}

}  // namespace dfs
