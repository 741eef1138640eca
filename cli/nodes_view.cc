#include "cli/nodes_view.h"

#include "messages/crc32c.h"

namespace dfs::cli {

using Align = TextTable::Align;

std::string joined(const std::vector<std::string>& words, std::string_view between) {
  std::string out;
  for (const auto& word : words) out.append(out.empty() ? "" : between).append(word);
  return out;
}

std::string share_of(uint64_t part, uint64_t whole) {
  return whole == 0 ? "-" : std::to_string(part * 100 / whole) + "%";
}

std::string state_text(const NodeStatus& node) {
  const Heartbeat& beat = node.heartbeat;
  const bool up = node.view.state == NodeState::up;
  std::string text = !up ? "down" : beat.accepts_writes ? "up" : "full";
  if (node.view.standing == NodeStanding::draining) text += ", draining";
  if (node.view.standing == NodeStanding::out) text += ", out";
  if (up && beat.directories_failed != 0) {
    text += ", " + std::to_string(beat.directories_failed) + " of " +
            std::to_string(beat.directories) + " disks failed";
  }
  return text;
}

std::string node_table(const ClusterStatus& status) {
  TextTable table({{"NODE", Align::right},
                   {"STATE"},
                   {"HOST"},
                   {"ENDPOINT"},
                   {"USED", Align::right},
                   {"TOTAL", Align::right},
                   {"FULL", Align::right},
                   {"BLOCKS", Align::right},
                   {"BAD", Align::right},
                   {"GROUPS", Align::right},
                   {"QUEUE", Align::right},
                   {"HEARD", Align::right}});
  for (const NodeStatus& node : status.nodes) {
    const Heartbeat& beat = node.heartbeat;
    const uint64_t total = beat.total_bytes != 0 ? beat.total_bytes : node.view.total_bytes;
    const bool heard = beat.sequence != 0 || beat.boot != 0;
    table.add({std::to_string(node.view.node), state_text(node), printable(node.view.host),
               node.view.endpoint, heard ? human_bytes(beat.used_bytes) : "-", human_bytes(total),
               heard ? share_of(beat.used_bytes, total) : "-", std::to_string(beat.blocks),
               std::to_string(beat.blocks_bad), std::to_string(node.groups),
               std::to_string(beat.jobs_queued),
               human_duration(std::chrono::milliseconds(node.silent_ms)) + " ago"});
  }
  return table.str();
}

const char* name_of(TaskState state) {
  switch (state) {
    case TaskState::running:
      return "running";
    case TaskState::paused:
      return "paused";
    case TaskState::waiting:
      return "waiting";
    case TaskState::done:
      return "done";
    case TaskState::failed:
      return "failed";
  }
  return "unknown";
}

std::string task_table(const std::vector<TaskView>& tasks) {
  TextTable table({{"TASK"},
                   {"STATE"},
                   {"GROUPS LEFT", Align::right},
                   {"DONE", Align::right},
                   {"OF", Align::right},
                   {"RATE", Align::right},
                   {"LIMIT", Align::right},
                   {"LEFT", Align::right},
                   {"WHAT"}});
  const auto rate = [](uint64_t bytes) { return bytes == 0 ? "-" : human_bytes(bytes) + "/s"; };
  for (const TaskView& task : tasks) {
    const std::string left =
        task.eta_ms < 0 ? "-" : human_duration(std::chrono::milliseconds(task.eta_ms));
    table.add({printable(task.id), name_of(task.state), std::to_string(task.groups_left),
               human_bytes(task.bytes_done),
               task.bytes_total == 0 ? "-" : human_bytes(task.bytes_total),
               rate(task.bytes_per_second), rate(task.limit), left, printable(task.text)});
  }
  return table.str();
}

std::string loss_confirmation(NodeId node, const std::vector<GroupId>& groups) {
  std::string names;
  for (const GroupId group : groups) names += std::to_string(group) + ",";
  return std::to_string(node) + "-" + std::to_string(groups.size()) + "-" +
         hex32(crc32c(names.data(), names.size()));
}

std::string plan_table(const std::vector<PlannedMove>& plan) {
  TextTable table({{"GROUP", Align::right},
                   {"FROM", Align::right},
                   {"TO", Align::right},
                   {"ABOUT", Align::right}});
  for (const PlannedMove& move : plan) {
    table.add({std::to_string(move.group), move.from == 0 ? "-" : std::to_string(move.from),
               std::to_string(move.to), human_bytes(move.bytes)});
  }
  return table.str();
}

}  // namespace dfs::cli
