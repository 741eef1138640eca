// rebuild
#include <CLI/CLI.hpp>
#include <memory>

#include "cli/check_view.h"
#include "cli/commands.h"
#include "cli/key_file.h"

namespace dfs::cli {

namespace {

struct RebuildCommand {
  uint32_t nodes = 0;
  bool yes = false;
  bool dry_run = false;
  std::string keys;  // a file
};

constexpr const char* kFooter =
    "When all heads of a cluster are lost and its storage nodes are not:\n"
    "  1. find the cluster's id: the file identity in any storage node's directory has it, as\n"
    "     cluster=…\n"
    "  2. dfsd head --data EMPTY-DIRECTORY --rebuild ID, where the nodes look for a broker\n"
    "  3. start all storage nodes. Where nodes need a token to join, end and start those that run\n"
    "     too, for they need one as well: dfsctl login admin with the password that the head\n"
    "     printed, dfsctl node token --uses N, and put what it prints into the file that their\n"
    "     join-token = \"@FILE\" names; they look there until they are let in. A node without\n"
    "     that setting is started with --join-token\n"
    "  4. dfsctl rebuild --nodes N, for all N of them\n"
    "Every file comes back whose content is on the nodes, under the path it was written to. What "
    "is\n"
    "not certain goes to /lost+found. What only the heads had does not come back: files of at "
    "most\n"
    "4 KiB, empty directories, names given by mv, removals whose blocks were still there, pools.\n"
    "Files of encrypted pools have their paths with --keys FILE; without, they are in /lost+found\n"
    "and can be read once dfsctl pool import-key gave the keys back.\n"
    "Exit status 0 when all is certain, 8 when some of it is a guess.";

std::string certainty(const AssembledFile& file) {
  return file.guess == Guess::none ? "certain" : "guessed";
}

void print_file(Context& context, const AssembledFile& file, const std::string& path) {
  if (context.json()) {
    JsonLine line;
    line.add("path", path).add("written_to", file.path).add("certainty", certainty(file));
    line.add("why", name_of(file.guess)).add("text", file.text);
    line.add("object", file.found.layout.object).add("size", file.found.size);
    line.add("bytes", file.bytes).add("blocks", file.blocks);
    line.add("blocks_missing", file.blocks_missing).add("crc32c", hex32(file.found.crc32c));
    return context.print(line.str());
  }
  if (file.guess == Guess::none && path == file.path) return;
  std::string line = "guessed  " + context.shown(path.empty() ? "(imported before)" : path) + ": ";
  line += file.guess == Guess::none ? "another file or directory has its path" : file.text;
  if (!file.path.empty() && file.path != path) {
    line += "; it was written to " + context.shown(file.path);
  }
  context.print(line);
}

void print_summary(Context& context, const RebuildCommand& command, const RebuildSummary& sum) {
  if (context.json()) {
    JsonLine line;
    line.add("summary", true).add("dry_run", command.dry_run).add("nodes", sum.nodes);
    line.add("blocks", sum.blocks).add("copies", sum.copies).add("copies_bad", sum.copies_bad);
    line.add("groups", sum.groups).add("certain", sum.certain);
    line.add("certain_bytes", sum.certain_bytes).add("guessed", sum.guessed);
    line.add("guessed_bytes", sum.guessed_bytes).add("lost_and_found", sum.lost);
    line.add("unplaceable", sum.unplaceable).add("imported", sum.imported);
    return context.print(line.str());
  }
  context.print("nodes    " + counted(sum.nodes, "storage node") + " with " +
                counted(sum.copies, "copy") + " of " + counted(sum.blocks, "block") + " in " +
                counted(sum.groups, "group") + ", " + std::to_string(sum.copies_bad) + " damaged");
  context.print("certain  " + counted(sum.certain, "file") + " of " +
                human_bytes(sum.certain_bytes));
  context.print("guessed  " + counted(sum.guessed, "file") + " of " +
                human_bytes(sum.guessed_bytes) + ", " + std::to_string(sum.lost) + " in " +
                kLostAndFound);
  if (sum.unplaceable > 0) {
    context.print("left     " + counted(sum.unplaceable, "object") +
                  " that no file can be made of; the blocks stay where they are");
  }
  context.print(
      "gone     files of at most 4 KiB, empty directories, later names, pools: only the "
      "heads had them");
  context.print(command.dry_run
                    ? "nothing was changed"
                    : "the cluster works again; copies that are missing are being made: "
                      "dfsctl tasks");
}

// Somebody has to say that these are all the nodes: one that is forgotten takes its files with it.
int tell_nodes(Context& context) {
  auto map = context.session().run<ClusterMap>([](Client& client) { return client.map(); });
  if (!map) return context.fail("", map.error());
  std::string up;
  for (const NodeView& node : map->nodes) {
    if (node.state != NodeState::up) continue;
    up += (up.empty() ? "" : ", ") + std::string("storage/") + std::to_string(node.node) + " on " +
          node.host;
  }
  return context.fail(
      "", {Code::usage,
           "these storage nodes are up: " + (up.empty() ? "none" : up) +
               "; what others have would be left out. Say how many there must be with --nodes N "
               "(it waits for them), or --yes to take these",
           {},
           0});
}

// What was on a directory that cannot be read is not in any list.
void warn_of_failed_directories(Context& context) {
  auto status =
      context.session().run<ClusterStatus>([](Client& client) { return client.status(); });
  if (!status) return;
  for (const NodeStatus& node : status->nodes) {
    const uint32_t failed = node.heartbeat.directories_failed;
    if (failed == 0) continue;
    context.warn("storage/" + std::to_string(node.view.node) + " on " + node.view.host + " has " +
                 std::to_string(failed) + " of " + std::to_string(node.heartbeat.directories) +
                 " directories that failed; what is there is left out");
  }
}

int rebuild(Context& context, const RebuildCommand& command) {
  if (command.nodes == 0 && !command.yes && !command.dry_run) return tell_nodes(context);
  RebuildOptions options;
  options.dry_run = command.dry_run;
  options.nodes = command.nodes;
  if (!command.keys.empty()) {
    auto keys = read_key_file(command.keys);
    if (!keys) return context.fail(command.keys, keys.error());
    options.keys = std::move(*keys);
  }
  uint64_t displaced = 0;
  options.found = [&](const AssembledFile& file, const std::string& path) {
    displaced += file.guess == Guess::none && !path.empty() && path != file.path ? 1 : 0;
    print_file(context, file, path);
  };
  std::string told;
  options.progress = [&](const RebuildSummary& now) {
    if (now.phase == told || context.json()) return;
    told = now.phase;
    context.say("dfsctl rebuild: " + told);
  };
  auto summary = context.session().run<RebuildSummary>(
      [&](Client& client) { return client.rebuild(options); });
  if (!summary) return context.fail("", summary.error());
  warn_of_failed_directories(context);
  print_summary(context, command, *summary);
  if (context.status() != kExitOk) return context.status();
  return summary->guessed + summary->unplaceable + displaced == 0 ? kExitOk : kExitGuessed;
}

}  // namespace

void add_rebuild_command(CLI::App& app, Context& context) {
  auto* command =
      app.add_subcommand("rebuild", "files from the storage nodes alone, when all heads were lost");
  auto given = std::make_shared<RebuildCommand>();
  command->add_option("--nodes", given->nodes, "wait until so many storage nodes are up");
  command->add_flag("--yes", given->yes, "those that are up are all there are");
  command->add_flag("--dry-run", given->dry_run, "only tell what would come back");
  command->add_option("--keys", given->keys, "of encrypted pools, as pool export-key wrote them");
  command->footer(kFooter);
  command->callback(
      [&context, given] { context.run = [&context, given] { return rebuild(context, *given); }; });
}

}  // namespace dfs::cli
