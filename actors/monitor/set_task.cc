#include <charconv>

#include "actors/monitor/guard.h"
#include "actors/monitor/operations.h"

namespace dfs {

namespace {

constexpr std::string_view kDrain = "drain/";

// The node of a task "drain/N"; 0 when it is no such task.
NodeId drained_node(const std::string& id) {
  if (!id.starts_with(kDrain)) return 0;
  NodeId node = 0;
  const char* const end = id.data() + id.size();
  const auto read = std::from_chars(id.data() + kDrain.size(), end, node);
  return read.ec == std::errc() && read.ptr == end ? node : 0;
}

Result<bool> holds_any(VersionedRows& rows, NodeId node) {
  bool holds = false;
  std::optional<Error> failed;
  const std::string prefix(1, keys::kGroup);
  DFS_CHECK(rows.scan(prefix, after_prefix(prefix), [&](auto, auto value) {
    auto row = decode<GroupRow>(value);
    if (!row) {
      failed = row.error();
      return false;
    }
    holds = holds || is_holder(*row, node);
    return !holds;
  }));
  if (failed) return *failed;
  return holds;
}

Error no_such_task(const std::string& id) {
  return Error{Code::not_found,
               "there is no task " + id + " at the moment; dfsctl tasks lists those that are",
               {{"task", id}},
               0};
}

Error no_such_action(const std::string& id, const std::string& can) {
  return Error{Code::invalid,
               "that cannot be done to the task " + id + "; what can be: " + can,
               {{"task", id}},
               0};
}

// Changes the settings; what is left is up to the kind of the task.
void apply(VersionedRows& rows, const ControlTask& request, TaskRow& task) {
  switch (request.action) {
    case TaskAction::start:
      if (!task.active) task.began_ms = rows.time_ms();
      task.active = true;
      task.paused = false;
      task.bytes_per_second = request.bytes_per_second;
      break;
    case TaskAction::pause:
      task.paused = true;
      break;
    case TaskAction::resume:
      task.paused = false;
      break;
    case TaskAction::abort:
      task.active = false;
      task.paused = false;
      break;
    case TaskAction::limit:
      task.bytes_per_second = request.bytes_per_second;
      break;
  }
}

Result<void> abort_drain(VersionedRows& rows, NodeId node) {
  const SetStanding in{node, NodeStanding::in, false, "its drain was aborted"};
  const auto changed = set_standing(rows, in);
  if (!changed) return changed.error();
  return {};
}

// Says whether the task may be so controlled.
Result<void> check(VersionedRows& rows, const ControlTask& request, bool active) {
  const bool start = request.action == TaskAction::start;
  const bool abort = request.action == TaskAction::abort;
  if (request.id == "repair") {
    if (start || abort) return no_such_action(request.id, "pause, resume, limit");
    return {};
  }
  if (request.id == "rebalance") {
    if (!active && !start) return no_such_task(request.id);
    return {};
  }
  const NodeId node = drained_node(request.id);
  if (node == 0) {
    return Error{Code::not_found,
                 "no task " + request.id +
                     " is controlled here; those that are: repair, "
                     "rebalance, drain/N",
                 {{"task", request.id}},
                 0};
  }
  auto row = rows.get<NodeRow>(keys::node(node));
  if (!row) return row.error();
  if (!*row || (*row)->standing != NodeStanding::draining) return no_such_task(request.id);
  if (start) return no_such_action(request.id, "pause, resume, abort, limit");
  return {};
}

}  // namespace

Result<ControlTaskReply> control_task(VersionedRows& rows, const ControlTask& request) {
  const std::string key = keys::task(request.id);
  auto row = rows.get<TaskRow>(key);
  if (!row) return row.error();
  TaskRow task = row->value_or(TaskRow());
  const bool before = task.active;
  DFS_CHECK(check(rows, request, before));
  ControlTaskReply reply;
  reply.receipt = rows.receipt();
  apply(rows, request, task);
  if (!before && task.active) rows.note("task-began", {{"id", request.id}});
  if (before && !task.active) {
    rows.note("task-done", {{"id", request.id}, {"reason", "it was aborted"}});
  }
  rows.put(key, task);
  if (request.action != TaskAction::abort || drained_node(request.id) == 0) return reply;
  DFS_CHECK(abort_drain(rows, drained_node(request.id)));
  return reply;
}

// What the leader found out: there is work, or it is done. Pauses and limits may have been changed
// by an administrator meanwhile, so only `active` is taken from it.
Result<Done> set_task(VersionedRows& rows, const SetTask& request) {
  const std::string key = keys::task(request.id);
  auto row = rows.get<TaskRow>(key);
  if (!row) return row.error();
  TaskRow task = row->value_or(TaskRow());
  if (task.active == request.active) return Done{};
  const NodeId drained = drained_node(request.id);
  if (drained != 0 && !request.active) {
    auto holds = holds_any(rows, drained);
    if (!holds) return holds.error();
    if (*holds) return Done{};
    rows.note("node-drained", {{"node", std::to_string(drained)}});
  }
  task.active = request.active;
  if (request.active) task.began_ms = rows.time_ms();
  rows.note(request.active ? "task-began" : "task-done", {{"id", request.id}});
  rows.put(key, task);
  return Done{};
}

}  // namespace dfs
