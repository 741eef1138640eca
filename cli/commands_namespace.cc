// ls mkdir mv rm
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/lock_choice.h"
#include "cli/rights_text.h"

namespace dfs::cli {

Result<void> for_each_entry(Context& context, const std::string& directory,
                            const std::function<bool(const ListEntry&)>& visit) {
  return for_each_entry_at(context, context.at, directory, visit);
}

Result<void> for_each_entry_at(Context& context, Moment at, const std::string& directory,
                               const std::function<bool(const ListEntry&)>& visit) {
  std::string after;
  while (true) {
    auto page = context.session().run<ListReply>([&](Client& client) {
      return client.list(List{directory, after, kListEntriesMax, context.stale, at});
    });
    if (!page) return std::move(page).error();
    context.note(page->freshness);
    for (const ListEntry& entry : page->entries) {
      if (!visit(entry)) return {};
    }
    if (!page->more || page->entries.empty()) return {};
    after = page->entries.back().name;
  }
}

namespace {

struct ListOptions {
  std::vector<std::string> paths = {"/"};
  bool details = false;
  bool numeric = false;
};

void print_entry(Context& context, const ListOptions& options, const std::string& path,
                 const std::string& name, const InodeInfo& info) {
  const bool directory = info.type == FileType::directory;
  if (context.json()) {
    JsonLine line;
    line.add("name", name).add("path", path);
    context.print(context.add_freshness_to(add_info(line, info)).str());
    return;
  }
  const bool decorate = options.details || isatty(STDOUT_FILENO) != 0;
  const std::string shown =
      (decorate ? printable(name) : name) + (decorate && directory && name != "/" ? "/" : "");
  if (!options.details) return context.print(shown);
  const std::string size = directory ? "-" : human_bytes(info.size);
  std::string line = human_mode(info.type, info.mode) + (info.has_acl ? "+ " : "  ");
  const auto add = [&](const std::string& owner) {
    line += std::string(owner.size() < 8 ? 8 - owner.size() : 0, ' ') + owner + "  ";
  };
  add(options.numeric ? std::to_string(info.uid) : context.users().user(info.uid));
  add(options.numeric ? std::to_string(info.gid) : context.users().group(info.gid));
  line += std::string(size.size() < 9 ? 9 - size.size() : 0, ' ') + size + "  ";
  context.print(line + human_time(info.modified_ms) + "  " + shown);
}

int list(Context& context, const ListOptions& options) {
  bool first = true;
  for (const std::string& text : options.paths) {
    auto path = normal_path(text);
    if (!path) {
      context.fail(text, path.error());
      continue;
    }
    if (options.paths.size() > 1 && !context.json()) {
      context.print((first ? "" : "\n") + context.shown(*path) + ":");
    }
    first = false;
    const auto print = [&](const ListEntry& entry) {
      print_entry(context, options, join_path(*path, entry.name), entry.name, entry.info);
      return context.status() == kExitOk;
    };
    auto listed = for_each_entry(context, *path, print);
    if (listed.code() == Code::not_directory) {
      auto info = context.stat(*path);
      if (info) {
        print_entry(context, options, *path, *path, *info);
        continue;
      }
      listed = info.error();
    }
    if (!listed) context.fail(*path, listed.error());
  }
  return context.status();
}

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
  std::shared_ptr<LockChoice> lock;
};

void move_one(Context& context, const MoveOptions& options, const std::string& text,
              const std::string& target, TargetKind kind, bool as_directory) {
  auto from = normal_path(text);
  if (!from) return (void)context.fail(text, from.error());
  // A directory may be given the name "new/" that is not there yet.
  const bool must_be_directory = as_directory && kind != TargetKind::missing;
  auto to =
      target_path(target, kind, must_be_directory, options.paths.size() - 1, base_name(*from));
  if (!to) return (void)context.fail(target, to.error());
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

int move(Context& context, const MoveOptions& options) {
  const std::string& text = options.paths.back();
  auto target = normal_path(text);
  if (!target) return context.fail(text, target.error());
  auto kind = context.kind_of(*target);
  if (!kind) return context.fail(*target, kind.error());
  for (size_t i = 0; i + 1 < options.paths.size(); ++i) {
    move_one(context, options, options.paths[i], *target, *kind, names_directory(text));
  }
  return context.status();
}

struct RemoveOptions {
  std::vector<std::string> paths;
  bool recursive = false;
  bool force = false;
  std::shared_ptr<LockChoice> lock;
};

int remove(Context& context, const RemoveOptions& options) {
  for (const std::string& text : options.paths) {
    auto path = normal_path(text);
    if (!path) {
      context.fail(text, path.error());
      continue;
    }
    const auto lock = lock_options(context, *options.lock);
    if (!lock) return context.fail("", lock.error());
    auto removed = context.session().run<RemoveReply>([&](Client& client) {
      return client.remove(Remove{*path, options.recursive}, *lock);
    });
    if (!removed) {
      if (options.force && removed.code() == Code::not_found) continue;
      context.fail(*path, removed.error());
    } else if (context.json()) {
      JsonLine line;
      line.add("command", "rm").add("path", *path);
      context.print(line.raw("receipt", to_json(removed->receipt)).str());
    }
  }
  return context.status();
}

}  // namespace

void add_namespace_commands(CLI::App& app, Context& context) {
  auto* ls = app.add_subcommand("ls", "list directories");
  auto listing = std::make_shared<ListOptions>();
  ls->add_option("PATH", listing->paths, "what to list; / unless given");
  ls->add_flag("-l", listing->details, "with mode, owner, group, size and time of last change");
  ls->add_flag("-n,--numeric", listing->numeric, "the same with owner and group as numbers");
  add_stale_flag(*ls, context);
  add_at_option(*ls, context);
  ls->callback([&context, listing] {
    unshield(listing->paths);
    listing->details |= listing->numeric;
    context.run = [&context, listing] { return list(context, *listing); };
  });

  auto* mkdir = app.add_subcommand("mkdir", "make directories");
  auto making = std::make_shared<MakeDirOptions>();
  mkdir->add_option("PATH", making->paths, "the directories")->required();
  mkdir->add_flag("-p,--parents", making->parents,
                  "make those above too; no error when it is there already");
  mkdir->add_option("-m,--mode", making->mode, "what owner, group and others may: 755");
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
  moving->lock = add_lock_options(*mv, true);
  mv->callback([&context, moving] {
    unshield(moving->paths);
    context.run = [&context, moving] { return move(context, *moving); };
  });

  auto* rm = app.add_subcommand("rm", "remove files and directories");
  auto removing = std::make_shared<RemoveOptions>();
  rm->add_option("PATH", removing->paths, "what to remove")->required();
  rm->add_flag("-r,--recursive", removing->recursive, "directories with all below, at once");
  rm->add_flag("-f,--force", removing->force, "no error when it is not there");
  removing->lock = add_lock_options(*rm, true);
  rm->callback([&context, removing] {
    unshield(removing->paths);
    context.run = [&context, removing] { return remove(context, *removing); };
  });
}

}  // namespace dfs::cli
