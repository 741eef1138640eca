// Repairs: what is under way, for those who look, pause and limit.
#include <algorithm>

#include "actors/monitor/repairs.h"
#include "actors/monitor/versioned_rows.h"

namespace dfs {

namespace {

constexpr Duration kRateOver = std::chrono::seconds(10);
constexpr Duration kRepairRests =
    std::chrono::seconds(2);  // so that it does not end and begin anew

std::string drain_of(NodeId node) {
  return "drain/" + std::to_string(node);
}

}  // namespace

void Repairs::load_tasks() {
  std::vector<std::string> ids{"repair", "rebalance"};
  for (const NodeView& node : world_.cluster.map().nodes) {
    if (node.standing == NodeStanding::draining) ids.push_back(drain_of(node.node));
  }
  Rows rows(world_.table);
  tasks_.clear();
  for (const std::string& id : ids) {
    const auto row = rows.get<TaskRow>(keys::task(id));
    if (row && *row) tasks_[id] = **row;
  }
}

const TaskRow& Repairs::task(const std::string& id) const {
  static const TaskRow none;
  const auto found = tasks_.find(id);
  return found == tasks_.end() ? none : found->second;
}

uint64_t Repairs::limit(const std::string& id) const {
  const uint64_t own = task(id).bytes_per_second;
  return own != 0 ? own : world_.settings.repair_bytes_per_second;
}

// Whose work a group is: that of a drain while a node leaves that is drained, of a rebalance while
// only nodes leave that could as well have stayed.
std::string Repairs::task_of(const GroupView& group) const {
  bool all_well = !group.leaving.empty();
  for (const NodeId leaving : group.leaving) {
    const NodeView* const node = world_.cluster.node(leaving);
    if (node != nullptr && node->standing == NodeStanding::draining) return drain_of(leaving);
    all_well = all_well && node != nullptr && node->state == NodeState::up &&
               node->standing == NodeStanding::in;
  }
  return all_well ? "rebalance" : "repair";
}

void Repairs::set_active(const std::string& id, bool active) {
  if (task(id).active == active || !proposed_.insert(id).second) return;
  if (active) progress_.erase(id);
  propose(SetTask{id, active, false, 0},
          [this, id](const Result<Outcome>&) { proposed_.erase(id); });
}

void Repairs::begin_and_end_tasks() {
  const Instant now = world_.bus.now();
  bool repairing = false;
  std::set<NodeId> holders;
  for (const GroupView& group : world_.cluster.map().groups) {
    holders.insert(group.members.begin(), group.members.end());
    holders.insert(group.leaving.begin(), group.leaving.end());
    const bool moving = !group.leaving.empty() || !group.lacking.empty();
    repairing = repairing || (moving && task_of(group) == "repair");
  }
  if (repairing) repair_seen_ = now;
  if (repairing || now - repair_seen_ >= kRepairRests) set_active("repair", repairing);
  for (const NodeView& node : world_.cluster.map().nodes) {
    if (node.standing != NodeStanding::draining || holders.contains(node.node)) continue;
    set_active(drain_of(node.node), false);
  }
  for (auto& [id, progress] : progress_) {
    while (!progress.recent.empty() && now - progress.recent.front().first > kRateOver) {
      progress.recent.pop_front();
    }
  }
}

// An even part of all content: what a group holds is known to its nodes alone.
uint64_t Repairs::bytes_about(const GroupView& group) const {
  if (!group.used) return 0;
  Rows rows(world_.table);
  const auto content = rows.get<ContentRow>(keys::content());
  if (!content || !*content) return 0;
  const std::vector<GroupView>& all = world_.cluster.map().groups;
  const auto used =
      std::count_if(all.begin(), all.end(), [](const GroupView& other) { return other.used; });
  return (*content)->live_bytes / static_cast<uint64_t>(std::max<int64_t>(used, 1));
}

std::vector<PlannedMove> Repairs::described(const std::vector<GroupMove>& moves) const {
  std::vector<PlannedMove> plan;
  for (const GroupMove& move : moves) {
    const GroupView* const group = world_.cluster.group(move.group);
    if (group == nullptr) continue;
    std::vector<NodeId> gone;
    for (const NodeId member : group->members) {
      if (std::find(move.members.begin(), move.members.end(), member) == move.members.end()) {
        gone.push_back(member);
      }
    }
    size_t next = 0;
    for (const NodeId member : move.members) {
      if (group->has_member(member)) continue;
      plan.push_back(
          {move.group, next < gone.size() ? gone[next] : 0, member, bytes_about(*group)});
      ++next;
    }
  }
  return plan;
}

// Adds what is left to do: of running fills as they tell, of others about.
void Repairs::count_left(TaskView& view) const {
  uint64_t left = 0;
  for (const GroupView& group : world_.cluster.map().groups) {
    const bool moving = !group.leaving.empty() || !group.lacking.empty();
    const bool drained = view.kind == "drain" &&
                         std::any_of(group.members.begin(), group.members.end(),
                                     [&](NodeId member) { return drain_of(member) == view.id; });
    if (!drained && (!moving || task_of(group) != view.id)) continue;
    ++view.groups_left;
    if (drained) left += bytes_about(group);
    for (const Lack& lack : group.lacking) {
      if (!group.has_member(lack.node)) continue;
      const auto fill = fills_.find({group.group, lack.node});
      const bool known = fill != fills_.end() && fill->second.last.bytes_total > 0;
      left += known ? fill->second.last.bytes_total -
                          std::min(fill->second.last.bytes_total, fill->second.last.bytes_done)
                    : bytes_about(group);
    }
  }
  view.bytes_total = view.bytes_done + left;
  if (view.bytes_per_second > 0) {
    view.eta_ms = static_cast<int64_t>(left * 1000 / view.bytes_per_second);
  }
}

TaskView Repairs::view_of(const std::string& id) const {
  const TaskRow& row = task(id);
  TaskView view;
  view.id = id;
  view.kind = id.substr(0, id.find('/'));
  view.limit = limit(id);
  view.began_ms = row.began_ms;
  const auto progress = progress_.find(id);
  if (progress != progress_.end()) {
    view.blocks_done = progress->second.blocks;
    view.bytes_done = progress->second.bytes;
    uint64_t recent = 0;
    for (const auto& [when, bytes] : progress->second.recent) recent += bytes;
    view.bytes_per_second = recent / static_cast<uint64_t>(kRateOver / std::chrono::seconds(1));
  }
  count_left(view);
  const auto filling = std::count_if(fills_.begin(), fills_.end(),
                                     [&](const auto& entry) { return entry.second.task == id; });
  if (row.paused) {
    view.state = TaskState::paused;
    view.text = "paused by an administrator";
  } else if (view.groups_left == 0) {
    view.state = row.active ? TaskState::running : TaskState::done;
    view.text = row.active ? "nothing is left to do" : "done";
  } else if (filling == 0) {
    view.state = TaskState::waiting;
    view.text = "waits for nodes that are down, or for nodes to take the copies";
  } else {
    view.text = std::to_string(filling) + " groups are being filled now";
  }
  const std::string parked = why_parked(id);
  if (view.groups_left > 0 && !parked.empty()) view.text += "; " + parked;
  return view;
}

void Repairs::add_jobs(std::vector<TaskView>& views) const {
  for (const NodeView& node : world_.cluster.map().nodes) {
    const Heartbeat* const heartbeat = world_.members.last(node.node);
    if (heartbeat == nullptr || node.state != NodeState::up) continue;
    for (const NodeJob& job : heartbeat->jobs) {
      TaskView view;
      view.kind = job.kind;
      view.id = job.kind + "/" + std::to_string(node.node);
      view.state = job.state == "running"  ? TaskState::running
                   : job.state == "paused" ? TaskState::paused
                                           : TaskState::waiting;
      view.bytes_done = job.done;
      view.bytes_total = job.total;
      view.text = job.kind == "scrub" ? std::to_string(job.found) + " damaged blocks found"
                                      : std::to_string(job.found) + " blocks removed";
      views.push_back(std::move(view));
    }
  }
}

std::vector<TaskView> Repairs::tasks() {
  load_tasks();
  std::vector<TaskView> views;
  for (const auto& [id, row] : tasks_) {
    const bool shown = row.active || row.paused || (id == "repair" && row.bytes_per_second != 0);
    if (shown) views.push_back(view_of(id));
  }
  add_jobs(views);
  return views;
}

}  // namespace dfs
