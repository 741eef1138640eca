// put get cat
#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <memory>
#include <mutex>
#include <thread>

#include "actors/client/local_files.h"
#include "broker/config.h"
#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/lock_choice.h"

namespace dfs::cli {

namespace {

namespace fs = std::filesystem;

// One file to move.
struct Move {
  std::string local;   // "-": stdin or stdout
  std::string remote;  // absolute
};

// Moves files, several at once, and says how it went. Put and get differ only in `move`.
class Mover {
 public:
  using Moves = std::vector<Move>;
  using Step = std::function<Result<TransferReport>(const Move&, const TransferOptions&)>;

  Mover(Context& context, TransferOptions options, Step step)
      : context_(context), options_(std::move(options)), step_(std::move(step)) {}

  // Files named one by one are reported one by one, those of a tree together as `tree`.
  void run(const Moves& moves, const std::string& tree);

 private:
  void move_one(const Move& move, const TransferOptions& options, ProgressLine& progress);
  void report(const Move& move, const TransferReport& report);
  void report_tree(const std::string& tree, Duration elapsed);
  bool stdout_is_data() const { return stdout_is_data_; }

  Context& context_;
  TransferOptions options_;
  Step step_;
  bool in_tree_ = false;
  bool stdout_is_data_ = false;

  std::mutex mutex_;  // of what follows
  uint64_t files_done_ = 0;
  uint64_t files_failed_ = 0;
  uint64_t bytes_done_ = 0;    // of whole files
  uint64_t bytes_moving_ = 0;  // of files under way
};

void Mover::run(const Moves& moves, const std::string& tree) {
  if (moves.empty()) return;
  in_tree_ = !tree.empty();
  stdout_is_data_ = std::any_of(moves.begin(), moves.end(), [&](const Move& move) {
    return move.local == "-" && context_.command != "put";
  });
  const auto workers =
      in_tree_ ? std::min<size_t>(std::max(1u, options_.jobs), moves.size()) : size_t{1};
  TransferOptions each = options_;
  // Files and blocks at once together stay within --jobs, and so does the memory they need.
  each.jobs = std::max(1u, options_.jobs / static_cast<uint32_t>(workers));
  const Instant begun = steady_now();
  {
    const std::string label = context_.command + " " + printable(in_tree_ ? tree : moves[0].remote);
    ProgressLine progress(label, !context_.options.quiet && !context_.json());
    std::atomic<size_t> next = 0;
    const auto work = [&] {
      for (size_t i = next++; i < moves.size() && !context_.interrupted(); i = next++) {
        move_one(moves[i], each, progress);
      }
    };
    std::vector<std::jthread> threads;
    for (size_t i = 1; i < workers; ++i) threads.emplace_back(work);
    work();
  }
  if (in_tree_) report_tree(tree, steady_now() - begun);
}

// `dfsctl cat FILE | head`: who reads has seen enough, and nothing failed.
bool reader_left(const Error& error) {
  const auto number = error.cause.find("errno");
  return error.code == Code::local_io && number != error.cause.end() &&
         number->second == std::to_string(EPIPE);
}

void Mover::move_one(const Move& move, const TransferOptions& options, ProgressLine& progress) {
  TransferOptions own = options;
  auto moved = std::make_shared<uint64_t>(0);
  own.progress = [this, &progress, moved](const Progress& now) {
    const std::scoped_lock lock(mutex_);
    bytes_moving_ += now.done_bytes - *moved;
    *moved = now.done_bytes;
    progress.show(bytes_done_ + bytes_moving_, in_tree_ ? Source::kUnknownSize : now.total_bytes);
  };
  auto outcome = step_(move, own);
  {
    const std::scoped_lock lock(mutex_);
    bytes_moving_ -= *moved;
    if (outcome) {
      bytes_done_ += in_tree_ ? outcome->bytes : 0;
      ++files_done_;
    } else {
      ++files_failed_;
    }
  }
  if (outcome) {
    context_.note(outcome->freshness);
    if (!in_tree_ || context_.json()) report(move, *outcome);
  } else if (!reader_left(outcome.error())) {
    context_.fail(move.remote, outcome.error());
  }
}

std::string report_json(const std::string& command, const Move& move,
                        const TransferReport& report) {
  const double seconds = std::chrono::duration<double>(report.elapsed).count();
  JsonLine line;
  line.add("command", command).add("path", move.remote).add("local", move.local);
  line.add("bytes", report.bytes).add("seconds", seconds);
  line.add("bytes_per_second", static_cast<double>(report.bytes) / std::max(seconds, 1e-6));
  line.add("crc32c", hex32(report.info.crc32c)).add("version", report.info.version);
  line.add("object", report.info.object).add("blocks", report.blocks);
  line.add("copies", report.copies_min);
  if (command == "put") line.add("copies_wanted", report.copies_wanted);
  line.add("blocks_resent", report.blocks_resent);
  line.add("reads_hedged", report.reads_hedged);
  line.add("reads_failed_over", report.reads_failed_over);
  line.add("longest_stall_ms",
           std::chrono::duration_cast<std::chrono::milliseconds>(report.longest_stall).count());
  if (command == "put") line.raw("receipt", to_json(report.receipt));
  if (report.freshness.stale) add_freshness(line, report.freshness);
  return line.str();
}

void Mover::report(const Move& move, const TransferReport& report) {
  if (context_.json()) {
    return context_.summary(report_json(context_.command, move, report), stdout_is_data());
  }
  std::string line = context_.command + " " + printable(move.remote) + "  " +
                     human_bytes(report.bytes) + "  in " + human_duration(report.elapsed) + "  " +
                     human_rate(report.bytes, report.elapsed) +
                     "  crc32c=" + hex32(report.info.crc32c);
  if (context_.command == "put" && report.blocks != 0) {
    line += report.copies_min >= report.copies_wanted
                ? "  " + counted(report.copies_min, "copy")
                : "  " + std::to_string(report.copies_min) + " of " +
                      counted(report.copies_wanted, "copy") + ", the rest to follow";
  }
  if (report.blocks_resent != 0) line += "  " + counted(report.blocks_resent, "block") + " resent";
  if (report.reads_failed_over != 0) {
    line += "  " + counted(report.reads_failed_over, "read") + " from another copy";
  }
  context_.summary(line, stdout_is_data());
}

void Mover::report_tree(const std::string& tree, Duration elapsed) {
  const double seconds = std::max(std::chrono::duration<double>(elapsed).count(), 1e-6);
  const double files_per_second = static_cast<double>(files_done_) / seconds;
  if (context_.json()) {
    JsonLine line;
    line.add("command", context_.command).add("tree", tree).add("files", files_done_);
    line.add("files_failed", files_failed_).add("bytes", bytes_done_).add("seconds", seconds);
    return context_.summary(line.add("files_per_second", files_per_second).str(), false);
  }
  std::string line = context_.command + " " + printable(tree) + "  " +
                     counted(files_done_, "file") + "  " + human_bytes(bytes_done_) + "  in " +
                     human_duration(elapsed) + "  " + human_rate(bytes_done_, elapsed) + "  " +
                     std::to_string(static_cast<uint64_t>(files_per_second)) + " files/s";
  if (files_failed_ != 0) line += "  " + std::to_string(files_failed_) + " failed";
  context_.summary(line, false);
}

TransferOptions transfer_options(const Context& context) {
  TransferOptions options;
  options.jobs = context.options.jobs;
  options.deadline = context.options.timeout;
  options.stale = context.stale;
  options.at = context.at;
  return options;
}

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
};

Result<CopyLevel> copy_level(const std::string& name) {
  if (name.empty() || name == "default") return CopyLevel::standard;
  if (name == "one") return CopyLevel::one;
  if (name == "quorum") return CopyLevel::quorum;
  if (name == "all") return CopyLevel::all;
  return Result<CopyLevel>(Code::usage, "it must be one, quorum, all or default");
}

// The files below the local directory `from`; their directories are made remotely on the way.
Result<Mover::Moves> tree_to_put(Context& context, const std::string& from, const std::string& to) {
  auto made = context.session().make_dir(to, true);
  if (!made) return std::move(made).error();
  Mover::Moves moves;
  std::error_code error;
  fs::recursive_directory_iterator walk(from, error);
  for (; !error && walk != fs::recursive_directory_iterator(); walk.increment(error)) {
    const std::string name = walk->path().lexically_relative(from).string();
    const std::string remote = join_path(to, name);
    std::error_code unknown;
    if (walk->is_symlink(unknown)) {
      context.warn(printable(walk->path().string()) + " is a symbolic link and is left out");
    } else if (walk->is_directory(unknown)) {
      auto below = context.session().make_dir(remote, true);
      if (!below) return std::move(below).error();
    } else if (walk->is_regular_file(unknown)) {
      moves.push_back({walk->path().string(), remote});
    } else {
      context.warn(printable(walk->path().string()) + " is not a regular file and is left out");
    }
  }
  if (error) return Result<Mover::Moves>(Code::local_io, system_text(from, error));
  std::sort(moves.begin(), moves.end(),
            [](const Move& a, const Move& b) { return a.remote < b.remote; });
  return moves;
}

int put(Context& context, const PutOptions& options) {
  TransferOptions transfer = transfer_options(context);
  if (!options.block_size.empty()) {
    auto size = parse_size(options.block_size);
    if (!size) return context.fail("--block-size", size.error());
    transfer.block_bytes = *size;
    const bool whole = *size % kPartBytes == 0;
    if (*size < kBlockBytesMin || *size > kBlockBytesMax || !whole) {
      return context.fail("--block-size",
                          Error{Code::usage, "it must be a multiple of 1M from 1M to 128M", {}, 0});
    }
  }
  auto level = copy_level(options.durability);
  if (!level) return context.fail("--durability", level.error());
  transfer.copies = *level;
  auto lock = lock_options(context, *options.lock);
  if (!lock) return context.fail("", lock.error());
  transfer.lock = *lock;
  const std::string& target_text = options.paths.back();
  auto target = normal_path(target_text);
  if (!target) return context.fail(target_text, target.error());
  auto kind = context.kind_of(*target);
  if (!kind) return context.fail(*target, kind.error());
  Mover mover(context, transfer, [&](const Move& move, const TransferOptions& own) {
    if (move.local == "-") {
      return context.session().put(stream_source(STDIN_FILENO, "stdin"), move.remote, own);
    }
    auto source = open_source(move.local);
    if (!source) return Result<TransferReport>(std::move(source).error());
    return context.session().put(std::move(*source), move.remote, own);
  });

  const size_t sources = options.paths.size() - 1;
  for (size_t i = 0; i < sources && !context.interrupted(); ++i) {
    const std::string& local = options.paths[i];
    const bool tree = local != "-" && local_kind(local) == TargetKind::directory;
    const std::string name =
        local == "-" ? "" : base_name(fs::absolute(local).lexically_normal().string());
    // A tree may get a name of its own: "new/" need not be there yet.
    const bool as_directory =
        names_directory(target_text) && !(tree && *kind == TargetKind::missing);
    auto remote = target_path(*target, *kind, as_directory, sources, name);
    if (!remote) {
      context.fail(*target, remote.error());
    } else if (tree && !options.recursive) {
      context.fail(local, Error{Code::is_directory, "it was left out; try -r", {}, 0});
    } else if (tree) {
      auto moves = tree_to_put(context, local, *remote);
      if (!moves) {
        context.fail(local, moves.error());
      } else {
        mover.run(*moves, *remote);
      }
    } else {
      mover.run({{local, *remote}}, "");
    }
  }
  return context.status();
}

struct GetOptions {
  std::vector<std::string> paths;  // sources, then the target
  std::string from;
  bool recursive = false;
  std::shared_ptr<LockChoice> lock;
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

// The files below the remote directory `from`; their directories are made here on the way.
Result<Mover::Moves> tree_to_get(Context& context, const std::string& from, const std::string& to) {
  Mover::Moves moves;
  std::vector<std::pair<std::string, std::string>> waiting = {{from, to}};
  while (!waiting.empty()) {
    const auto [remote, local] = waiting.back();
    waiting.pop_back();
    DFS_CHECK(make_local_directory(local));
    const auto visit = [&, &remote = remote, &local = local](const ListEntry& entry) {
      // Names come from the network: none may lead out of the target.
      if (bad_name(entry.name) != nullptr) return true;
      const std::string below = join_path(remote, entry.name);
      if (entry.info.type == FileType::directory) {
        waiting.emplace_back(below, join_path(local, entry.name));
      } else {
        moves.push_back({join_path(local, entry.name), below});
      }
      return true;
    };
    DFS_CHECK(for_each_entry(context, remote, visit));
  }
  return moves;
}

Result<TransferReport> get_one(Context& context, const Move& move, const TransferOptions& options) {
  auto sink = move.local == "-" ? stream_sink(STDOUT_FILENO, "stdout") : file_sink(move.local);
  return context.session().get(move.remote, std::move(sink), options);
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
  if (target == "-") return mover.run({{"-", *remote}}, "");
  const bool as_directory = names_directory(target) && !(tree && kind == TargetKind::missing);
  // The root has no name: its content goes right into the target.
  const bool bare = *remote == "/" && kind == TargetKind::directory;
  auto local = bare ? Result<std::string>(target)
                    : target_path(target, kind, as_directory, sources, base_name(*remote));
  if (!local) return (void)context.fail(target, local.error());
  if (!tree) return mover.run({{*local, *remote}}, "");
  auto moves = tree_to_get(context, *remote, *local);
  if (!moves) return (void)context.fail(*remote, moves.error());
  mover.run(*moves, *remote);
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
  for (const std::string& text : options.paths) {
    if (context.interrupted()) break;
    get_source(context, mover, options, text, target, kind, options.paths.size());
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
  for (const std::string& text : options.paths) {
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
  putting->lock = add_lock_options(*put_app, true);
  put_app->callback([&context, putting] {
    unshield(putting->paths);
    context.run = [&context, putting] { return put(context, *putting); };
  });

  auto* get_app = app.add_subcommand("get", "fetch files; each appears whole or not at all");
  auto getting = std::make_shared<GetOptions>();
  get_app->add_option("PATH", getting->paths, "remote files, then the local target (- for stdout)")
      ->required()
      ->expected(1, kMany);
  get_app->add_flag("-r,--recursive", getting->recursive, "directories with all below");
  get_app->add_option("--from", getting->from, "the storage node to read from where it has a copy");
  getting->lock = add_lock_options(*get_app, false);
  add_stale_flag(*get_app, context);
  add_at_option(*get_app, context);
  get_app->callback([&context, getting] {
    unshield(getting->paths);
    context.run = [&context, getting] { return get(context, *getting); };
  });

  auto* cat_app = app.add_subcommand("cat", "write files to stdout");
  auto showing = std::make_shared<CatOptions>();
  cat_app->add_option("PATH", showing->paths, "remote files")->required();
  add_stale_flag(*cat_app, context);
  add_at_option(*cat_app, context);
  cat_app->callback([&context, showing] {
    unshield(showing->paths);
    context.run = [&context, showing] { return cat(context, *showing); };
  });
}

}  // namespace dfs::cli
