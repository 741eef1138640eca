// Why groups and nodes are as they are, in sentences. Pure: from the cluster map alone.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "messages/cluster.h"

namespace dfs::cli {

struct Reason {
  std::string what;  // for a program: "short", "same-host", "same-rack", "lacking", "leaving"
  GroupId group = 0;
  std::vector<NodeId> nodes;
  std::string text;
};

// What is not as it should be with a group, and why; nothing when all is well.
std::vector<Reason> explain_group(const ClusterMap& map, const GroupView& group);

// The same for all groups that `node` takes part in, or that are among `groups`.
std::vector<Reason> explain_groups(const ClusterMap& map, const std::set<GroupId>& groups);
std::vector<Reason> explain_node(const ClusterMap& map, NodeId node);

}  // namespace dfs::cli
