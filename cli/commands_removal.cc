// node remove
#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>

#include "cli/arguments.h"
#include "cli/check_view.h"
#include "cli/commands.h"
#include "cli/nodes_view.h"

namespace dfs::cli {

namespace {

constexpr size_t kFindingsShown = 20;

struct Removal {
  NodeId node = 0;
  bool accept_loss = false;
  std::string confirmation;

  std::string name() const { return "storage/" + std::to_string(node); }
  std::string text() const { return "dfsctl node remove " + std::to_string(node); }
};

Result<ChangeNodeReply> ask(Context& context, const Removal& removal, bool dry_run,
                            std::vector<GroupId> accepted = {}) {
  ChangeNode request;
  request.node = removal.node;
  request.action = NodeAction::remove;
  request.dry_run = dry_run;
  request.accept_loss = !dry_run && removal.accept_loss;
  request.accepted = std::move(accepted);
  return context.session().run<ChangeNodeReply>(
      [&](Client& client) { return client.change_node(request); });
}

int remove(Context& context, const Removal& removal, std::vector<GroupId> accepted) {
  auto removed = ask(context, removal, false, std::move(accepted));
  if (!removed) return context.fail("", removed.error());
  if (context.json()) {
    JsonLine line;
    line.add("command", context.command).add("node", removal.node);
    context.print(line.add("groups_left", removed->groups_left).str());
    return context.status();
  }
  context.print(removal.name() +
                " is no longer part of the cluster, and its dfsd, if it runs, ends by itself. To "
                "use the machine again, start it with an empty directory");
  return context.status();
}

// Blocks of which nobody that answers has a good copy, and the node should have one.
Result<std::vector<FsckFinding>> blocks_at_risk(Context& context, const Removal& removal) {
  std::vector<FsckFinding> found;
  FsckOptions options;
  options.files_only = true;
  options.jobs = 4 * context.options.jobs;
  options.found = [&](const FsckFinding& finding) {
    const auto& nodes = finding.nodes;
    const bool its = std::find(nodes.begin(), nodes.end(), removal.node) != nodes.end();
    if (finding.fault == FsckFault::no_copy && its) found.push_back(finding);
  };
  const auto summary =
      context.session().run<FsckSummary>([&](Client& client) { return client.fsck(options); });
  if (!summary) return summary.error();
  return found;
}

std::string names_of(const std::vector<GroupId>& groups) {
  std::vector<std::string> names;
  for (const GroupId group : groups) names.push_back(std::to_string(group));
  return joined(names, ", ");
}

void show_json(Context& context, const Removal& removal, const ChangeNodeReply& refusal,
               const std::vector<FsckFinding>& blocks) {
  for (const FsckFinding& finding : blocks) context.print(finding_json(finding));
  JsonLine line;
  line.add("command", context.command).add("node", removal.node);
  line.add("groups_left", refusal.groups_left);
  line.raw("losing", "[" + names_of(refusal.losing) + "]").add("blocks", blocks.size());
  if (!refusal.losing.empty()) {
    line.add("confirm", loss_confirmation(removal.node, refusal.losing));
  }
  context.print(line.str());
}

void show(Context& context, const Removal& removal, const ChangeNodeReply& refusal,
          const std::vector<FsckFinding>& blocks) {
  if (refusal.losing.empty()) {
    context.print("nothing would be lost with " + removal.name() +
                  (refusal.groups_left == 0
                       ? "; remove it with: " + removal.text()
                       : "; " + counted(refusal.groups_left, "group") +
                             " are still being repaired without it; watch it with: dfsctl tasks"));
    return;
  }
  context.print("without " + removal.name() + " nobody is known to have all blocks of " +
                counted(refusal.losing.size(), "group") + ": " + names_of(refusal.losing));
  context.print(blocks.empty()
                    ? "every block of every file has a good copy elsewhere at this moment"
                    : counted(blocks.size(), "block") +
                          " of files have no good copy elsewhere "
                          "and would be lost:");
  for (size_t i = 0; i < blocks.size() && i < kFindingsShown; ++i) {
    context.print("  " + printable(blocks[i].path) + ": " + blocks[i].text);
  }
  if (blocks.size() > kFindingsShown) {
    context.print("  and " + std::to_string(blocks.size() - kFindingsShown) +
                  " more; see all with --json");
  }
  context.print("nothing was changed. To give them up for ever: " + removal.text() +
                " --accept-loss --confirm " + loss_confirmation(removal.node, refusal.losing));
}

// Says what would be lost. Nothing is, before that very thing is confirmed.
int remove_with_loss(Context& context, const Removal& removal) {
  auto refusal = ask(context, removal, true);
  if (!refusal) return context.fail("", refusal.error());
  if (removal.confirmation.empty()) {
    const auto blocks = blocks_at_risk(context, removal);
    if (!blocks) return context.fail("", blocks.error());
    context.json() ? show_json(context, removal, *refusal, *blocks)
                   : show(context, removal, *refusal, *blocks);
    return context.status();
  }
  if (removal.confirmation != loss_confirmation(removal.node, refusal->losing)) {
    const Error other{
        Code::conflict,
        "that is not what would be lost now; look again with: " + removal.text() + " --accept-loss",
        {},
        0};
    return context.fail("", other);
  }
  return remove(context, removal, std::move(refusal->losing));
}

}  // namespace

void add_removal_command(CLI::App& node, Context& context) {
  auto* command =
      node.add_subcommand("remove", "take a node out for good; refused while any block needs it");
  auto removal = std::make_shared<Removal>();
  auto* option = command->add_option("NODE", removal->node, "its number, as node list shows it");
  option->required()->check([](const std::string& text) { return not_a_number(text, 1); });
  auto* accept = command->add_flag(
      "--accept-loss", removal->accept_loss,
      "of a node that is down and never comes back: say what would be lost without it");
  command->add_option("--confirm", removal->confirmation, "lose just that")
      ->option_text("WORD")
      ->needs(accept);
  command->callback([&context, removal] {
    context.run = [&context, removal] {
      return removal->accept_loss ? remove_with_loss(context, *removal)
                                  : remove(context, *removal, {});
    };
  });
}

}  // namespace dfs::cli
