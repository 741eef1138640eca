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
  std::string host;            // failure domain; empty: the node is its own
  uint64_t capacity = 0;       // its share of the groups is proportional to this
  bool usable = true;          // may take over copies
  std::string rack = {};       // the wider failure domain
  bool to_be_emptied = false;  // its copies are wanted elsewhere, even of groups in use
};

// Which groups may change. Those that hold data change by moves, which copy it.
enum class PlacementOf {
  unused,   // groups without data get what is best for them
  wanting,  // groups in use replace members that are to be emptied, and gain those they are short
            // of
  uneven,   // groups in use hand over members until everyone has a fair share
};

// How many members a group of each pool should have, by the pool's number; the first one counts for
// pools that are not there.
using PoolWidths = std::vector<uint32_t>;

// The groups whose members should change so that every group of that kind has as many distinct
// nodes as its pool wants (all usable ones when there are fewer): on distinct hosts, and then
// racks, as far as there are enough; with each node's share, and its share of chain heads,
// proportional to its capacity; and so that the other copies of what one node holds are spread over
// all others, which then share the work of replacing it. As little changes as that allows.
std::vector<GroupMembers> placement(const std::vector<PlacementNode>& nodes,
                                    const std::vector<GroupView>& groups, const PoolWidths& widths,
                                    PlacementOf which = PlacementOf::unused);

// A node as a target of new blocks.
struct TargetNode {
  NodeId node = 0;
  bool live = false;        // up and accepting writes
  uint64_t free_bytes = 0;  // blocks go to nodes in proportion to this
  bool stays = true;        // it is not about to hand over what it has
};

struct LayoutRequest {
  uint64_t blocks = 1;
  uint32_t replicas = 1;
  uint32_t min_copies = 1;
  std::vector<NodeId> avoid;  // just failed the writer
};

// The groups of a layout, one per block up to kLayoutGroupsMax, chosen so that after any number of
// blocks the copies, and the chain heads, are spread evenly over the nodes. Groups with all members
// live, staying and none to avoid come first, and of those the complete ones, unless they are few;
// then groups with all members live and none to avoid; then with min_copies such members; then with
// min_copies live members. Empty when there is none of those either. Ties are broken by `random`.
std::vector<GroupId> choose_layout(const std::vector<TargetNode>& nodes,
                                   const std::vector<GroupView>& groups,
                                   const LayoutRequest& request,
                                   const std::function<uint64_t()>& random);

}  // namespace dfs
