// node list|info|drain|undrain, scrub
#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>

#include "cli/agents_view.h"
#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/nodes_view.h"

namespace dfs::cli {

namespace {

Result<ClusterStatus> ask_status(Context& context) {
  return context.session().run<ClusterStatus>([](Client& client) { return client.status(); });
}

Error no_such_node(const ClusterStatus& status, NodeId node) {
  std::vector<std::string> numbers;
  for (const NodeStatus& known : status.nodes) numbers.push_back(std::to_string(known.view.node));
  const std::string there =
      numbers.empty() ? "no node has joined" : "the nodes are " + joined(numbers, ", ");
  return {Code::not_found, "there is no node " + std::to_string(node) + "; " + there, {}, 0};
}

Result<NodeStatus> find_node(Context& context, NodeId node) {
  auto status = ask_status(context);
  if (!status) return std::move(status).error();
  for (NodeStatus& known : status->nodes) {
    if (known.view.node == node) return std::move(known);
  }
  return no_such_node(*status, node);
}

int list(Context& context) {
  auto status = ask_status(context);
  if (!status) return context.fail("", status.error());
  if (context.json()) {
    for (const NodeStatus& node : status->nodes) context.print(to_json(node));
    return context.status();
  }
  std::string table = node_table(*status);
  table.pop_back();
  context.print(table);
  return context.status();
}

// The groups that count on the node, and how.
struct Duties {
  uint32_t complete = 0;
  uint32_t lacking = 0;
  uint32_t leaving = 0;
};

Duties duties_of(const ClusterMap& map, NodeId node) {
  Duties duties;
  for (const GroupView& group : map.groups) {
    if (group.is_leaving(node)) ++duties.leaving;
    if (!group.has_member(node)) continue;
    ++(group.lacks(node) ? duties.lacking : duties.complete);
  }
  return duties;
}

int info(Context& context, NodeId number) {
  auto node = find_node(context, number);
  if (!node) return context.fail("", node.error());
  auto map = context.session().run<ClusterMap>([](Client& client) { return client.map(); });
  if (!map) return context.fail("", map.error());
  const Duties duties = duties_of(*map, number);
  const auto agents =
      context.session().run<AgentList>([](Client& client) { return client.agents(); });
  const std::string keeper = agents ? agent_of_node(agents->agents, number) : std::string();
  if (context.json()) {
    JsonLine line;
    line.raw("node", to_json(*node)).add("groups_complete", duties.complete);
    line.add("groups_lacking", duties.lacking).add("groups_leaving", duties.leaving);
    if (!keeper.empty()) line.add("agent", keeper);
    context.print(line.str());
    return context.status();
  }
  const Heartbeat& beat = node->heartbeat;
  const NodeView& view = node->view;
  context.print("node     " + std::to_string(view.node) + ", " + state_text(*node) + ", heard " +
                human_duration(std::chrono::milliseconds(node->silent_ms)) + " ago");
  context.print("uuid     " + view.uuid);
  context.print("at       " + view.endpoint + ", host " + printable(view.host) +
                (view.rack.empty() ? "" : ", rack " + printable(view.rack)));
  context.print("space    " + human_bytes(beat.used_bytes) + " of " +
                human_bytes(beat.total_bytes) + " used, " + counted(beat.blocks, "block") + ", " +
                std::to_string(beat.blocks_bad) + " damaged");
  context.print("disks    " + std::to_string(beat.directories) + ", " +
                std::to_string(beat.directories_failed) + " failed");
  context.print("groups   " + std::to_string(duties.complete) + " complete, " +
                std::to_string(duties.lacking) + " being filled, " +
                std::to_string(duties.leaving) + " being left");
  if (!keeper.empty()) context.print("agent    " + keeper);
  for (const NodeJob& job : beat.jobs) {
    std::string line = job.kind + std::string(job.kind.size() < 9 ? 9 - job.kind.size() : 1, ' ') +
                       job.state + ", " + human_bytes(job.done) + " done";
    if (job.total != 0) line += " of " + human_bytes(job.total);
    if (job.until_ms != 0) line += ", next " + human_time(job.until_ms);
    context.print(line);
  }
  return context.status();
}

int change(Context& context, NodeId number, NodeAction action) {
  auto node = find_node(context, number);
  if (!node) return context.fail("", node.error());
  auto changed = context.session().run<ChangeNodeReply>(
      [&](Client& client) { return client.change_node(number, action); });
  if (!changed) return context.fail("", changed.error());
  if (context.json()) {
    JsonLine line;
    line.add("command", context.command).add("node", number);
    context.print(line.add("groups_left", changed->groups_left).str());
    return context.status();
  }
  const std::string name = "storage/" + std::to_string(number);
  switch (action) {
    case NodeAction::drain:
      context.print(name + " hands over " + counted(changed->groups_left, "group") +
                    "; watch it with: dfsctl tasks; when it is empty: dfsctl node remove " +
                    std::to_string(number));
      break;
    case NodeAction::undrain:
      context.print(name + " keeps what it has and takes new data again");
      break;
    case NodeAction::remove:
      break;  // commands_removal.cc
  }
  return context.status();
}

std::string scrub_text(const ScrubStatus& status) {
  std::string text = "storage/" + std::to_string(status.node) + ": " + status.state + ", " +
                     human_bytes(status.bytes_done) + " of " + human_bytes(status.bytes_total) +
                     " checked in this pass, " + counted(status.bad_found, "damaged block") +
                     " found, " + std::to_string(status.bad_now) + " not yet replaced";
  if (status.last_finished_ms != 0) {
    text += "; last pass ended " + human_time(status.last_finished_ms);
  }
  if (status.next_ms != 0) text += "; next begins " + human_time(status.next_ms);
  return text;
}

// Of all nodes that are up, or of one.
int scrub(Context& context, NodeId number, ScrubAction action) {
  auto status = ask_status(context);
  if (!status) return context.fail("", status.error());
  bool found = false;
  for (const NodeStatus& node : status->nodes) {
    if (number != 0 && node.view.node != number) continue;
    found = true;
    const std::string name = "storage/" + std::to_string(node.view.node);
    if (node.view.state != NodeState::up) {
      context.fail(name, Error{Code::unavailable, "it is down", {}, 0});
      continue;
    }
    auto scrubbed = context.session().run<ScrubStatus>(
        [&](Client& client) { return client.control_scrub(node.view, action); });
    if (!scrubbed) {
      context.fail(name, scrubbed.error());
      continue;
    }
    context.print(context.json() ? to_json(*scrubbed) : scrub_text(*scrubbed));
  }
  if (!found && number != 0) return context.fail("", no_such_node(*status, number));
  return context.status();
}

using WithNode = std::function<int(NodeId)>;

void add_with_node(CLI::App& parent, Context& context, const char* name, const char* help,
                   bool required, WithNode run) {
  auto* command = parent.add_subcommand(name, help);
  auto node = std::make_shared<NodeId>(0);
  auto* option = command->add_option("NODE", *node, "its number, as node list shows it");
  option->check([](const std::string& text) { return not_a_number(text, 1); });
  if (required) option->required();
  command->callback(
      [&context, node, run = std::move(run)] { context.run = [node, run] { return run(*node); }; });
}

}  // namespace

void add_node_commands(CLI::App& app, Context& context) {
  auto* node = app.add_subcommand("node", "the storage nodes, which keep the blocks");
  node->require_subcommand(1);
  node->fallthrough();
  auto* listing = node->add_subcommand("list", "state, space and load of every node");
  listing->callback([&context] { context.run = [&context] { return list(context); }; });
  add_with_node(*node, context, "info", "all that is known of a node", true,
                [&context](NodeId number) { return info(context, number); });
  const auto changing = [&](const char* name, const char* help, NodeAction action) {
    add_with_node(*node, context, name, help, true,
                  [&context, action](NodeId number) { return change(context, number, action); });
  };
  add_agent_commands(*node, context);
  changing("drain", "have others take over all that a node holds", NodeAction::drain);
  changing("undrain", "let a node keep what it has, and take new data", NodeAction::undrain);
  add_removal_command(*node, context);

  auto* scrubbing = app.add_subcommand("scrub", "the check of all stored bytes");
  scrubbing->require_subcommand(1);
  scrubbing->fallthrough();
  const auto controlling = [&](const char* name, const char* help, ScrubAction action) {
    add_with_node(*scrubbing, context, name, help, false,
                  [&context, action](NodeId number) { return scrub(context, number, action); });
  };
  controlling("status", "how far it is, on one node or on all", ScrubAction::status);
  controlling("start", "begin a pass, or go on with a paused one", ScrubAction::start);
  controlling("pause", "stop until it is started again", ScrubAction::pause);
}

}  // namespace dfs::cli
