// put get cat
#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <memory>
#include <set>

#include "broker/config.h"
#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/lock_choice.h"
#include "cli/mover.h"
#include "cli/walking.h"

namespace dfs::cli {

namespace {

namespace fs = std::filesystem;

std::string system_text(const std::string& what, const std::error_code& error) {
  return what + ": " + error.message();
}

TargetKind local_kind(const std::string& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (fs::is_directory(status)) return TargetKind::directory;
  return fs::exists(status) ? TargetKind::file : TargetKind::missing;
}

struct PutOptions {
  std::vector<std::string> paths;  // sources, then the target
  std::string block_size;
  std::string durability;
  bool recursive = false;
  std::shared_ptr<LockChoice> lock;
  MoveChoice choice;
};

Result<CopyLevel> copy_level(const std::string& name) {
  if (name.empty() || name == "default") return CopyLevel::standard;
  if (name == "one") return CopyLevel::one;
  if (name == "quorum") return CopyLevel::quorum;
  if (name == "all") return CopyLevel::all;
  return Result<CopyLevel>(Code::usage, "it must be one, quorum, all or default");
}

// The files of a tree, and the directories that they need where they go.
struct Tree {
  Mover::Moves moves;
  std::vector<std::string> directories;  // from above
};

// Files that were asked for by --include bring just the directories that they are in.
std::vector<std::string> needed(const Tree& tree, const GlobFilter& filter, bool local) {
  if (filter.include.empty()) return tree.directories;
  std::set<std::string> above;
  for (const Move& move : tree.moves) above.insert(parent_path(local ? move.local : move.remote));
  return {above.begin(), above.end()};
}

// The files below the local directory `from`.
Result<Tree> tree_to_put(Context& context, const GlobFilter& filter, const std::string& from,
                         const std::string& to) {
  Tree tree;
  tree.directories.push_back(to);
  std::error_code error;
  fs::recursive_directory_iterator walk(from, error);
  for (; !error && walk != fs::recursive_directory_iterator(); walk.increment(error)) {
    const std::string name = walk->path().lexically_relative(from).string();
    std::error_code unknown;
    const bool link = walk->is_symlink(unknown);
    const bool directory = !link && walk->is_directory(unknown);
    if (!filter.takes(name, directory)) {
      if (directory) walk.disable_recursion_pending();
    } else if (link) {
      context.warn(printable(walk->path().string()) + " is a symbolic link and is left out");
    } else if (directory) {
      tree.directories.push_back(join_path(to, name));
    } else if (walk->is_regular_file(unknown)) {
      tree.moves.push_back({walk->path().string(), join_path(to, name)});
    } else {
      context.warn(printable(walk->path().string()) + " is not a regular file and is left out");
    }
  }
  if (error) return Result<Tree>(Code::local_io, system_text(from, error));
  std::sort(tree.moves.begin(), tree.moves.end(),
            [](const Move& a, const Move& b) { return a.remote < b.remote; });
  tree.directories = needed(tree, filter, false);
  return tree;
}

void pretend(Context& context, const Tree& tree, bool local) {
  Lines lines(context);
  for (const std::string& directory : tree.directories) {
    if (context.json()) break;
    const auto there =
        local ? Result<TargetKind>(local_kind(directory)) : context.kind_of(directory);
    if (!there) return (void)context.fail(directory, there.error());
    if (*there == TargetKind::missing) lines.print("would make " + context.shown(directory) + "/");
  }
  for (const Move& move : tree.moves) {
    if (!lines.print(pretended(context, move))) return;
  }
}

void run_put_tree(Context& context, Mover& mover, const Tree& tree, const std::string& to) {
  for (const std::string& directory : tree.directories) {
    auto made = context.session().make_dir(directory, true);
    if (!made) return (void)context.fail(directory, made.error());
  }
  mover.run(tree.moves, to);
}

// What is to be put, as its options say.
Result<TransferOptions> put_options(Context& context, const PutOptions& options) {
  TransferOptions transfer = transfer_options(context);
  const auto complain = [](const std::string& option, const std::string& text) {
    return Error{Code::usage, option + ": " + text, {}, 0};
  };
  if (!options.block_size.empty()) {
    auto size = parse_size(options.block_size);
    if (!size) return complain("--block-size", size.error().text);
    transfer.block_bytes = *size;
    const bool whole = *size % kPartBytes == 0;
    if (*size < kBlockBytesMin || *size > kBlockBytesMax || !whole) {
      return complain("--block-size", "it must be a multiple of 1M from 1M to 128M");
    }
  }
  auto level = copy_level(options.durability);
  if (!level) return complain("--durability", level.error().text);
  transfer.copies = *level;
  auto lock = lock_options(context, *options.lock);
  if (!lock) return lock.error();
  transfer.lock = *lock;
  auto rate = rate_of(options.choice);
  if (!rate) return complain("--bwlimit", rate.error().text);
  transfer.rate = *rate;
  return transfer;
}

void put_source(Context& context, Mover& mover, const PutOptions& options, const std::string& local,
                const std::string& target, TargetKind kind, size_t sources) {
  const bool tree = local != "-" && local_kind(local) == TargetKind::directory;
  const std::string name =
      local == "-" ? "" : base_name(fs::absolute(local).lexically_normal().string());
  // A tree may get a name of its own: "new/" need not be there yet.
  const bool as_directory =
      names_directory(options.paths.back()) && !(tree && kind == TargetKind::missing);
  auto remote = target_path(target, kind, as_directory, sources, name);
  if (!remote) return (void)context.fail(target, remote.error());
  if (tree && !options.recursive) {
    return (void)context.fail(local, Error{Code::is_directory, "it was left out; try -r", {}, 0});
  }
  Tree files{{{local, *remote}}, {}};
  if (tree) {
    auto found = tree_to_put(context, options.choice.filter, local, *remote);
    if (!found) return (void)context.fail(local, found.error());
    files = std::move(*found);
  }
  if (options.choice.dry_run) return pretend(context, files, false);
  if (tree) return run_put_tree(context, mover, files, *remote);
  mover.run(files.moves, "");
}

int put(Context& context, const PutOptions& options) {
  const auto transfer = put_options(context, options);
  if (!transfer) return context.fail("", transfer.error());
  const std::string& target_text = options.paths.back();
  auto target = normal_path(target_text);
  if (!target) return context.fail(target_text, target.error());
  auto kind = context.kind_of(*target);
  if (!kind) return context.fail(*target, kind.error());
  Mover mover(context, *transfer, [&](const Move& move, const TransferOptions& own) {
    return put_one(context, move, own);
  });
  const size_t sources = options.paths.size() - 1;
  for (size_t i = 0; i < sources && !context.interrupted(); ++i) {
    put_source(context, mover, options, options.paths[i], *target, *kind, sources);
  }
  return context.status();
}

struct GetOptions {
  std::vector<std::string> paths;  // sources, then the target
  std::string from;
  bool recursive = false;
  std::shared_ptr<LockChoice> lock;
  MoveChoice choice;
};

Result<NodeId> node_of(const std::string& text) {
  std::string_view digits = text;
  if (digits.starts_with("storage/")) digits.remove_prefix(8);
  NodeId node = 0;
  for (const char digit : digits) {
    if (digit < '0' || digit > '9' || node > UINT32_MAX / 10 - 1) node = 0;
    if (digit < '0' || digit > '9') break;
    node = node * 10 + static_cast<NodeId>(digit - '0');
  }
  if (node == 0) {
    return Result<NodeId>(Code::usage,
                          "not a storage node; give its number, as cluster status shows it");
  }
  return node;
}

Result<void> make_local_directory(const std::string& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) return Result<void>(Code::local_io, system_text("cannot make the directory", error));
  return {};
}

// The files below the remote directory `from`.
Tree tree_to_get(Context& context, const GlobFilter& filter, const std::string& from,
                 const std::string& to) {
  Tree tree;
  WalkRules rules;
  rules.keep = [&](const Found& found) {
    return filter.takes(found.below(from), found.directory());
  };
  walk_remote(context, from, std::move(rules), [&](const Found& found) {
    const std::string name = found.below(from);
    const std::string local = name.empty() ? to : join_path(to, name);
    if (found.directory()) {
      tree.directories.push_back(local);
    } else {
      tree.moves.push_back({local, found.path});
    }
    return true;
  });
  tree.directories = needed(tree, filter, true);
  return tree;
}

void get_to_stdout(Context& context, Mover& mover, const GetOptions& options,
                   const std::string& remote) {
  const Tree file{{{"-", remote}}, {}};
  if (options.choice.dry_run) return pretend(context, file, true);
  mover.run(file.moves, "");
}

void get_source(Context& context, Mover& mover, const GetOptions& options, const std::string& text,
                const std::string& target, TargetKind kind, size_t sources) {
  auto remote = normal_path(text);
  if (!remote) return (void)context.fail(text, remote.error());
  auto info = context.stat(*remote);
  if (!info) return (void)context.fail(*remote, info.error());
  const bool tree = info->type == FileType::directory;
  if (tree && (!options.recursive || target == "-")) {
    const char* text_of_error =
        target == "-" ? "it was left out; name files" : "it was left out; try -r";
    return (void)context.fail(*remote, Error{Code::is_directory, text_of_error, {}, 0});
  }
  if (target == "-") return get_to_stdout(context, mover, options, *remote);
  const bool as_directory = names_directory(target) && !(tree && kind == TargetKind::missing);
  // The root has no name: its content goes right into the target.
  const bool bare = *remote == "/" && kind == TargetKind::directory;
  auto local = bare ? Result<std::string>(target)
                    : target_path(target, kind, as_directory, sources, base_name(*remote));
  if (!local) return (void)context.fail(target, local.error());
  Tree files{{{*local, *remote}}, {}};
  if (tree) files = tree_to_get(context, options.choice.filter, *remote, *local);
  if (context.status() == kExitUnavailable) return;
  if (options.choice.dry_run) return pretend(context, files, true);
  for (const std::string& directory : files.directories) {
    auto made = make_local_directory(directory);
    if (!made) return (void)context.fail(*remote, made.error());
  }
  mover.run(files.moves, tree ? *remote : "");
}

int get(Context& context, GetOptions options) {
  TransferOptions transfer = transfer_options(context);
  if (!options.from.empty()) {
    auto node = node_of(options.from);
    if (!node) return context.fail("--from", node.error());
    transfer.from = *node;
  }
  auto lock = lock_options(context, *options.lock);
  if (!lock) return context.fail("", lock.error());
  transfer.lock = *lock;
  auto rate = rate_of(options.choice);
  if (!rate) return context.fail("--bwlimit", rate.error());
  transfer.rate = *rate;
  // A single argument is a file to be put here.
  std::string target = ".";
  if (options.paths.size() > 1) {
    target = options.paths.back();
    options.paths.pop_back();
  }
  const TargetKind kind = target == "-" ? TargetKind::file : local_kind(target);
  Mover mover(context, transfer, [&](const Move& move, const TransferOptions& own) {
    return get_one(context, move, own);
  });
  const std::vector<std::string> sources = expanded(context, options.paths);
  const size_t count = std::max(sources.size(), options.paths.size());
  for (const std::string& text : sources) {
    if (context.interrupted()) break;
    get_source(context, mover, options, text, target, kind, count);
  }
  return context.status();
}

struct CatOptions {
  std::vector<std::string> paths;
};

int cat(Context& context, const CatOptions& options) {
  Mover mover(
      context, transfer_options(context),
      [&](const Move& move, const TransferOptions& own) { return get_one(context, move, own); });
  for (const std::string& text : expanded(context, options.paths)) {
    if (context.interrupted()) break;
    auto path = normal_path(text);
    if (path) {
      mover.run({{"-", *path}}, "");
    } else {
      context.fail(text, path.error());
    }
  }
  return context.status();
}

}  // namespace

void add_transfer_commands(CLI::App& app, Context& context) {
  constexpr int kMany = CLI::detail::expected_max_vector_size;
  auto* put_app = app.add_subcommand("put", "store files; a file that is there gets a new version");
  auto putting = std::make_shared<PutOptions>();
  put_app->add_option("PATH", putting->paths, "local files (- for stdin), then the remote target")
      ->required()
      ->expected(2, kMany);
  put_app->add_flag("-r,--recursive", putting->recursive, "directories with all below");
  put_app->add_option("--block-size", putting->block_size,
                      "1M to 128M; the cluster's choice unless given");
  put_app->add_option(
      "--durability", putting->durability,
      "succeed with copies on stable storage: one (as few as the pool permits, the "
      "default), quorum (more than half) or all; all live nodes get one in any case");
  add_move_options(*put_app, putting->choice);
  putting->lock = add_lock_options(*put_app, true);
  put_app->footer(
      "Examples:\n"
      "  dfsctl put -r --exclude '*.tmp' photos /     tar c dir | dfsctl put - /dir.tar");
  put_app->callback([&context, putting] {
    unshield(putting->paths, putting->choice.filter);
    context.run = [&context, putting] { return put(context, *putting); };
  });

  auto* get_app = app.add_subcommand("get", "fetch files; each appears whole or not at all");
  auto getting = std::make_shared<GetOptions>();
  get_app->add_option("PATH", getting->paths, "remote files, then the local target (- for stdout)")
      ->required()
      ->expected(1, kMany);
  get_app->add_flag("-r,--recursive", getting->recursive, "directories with all below");
  get_app->add_option("--from", getting->from, "the storage node to read from where it has a copy");
  add_move_options(*get_app, getting->choice);
  getting->lock = add_lock_options(*get_app, false);
  add_stale_flag(*get_app, context);
  add_at_option(*get_app, context);
  get_app->footer(
      "Sources may be patterns. Examples:\n"
      "  dfsctl get '/films/*.mkv' .                  dfsctl get -r --include '*.pdf' /docs .");
  get_app->callback([&context, getting] {
    unshield(getting->paths, getting->choice.filter);
    context.run = [&context, getting] { return get(context, *getting); };
  });

  auto* cat_app = app.add_subcommand("cat", "write files to stdout");
  auto showing = std::make_shared<CatOptions>();
  cat_app->add_option("PATH", showing->paths, "remote files; may be patterns")->required();
  add_stale_flag(*cat_app, context);
  add_at_option(*cat_app, context);
  cat_app->footer("Examples:\n  dfsctl cat '/logs/2026-01-*.log' | grep error");
  cat_app->callback([&context, showing] {
    unshield(showing->paths);
    context.run = [&context, showing] { return cat(context, *showing); };
  });
}

}  // namespace dfs::cli
