// ls
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <vector>

#include "cli/arguments.h"
#include "cli/colours.h"
#include "cli/commands.h"
#include "cli/entry_order.h"
#include "cli/walking.h"

namespace dfs::cli {

namespace {

struct ListOptions {
  std::vector<std::string> paths = {"."};
  bool details = false;
  bool numeric = false;
  bool human = false;
  bool by_time = false;
  bool by_size = false;
  bool reverse = false;
  bool recursive = false;

  EntryOrder order() const {
    return by_time ? EntryOrder::time : by_size ? EntryOrder::size : EntryOrder::name;
  }
  // Entries come in the order of their names, and are printed as they come.
  bool streams() const { return order() == EntryOrder::name && !reverse; }
};

class Listing {
 public:
  Listing(Context& context, const ListOptions& options)
      : context_(context),
        options_(options),
        decorate_(options.details || isatty(STDOUT_FILENO) != 0),
        lines_(context) {}

  void run();

 private:
  void list(const std::string& path);
  void list_tree(const std::string& path);
  Result<void> list_directory(const std::string& path, std::vector<std::string>* below);
  void begin_directory(const std::string& path);
  bool print(const std::string& path, const std::string& name, const InodeInfo& info);
  std::string details_of(const InodeInfo& info) const;

  Context& context_;
  const ListOptions& options_;
  bool decorate_;
  bool headings_ = false;
  bool first_ = true;
  Lines lines_;
};

std::string padded(const std::string& text, size_t width) {
  const size_t columns = columns_of(text);
  return std::string(columns < width ? width - columns : 0, ' ') + text;
}

std::string Listing::details_of(const InodeInfo& info) const {
  const bool directory = info.type == FileType::directory;
  const std::string size = directory        ? "-"
                           : options_.human ? human_bytes(info.size)
                                            : std::to_string(info.size);
  UserDirectory& users = context_.users();
  std::string line = human_mode(info.type, info.mode) + (info.has_acl ? "+ " : "  ");
  line += padded(options_.numeric ? std::to_string(info.uid) : users.user(info.uid), 8) + "  ";
  line += padded(options_.numeric ? std::to_string(info.gid) : users.group(info.gid), 8) + "  ";
  return line + padded(size, options_.human ? 9 : 12) + "  " + human_time(info.modified_ms) + "  ";
}

bool Listing::print(const std::string& path, const std::string& name, const InodeInfo& info) {
  if (context_.json()) {
    JsonLine line;
    line.add("name", name).add("path", path);
    return lines_.print(context_.add_freshness_to(add_info(line, info)).str());
  }
  const bool slash = decorate_ && info.type == FileType::directory && name != "/";
  std::string shown = (decorate_ ? printable(name) : name) + (slash ? "/" : "");
  if (info.type == FileType::directory) {
    shown = painted_for(STDOUT_FILENO, Colour::directory, shown);
  }
  return lines_.print(options_.details ? details_of(info) + shown : shown);
}

void Listing::begin_directory(const std::string& path) {
  if (headings_ && !context_.json()) {
    lines_.print((first_ ? "" : "\n") + context_.shown(path) + ":");
  }
  first_ = false;
}

// The directories in it are added to `below`, if that is given, in the order of the list.
Result<void> Listing::list_directory(const std::string& path, std::vector<std::string>* below) {
  std::vector<ListEntry> sorted;
  bool begun = false;
  const auto show = [&](const ListEntry& entry) {
    if (below != nullptr && entry.info.type == FileType::directory) below->push_back(entry.name);
    return print(join_path(path, entry.name), entry.name, entry.info);
  };
  const auto visit = [&](const ListEntry& entry) {
    if (bad_name(entry.name) != nullptr) return true;
    if (!options_.streams()) {
      sorted.push_back(entry);
      return true;
    }
    if (!begun) begin_directory(path);
    begun = true;
    return show(entry) && !context_.interrupted();
  };
  DFS_CHECK(for_each_entry(context_, path, visit));
  if (!begun) begin_directory(path);
  sort_entries(sorted, options_.order(), options_.reverse);
  for (const ListEntry& entry : sorted) {
    if (!show(entry)) break;
  }
  return {};
}

// Each directory, then those in it, as ls(1) does.
void Listing::list_tree(const std::string& path) {
  std::vector<std::string> waiting = {path};
  while (!waiting.empty() && context_.status() != kExitUnavailable && !context_.interrupted()) {
    const std::string directory = std::move(waiting.back());
    waiting.pop_back();
    std::vector<std::string> below;
    const auto listed = list_directory(directory, &below);
    const bool gone = listed.code() == Code::not_found && directory != path;
    if (!listed && !gone) context_.fail(directory, listed.error());
    for (auto name = below.rbegin(); name != below.rend(); ++name) {
      waiting.push_back(join_path(directory, *name));
    }
  }
}

void Listing::list(const std::string& path) {
  if (options_.recursive) {
    const auto kind = context_.kind_of(path);
    if (kind && *kind != TargetKind::file) return list_tree(path);
  }
  auto listed = list_directory(path, nullptr);
  if (listed.code() == Code::not_directory) {
    auto info = context_.stat(path);
    if (info) {
      print(path, path, *info);
      first_ = false;
      return;
    }
    listed = info.error();
  }
  if (!listed) context_.fail(path, listed.error());
}

void Listing::run() {
  const std::vector<std::string> paths = expanded(context_, options_.paths);
  headings_ = options_.recursive || options_.paths.size() > 1 || paths.size() > 1;
  for (const std::string& text : paths) {
    if (context_.interrupted()) break;
    auto path = normal_path(text);
    if (path) {
      list(*path);
    } else {
      context_.fail(text, path.error());
    }
  }
}

}  // namespace

void add_list_command(CLI::App& app, Context& context) {
  auto* ls = app.add_subcommand("ls", "list directories");
  auto options = std::make_shared<ListOptions>();
  ls->set_help_flag("--help", "Print this help message and exit");
  ls->add_option("PATH", options->paths,
                 "what to list, or patterns; the root unless given, in the shell where one is");
  ls->add_flag("-l", options->details, "with mode, owner, group, size and time of last change");
  ls->add_flag("-n,--numeric", options->numeric, "the same with owner and group as numbers");
  ls->add_flag("-h,--human", options->human, "with -l: sizes like 1.5 GiB, and not in bytes");
  auto* by_time = ls->add_flag("-t", options->by_time, "newest first");
  ls->add_flag("-S", options->by_size, "largest first")->excludes(by_time);
  ls->add_flag("-r,--reverse", options->reverse, "in the opposite order");
  ls->add_flag("-R,--recursive", options->recursive, "all directories below, too");
  add_stale_flag(*ls, context);
  add_at_option(*ls, context);
  ls->footer(
      "In the order of names entries are printed as they come; other orders need all of them\n"
      "first. Examples:\n"
      "  dfsctl ls -lht /photos               dfsctl ls '/logs/2026-*/*.gz'");
  ls->callback([&context, options] {
    unshield(options->paths);
    options->details |= options->numeric;
    context.run = [&context, options] {
      Listing(context, *options).run();
      return context.status();
    };
  });
}

}  // namespace dfs::cli
