// How storage nodes and work in the background are shown.
#pragma once

#include <string>
#include <vector>

#include "cli/output.h"
#include "messages/cluster.h"
#include "messages/tasks.h"

namespace dfs::cli {

std::string joined(const std::vector<std::string>& words, std::string_view between);
std::string share_of(uint64_t part, uint64_t whole);  // "17%", "-" of nothing

// "up", "down", "up, draining", "down, out", "full", "up, 1 of 3 disks failed".
std::string state_text(const NodeStatus& node);
// One row per node.
std::string node_table(const ClusterStatus& status);

const char* name_of(TaskState state);
// One row per task.
std::string task_table(const std::vector<TaskView>& tasks);
// One row per planned move of a copy.
// What must be said to accept that these groups lose what only the node has: "5-3-0a1b2c3d". It
// changes with them, so nobody accepts more than was shown.
std::string loss_confirmation(NodeId node, const std::vector<GroupId>& groups);
std::string plan_table(const std::vector<PlannedMove>& plan);

}  // namespace dfs::cli
