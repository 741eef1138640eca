// mkdir mv touch
#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>

#include "actors/client/memory_files.h"
#include "cli/arguments.h"
#include "cli/colours.h"
#include "cli/commands.h"
#include "cli/lock_choice.h"
#include "cli/rights_text.h"
#include "cli/walking.h"

namespace dfs::cli {

namespace {

struct MakeDirOptions {
  std::vector<std::string> paths;
  bool parents = false;
  std::string mode = "755";
};

int make_dirs(Context& context, const MakeDirOptions& options) {
  const auto mode = changed_mode(options.mode, FileType::directory, 0755);
  if (!mode) return context.fail("", mode.error());
  for (const std::string& text : options.paths) {
    auto path = normal_path(text);
    if (!path) {
      context.fail(text, path.error());
      continue;
    }
    auto made = context.session().run<MakeDirReply>([&](Client& client) {
      return client.make_dir(MakeDir{*path, options.parents, *mode});
    });
    if (!made) {
      if (made.code() == Code::not_found && !options.parents) {
        made.error().text += "; try -p to make the directories above too";
      }
      context.fail(*path, made.error());
    } else if (context.json()) {
      JsonLine line;
      line.add("command", "mkdir").add("path", *path).add("ino", made->ino);
      context.print(line.raw("receipt", to_json(made->receipt)).str());
    }
  }
  return context.status();
}

struct MoveOptions {
  std::vector<std::string> paths;  // sources, then the target
  bool keep = false;               // what is at the target
  bool dry_run = false;
  std::shared_ptr<LockChoice> lock;
};

// What would be refused is told as the cluster would; rights and locks are not looked at.
void pretend_move(Context& context, const MoveOptions& options, const std::string& from,
                  const std::string& to) {
  auto source = context.stat(from);
  if (!source) return (void)context.fail(from, source.error());
  auto there = context.kind_of(to);
  if (!there) return (void)context.fail(to, there.error());
  const bool replaces = *there != TargetKind::missing;
  if (replaces && options.keep) {
    return (void)context.fail(to, Error{Code::exists, "--no-replace keeps it", {}, 0});
  }
  if (context.json()) {
    JsonLine line;
    line.add("command", "mv").add("path", from).add("to", to).add("replaces", replaces);
    return context.print(line.add("dry_run", true).str());
  }
  context.print("would move " + context.shown(from) + " to " + context.shown(to) +
                (replaces ? ", replacing what is there" : ""));
}

void move_one(Context& context, const MoveOptions& options, const std::string& text,
              const std::string& target, TargetKind kind, bool as_directory, size_t sources) {
  auto from = normal_path(text);
  if (!from) return (void)context.fail(text, from.error());
  // A directory may be given the name "new/" that is not there yet.
  const bool must_be_directory = as_directory && kind != TargetKind::missing;
  auto to = target_path(target, kind, must_be_directory, sources, base_name(*from));
  if (!to) return (void)context.fail(target, to.error());
  if (options.dry_run) return pretend_move(context, options, *from, *to);
  const auto lock = lock_options(context, *options.lock);
  if (!lock) return (void)context.fail("", lock.error());
  auto renamed = context.session().run<RenameReply>([&](Client& client) {
    return client.rename(Rename{*from, *to, !options.keep}, *lock);
  });
  if (!renamed) return (void)context.fail(*from, renamed.error());
  if (!context.json()) return;
  JsonLine line;
  line.add("command", "mv").add("path", *from).add("to", *to);
  context.print(line.raw("receipt", to_json(renamed->receipt)).str());
}

int move(Context& context, MoveOptions options) {
  const std::string text = std::move(options.paths.back());
  options.paths.pop_back();
  auto target = normal_path(text);
  if (!target) return context.fail(text, target.error());
  auto kind = context.kind_of(*target);
  if (!kind) return context.fail(*target, kind.error());
  const std::vector<std::string> sources = expanded(context, options.paths);
  const size_t count = std::max(sources.size(), options.paths.size());
  for (const std::string& source : sources) {
    if (context.interrupted()) break;
    move_one(context, options, source, *target, *kind, names_directory(text), count);
  }
  return context.status();
}

struct TouchOptions {
  std::vector<std::string> paths;
};

Result<bool> make_empty(Context& context, const std::string& path) {
  auto kind = context.kind_of(path);
  if (!kind) return kind.error();
  if (*kind != TargetKind::missing) return false;
  TransferOptions options;
  options.deadline = context.options.timeout;
  options.expected_version = 0;
  auto made = context.session().put(std::make_shared<MemorySource>(""), path, options);
  if (made) return true;
  // Somebody else was faster, and that is as good.
  if (made.code() == Code::conflict || made.code() == Code::exists) return false;
  return made.error();
}

int touch(Context& context, const TouchOptions& options) {
  for (const std::string& text : options.paths) {
    auto path = normal_path(text);
    if (!path) {
      context.fail(text, path.error());
      continue;
    }
    auto made = make_empty(context, *path);
    if (!made) {
      context.fail(*path, made.error());
    } else if (context.json()) {
      JsonLine line;
      line.add("command", "touch").add("path", *path).add("created", *made);
      context.print(line.str());
    } else if (!*made) {
      context.say("dfsctl touch: " + printable(*path) +
                  " is there and stays as it is; its times tell when it was changed");
    }
  }
  return context.status();
}

}  // namespace

void add_namespace_commands(CLI::App& app, Context& context) {
  auto* mkdir = app.add_subcommand("mkdir", "make directories");
  auto making = std::make_shared<MakeDirOptions>();
  mkdir->add_option("PATH", making->paths, "the directories")->required();
  mkdir->add_flag("-p,--parents", making->parents,
                  "make those above too; no error when it is there already");
  mkdir->add_option("-m,--mode", making->mode, "what owner, group and others may: 755");
  mkdir->footer("Examples:\n  dfsctl mkdir -p /projects/2026/spring");
  mkdir->callback([&context, making] {
    unshield(making->paths);
    context.run = [&context, making] { return make_dirs(context, *making); };
  });

  auto* mv = app.add_subcommand("mv", "rename, or move into a directory");
  auto moving = std::make_shared<MoveOptions>();
  mv->add_option("PATH", moving->paths, "what to move, then the new name or directory")
      ->required()
      ->expected(2, CLI::detail::expected_max_vector_size);
  mv->add_flag("--no-replace", moving->keep, "refuse when there is something under the new name");
  mv->add_flag("--dry-run", moving->dry_run, "only print what would be moved");
  moving->lock = add_lock_options(*mv, true);
  mv->footer("Sources may be patterns. Examples:\n  dfsctl mv '/inbox/*.pdf' /archive/");
  mv->callback([&context, moving] {
    unshield(moving->paths);
    context.run = [&context, moving] { return move(context, *moving); };
  });

  auto* touch_app = app.add_subcommand("touch", "make empty files where there is nothing");
  touch_app->alias("create");
  auto touching = std::make_shared<TouchOptions>();
  touch_app->add_option("PATH", touching->paths, "the files")->required();
  touch_app->footer(
      "What is there already stays as it is: its times are set by the cluster alone.\n"
      "Examples:\n  dfsctl touch /projects/.keep");
  touch_app->callback([&context, touching] {
    unshield(touching->paths);
    context.run = [&context, touching] { return touch(context, *touching); };
  });
}

}  // namespace dfs::cli
