// history restore undelete
#include <CLI/CLI.hpp>
#include <memory>

#include "cli/arguments.h"
#include "cli/lock_choice.h"
#include "cli/moment.h"
#include "cli/tree_copy.h"

namespace dfs::cli {

namespace {

Result<HistoryList> history_page(Context& context, const std::string& path, LogIndex after,
                                 Moment at) {
  return context.session().run<HistoryList>([&](Client& client) {
    return client.history(GetHistory{path, after, kListEntriesMax, at});
  });
}

// Calls `visit` with each version that the path had, the oldest first.
Result<HistoryList> for_each_version(Context& context, const std::string& path, Moment at,
                                     const std::function<void(const PastVersion&)>& visit) {
  LogIndex after = 0;
  while (true) {
    auto page = history_page(context, path, after, at);
    if (!page) return page;
    for (const PastVersion& version : page->versions) visit(version);
    if (!page->more || page->versions.empty()) return page;
    after = page->versions.back().since;
  }
}

// What made this version, as seen beside the one before it.
std::string what_happened(const PastVersion* before, const PastVersion& version) {
  const InodeInfo& info = version.info;
  const bool follows = before != nullptr && before->until == version.since;
  if (!follows) return info.type == FileType::directory ? "directory made" : "made";
  if (before->info.ino != info.ino) return "replaced by another file";
  return before->info.version != info.version ? "new content" : "attributes changed";
}

std::string version_json(const std::string& path, const PastVersion& version) {
  JsonLine line;
  line.add("path", path).add("since", version.since);
  line.add("since_time", machine_time(version.since_ms)).add("since_ms", version.since_ms);
  if (version.until != 0) {
    line.add("until", version.until);
    line.add("until_time", machine_time(version.until_ms)).add("until_ms", version.until_ms);
  }
  return add_info(line, version.info).str();
}

class HistoryTable {
 public:
  void add(const PastVersion& version) {
    if (before_ && before_->until != version.since) add_end(*before_);
    const InodeInfo& info = version.info;
    const bool file = info.type == FileType::file;
    table_.add({std::to_string(version.since), human_time(version.since_ms),
                file ? std::to_string(info.version) : "-", file ? human_bytes(info.size) : "-",
                file && info.crc32c_known ? hex32(info.crc32c) : "-",
                what_happened(before_ ? &*before_ : nullptr, version)});
    before_ = version;
  }
  std::string str() {
    if (before_ && before_->until != 0) add_end(*before_);
    std::string text = table_.str();
    text.pop_back();  // the last line's end
    return text;
  }

 private:
  void add_end(const PastVersion& version) {
    table_.add({std::to_string(version.until), human_time(version.until_ms), "-", "-", "-",
                "removed, or renamed"});
  }

  using Align = TextTable::Align;
  TextTable table_{{{"ENTRY", Align::right},
                    {"WHEN"},
                    {"VERSION", Align::right},
                    {"SIZE", Align::right},
                    {"CRC32C"},
                    {"WHAT"}}};
  std::optional<PastVersion> before_;
};

int show_history(Context& context, const std::vector<std::string>& paths) {
  for (const std::string& text : paths) {
    auto path = normal_path(text);
    if (!path) {
      context.fail(text, path.error());
      continue;
    }
    HistoryTable table;
    auto last = for_each_version(context, *path, context.at, [&](const PastVersion& version) {
      context.json() ? context.print(version_json(*path, version)) : table.add(version);
    });
    if (!last) {
      context.fail(*path, last.error());
      continue;
    }
    if (context.json()) continue;
    if (paths.size() > 1) context.print(context.shown(*path) + ":");
    context.print(table.str());
    if (last->kept_since_ms != 0) {
      context.say("dfsctl history: what was before " + human_time(last->kept_since_ms) +
                  " is no longer kept");
    }
  }
  return context.status();
}

struct RestoreOptions {
  std::vector<std::string> paths;
  std::string to;
  bool dry_run = false;
  std::shared_ptr<LockChoice> lock;
};

// Brings back what was at `path` at a moment, a file or a whole tree, and says so.
void bring_back(Context& context, const RestoreOptions& options, const std::string& path,
                Moment moment) {
  auto info = context.stat(path, moment);
  if (!info) return (void)context.fail(path, info.error());
  const auto lock = lock_options(context, *options.lock);
  if (!lock) return (void)context.fail("", lock.error());
  const std::string to = options.to.empty() ? path : options.to;
  const TreeCopy copy{path, moment, to, true, options.dry_run, *lock};
  if (!options.dry_run && parent_path(to) != "/") {
    auto made = context.session().make_dir(parent_path(to), true);
    if (!made) return (void)context.fail(to, made.error());
  }
  CopyCounts counts;
  info->type == FileType::directory ? copy_below(context, copy, counts)
                                    : copy_one(context, copy, counts);
  if (context.json() || options.dry_run) return;
  context.summary(
      context.command + " " + printable(to) + "  " + counts_text(counts) + "  as " + shown(moment),
      false);
}

int restore(Context& context, RestoreOptions options) {
  if (!options.to.empty()) {
    if (options.paths.size() > 1) {
      return context.fail("--to", Error{Code::usage, "it needs a single path", {}, 0});
    }
    auto to = normal_path(options.to);
    if (!to) return context.fail(options.to, to.error());
    options.to = *to;
  }
  const Moment moment = std::exchange(context.at, Moment());
  for (const std::string& text : options.paths) {
    if (context.interrupted()) break;
    auto path = normal_path(text);
    path ? bring_back(context, options, *path, moment) : (void)context.fail(text, path.error());
  }
  return context.status();
}

// The moments before something at `path` ended, the latest first; when it is there at `at`, that
// moment is in front.
Result<std::vector<Moment>> ends_of(Context& context, const std::string& path, Moment at) {
  constexpr size_t kEndsMax = 64;  // a directory may have been made anew again and again
  std::vector<PastVersion> versions;
  auto listed = for_each_version(context, path, at, [&](const PastVersion& version) {
    const bool follows = !versions.empty() && versions.back().until == version.since;
    if (follows) versions.pop_back();
    versions.push_back(version);
    if (versions.size() > kEndsMax) versions.erase(versions.begin());
  });
  if (!listed) return listed.error();
  std::vector<Moment> ends;
  auto there = context.stat(path, at);
  if (there) ends.push_back(at);
  if (!there && there.code() != Code::not_found) return there.error();
  for (size_t i = versions.size(); i-- > 0;) {
    if (versions[i].until > 1) ends.push_back({versions[i].until - 1, 0});
  }
  return ends;
}

// Just before the last thing at `path` was removed. Where a directory on the way is gone as well,
// or another one now, it is looked for as it was just before that one went. `end`: of the first
// name that is looked for, in the directories of `at`.
Result<Moment> before_removal(Context& context, const std::string& path, size_t end, Moment at) {
  const auto ends = ends_of(context, path.substr(0, end), at);
  if (!ends) return ends.error();
  if (end == std::string::npos && !ends->empty()) return ends->front();
  const size_t next = end == std::string::npos ? end : path.find('/', end + 1);
  for (const Moment& moment : end == std::string::npos ? std::vector<Moment>() : *ends) {
    auto found = before_removal(context, path, next, moment);
    if (found || found.code() != Code::not_found) return found;
  }
  return Result<Moment>(Code::not_found, "nothing of that name is kept");
}

int undelete(Context& context, const RestoreOptions& options) {
  for (const std::string& text : options.paths) {
    if (context.interrupted()) break;
    auto path = normal_path(text);
    if (!path) {
      context.fail(text, path.error());
      continue;
    }
    const auto moment = before_removal(context, *path, path->find('/', 1), Moment());
    if (!moment) {
      context.fail(*path, moment.error());
    } else if (moment->is_now()) {
      context.fail(*path, Error{Code::exists,
                                "it is there; dfsctl history tells what it was before, dfsctl "
                                "restore --at brings that back",
                                {},
                                0});
    } else {
      bring_back(context, options, *path, *moment);
    }
  }
  return context.status();
}

}  // namespace

void add_history_commands(CLI::App& app, Context& context) {
  auto* history = app.add_subcommand("history", "what was at a path, and since which log entry");
  auto paths = std::make_shared<std::vector<std::string>>();
  history->add_option("PATH", *paths, "files or directories, there or removed")->required();
  add_at_option(*history, context)
      ->description("in the directories as they were then: a log entry, an age or a time");
  history->footer(
      "Each line is a log entry, for --at of ls, stat, cat, get, cp, diff and restore.\n\n"
      "Examples:\n"
      "  dfsctl history /notes.txt\n"
      "  dfsctl cat --at 4711 /notes.txt");
  history->callback([&context, paths] {
    unshield(*paths);
    context.run = [&context, paths] { return show_history(context, *paths); };
  });

  auto* restore_app = app.add_subcommand("restore", "bring back what was at a path at a moment");
  auto restoring = std::make_shared<RestoreOptions>();
  restore_app->add_option("PATH", restoring->paths, "files or directories with all below")
      ->required();
  add_at_option(*restore_app, context)->required();
  restore_app->add_option("--to", restoring->to, "bring it back under this name");
  restore_app->add_flag("--dry-run", restoring->dry_run, "only say what would be brought back");
  restoring->lock = add_lock_options(*restore_app, true);
  restore_app->footer(
      "What is there becomes a former version; what was made since stays.\n\n"
      "Examples:\n"
      "  dfsctl restore --at 2h /notes.txt\n"
      "  dfsctl restore --at \"2026-01-31 10:15\" /project --to /project-then");
  restore_app->callback([&context, restoring] {
    unshield(restoring->paths);
    context.run = [&context, restoring] { return restore(context, *restoring); };
  });

  auto* undelete_app =
      app.add_subcommand("undelete", "bring back what was removed, as it was at last");
  auto undeleting = std::make_shared<RestoreOptions>();
  undelete_app->add_option("PATH", undeleting->paths, "removed files or directories")->required();
  undelete_app->add_flag("--dry-run", undeleting->dry_run, "only say what would be brought back");
  undeleting->lock = add_lock_options(*undelete_app, true);
  undelete_app->footer(
      "Works for as long as history is kept (setting history-retention of the heads).\n\n"
      "Examples:\n"
      "  dfsctl undelete /project/notes.txt");
  undelete_app->callback([&context, undeleting] {
    unshield(undeleting->paths);
    context.run = [&context, undeleting] { return undelete(context, *undeleting); };
  });
}

}  // namespace dfs::cli
