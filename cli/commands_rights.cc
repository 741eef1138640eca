// chmod chown chgrp acl
#include <CLI/CLI.hpp>
#include <memory>

#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/rights_text.h"

namespace dfs::cli {

namespace {

struct RightsOptions {
  std::string what;  // a mode, owners or entries
  std::vector<std::string> paths;
  bool recursive = false;
};

// What to ask for, of a file or directory that is as `info` says.
using Wanted = std::function<Result<SetAttributes>(const InodeInfo& info)>;

Result<void> set(Context& context, const std::string& path, const InodeInfo& info,
                 const Wanted& wanted) {
  auto request = wanted(info);
  if (!request) return request.error();
  request->path = path;
  auto reply = context.session().run<SetAttributesReply>(
      [&](Client& client) { return client.set_attributes(*request); });
  if (!reply) return reply.error();
  if (context.json()) {
    JsonLine line;
    line.add("command", context.command).add("path", path);
    context.print(line.raw("receipt", to_json(reply->receipt)).str());
  }
  return {};
}

// What is below comes first where a directory's own change might keep us out, as with chmod -R.
void set_below(Context& context, const std::string& path, const InodeInfo& info,
               const Wanted& wanted) {
  if (info.type == FileType::directory) {
    std::vector<ListEntry> entries;
    const auto listed = for_each_entry(context, path, [&](const ListEntry& entry) {
      entries.push_back(entry);
      return !context.interrupted();
    });
    if (!listed) return (void)context.fail(path, listed.error());
    for (const ListEntry& entry : entries) {
      set_below(context, join_path(path, entry.name), entry.info, wanted);
    }
  }
  const auto done = set(context, path, info, wanted);
  if (!done) context.fail(path, done.error());
}

int set_all(Context& context, const RightsOptions& options, const Wanted& wanted) {
  for (const std::string& text : options.paths) {
    auto path = normal_path(text);
    if (!path) {
      context.fail(text, path.error());
      continue;
    }
    auto info = context.stat(*path);
    if (!info) {
      context.fail(*path, info.error());
    } else if (options.recursive) {
      set_below(context, *path, *info, wanted);
    } else if (const auto done = set(context, *path, *info, wanted); !done) {
      context.fail(*path, done.error());
    }
  }
  return context.status();
}

int change_modes(Context& context, const RightsOptions& options) {
  return set_all(context, options, [&](const InodeInfo& info) -> Result<SetAttributes> {
    auto mode = changed_mode(options.what, info.type, info.mode);
    if (!mode) return mode.error();
    SetAttributes request;
    request.set_mode = true;
    request.mode = *mode;
    return request;
  });
}

int change_owners(Context& context, const RightsOptions& options, const Result<Owners>& owners) {
  if (!owners) return context.fail("", owners.error());
  return set_all(context, options, [&](const InodeInfo&) -> Result<SetAttributes> {
    SetAttributes request;
    request.set_owner = owners->user;
    request.uid = owners->uid;
    request.set_group = owners->group;
    request.gid = owners->gid;
    return request;
  });
}

FindUser finder(Context& context) {
  return [&context](const std::string& name) { return context.users().find(name); };
}

int change_group(Context& context, const RightsOptions& options) {
  auto gid = parse_group(options.what, finder(context));
  if (!gid) return context.fail("", gid.error());
  return change_owners(context, options, Owners{false, 0, true, *gid});
}

int set_acl(Context& context, const RightsOptions& options) {
  const auto lists = parse_access_lists(options.what);
  if (!lists) return context.fail("", lists.error());
  return set_all(context, options, [&](const InodeInfo& info) -> Result<SetAttributes> {
    SetAttributes request;
    request.set_acl = lists->set_access;
    request.acl = lists->access;
    // Files below a directory have no default list, and need none.
    request.set_default_acl = lists->set_default && info.type == FileType::directory;
    if (request.set_default_acl) request.default_acl = lists->standard;
    return request;
  });
}

void print_acl(Context& context, const std::string& path, const StatReply& reply) {
  const InodeInfo& info = reply.info;
  if (context.json()) {
    JsonLine line;
    line.add("path", path);
    context.print(add_info(line, info).raw("stat", to_json(reply)).str());
    return;
  }
  context.print("# path: " + context.shown(path));
  context.print("# owner: " + context.users().user(info.uid));
  context.print("# group: " + context.users().group(info.gid));
  for (const AclEntry& entry : reply.acl.empty() ? list_of_mode(info.mode) : reply.acl) {
    context.print(text_of(entry));
  }
  for (const AclEntry& entry : reply.default_acl) context.print("default:" + text_of(entry));
}

int get_acl(Context& context, const RightsOptions& options) {
  for (const std::string& text : options.paths) {
    auto path = normal_path(text);
    if (!path) {
      context.fail(text, path.error());
      continue;
    }
    auto reply = context.session().run<StatReply>([&](Client& client) {
      return client.stat(Stat{*path, context.stale});
    });
    if (!reply) {
      context.fail(*path, reply.error());
      continue;
    }
    context.note(reply->freshness);
    print_acl(context, *path, *reply);
  }
  return context.status();
}

using Command = int (*)(Context&, const RightsOptions&);

void add_change(CLI::App& app, Context& context, const char* name, const char* help,
                const char* what, const char* what_help, Command command) {
  auto* change = app.add_subcommand(name, help);
  auto options = std::make_shared<RightsOptions>();
  change->add_option(what, options->what, what_help)->required();
  change->add_option("PATH", options->paths, "files and directories")->required();
  change->add_flag("-R,--recursive", options->recursive, "and all below");
  change->callback([&context, options, command] {
    std::vector<std::string> words = {options->what};
    unshield(words);
    options->what = words.front();
    unshield(options->paths);
    context.run = [&context, options, command] { return command(context, *options); };
  });
}

}  // namespace

void add_rights_commands(CLI::App& app, Context& context) {
  add_change(app, context, "chmod", "change what owner, group and others may", "MODE",
             "640, or u+rw,go-w", change_modes);
  add_change(app, context, "chown", "give to another owner", "OWNER",
             "USER, USER:GROUP, USER: or :GROUP; names or numbers",
             [](Context& its, const RightsOptions& options) {
               return change_owners(its, options, parse_owners(options.what, finder(its)));
             });
  add_change(app, context, "chgrp", "give to another group", "GROUP", "of a user, or a number",
             change_group);
  auto* acl = app.add_subcommand("acl", "access control lists");
  acl->require_subcommand(1);
  add_change(*acl, context, "set", "replace the access list, or the default one", "ENTRIES",
             "u::rwx,u:1000:r-x,g::r-x,o::---; d: before those of the default list; or none",
             set_acl);
  auto* get = acl->add_subcommand("get", "show who may do what");
  auto options = std::make_shared<RightsOptions>();
  get->add_option("PATH", options->paths, "files and directories")->required();
  add_stale_flag(*get, context);
  get->callback([&context, options] {
    unshield(options->paths);
    context.run = [&context, options] { return get_acl(context, *options); };
  });
}

}  // namespace dfs::cli
