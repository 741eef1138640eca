// diff
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>

#include "actors/client/local_files.h"
#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/moment.h"

namespace dfs::cli {

namespace {

namespace fs = std::filesystem;

constexpr uint64_t kTextBytesMax = 64 << 20;
constexpr int kDifferent = 1;  // as diff(1)

struct DiffOptions {
  std::string path;
  Moment from = {};
  Moment to = {};
  bool brief = false;
};

// A path, or a name in it, as it was and as it is.
struct Sides {
  std::optional<InodeInfo> before;
  std::optional<InodeInfo> after;
};

bool is_directory(const std::optional<InodeInfo>& info) {
  return info && info->type == FileType::directory;
}

bool differ(const InodeInfo& a, const InodeInfo& b) {
  if (a.type != b.type) return true;
  if (a.type == FileType::directory) return false;
  const bool same_object = a.object != 0 && a.object == b.object;
  return !same_object && (a.size != b.size || a.crc32c != b.crc32c);
}

class Differ {
 public:
  Differ(Context& context, const DiffOptions& options) : context_(context), options_(options) {}

  int run() {
    Sides sides;
    for (const bool after : {false, true}) {
      auto info = context_.stat(options_.path, after ? options_.to : options_.from);
      if (!info && info.code() != Code::not_found)
        return context_.fail(options_.path, info.error());
      if (info) (after ? sides.after : sides.before) = std::move(*info);
    }
    if (!sides.before && !sides.after) {
      return context_.fail(options_.path, Error{Code::not_found, "it is in neither", {}, 0});
    }
    if (is_directory(sides.before) && is_directory(sides.after)) {
      compare_trees();
    } else {
      compare(options_.path, sides);
      if (different_ && !options_.brief && !context_.json()) show_text(sides);
    }
    if (context_.status() != kExitOk) return context_.status();
    return different_ ? kDifferent : kExitOk;
  }

 private:
  void compare_trees() {
    std::vector<std::string> directories = {options_.path};
    while (!directories.empty() && !context_.interrupted()) {
      const std::string directory = std::move(directories.back());
      directories.pop_back();
      std::map<std::string, Sides> names;
      for (const bool after : {false, true}) {
        const auto listed = for_each_entry_at(context_, after ? options_.to : options_.from,
                                              directory, [&](const ListEntry& entry) {
                                                Sides& sides = names[entry.name];
                                                (after ? sides.after : sides.before) = entry.info;
                                                return true;
                                              });
        if (!listed) return (void)context_.fail(directory, listed.error());
      }
      for (const auto& [name, sides] : names) {
        const std::string path = join_path(directory, name);
        if (is_directory(sides.before) && is_directory(sides.after)) {
          directories.push_back(path);
        } else {
          compare(path, sides);
        }
      }
    }
  }

  // Where a directory is on one side alone, it stands for all below it.
  void compare(const std::string& path, const Sides& sides) {
    if (sides.before && sides.after && !differ(*sides.before, *sides.after)) return;
    different_ = true;
    const char* const what = !sides.before ? "added" : !sides.after ? "removed" : "changed";
    if (context_.json()) {
      JsonLine line;
      line.add("path", path).add("change", what);
      const auto add = [&](const char* key, const std::optional<InodeInfo>& info) {
        if (!info) return;
        JsonLine side;
        line.raw(key, add_info(side, *info).str());
      };
      add("before", sides.before);
      add("after", sides.after);
      return context_.print(line.str());
    }
    const bool directory = is_directory(sides.after ? sides.after : sides.before);
    std::string text = std::string(1, what[0] == 'a'   ? '+'
                                      : what[0] == 'r' ? '-'
                                                       : '~') +
                       " " + context_.shown(path) + (directory ? "/" : "");
    if (sides.before && sides.after) {
      text += "  " + human_bytes(sides.before->size) + " -> " + human_bytes(sides.after->size) +
              ", version " + std::to_string(sides.before->version) + " -> " +
              std::to_string(sides.after->version);
    }
    context_.print(text);
  }

  // Both contents, to diff(1) if there is one.
  void show_text(const Sides& sides) {
    for (const auto& side : {sides.before, sides.after}) {
      if (side && (side->type != FileType::file || side->size > kTextBytesMax)) return;
    }
    std::string folder = (fs::temp_directory_path() / "dfsctl-diff-XXXXXX").string();
    if (mkdtemp(folder.data()) == nullptr) return;
    const std::string before = folder + "/before";
    const std::string after = folder + "/after";
    if (fetch(sides.before, options_.from, before) && fetch(sides.after, options_.to, after)) {
      run_diff(before, after);
    }
    std::error_code ignored;
    fs::remove_all(folder, ignored);
  }

  bool fetch(const std::optional<InodeInfo>& info, Moment moment, const std::string& local) {
    if (!info) return std::ofstream(local).good();
    TransferOptions options;
    options.at = moment;
    options.deadline = context_.options.timeout;
    auto got = context_.session().get(options_.path, file_sink(local), options);
    if (!got) context_.fail(options_.path, got.error());
    return got.ok();
  }

  void run_diff(const std::string& before, const std::string& after) {
    const std::string from = options_.path + " " + shown(options_.from);
    const std::string to = options_.path + (options_.to.is_now() ? "" : " " + shown(options_.to));
    const char* arguments[] = {"diff",     "-u",           "--label",     from.c_str(), "--label",
                               to.c_str(), before.c_str(), after.c_str(), nullptr};
    pid_t child = 0;
    if (posix_spawnp(&child, "diff", nullptr, nullptr, const_cast<char**>(arguments), environ) !=
        0) {
      return context_.warn("the lines are not compared, for there is no diff program here");
    }
    int status = 0;
    (void)waitpid(child, &status, 0);
  }

  Context& context_;
  const DiffOptions& options_;
  bool different_ = false;
};

int diff(Context& context, DiffOptions options) {
  auto path = normal_path(options.path);
  if (!path) return context.fail(options.path, path.error());
  options.path = *path;
  return Differ(context, options).run();
}

}  // namespace

void add_diff_command(CLI::App& app, Context& context) {
  auto* command = app.add_subcommand("diff", "what changed at a path between two moments");
  auto options = std::make_shared<DiffOptions>();
  command->add_option("PATH", options->path, "a file, or a directory with all below")->required();
  add_moment_option(*command, "--from", options->from,
                    "the first moment: a log entry, an age (2h, 3d) or a time")
      ->required();
  add_moment_option(*command, "--to", options->to, "the second one; now unless given");
  command->add_flag("-q,--brief", options->brief, "of a file, only whether its content changed");
  command->footer(
      "+ added, - removed, ~ changed content. Ends with 0 when all is the same, else with 1.\n\n"
      "Examples:\n"
      "  dfsctl diff --from 2h /project\n"
      "  dfsctl diff --from 4711 --to 4800 /notes.txt");
  command->callback([&context, options] {
    options->path = unshielded(options->path);
    context.run = [&context, options] { return diff(context, *options); };
  });
}

}  // namespace dfs::cli
