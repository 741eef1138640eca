// df fsck
#include <CLI/CLI.hpp>
#include <memory>

#include "cli/arguments.h"
#include "cli/check_view.h"
#include "cli/commands.h"

namespace dfs::cli {

namespace {

int df(Context& context) {
  auto status = context.session().run<ClusterStatus>(
      [&](Client& client) { return client.status(context.stale); });
  if (!status) return context.fail("", status.error());
  context.note(status->freshness);
  if (context.json()) {
    context.print(space_json(*status));
    return context.status();
  }
  context.print(space_table(*status));
  for (const std::string& line : space_notes(*status)) context.print(line);
  return context.status();
}

struct FsckCommand {
  std::string path = "/";
};

// 0: sound; 1: something is not. What failed to be looked at is neither.
int fsck(Context& context, const FsckCommand& command) {
  auto path = normal_path(command.path);
  if (!path) return context.fail(command.path, path.error());
  FsckOptions options;
  options.path = *path;
  options.jobs = 4 * context.options.jobs;
  options.found = [&context](const FsckFinding& finding) {
    context.print(context.json() ? finding_json(finding) : finding_text(finding));
  };
  auto summary =
      context.session().run<FsckSummary>([&](Client& client) { return client.fsck(options); });
  if (!summary) return context.fail(*path, summary.error());
  if (context.json()) {
    context.print(summary_json(*summary));
  } else {
    for (const std::string& line : summary_lines(*summary)) context.print(line);
  }
  if (context.status() != kExitOk) return context.status();
  return summary->findings == 0 ? kExitOk : kExitFailed;
}

}  // namespace

void add_check_commands(CLI::App& app, Context& context) {
  auto* space = app.add_subcommand("df", "space on the nodes, and what takes it");
  add_stale_flag(*space, context);
  space->callback([&context] { context.run = [&context] { return df(context); }; });

  auto* check = app.add_subcommand(
      "fsck", "compare files with the copies on the nodes; changes nothing; 1 when it finds fault");
  auto checking = std::make_shared<FsckCommand>();
  check->add_option("PATH", checking->path, "what to check; with / also the nodes themselves");
  check->callback([&context, checking] {
    std::vector<std::string> paths{checking->path};
    unshield(paths);
    checking->path = paths.front();
    context.run = [&context, checking] { return fsck(context, *checking); };
  });
}

}  // namespace dfs::cli
