// tasks, rebalance
#include <CLI/CLI.hpp>
#include <memory>

#include "broker/config.h"
#include "cli/commands.h"
#include "cli/nodes_view.h"

namespace dfs::cli {

namespace {

// What only waits for its next turn, as every node does with scrub and reclaim.
bool rests(const TaskView& task) {
  return task.state == TaskState::waiting && (task.kind == "scrub" || task.kind == "reclaim");
}

int list(Context& context, bool all) {
  auto tasks = context.session().run<TaskList>([](Client& client) { return client.tasks(); });
  if (!tasks) return context.fail("", tasks.error());
  if (!all) std::erase_if(tasks->tasks, rests);
  if (context.json()) {
    for (const TaskView& task : tasks->tasks) context.print(to_json(task));
    return context.status();
  }
  if (tasks->tasks.empty()) {
    context.print(all ? "nothing runs in the background"
                      : "nothing runs in the background; --all shows what waits for its next turn");
    return context.status();
  }
  std::string table = task_table(tasks->tasks);
  table.pop_back();
  context.print(table);
  return context.status();
}

Result<uint64_t> parse_rate(const std::string& text) {
  if (text.empty() || text == "0" || text == "none") return uint64_t{0};
  return parse_size(text);
}

Result<ControlTaskReply> send(Context& context, const ControlTask& request) {
  return context.session().run<ControlTaskReply>(
      [&](Client& client) { return client.control_task(request); });
}

int control(Context& context, const ControlTask& request) {
  auto reply = send(context, request);
  if (!reply) return context.fail(request.id, reply.error());
  if (context.json()) {
    JsonLine line;
    context.print(line.add("command", context.command).add("task", request.id).str());
    return context.status();
  }
  switch (request.action) {
    case TaskAction::pause:
      context.print(request.id + " is paused; go on with: dfsctl tasks resume " + request.id);
      break;
    case TaskAction::abort:
      context.print(request.id + " ends; what it has begun to move is finished");
      break;
    case TaskAction::limit:
      context.print(request.id + " may move " +
                    (request.bytes_per_second == 0
                         ? std::string("as much as it can")
                         : human_bytes(request.bytes_per_second) + "/s per node"));
      break;
    default:
      context.print(request.id + " goes on");
  }
  return context.status();
}

struct RebalanceOptions {
  bool dry_run = false;
  std::string rate;
};

int rebalance(Context& context, const RebalanceOptions& options) {
  auto rate = parse_rate(options.rate);
  if (!rate) return context.fail("--max-rate", rate.error());
  auto reply = send(context, {"rebalance", TaskAction::start, *rate, options.dry_run});
  if (!reply) return context.fail("", reply.error());
  if (context.json()) {
    for (const PlannedMove& move : reply->plan) context.print(to_json(move));
    return context.status();
  }
  if (reply->plan.empty()) {
    context.print("every node has its fair share already");
    return context.status();
  }
  uint64_t bytes = 0;
  for (const PlannedMove& move : reply->plan) bytes += move.bytes;
  std::string text = plan_table(reply->plan) + counted(reply->plan.size(), "move") + ", about " +
                     human_bytes(bytes);
  text += options.dry_run ? "; nothing was begun" : "; watch them with: dfsctl tasks";
  context.print(text);
  return context.status();
}

}  // namespace

void add_task_commands(CLI::App& app, Context& context) {
  auto* tasks = app.add_subcommand("tasks", "what runs in the background, and how far it is");
  tasks->require_subcommand(0, 1);
  tasks->fallthrough();
  auto everything = std::make_shared<bool>(false);
  tasks->add_flag("--all", *everything, "also what waits for its next turn");
  tasks->callback([&context, tasks, everything] {
    if (!tasks->get_subcommands().empty()) return;
    context.run = [&context, everything] { return list(context, *everything); };
  });
  const auto add = [&](const char* name, const char* help, TaskAction action) {
    auto* command = tasks->add_subcommand(name, help);
    auto id = std::make_shared<std::string>();
    auto rate = std::make_shared<std::string>();
    command->add_option("TASK", *id, "its name: repair, rebalance, drain/7")->required();
    if (action == TaskAction::limit) {
      command->add_option("RATE", *rate, "bytes per second and node, such as 50M; none: no limit")
          ->required();
    }
    command->callback([&context, id, rate, action] {
      context.run = [&context, id, rate, action] {
        auto bytes = parse_rate(*rate);
        if (!bytes) return context.fail("RATE", bytes.error());
        return control(context, {*id, action, *bytes, false});
      };
    });
  };
  add("pause", "begin nothing more", TaskAction::pause);
  add("resume", "go on", TaskAction::resume);
  add("abort", "give it up: a drained node stays, a rebalance moves no more", TaskAction::abort);
  add("limit", "set how much it may move", TaskAction::limit);

  auto* balancing = app.add_subcommand("rebalance", "give every node its fair share of the data");
  auto options = std::make_shared<RebalanceOptions>();
  balancing->add_flag("--dry-run", options->dry_run, "only show what would be moved");
  balancing->add_option("--max-rate", options->rate, "bytes per second and node, such as 50M");
  balancing->callback([&context, options] {
    context.run = [&context, options] { return rebalance(context, *options); };
  });
}

}  // namespace dfs::cli
