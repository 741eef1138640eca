#include "cli/walking.h"

#include <unistd.h>

#include <CLI/CLI.hpp>

#include "cli/arguments.h"
#include "cli/remote_glob.h"

namespace dfs::cli {

namespace {
constexpr size_t kLinesBytesMax = 32 * 1024;
constexpr Duration kLinesAge = std::chrono::milliseconds(200);
}  // namespace

void add_filter_options(CLI::App& command, GlobFilter& filter) {
  command.add_option("--include", filter.include, "only files that match GLOB; may be repeated")
      ->type_name("GLOB")
      ->expected(1)
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  command.add_option("--exclude", filter.exclude, "leave out what matches GLOB, and all below it")
      ->type_name("GLOB")
      ->expected(1)
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

void unshield(std::vector<std::string>& paths, GlobFilter& filter) {
  unshield(paths);
  unshield(filter.include);
  unshield(filter.exclude);
}

Result<ListReply> list_page(Context& context, const std::string& directory,
                            const std::string& after) {
  return list_page_at(context, context.at, directory, after);
}

Result<ListReply> list_page_at(Context& context, Moment at, const std::string& directory,
                               const std::string& after) {
  auto page = context.session().run<ListReply>([&](Client& client) {
    return client.list(List{directory, after, kListEntriesMax, context.stale, at});
  });
  if (page) context.note(page->freshness);
  return page;
}

Result<void> for_each_entry(Context& context, const std::string& directory,
                            const std::function<bool(const ListEntry&)>& visit) {
  return for_each_entry_at(context, context.at, directory, visit);
}

Result<void> for_each_entry_at(Context& context, Moment at, const std::string& directory,
                               const std::function<bool(const ListEntry&)>& visit) {
  std::string after;
  while (true) {
    auto page = list_page_at(context, at, directory, after);
    if (!page) return std::move(page).error();
    for (const ListEntry& entry : page->entries) {
      if (!visit(entry)) return {};
    }
    if (!page->more || page->entries.empty()) return {};
    after = page->entries.back().name;
  }
}

bool walk_remote(Context& context, const std::string& root, WalkRules rules,
                 const std::function<bool(const Found&)>& visit,
                 const std::function<bool(const Found&)>& leave) {
  auto info = context.stat(root);
  if (!info) {
    context.fail(root, info.error());
    return false;
  }
  TreeWalk walk(
      [&context](const std::string& directory, const std::string& after) {
        return list_page(context, directory, after);
      },
      std::move(rules), context.options.jobs);
  bool ended = false;
  const auto unless_ended = [&](bool go_on) {
    ended |= !go_on || context.interrupted();
    return !ended;
  };
  WalkVisitor visitor;
  visitor.visit = [&](const Found& found) { return unless_ended(visit(found)); };
  if (leave) visitor.leave = [&](const Found& found) { return unless_ended(leave(found)); };
  visitor.failed = [&](const Found& directory, const Error& error) {
    context.fail(directory.path, error);
    return unless_ended(exit_code_of(error.code) != kExitUnavailable);
  };
  walk.run(Found{root, base_name(root), std::move(*info)}, visitor);
  return !ended;
}

namespace {

// The paths of one argument.
Result<std::vector<std::string>> paths_of(Context& context, const std::string& text) {
  if (!is_pattern(text)) return std::vector<std::string>{text};
  auto path = normal_path(text);
  if (!path) return path.error();
  auto literal = context.stat(*path);
  if (literal) return std::vector<std::string>{text};
  const bool absent = literal.code() == Code::not_found || literal.code() == Code::not_directory ||
                      literal.code() == Code::bad_name;
  if (!absent) return literal.error();
  std::vector<std::string> paths;
  const auto lister = [&context](const std::string& directory, const std::string& after) {
    return list_page(context, directory, after);
  };
  DFS_CHECK(expand_pattern(lister, names_directory(text) ? *path + "/" : *path,
                           [&](std::string match) { paths.push_back(std::move(match)); }));
  if (!paths.empty()) return paths;
  return Error{Code::not_found, "nothing matches this pattern; dfsctl find looks deeper", {}, 0};
}

}  // namespace

std::vector<std::string> expanded(Context& context, const std::vector<std::string>& texts) {
  std::vector<std::string> all;
  for (const std::string& text : texts) {
    auto paths = paths_of(context, text);
    if (!paths) {
      context.fail(text, paths.error());
      continue;
    }
    for (std::string& path : *paths) all.push_back(std::move(path));
  }
  return all;
}

Lines::Lines(Context& context, char end)
    : context_(context), end_(end), at_once_(isatty(STDOUT_FILENO) != 0), flushed_(steady_now()) {}

bool Lines::print(std::string_view line) {
  waiting_.append(line).append(1, end_);
  const bool due = at_once_ || waiting_.size() >= kLinesBytesMax;
  if (due || steady_now() - flushed_ >= kLinesAge) flush();
  return open_;
}

void Lines::flush() {
  if (waiting_.empty()) return;
  open_ &= context_.write(waiting_);
  waiting_.clear();
  flushed_ = steady_now();
}

}  // namespace dfs::cli
