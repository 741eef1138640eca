// cp
#include <CLI/CLI.hpp>
#include <memory>

#include "cli/arguments.h"
#include "cli/lock_choice.h"
#include "cli/tree_copy.h"

namespace dfs::cli {

namespace {

struct CopyOptions {
  std::vector<std::string> paths;  // sources, then the target
  bool recursive = false;
  bool dry_run = false;
  std::shared_ptr<LockChoice> lock;
};

// The target is a thing of now, whatever moment the sources are of.
Result<TargetKind> kind_now(Context& context, const std::string& path) {
  auto info = context.stat(path, Moment());
  if (info) {
    return info->type == FileType::directory ? TargetKind::directory : TargetKind::file;
  }
  if (info.code() == Code::not_found) return TargetKind::missing;
  return info.error();
}

void copy_source(Context& context, const CopyOptions& options, const std::string& text,
                 const std::string& target, TargetKind kind, CopyCounts& counts) {
  auto from = normal_path(text);
  if (!from) return (void)context.fail(text, from.error());
  auto info = context.stat(*from);
  if (!info) return (void)context.fail(*from, info.error());
  const bool tree = info->type == FileType::directory;
  if (tree && !options.recursive) {
    return (void)context.fail(*from, Error{Code::is_directory, "it was left out; try -r", {}, 0});
  }
  const bool as_directory =
      names_directory(options.paths.back()) && !(tree && kind == TargetKind::missing);
  auto to = target_path(target, kind, as_directory, options.paths.size() - 1, base_name(*from));
  if (!to) return (void)context.fail(target, to.error());
  if (*to == *from && context.at.is_now()) {
    return (void)context.fail(*from, Error{Code::usage, "it would be copied to itself", {}, 0});
  }
  const auto lock = lock_options(context, *options.lock);
  if (!lock) return (void)context.fail("", lock.error());
  TreeCopy copy{*from, context.at, *to, false, options.dry_run, *lock};
  tree ? copy_below(context, copy, counts) : copy_one(context, copy, counts);
}

int copy(Context& context, const CopyOptions& options) {
  auto target = normal_path(options.paths.back());
  if (!target) return context.fail(options.paths.back(), target.error());
  const auto kind = kind_now(context, *target);
  if (!kind) return context.fail(*target, kind.error());
  CopyCounts counts;
  for (size_t i = 0; i + 1 < options.paths.size() && !context.interrupted(); ++i) {
    copy_source(context, options, options.paths[i], *target, *kind, counts);
  }
  if (!context.json() && !options.dry_run && options.recursive) {
    context.summary("cp " + printable(*target) + "  " + counts_text(counts), false);
  }
  return context.status();
}

}  // namespace

void add_copy_command(CLI::App& app, Context& context) {
  auto* command = app.add_subcommand("cp", "copy inside the cluster; no content is moved");
  auto options = std::make_shared<CopyOptions>();
  command->add_option("PATH", options->paths, "what to copy, then the new name or directory")
      ->required()
      ->expected(2, CLI::detail::expected_max_vector_size);
  command->add_flag("-r,--recursive", options->recursive, "directories with all below");
  command->add_flag("--dry-run", options->dry_run, "only say what would be copied");
  add_at_option(*command, context);
  options->lock = add_lock_options(*command, true);
  command->footer(
      "A copy names the same stored bytes, which are kept for as long as anything names them.\n\n"
      "Examples:\n"
      "  dfsctl cp /films/a.mkv /films/b.mkv\n"
      "  dfsctl cp -r --at 2h /project /project-two-hours-ago");
  command->callback([&context, options] {
    unshield(options->paths);
    context.run = [&context, options] { return copy(context, *options); };
  });
}

}  // namespace dfs::cli
