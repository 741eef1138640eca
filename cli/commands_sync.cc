// sync
#include <fcntl.h>
#include <sys/stat.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <memory>

#include "actors/client/local_files.h"
#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/lock_choice.h"
#include "cli/mover.h"
#include "cli/sync_plan.h"
#include "cli/walking.h"
#include "messages/crc32c.h"

namespace dfs::cli {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view kRemoteMark = "zdfs:";

struct SyncOptions {
  std::vector<std::string> ends;  // source and target
  bool by_checksum = false;
  bool remove = false;
  MoveChoice choice;
  std::shared_ptr<LockChoice> lock;
};

Error local_error(const std::string& what, const std::string& path, const std::error_code& why) {
  return Error{Code::local_io, what + " " + path + ": " + why.message(), {{"file", path}}, 0};
}

class LocalSide : public SyncSide {
 public:
  explicit LocalSide(std::string root) : root_(std::move(root)) {}

  std::string path_of(const std::string& relative) const {
    return relative.empty() ? root_ : join_path(root_, relative);
  }

  Result<std::vector<SyncEntry>> list(const std::string& directory) override {
    std::vector<SyncEntry> entries;
    std::error_code error;
    fs::directory_iterator at(path_of(directory), error);
    for (; !error && at != fs::directory_iterator(); at.increment(error)) {
      struct stat info {};
      if (::lstat(at->path().c_str(), &info) != 0) {
        const std::error_code why(errno, std::generic_category());
        // What is gone since is not there. Of anything else that would be said too, and --delete
        // would remove it on the other side.
        if (why == std::errc::no_such_file_or_directory) continue;
        return local_error("cannot look at", at->path().string(), why);
      }
      SyncEntry entry;
      entry.name = at->path().filename().string();
      entry.kind = S_ISDIR(info.st_mode)   ? SyncEntry::Kind::directory
                   : S_ISREG(info.st_mode) ? SyncEntry::Kind::file
                                           : SyncEntry::Kind::other;
      entry.size = static_cast<uint64_t>(info.st_size);
      entry.modified_ms = int64_t{info.st_mtim.tv_sec} * 1000 + info.st_mtim.tv_nsec / 1'000'000;
      entries.push_back(std::move(entry));
    }
    if (error) return local_error("cannot list", path_of(directory), error);
    return entries;
  }

  Result<uint32_t> crc32c(const std::string& file) override {
    auto source = open_source(path_of(file));
    if (!source) return source.error();
    std::vector<char> bytes(kPartBytes);
    uint32_t crc = 0;
    for (uint64_t offset = 0;;) {
      auto got = (*source)->read(offset, bytes.data(), bytes.size());
      if (!got) return got.error();
      if (*got == 0) return crc;
      crc = dfs::crc32c(bytes.data(), *got, crc);
      offset += *got;
    }
  }

 private:
  std::string root_;
};

class RemoteSide : public SyncSide {
 public:
  RemoteSide(Context& context, std::string root) : context_(context), root_(std::move(root)) {}

  std::string path_of(const std::string& relative) const {
    return relative.empty() ? root_ : join_path(root_, relative);
  }

  Result<std::vector<SyncEntry>> list(const std::string& directory) override {
    std::vector<SyncEntry> entries;
    DFS_CHECK(for_each_entry(context_, path_of(directory), [&](const ListEntry& listed) {
      if (bad_name(listed.name) != nullptr) return true;
      SyncEntry entry;
      entry.name = listed.name;
      entry.kind = listed.info.type == FileType::directory ? SyncEntry::Kind::directory
                   : listed.info.type == FileType::file    ? SyncEntry::Kind::file
                                                           : SyncEntry::Kind::other;
      entry.size = listed.info.size;
      entry.modified_ms = listed.info.modified_ms;
      if (listed.info.crc32c_known) entry.crc32c = listed.info.crc32c;
      entries.push_back(std::move(entry));
      return !context_.interrupted();
    }));
    return entries;
  }

  // The list tells it, but of files whose record was lost.
  Result<uint32_t> crc32c(const std::string& file) override {
    return Error{Code::unsupported, "the checksum of " + path_of(file) + " is not known", {}, 0};
  }

 private:
  Context& context_;
  std::string root_;
};

class Sync {
 public:
  Sync(Context& context, const SyncOptions& options, std::string local, std::string remote, bool up)
      : context_(context),
        options_(options),
        local_(local),
        remote_(context, remote),
        local_root_(std::move(local)),
        remote_root_(std::move(remote)),
        up_(up) {}

  int run();

 private:
  Result<bool> look_at_ends();
  void show(const std::string& action, const SyncStep& step) const;
  bool make_directories(const std::vector<SyncStep>& steps);
  uint64_t copy(const std::vector<SyncStep>& steps, const TransferOptions& transfer);
  Result<void> make(const std::string& path);
  Result<void> remove(const SyncStep& step);
  void remove_all(const std::vector<SyncStep>& steps);
  Result<TransferReport> move(const Move& move, const TransferOptions& options) const;
  void sum_up(const SyncPlan& plan, Duration elapsed);

  std::string target_of(const std::string& relative) const {
    return up_ ? remote_.path_of(relative) : local_.path_of(relative);
  }
  bool dry_run() const { return options_.choice.dry_run; }

  Context& context_;
  const SyncOptions& options_;
  LocalSide local_;
  RemoteSide remote_;
  std::string local_root_;
  std::string remote_root_;
  bool up_;  // from here to there
  uint64_t failed_ = 0;
  uint64_t copied_ = 0;
  uint64_t bytes_ = 0;
  uint64_t removed_ = 0;
};

// Whether the target is there; the source must be, and both are directories.
Result<bool> Sync::look_at_ends() {
  auto there = context_.kind_of(remote_root_);
  if (!there) return there.error();
  std::error_code unknown;
  const fs::file_status status = fs::status(local_root_, unknown);
  const TargetKind here = fs::is_directory(status) ? TargetKind::directory
                          : fs::exists(status)     ? TargetKind::file
                                                   : TargetKind::missing;
  const TargetKind source = up_ ? here : *there;
  const TargetKind target = up_ ? *there : here;
  const std::string which = up_ ? local_root_ : remote_root_;
  if (source == TargetKind::missing) {
    return Error{Code::not_found, "there is no source " + which + "; nothing was done", {}, 0};
  }
  if (source == TargetKind::file || target == TargetKind::file) {
    return Error{Code::not_directory,
                 "sync wants two directories; for one file there are put and get",
                 {},
                 0};
  }
  return target == TargetKind::directory;
}

void Sync::show(const std::string& action, const SyncStep& step) const {
  const std::string path = target_of(step.path);
  if (context_.json()) {
    JsonLine line;
    line.add("command", "sync").add("action", action).add("path", path);
    if (!step.why.empty()) line.add("why", step.why);
    if (step.whole) line.add("whole", true);
    return context_.print(line.add("dry_run", dry_run()).str());
  }
  if (!dry_run()) return;
  const std::string why = action == "copy" ? "  (" + step.why + ", " + human_bytes(step.bytes) + ")"
                          : step.whole     ? "/ with all below"
                          : step.directory || action == "make" ? "/"
                                                               : "";
  context_.print("would " + action + " " + Context::shown(path) + why);
}

Result<void> Sync::make(const std::string& path) {
  if (up_) {
    auto made = context_.session().make_dir(path, true);
    return made ? Result<void>() : Result<void>(made.error());
  }
  std::error_code error;
  fs::create_directories(path, error);
  if (error) return local_error("cannot make the directory", path, error);
  return {};
}

bool Sync::make_directories(const std::vector<SyncStep>& steps) {
  for (const SyncStep& step : steps) {
    if (context_.interrupted()) return false;
    if (dry_run()) {
      show("make", step);
      continue;
    }
    auto made = make(target_of(step.path));
    if (!made) {
      ++failed_;
      context_.fail(target_of(step.path), made.error());
      return false;
    }
    if (context_.json()) show("make", step);
  }
  return true;
}

// What was fetched has the time of its change there, so that it is not taken for older or newer.
Result<TransferReport> Sync::move(const Move& move, const TransferOptions& options) const {
  if (up_) return put_one(context_, move, options);
  auto report = get_one(context_, move, options);
  if (!report) return report;
  const int64_t ms = report->info.modified_ms;
  const timespec changed{ms / 1000, (ms % 1000) * 1'000'000};
  const timespec times[2] = {changed, changed};
  if (::utimensat(AT_FDCWD, move.local.c_str(), times, 0) != 0) {
    const std::error_code error(errno, std::generic_category());
    return local_error("cannot set the time of", move.local, error);
  }
  return report;
}

// Returns how many were not copied.
uint64_t Sync::copy(const std::vector<SyncStep>& steps, const TransferOptions& transfer) {
  Mover::Moves moves;
  for (const SyncStep& step : steps) {
    if (dry_run()) show("copy", step);
    moves.push_back({local_.path_of(step.path), remote_.path_of(step.path)});
  }
  if (dry_run()) return 0;
  Mover mover(context_, transfer,
              [this](const Move& one, const TransferOptions& own) { return move(one, own); });
  mover.tell_no_sum();
  const uint64_t failed = mover.run(moves, remote_root_);
  copied_ = mover.files_done();
  bytes_ = mover.bytes_done();
  return failed;
}

Result<void> Sync::remove(const SyncStep& step) {
  const std::string path = target_of(step.path);
  if (up_) {
    const auto lock = lock_options(context_, *options_.lock);
    if (!lock) return lock.error();
    auto removed = context_.session().run<RemoveReply>([&](Client& client) {
      return client.remove(Remove{path, step.whole}, *lock);
    });
    if (removed || removed.code() == Code::not_found) return {};
    return removed.error();
  }
  std::error_code error;
  if (step.whole) {
    fs::remove_all(path, error);
  } else {
    fs::remove(path, error);
  }
  if (error) return local_error("cannot remove", path, error);
  return {};
}

void Sync::remove_all(const std::vector<SyncStep>& steps) {
  if (failed_ > 0 && !steps.empty()) {
    return context_.warn("nothing is removed from the target, for not all was copied");
  }
  for (const SyncStep& step : steps) {
    if (context_.interrupted()) return;
    if (!dry_run()) {
      auto removed = remove(step);
      if (!removed) {
        ++failed_;
        context_.fail(target_of(step.path), removed.error());
        continue;
      }
      ++removed_;
    }
    if (dry_run() || context_.json()) show("remove", step);
  }
}

void Sync::sum_up(const SyncPlan& plan, Duration elapsed) {
  if (dry_run()) {
    copied_ = plan.copies.size();
    removed_ = failed_ == 0 ? plan.removals.size() : 0;
    for (const SyncStep& step : plan.copies) bytes_ += step.bytes;
  }
  if (context_.json()) {
    JsonLine line;
    line.add("command", "sync").add("source", options_.ends[0]).add("target", options_.ends[1]);
    line.add("copied", copied_).add("bytes", bytes_).add("removed", removed_);
    line.add("unchanged", plan.unchanged).add("failed", failed_);
    line.add("seconds", std::chrono::duration<double>(elapsed).count());
    return context_.summary(line.add("dry_run", dry_run()).str(), false);
  }
  std::string line = dry_run() ? "sync would copy " : "sync ";
  line += counted(copied_, "file") + "  " + human_bytes(bytes_);
  if (!dry_run()) line += "  in " + human_duration(elapsed) + "  " + human_rate(bytes_, elapsed);
  line += "  " + std::to_string(plan.unchanged) + " unchanged";
  if (options_.remove) line += "  " + std::to_string(removed_) + " removed";
  if (failed_ != 0) line += "  " + std::to_string(failed_) + " failed";
  context_.summary(line, false);
}

int Sync::run() {
  TransferOptions transfer = transfer_options(context_);
  auto rate = rate_of(options_.choice);
  if (!rate) return context_.fail("--bwlimit", rate.error());
  transfer.rate = *rate;
  auto lock = lock_options(context_, *options_.lock);
  if (!lock) return context_.fail("", lock.error());
  if (up_) transfer.lock = *lock;
  const auto target_exists = look_at_ends();
  if (!target_exists) return context_.fail("", target_exists.error());

  const Instant begun = steady_now();
  const SyncRules rules{options_.by_checksum, options_.remove, options_.choice.filter};
  SyncSide& source = up_ ? static_cast<SyncSide&>(local_) : remote_;
  SyncSide& target = up_ ? static_cast<SyncSide&>(remote_) : local_;
  SyncPlan plan = plan_sync(
      source, target, *target_exists, rules, [&](const std::string& path, const Error& error) {
        ++failed_;
        context_.fail(target_of(path), error);
        return exit_code_of(error.code) != kExitUnavailable && !context_.interrupted();
      });
  if (context_.interrupted() || context_.status() == kExitUnavailable) return context_.status();
  for (const std::string& path : plan.others) {
    context_.warn(printable(local_.path_of(path)) + " is no regular file and is left out");
  }
  if (!*target_exists) plan.directories.insert(plan.directories.begin(), SyncStep{"", "new"});
  if (make_directories(plan.directories)) failed_ += copy(plan.copies, transfer);
  if (!context_.interrupted()) remove_all(plan.removals);
  sum_up(plan, steady_now() - begun);
  return context_.status();
}

int sync(Context& context, const SyncOptions& options) {
  const bool up = options.ends[1].starts_with(kRemoteMark);
  if (up == options.ends[0].starts_with(kRemoteMark)) {
    return context.fail("", Error{Code::usage,
                                  "one of SOURCE and TARGET must be here and the other in the "
                                  "cluster, written as zdfs:/PATH",
                                  {},
                                  0});
  }
  const std::string& text = options.ends[up ? 1 : 0];
  auto remote = normal_path(std::string_view(text).substr(kRemoteMark.size()));
  if (!remote) return context.fail(text, remote.error());
  return Sync(context, options, options.ends[up ? 0 : 1], *remote, up).run();
}

}  // namespace

void add_sync_command(CLI::App& app, Context& context) {
  auto* command = app.add_subcommand("sync", "make TARGET hold what SOURCE holds, either way");
  auto options = std::make_shared<SyncOptions>();
  command
      ->add_option("SOURCE TARGET", options->ends,
                   "two directories, one of them in the cluster: zdfs:/PATH")
      ->required()
      ->expected(2);
  command->add_flag("--checksum", options->by_checksum,
                    "compare the contents' checksums, and not the times of change");
  command->add_flag("--delete", options->remove,
                    "at the end, if all went well, remove what SOURCE does not have");
  add_move_options(*command, options->choice);
  options->lock = add_lock_options(*command, true);
  command->footer(
      "What is below SOURCE comes to be below TARGET. A file is copied when its size differs or "
      "it\n"
      "was changed after the one in TARGET; in the cluster that is when it was put there. A file\n"
      "that got older with the same size needs --checksum. What --exclude leaves out stays as it\n"
      "is on both sides. Examples:\n"
      "  dfsctl sync photos zdfs:/photos\n"
      "  dfsctl sync --delete --dry-run zdfs:/photos photos");
  command->callback([&context, options] {
    unshield(options->ends, options->choice.filter);
    context.run = [&context, options] { return sync(context, *options); };
  });
}

}  // namespace dfs::cli
