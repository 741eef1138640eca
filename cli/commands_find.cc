// tree find du
#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>

#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/find_filter.h"
#include "cli/moment.h"
#include "cli/tree_view.h"
#include "cli/walking.h"

namespace dfs::cli {

namespace {

int64_t wall_ms() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

std::function<bool(const Found&)> kept_by(const GlobFilter& filter, const std::string& root,
                                          bool directories_only = false) {
  return [&filter, root, directories_only](const Found& found) {
    if (directories_only && !found.directory()) return false;
    return filter.empty() || filter.takes(found.below(root), found.directory());
  };
}

std::string json_of(Context& context, const Found& found) {
  JsonLine line;
  line.add("name", found.name).add("path", found.path).add("depth", found.depth);
  return context.add_freshness_to(add_info(line, found.info)).str();
}

// Runs `one` for each of the paths, patterns expanded.
int for_each_path(Context& context, const std::vector<std::string>& texts,
                  const std::function<bool(const std::string&)>& one) {
  for (const std::string& text : expanded(context, texts)) {
    auto path = normal_path(text);
    if (!path) {
      context.fail(text, path.error());
    } else if (!one(*path) && context.status() == kExitUnavailable) {
      break;
    }
    if (context.interrupted()) break;
  }
  return context.status();
}

struct TreeOptions {
  std::vector<std::string> paths = {"."};
  bool directories = false;
  uint32_t depth = UINT32_MAX;
  GlobFilter filter;
};

bool tree_one(Context& context, const TreeOptions& options, const std::string& root) {
  Lines lines(context);
  Branches branches;
  uint64_t directories = 0;
  uint64_t files = 0;
  const auto visit = [&](const Found& found) {
    if (context.json()) return lines.print(json_of(context, found));
    if (found.depth > 0) ++(found.directory() ? directories : files);
    const std::string branch = branches.next(found.depth, found.last);
    const std::string name = printable(found.depth == 0 ? found.path : found.name);
    const bool slash = found.directory() && name != "/";
    return lines.print(branch + name + (slash ? "/" : ""));
  };
  const bool whole = walk_remote(
      context, root, {options.depth, kept_by(options.filter, root, options.directories)}, visit);
  if (!whole || context.json()) return whole;
  const std::string of_files = options.directories ? "" : ", " + counted(files, "file");
  return lines.print("\n" + counted(directories, "directory") + of_files);
}

struct FindOptions {
  std::vector<std::string> paths = {"."};
  FindFilter wanted;
  std::vector<std::string> sizes;
  std::string newer;
  std::string older;
  std::string type;
  uint32_t depth = UINT32_MAX;
  bool zero = false;
  GlobFilter filter;
};

// What the texts of the options mean; the error names the option.
Result<FindFilter> wanted_by(const FindOptions& options) {
  FindFilter wanted = options.wanted;
  const auto complain = [](const std::string& option, const Error& error) {
    return Error{Code::usage, option + ": " + error.text, {}, 0};
  };
  for (const std::string& text : options.sizes) {
    auto test = parse_size_test(text);
    if (!test) return complain("--size", test.error());
    wanted.sizes.push_back(*test);
  }
  if (!options.newer.empty()) {
    auto moment = parse_time(options.newer, wall_ms());
    if (!moment) return complain("--newer", moment.error());
    wanted.newer_ms = moment->first_ms;
  }
  if (!options.older.empty()) {
    auto moment = parse_time(options.older, wall_ms());
    if (!moment) return complain("--older", moment.error());
    wanted.older_ms = moment->first_ms;
  }
  if (options.type == "f") wanted.type = FileType::file;
  if (options.type == "d") wanted.type = FileType::directory;
  return wanted;
}

int find(Context& context, const FindOptions& options) {
  const auto wanted = wanted_by(options);
  if (!wanted) return context.fail("", wanted.error());
  Lines lines(context, options.zero ? '\0' : '\n');
  return for_each_path(context, options.paths, [&](const std::string& root) {
    const auto visit = [&](const Found& found) {
      if (!wanted->matches(found.name, found.info)) return true;
      if (context.json()) return lines.print(json_of(context, found));
      return lines.print(options.zero ? found.path : context.shown(found.path));
    };
    return walk_remote(context, root, {options.depth, kept_by(options.filter, root)}, visit);
  });
}

struct UsageOptions {
  std::vector<std::string> paths = {"."};
  bool summarize = false;
  bool human = false;
  bool bytes = false;
  uint32_t depth = UINT32_MAX;
  GlobFilter filter;
};

struct Usage {
  uint64_t bytes = 0;
  uint64_t files = 0;
  uint64_t directories = 0;  // below

  void add(const Usage& other) {
    bytes += other.bytes;
    files += other.files;
    directories += other.directories;
  }
};

bool print_usage(Context& context, Lines& lines, const UsageOptions& options,
                 const std::string& path, const Usage& usage) {
  if (context.json()) {
    JsonLine line;
    line.add("path", path).add("bytes", usage.bytes).add("files", usage.files);
    line.add("directories", usage.directories);
    return lines.print(context.add_freshness_to(line).str());
  }
  const std::string size = options.bytes ? std::to_string(usage.bytes) : human_bytes(usage.bytes);
  return lines.print(std::string(size.size() < 12 ? 12 - size.size() : 0, ' ') + size + "  " +
                     context.shown(path));
}

bool usage_of(Context& context, const UsageOptions& options, const std::string& root) {
  Lines lines(context);
  std::vector<Usage> open = {Usage{}};  // of the directories on the way down
  const auto shows = [&](uint32_t depth) {
    return depth == 0 || (!options.summarize && depth <= options.depth);
  };
  const auto visit = [&](const Found& found) {
    if (found.directory()) {
      open.emplace_back();
      return true;
    }
    const Usage own{found.info.size, 1, 0};
    open.back().add(own);
    return found.depth > 0 || print_usage(context, lines, options, found.path, own);
  };
  const auto leave = [&](const Found& directory) {
    const Usage all = open.back();
    open.pop_back();
    open.back().add(all);
    ++open.back().directories;
    return !shows(directory.depth) || print_usage(context, lines, options, directory.path, all);
  };
  return walk_remote(context, root, {UINT32_MAX, kept_by(options.filter, root)}, visit, leave);
}

void add_tree(CLI::App& app, Context& context) {
  auto* tree = app.add_subcommand("tree", "draw what is below directories");
  auto options = std::make_shared<TreeOptions>();
  tree->add_option("PATH", options->paths, "where it begins; / unless given");
  tree->add_flag("-d", options->directories, "directories only");
  tree->add_option("-L,--depth", options->depth, "so many levels")
      ->check(CLI::Range(1u, UINT32_MAX, "levels"));
  add_filter_options(*tree, options->filter);
  add_stale_flag(*tree, context);
  add_at_option(*tree, context);
  tree->footer("Examples:\n  dfsctl tree -L 2 --exclude cache /projects");
  tree->callback([&context, options] {
    unshield(options->paths, options->filter);
    context.run = [&context, options] {
      return for_each_path(context, options->paths, [&](const std::string& root) {
        return tree_one(context, *options, root);
      });
    };
  });
}

void add_find(CLI::App& app, Context& context) {
  auto* command = app.add_subcommand("find", "print the paths below directories that match");
  auto options = std::make_shared<FindOptions>();
  const auto take_all = CLI::MultiOptionPolicy::TakeAll;
  command->add_option("PATH", options->paths, "where it begins; / unless given");
  command->add_option("--name", options->wanted.names, "the name matches, such as '*.jpg'")
      ->type_name("GLOB")
      ->expected(1)
      ->allow_extra_args(false)
      ->multi_option_policy(take_all);
  command->add_option("--iname", options->wanted.names_any_case, "likewise, in any case")
      ->type_name("GLOB")
      ->expected(1)
      ->allow_extra_args(false)
      ->multi_option_policy(take_all);
  command->add_option("--size", options->sizes, "files over +10M, under -1k, or of N bytes")
      ->expected(1)
      ->allow_extra_args(false)
      ->multi_option_policy(take_all);
  command->add_option("--newer", options->newer, "changed since TIME: an age like 2d, or a date")
      ->type_name("TIME");
  command->add_option("--older", options->older, "changed before TIME")->type_name("TIME");
  command->add_option("--type", options->type, "f: files, d: directories")
      ->check(CLI::IsMember({"f", "d"}));
  command->add_option("--maxdepth", options->depth, "so many levels; 0: only PATH itself");
  command->add_flag("-0,--print0", options->zero, "end each path with NUL, for xargs -0");
  add_filter_options(*command, options->filter);
  add_stale_flag(*command, context);
  add_at_option(*command, context);
  command->footer(
      "Several tests must all hold. Examples:\n"
      "  dfsctl find /photos --iname '*.jpg' --size +10M --newer 2026-01-31\n"
      "  dfsctl find /logs --older 90d --type f -0 | xargs -0 dfsctl rm");
  command->callback([&context, options] {
    unshield(options->paths, options->filter);
    for (auto* texts : {&options->wanted.names, &options->wanted.names_any_case, &options->sizes}) {
      unshield(*texts);
    }
    context.run = [&context, options] { return find(context, *options); };
  });
}

void add_usage(CLI::App& app, Context& context) {
  auto* command = app.add_subcommand("du", "how much the files below directories hold");
  auto options = std::make_shared<UsageOptions>();
  command->set_help_flag("--help", "Print this help message and exit");
  command->add_option("PATH", options->paths, "where it begins; / unless given");
  auto* summarize = command->add_flag("-s,--summarize", options->summarize, "only PATH itself");
  command->add_option("-d,--max-depth", options->depth, "print so many levels below PATH")
      ->excludes(summarize);
  auto* human = command->add_flag("-h,--human", options->human, "sizes like 1.5 GiB (the default)");
  command->add_flag("--bytes", options->bytes, "sizes in bytes")->excludes(human);
  add_filter_options(*command, options->filter);
  add_stale_flag(*command, context);
  add_at_option(*command, context);
  command->footer(
      "Counted are the bytes of the files, each once: the disks hold them as often as their pool\n"
      "wants copies (dfsctl df). Examples:\n"
      "  dfsctl du -d 1 /home");
  command->callback([&context, options] {
    unshield(options->paths, options->filter);
    context.run = [&context, options] {
      return for_each_path(context, options->paths, [&](const std::string& root) {
        return usage_of(context, *options, root);
      });
    };
  });
}

}  // namespace

void add_find_commands(CLI::App& app, Context& context) {
  add_tree(app, context);
  add_find(app, context);
  add_usage(app, context);
}

}  // namespace dfs::cli
