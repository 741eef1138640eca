// head tail
#include <poll.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <optional>
#include <thread>

#include "actors/client/local_files.h"
#include "broker/config.h"
#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/line_sinks.h"
#include "cli/mover.h"
#include "cli/walking.h"
#include "messages/crc32c.h"

namespace dfs::cli {

namespace {

constexpr Duration kFollowPeriod = std::chrono::seconds(1);
constexpr Duration kStep = std::chrono::milliseconds(50);
constexpr uint64_t kTriesMax = 5;  // for a file that changes again and again

struct PeekOptions {
  std::vector<std::string> paths;
  uint64_t lines = 10;
  std::string bytes_text;
  std::optional<uint64_t> bytes;
  bool follow = false;
};

// `dfsctl tail -f FILE | head` ends when head does.
bool reader_left() {
  pollfd out{STDOUT_FILENO, 0, 0};
  return poll(&out, 1, 0) == 1 && (out.revents & POLLERR) != 0;
}

bool was_closed(const Error& error) {
  const auto number = error.cause.find("errno");
  return number != error.cause.end() && number->second == std::to_string(EPIPE);
}

// Of the file at this version; 0: at any.
Result<TransferReport> fetch(Context& context, const std::string& path, ByteRange range,
                             std::shared_ptr<Sink> sink, uint64_t version) {
  TransferOptions options = transfer_options(context);
  options.range = range;
  if (version != 0) options.expected_version = version;
  auto report = context.session().get(path, std::move(sink), options);
  if (report) context.note(report->freshness);
  return report;
}

Result<void> show(Context& context, const std::string& path, ByteRange range, uint64_t version) {
  auto shown = fetch(context, path, range, stream_sink(STDOUT_FILENO, "stdout"), version);
  if (!shown && !was_closed(shown.error())) return shown.error();
  return {};
}

Result<void> head_one(Context& context, const PeekOptions& options, const std::string& path) {
  if (options.bytes) return show(context, path, {0, *options.bytes}, 0);
  // As there is no telling where the lines end, little is read ahead.
  TransferOptions transfer = transfer_options(context);
  transfer.jobs = 1;
  transfer.window_parts = 2;
  if (options.lines == 0) transfer.range.length = 0;
  auto lines = std::make_shared<FirstLines>(stream_sink(STDOUT_FILENO, "stdout"), options.lines);
  auto report = context.session().get(path, lines, transfer);
  if (report) context.note(report->freshness);
  if (report || lines->done() || was_closed(report.error())) return {};
  return report.error();
}

// Where the last lines begin. Reads backwards: the last part, then ever more.
Result<uint64_t> begin_of_tail(Context& context, const PeekOptions& options,
                               const std::string& path, const InodeInfo& info) {
  if (options.bytes) return info.size - std::min(info.size, *options.bytes);
  if (info.size == 0) return uint64_t{0};
  for (uint64_t window = kPartBytes;; window *= 4) {
    // Whole parts are what is read anyway.
    const uint64_t begin = window >= info.size ? 0 : (info.size - window) / kPartBytes * kPartBytes;
    auto lines = std::make_shared<LastLines>(begin, info.size, options.lines);
    auto report = fetch(context, path, {begin, UINT64_MAX}, lines, info.version);
    if (!report) return report.error();
    if (const auto found = lines->found()) return *found;
  }
}

// Shows the end of the file and tells what it was like then.
Result<InodeInfo> tail_one(Context& context, const PeekOptions& options, const std::string& path) {
  for (uint64_t tried = 1;; ++tried) {
    auto info = context.stat(path);
    if (!info) return info.error();
    if (info->type == FileType::directory) {
      return Error{Code::is_directory, "it has no lines; name files", {}, 0};
    }
    auto begin = begin_of_tail(context, options, path, *info);
    Result<void> shown;
    if (begin) {
      shown = show(context, path, {*begin, info->size - *begin}, info->version);
    } else {
      shown = begin.error();
    }
    if (shown) return *info;
    // A newer version came between; nothing of the old one was shown.
    if (shown.code() != Code::conflict || tried == kTriesMax) return shown.error();
  }
}

// Follows one file through its versions.
class Follower {
 public:
  Follower(Context& context, const PeekOptions& options, std::string path, InodeInfo shown)
      : context_(context), options_(options), path_(std::move(path)), shown_(std::move(shown)) {}

  void run() {
    while (wait()) look();
  }

 private:
  bool wait() const {
    for (Duration waited{0}; waited < kFollowPeriod; waited += kStep) {
      if (context_.interrupted() || reader_left()) return false;
      std::this_thread::sleep_for(kStep);
    }
    return context_.status() == kExitOk;
  }

  void look() {
    auto now = context_.stat(path_);
    if (!now) return tell_absence(now.error());
    absent_ = false;
    if (now->ino == shown_.ino && now->version == shown_.version) return;
    auto appended = is_appended(*now);
    if (appended && *appended) {
      auto shown = show(context_, path_, {shown_.size, UINT64_MAX}, now->version);
      if (shown) shown_ = *now;
      return judge(shown);
    }
    if (!appended) return judge(appended.error());
    context_.say("dfsctl tail: " + printable(path_) + " has other content now, version " +
                 std::to_string(now->version));
    auto shown = tail_one(context_, options_, path_);
    if (shown) shown_ = *shown;
    judge(shown ? Result<void>() : Result<void>(shown.error()));
  }

  // Whether the file begins with all that it held before: the checksums of that and of what follows
  // make that of the whole then.
  Result<bool> is_appended(const InodeInfo& now) {
    const bool known = now.crc32c_known && shown_.crc32c_known;
    if (!known || now.ino != shown_.ino || now.size < shown_.size) return false;
    auto rest = std::make_shared<CrcSink>();
    auto report = fetch(context_, path_, {shown_.size, UINT64_MAX}, rest, now.version);
    if (!report) return report.error();
    return crc32c_combine(shown_.crc32c, rest->crc(), now.size - shown_.size) == now.crc32c;
  }

  // What passes is looked at again a second later.
  void judge(const Result<void>& outcome) {
    if (outcome || outcome.code() == Code::conflict) return;
    tell_absence(outcome.error());
  }

  void tell_absence(const Error& error) {
    const bool may_pass =
        error.code == Code::not_found || exit_code_of(error.code) == kExitUnavailable;
    if (!may_pass) return (void)context_.fail(path_, error);
    if (!std::exchange(absent_, true)) {
      context_.say("dfsctl tail: " + printable(path_) + ": " + error.text + "; waiting for it");
    }
  }

  Context& context_;
  const PeekOptions& options_;
  const std::string path_;
  InodeInfo shown_;
  bool absent_ = false;
};

using One = std::function<Result<void>(const std::string& path)>;

int each_of(Context& context, const PeekOptions& options, const One& one) {
  const std::vector<std::string> paths = expanded(context, options.paths);
  bool first = true;
  for (const std::string& text : paths) {
    if (context.interrupted()) break;
    auto path = normal_path(text);
    if (!path) {
      context.fail(text, path.error());
      continue;
    }
    if (paths.size() > 1) {
      context.print((first ? "==> " : "\n==> ") + context.shown(*path) + " <==");
    }
    first = false;
    auto shown = one(*path);
    if (!shown) context.fail(*path, shown.error());
  }
  return context.status();
}

Result<void> read_size(PeekOptions& options) {
  if (options.bytes_text.empty()) return {};
  auto bytes = parse_size(options.bytes_text);
  if (!bytes) return bytes.error();
  options.bytes = *bytes;
  return {};
}

int head(Context& context, PeekOptions& options) {
  if (auto read = read_size(options); !read) return context.fail("-c", read.error());
  return each_of(context, options,
                 [&](const std::string& path) { return head_one(context, options, path); });
}

int tail(Context& context, PeekOptions& options) {
  if (auto read = read_size(options); !read) return context.fail("-c", read.error());
  if (options.follow && options.paths.size() > 1) {
    return context.fail("", Error{Code::usage, "-f follows one file; name one", {}, 0});
  }
  return each_of(context, options, [&](const std::string& path) -> Result<void> {
    auto shown = tail_one(context, options, path);
    if (!shown) return shown.error();
    if (options.follow) Follower(context, options, path, *shown).run();
    return {};
  });
}

std::shared_ptr<PeekOptions> add_peek_options(CLI::App& command, const std::string& which) {
  auto options = std::make_shared<PeekOptions>();
  command.add_option("PATH", options->paths, "remote files; may be patterns");
  auto* lines = command.add_option("-n,--lines", options->lines, "so many lines; 10 unless given");
  lines->check([](const std::string& text) { return not_a_number(text); });
  command.add_option("-c,--bytes", options->bytes_text, which + " so many bytes, such as 4K")
      ->excludes(lines);
  return options;
}

// `head` has commands for the heads of the cluster too: "head list" is one, "head /list" a file.
void add_head(CLI::App& app, Context& context) {
  auto* command = app.get_subcommand("head");
  command->description("the first lines of files; or the heads, which keep the namespace");
  command->require_subcommand(0, 1);
  auto options = add_peek_options(*command, "the first");
  add_stale_flag(*command, context);
  command->footer("Only what is shown is read. Examples:\n  dfsctl head -n 3 '/logs/*.csv'");
  command->callback([command, &context, options] {
    unshield(options->paths);
    const bool of_heads = !command->get_subcommands().empty();
    if (of_heads && !options->paths.empty()) throw CLI::ExtrasError(options->paths);
    if (of_heads) return;
    if (options->paths.empty()) throw CLI::RequiredError("PATH, list, add, remove or transfer");
    context.run = [&context, options] { return head(context, *options); };
  });
}

}  // namespace

void add_peek_commands(CLI::App& app, Context& context) {
  add_head(app, context);
  auto* tail_app = app.add_subcommand("tail", "write the last lines of files to stdout");
  auto tailing = add_peek_options(*tail_app, "the last");
  tail_app->get_option("PATH")->required();
  tail_app->add_flag("-f,--follow", tailing->follow,
                     "then what is added by later versions, until interrupted");
  add_stale_flag(*tail_app, context);
  tail_app->footer(
      "With -f the file is looked at every second. A version that begins as the one before did\n"
      "shows what was added; of any other one the last lines are shown. Examples:\n"
      "  dfsctl tail -n 100 -f /logs/today.log");
  tail_app->callback([&context, tailing] {
    unshield(tailing->paths);
    context.run = [&context, tailing] { return tail(context, *tailing); };
  });
}

}  // namespace dfs::cli
