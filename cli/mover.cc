#include "cli/mover.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <thread>

#include "actors/client/local_files.h"
#include "broker/config.h"
#include "cli/walking.h"

namespace dfs::cli {

uint64_t Mover::run(const Moves& moves, const std::string& tree) {
  if (moves.empty()) return 0;
  in_tree_ = !tree.empty();
  stdout_is_data_ = std::any_of(moves.begin(), moves.end(), [&](const Move& move) {
    return move.local == "-" && context_.command != "put";
  });
  shows_content_ = stdout_is_data_ && isatty(STDOUT_FILENO) != 0;
  const auto workers =
      in_tree_ ? std::min<size_t>(std::max(1u, options_.jobs), moves.size()) : size_t{1};
  TransferOptions each = options_;
  // Files and blocks at once together stay within --jobs, and so does the memory they need.
  each.jobs = std::max(1u, options_.jobs / static_cast<uint32_t>(workers));
  const Instant begun = steady_now();
  const uint64_t done_before = files_done_;
  {
    const std::string label = context_.command + " " + printable(in_tree_ ? tree : moves[0].remote);
    const bool draws = !context_.options.quiet && !context_.json() && !shows_content_;
    ProgressLine progress(label, draws);
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
  if (in_tree_ && tells_sum_) report_tree(tree, steady_now() - begun);
  return moves.size() - (files_done_ - done_before);
}

namespace {

// `dfsctl cat FILE | head`: who reads has seen enough, and nothing failed.
bool reader_left(const Error& error) {
  const auto number = error.cause.find("errno");
  return error.code == Code::local_io && number != error.cause.end() &&
         number->second == std::to_string(EPIPE);
}

}  // namespace

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

namespace {

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

}  // namespace

void Mover::report(const Move& move, const TransferReport& report) {
  if (shows_content_) return;
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

Result<TransferReport> put_one(Context& context, const Move& move, const TransferOptions& options) {
  if (move.local == "-") {
    return context.session().put(stream_source(STDIN_FILENO, "stdin"), move.remote, options);
  }
  auto source = open_source(move.local);
  if (!source) return std::move(source).error();
  return context.session().put(std::move(*source), move.remote, options);
}

Result<TransferReport> get_one(Context& context, const Move& move, const TransferOptions& options) {
  auto sink = move.local == "-" ? stream_sink(STDOUT_FILENO, "stdout") : file_sink(move.local);
  return context.session().get(move.remote, std::move(sink), options);
}

void add_move_options(CLI::App& command, MoveChoice& choice) {
  add_filter_options(command, choice.filter);
  command.add_flag("--dry-run", choice.dry_run, "only print what would be done");
  command.add_option("--bwlimit", choice.rate, "bytes per second at most, such as 10M")
      ->type_name("RATE");
}

Result<std::shared_ptr<RateLimit>> rate_of(const MoveChoice& choice) {
  if (choice.rate.empty()) return std::shared_ptr<RateLimit>();
  std::string_view text = choice.rate;
  if (text.ends_with("/s")) text.remove_suffix(2);
  auto rate = parse_size(text);
  if (rate && *rate > 0) return std::make_shared<RateLimit>(*rate);
  return Error{Code::usage,
               "`" + choice.rate + "` is no rate; write bytes per second, like 500K or 10M",
               {},
               0};
}

std::string pretended(const Context& context, const Move& move) {
  const bool put = context.command == "put";
  const std::string& from = put ? move.local : move.remote;
  const std::string& to = put ? move.remote : move.local;
  if (context.json()) {
    JsonLine line;
    line.add("command", context.command).add("path", move.remote).add("local", move.local);
    return line.add("dry_run", true).str();
  }
  return "would " + context.command + " " + Context::shown(from) + " to " + Context::shown(to);
}

}  // namespace dfs::cli
