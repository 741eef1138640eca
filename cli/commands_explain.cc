// explain
#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>

#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/explain.h"

namespace dfs::cli {

namespace {

constexpr size_t kShown = 20;  // reasons; --json has all of them

int show(Context& context, const std::string& subject, const std::vector<Reason>& reasons,
         const std::string& well) {
  if (context.json()) {
    for (const Reason& reason : reasons) {
      std::string nodes;
      for (const NodeId node : reason.nodes) {
        nodes += (nodes.empty() ? "" : ",") + std::to_string(node);
      }
      JsonLine line;
      line.add("subject", subject).add("what", reason.what).add("group", reason.group);
      context.print(line.raw("nodes", "[" + nodes + "]").add("text", reason.text).str());
    }
    return context.status();
  }
  if (reasons.empty()) {
    context.print(well);
    return context.status();
  }
  for (size_t i = 0; i < reasons.size() && i < kShown; ++i) {
    context.print("group " + std::to_string(reasons[i].group) + ": " + reasons[i].text);
  }
  if (reasons.size() > kShown) {
    context.print("and " + std::to_string(reasons.size() - kShown) + " more; --json shows all");
  }
  return context.status();
}

int explain_path(Context& context, const ClusterMap& map, const std::string& text) {
  auto path = normal_path(text);
  if (!path) return context.fail(text, path.error());
  auto opened =
      context.session().run<OpenFileReply>([&](Client& client) { return client.open(*path); });
  if (!opened) return context.fail(*path, opened.error());
  const Layout& layout = opened->layout;
  if (opened->info.encrypted && !context.json()) {
    context.print(Context::shown(*path) +
                  " is encrypted: storage nodes hold what nobody can read without the heads");
  }
  if (opened->info.object == 0) {
    context.print(Context::shown(*path) + " is small: it is kept with its name, on every head");
    return context.status();
  }
  std::set<GroupId> groups(layout.groups.begin(), layout.groups.end());
  for (const Override& override : layout.overrides) groups.insert(override.group);
  return show(context, *path, explain_groups(map, groups),
              "all is well: its " + counted(groups.size(), "group") +
                  " have as many complete copies as their pool asks for, on separate hosts");
}

int explain_storage(Context& context, const ClusterMap& map, NodeId number) {
  const auto node = std::find_if(map.nodes.begin(), map.nodes.end(),
                                 [&](const NodeView& view) { return view.node == number; });
  const std::string name = "storage/" + std::to_string(number);
  if (node == map.nodes.end()) {
    return context.fail(
        name, Error{Code::not_found, "there is no such node; see dfsctl node list", {}, 0});
  }
  if (!context.json()) {
    if (node->state == NodeState::down) context.print(name + " is down: it sends no heartbeats");
    if (node->standing == NodeStanding::draining) {
      context.print(name + " is drained: it takes nothing new, and others take over what it has");
    }
    if (node->standing == NodeStanding::out) {
      context.print(name +
                    " was down for longer than --repair-after: others take over its copies; "
                    "when it is back it takes data again");
    }
  }
  return show(context, name, explain_node(map, number),
              "every group it takes part in is as it should be");
}

int explain(Context& context, const std::string& subject) {
  auto map = context.session().run<ClusterMap>([](Client& client) { return client.map(); });
  if (!map) return context.fail("", map.error());
  if (subject.starts_with("/")) return explain_path(context, *map, subject);
  const std::string number =
      subject.starts_with("storage/") ? subject.substr(sizeof "storage/" - 1) : subject;
  if (not_a_number(number, 1).empty()) {
    return explain_storage(context, *map, static_cast<NodeId>(std::stoul(number)));
  }
  return context.fail(subject,
                      Error{Code::usage, "it is neither an absolute path nor a node", {}, 0});
}

}  // namespace

void add_explain_command(CLI::App& app, Context& context) {
  auto* command =
      app.add_subcommand("explain", "why copies of a file, or of a node, are where they are");
  auto subject = std::make_shared<std::string>();
  command->add_option("SUBJECT", *subject, "a path, or a node such as 3 or storage/3")->required();
  command->callback([&context, subject] {
    *subject = unshielded(*subject);
    context.run = [&context, subject] { return explain(context, *subject); };
  });
}

}  // namespace dfs::cli
