// Who holds what: pure decisions, without the world. The group table decides which nodes hold the
// replicas of each group; a layout decides over which groups the blocks of one object go.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "actors/monitor/commands.h"
#include "messages/cluster.h"

namespace dfs {

// A node as a candidate for the group table.
struct PlacementNode {
  NodeId node = 0;
  std::string host;       // failure domain; empty: the node is its own
  uint64_t capacity = 0;  // its share of the groups is proportional to this
  bool usable = true;     // false: keeps what it has in used groups, gets nothing new
};

// The groups whose members should change so that every group has `replicas` distinct usable nodes
// (all of them when there are fewer), on distinct hosts where possible, with each node's share, and
// its share of chain heads, proportional to its capacity. Groups in use only gain members, while
// they are short. Others change as little as a fair share for everyone allows.
std::vector<GroupMembers> placement(const std::vector<PlacementNode>& nodes,
                                    const std::vector<GroupView>& groups, uint32_t replicas);

// A node as a target of new blocks.
struct TargetNode {
  NodeId node = 0;
  bool live = false;        // up and accepting writes
  uint64_t free_bytes = 0;  // blocks go to nodes in proportion to this
};

struct LayoutRequest {
  uint64_t blocks = 1;
  uint32_t replicas = 1;
  uint32_t min_copies = 1;
  std::vector<NodeId> avoid;  // just failed the writer
};

// The groups of a layout, one per block up to kLayoutGroupsMax, chosen so that after any number of
// blocks the copies, and the chain heads, are spread evenly over the nodes. Groups with all members
// live and none to avoid come first; without any, groups with min_copies such members; without any,
// groups with min_copies live members. Empty when there is none of those either. Ties are broken
// by `random`.
std::vector<GroupId> choose_layout(const std::vector<TargetNode>& nodes,
                                   const std::vector<GroupView>& groups,
                                   const LayoutRequest& request,
                                   const std::function<uint64_t()>& random);

}  // namespace dfs
