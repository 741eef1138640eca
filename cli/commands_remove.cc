// rm
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>
#include <string>

#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/lock_choice.h"
#include "cli/walking.h"

namespace dfs::cli {

namespace {

constexpr uint64_t kCountedMax = 10'000;  // of what is below; nobody waits for more of it

struct RemoveOptions {
  std::vector<std::string> paths;
  bool recursive = false;
  bool force = false;
  bool ask = false;
  bool dry_run = false;
  std::shared_ptr<LockChoice> lock;

  bool asks_for(const InodeInfo& info) const {
    const bool terminal = isatty(STDIN_FILENO) != 0 && isatty(STDERR_FILENO) != 0;
    return ask || (info.type == FileType::directory && !force && terminal);
  }
};

// "12 files and 3 directories, 4.2 GiB": what goes with a directory.
std::string what_is_below(Context& context, const std::string& directory) {
  uint64_t files = 0;
  uint64_t directories = 0;
  uint64_t bytes = 0;
  const bool all = walk_remote(context, directory, {}, [&](const Found& found) {
    if (found.depth == 0) return true;
    ++(found.directory() ? directories : files);
    bytes += found.info.size;
    return files + directories < kCountedMax;
  });
  if (all && files + directories == 0) return "nothing";
  return (all ? "" : "more than ") + counted(files, "file") + " and " +
         counted(directories, "directory") + ", " + human_bytes(bytes);
}

// True when the person at the terminal says so; the end of the input is a no.
bool confirmed(Context& context, const std::string& path, const InodeInfo& info) {
  const bool directory = info.type == FileType::directory;
  const std::string what = directory ? "the directory " : "the file ";
  const std::string with = directory ? " with " + what_is_below(context, path) + " in it"
                                     : ", " + human_bytes(info.size);
  if (context.interrupted()) return false;
  std::cerr << "dfsctl rm: remove " + what + printable(path) + with + "? [y/N] " << std::flush;
  std::string answer;
  if (!std::getline(std::cin, answer)) std::cerr << std::endl;
  return answer == "y" || answer == "Y" || answer == "yes";
}

// What would be refused is told as the cluster would; rights and locks are not looked at.
void pretend(Context& context, const RemoveOptions& options, const std::string& path,
             const InodeInfo& info) {
  if (info.type == FileType::directory && !options.recursive) {
    auto page = list_page(context, path, "");
    if (!page) return (void)context.fail(path, page.error());
    if (!page->entries.empty()) {
      return (void)context.fail(path, Error{Code::not_empty, "the directory is not empty", {}, 0});
    }
  }
  Lines lines(context);
  walk_remote(context, path, {}, [&](const Found& found) {
    if (!context.json()) return lines.print("would remove " + context.shown(found.path));
    JsonLine line;
    line.add("command", "rm").add("path", found.path);
    line.add("type", found.directory() ? "directory" : "file");
    return lines.print(line.add("dry_run", true).str());
  });
}

void remove_one(Context& context, const RemoveOptions& options, const std::string& path) {
  // Nobody asks the cluster what is there unless it makes a difference.
  const bool may_ask = options.ask || (options.recursive && !options.force);
  if (options.dry_run || may_ask) {
    auto info = context.stat(path);
    if (!info) {
      if (options.force && info.code() == Code::not_found) return;
      return (void)context.fail(path, info.error());
    }
    if (options.dry_run) return pretend(context, options, path, *info);
    if (options.asks_for(*info) && !confirmed(context, path, *info)) return;
  }
  const auto lock = lock_options(context, *options.lock);
  if (!lock) return (void)context.fail("", lock.error());
  auto removed = context.session().run<RemoveReply>([&](Client& client) {
    return client.remove(Remove{path, options.recursive}, *lock);
  });
  if (!removed) {
    if (options.force && removed.code() == Code::not_found) return;
    return (void)context.fail(path, removed.error());
  }
  if (!context.json()) return;
  JsonLine line;
  line.add("command", "rm").add("path", path);
  context.print(line.raw("receipt", to_json(removed->receipt)).str());
}

int remove(Context& context, const RemoveOptions& options) {
  for (const std::string& text : expanded(context, options.paths)) {
    if (context.interrupted()) break;
    auto path = normal_path(text);
    if (path) {
      remove_one(context, options, *path);
    } else {
      context.fail(text, path.error());
    }
  }
  return context.status();
}

}  // namespace

void add_remove_command(CLI::App& app, Context& context) {
  auto* rm = app.add_subcommand("rm", "remove files and directories");
  auto options = std::make_shared<RemoveOptions>();
  rm->add_option("PATH", options->paths, "what to remove; may be a pattern")->required();
  rm->add_flag("-r,--recursive", options->recursive,
               "directories with all below, at once; on a terminal it asks first");
  auto* force =
      rm->add_flag("-f,--force", options->force, "no error when it is not there, no question");
  rm->add_flag("-i,--interactive", options->ask, "ask before each")->excludes(force);
  rm->add_flag("--dry-run", options->dry_run, "only print what would be removed");
  options->lock = add_lock_options(*rm, true);
  rm->footer("Examples:\n  dfsctl rm --dry-run '/tmp/*.part'\n  dfsctl rm -r /photos/2019");
  rm->callback([&context, options] {
    unshield(options->paths);
    context.run = [&context, options] { return remove(context, *options); };
  });
}

}  // namespace dfs::cli
