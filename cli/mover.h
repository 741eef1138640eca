// Many files put or fetched, several at once, with one progress line and one line at the end.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "cli/glob.h"

namespace dfs::cli {

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

  // Files named one by one are reported one by one, those of a tree together as `tree`. Returns how
  // many files were not moved.
  uint64_t run(const Moves& moves, const std::string& tree);

  // For a command that closes with a line of its own.
  void tell_no_sum() { tells_sum_ = false; }
  uint64_t files_done() const { return files_done_; }
  uint64_t bytes_done() const { return bytes_done_; }

 private:
  void move_one(const Move& move, const TransferOptions& options, ProgressLine& progress);
  void report(const Move& move, const TransferReport& report);
  void report_tree(const std::string& tree, Duration elapsed);
  bool stdout_is_data() const { return stdout_is_data_; }

  Context& context_;
  TransferOptions options_;
  Step step_;
  bool in_tree_ = false;
  bool tells_sum_ = true;
  bool stdout_is_data_ = false;
  bool shows_content_ = false;  // to a person, whose last line nothing may overwrite

  std::mutex mutex_;  // of what follows
  uint64_t files_done_ = 0;
  uint64_t files_failed_ = 0;
  uint64_t bytes_done_ = 0;    // of whole files
  uint64_t bytes_moving_ = 0;  // of files under way
};

// What is common to all transfers of a command, from the options that every command has.
TransferOptions transfer_options(const Context& context);
// One file from here to there; "-" is stdin.
Result<TransferReport> put_one(Context& context, const Move& move, const TransferOptions& options);
// One file from there to here; "-" is stdout.
Result<TransferReport> get_one(Context& context, const Move& move, const TransferOptions& options);

// Options that put, get and sync share.
struct MoveChoice {
  GlobFilter filter;
  bool dry_run = false;
  std::string rate;
};
// Declares --include, --exclude, --dry-run and --bwlimit.
void add_move_options(CLI::App& command, MoveChoice& choice);
// The limit that --bwlimit says, none if it is not given; `usage` when it cannot be read.
Result<std::shared_ptr<RateLimit>> rate_of(const MoveChoice& choice);

// What --dry-run prints for a transfer: "would put a.txt to /a.txt".
std::string pretended(const Context& context, const Move& move);

}  // namespace dfs::cli
