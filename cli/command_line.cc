#include "cli/command_line.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <iostream>

#include "cli/arguments.h"
#include "cli/colours.h"
#include "cli/examples.h"
#include "cli/help_form.h"

namespace dfs::cli {

namespace {

constexpr const char* kFooter =
    "Remote paths start at '/', which may be left out. A name that begins with a dash follows --.\n"
    "Settings are also keys of the --config file (or $DFS_CONFIG) and DFS_ variables.\n"
    "\n"
    "Exit status:\n"
    "  0  done                        4  the cluster does not answer, or not in time\n"
    "  1  the operation failed        5  denied\n"
    "  2  wrong usage                 6  the content is damaged\n"
    "  3  no such file or directory   7  too late: it is no longer kept\n"
    "  8  rebuilt, partly by guess    130  interrupted\n"
    "\n"
    "Examples:\n"
    "  dfsctl put video.mkv /films/         dfsctl get /films/video.mkv .\n"
    "  tar c dir | dfsctl put - /dir.tar    dfsctl cat /dir.tar | tar t\n"
    "  dfsctl put -r photos /               dfsctl stat --blocks /films/video.mkv";

std::string command_of(const CLI::App& app) {
  std::string name;
  for (const CLI::App* at = &app; !at->get_subcommands().empty();) {
    at = at->get_subcommands().front();
    name += (name.empty() ? "" : " ") + at->get_name();
  }
  return name;
}

void add_settings(Settings& settings, GlobalOptions& options) {
  settings.add("broker", options.brokers, "request endpoints of the brokers, any of which will do");
  settings.add("json", options.json, "results as one JSON object per line");
  settings.add("quiet", options.quiet, "no progress, warnings and closing lines");
  settings.add_duration("timeout", options.timeout,
                        "longest time to wait for an answer, or for a transfer to move");
  settings.add("jobs", options.jobs, "blocks or files to move at once, 1 to 64");
  settings.add("ticket", options.ticket,
               "of a service token, or @FILE with it; else that of dfsctl login");
  settings.add("ticket-dir", options.ticket_directory,
               "directory of the tickets that dfsctl login gets; one file per cluster");
  settings.add("log-level", options.log_level, "what the client reports on stderr");
  add_client_security(settings, options.security_options);
}

}  // namespace

void add_commands(CLI::App& app, Context& context) {
  add_transfer_commands(app, context);
  add_sync_command(app, context);
  add_list_command(app, context);
  add_namespace_commands(app, context);
  add_remove_command(app, context);
  add_find_commands(app, context);
  add_inspect_commands(app, context);
  add_copy_command(app, context);
  add_history_commands(app, context);
  add_diff_command(app, context);
  add_check_commands(app, context);
  add_cluster_commands(app, context);
  add_key_commands(app, context);
  add_head_commands(app, context);
  add_peek_commands(app, context);
  add_event_commands(app, context);
  add_node_commands(app, context);
  add_pool_commands(app, context);
  add_rights_commands(app, context);
  add_task_commands(app, context);
  add_rebuild_command(app, context);
  add_explain_command(app, context);
  add_lock_commands(app, context);
  add_login_commands(app, context);
  add_user_commands(app, context);
  add_token_commands(app, context);
  add_audit_command(app, context);
  add_help_command(app, context);
  add_completion_command(app, context);
  add_man_command(app, context);
}

CommandLine::CommandLine(Context& context)
    : context_(context),
      app_(std::make_unique<CLI::App>("Works with the files and the nodes of a ZDFS cluster.",
                                      "dfsctl")) {
  app_->fallthrough();
  app_->require_subcommand(0, 1);
  app_->footer(kFooter);
  app_->formatter(help_form());
  app_->set_version_flag("--version", version_text("dfsctl"));
  settings_ = std::make_unique<Settings>(*app_);
  add_settings(*settings_, context.options);
  add_commands(*app_, context);
  add_examples(*app_);
}

CommandLine::~CommandLine() = default;

std::optional<int> CommandLine::read(const std::vector<std::string>& words) {
  try {
    app_->parse(std::vector<std::string>(words.rbegin(), words.rend()));
  } catch (const CLI::ParseError& error) {
    context_.command = command_of(*app_);
    if (error.get_exit_code() == 0) return app_->exit(error);
    return misuse(context_, parse_error_text(*app_, error, words));
  }
  context_.command = command_of(*app_);
  return std::nullopt;
}

int misuse(const Context& context, const std::string& text) {
  const std::string where = "dfsctl" + (context.command.empty() ? "" : " " + context.command);
  if (context.options.json) {
    JsonLine line;
    line.add("command", context.command).add("error", "usage").add("text", text);
    std::cerr << line.add("exit", kExitUsage).str() << std::endl;
  } else {
    std::cerr << painted_for(STDERR_FILENO, Colour::bad, where + ":") << " " << text << "; see "
              << where << " --help" << std::endl;
  }
  return kExitUsage;
}

bool is_local(const std::string& command) {
  constexpr std::array kLocal = {"version", "help", "completion", "complete", "man"};
  return std::find(kLocal.begin(), kLocal.end(), command) != kLocal.end();
}

std::string bad_jobs(const GlobalOptions& options) {
  return options.jobs < 1 || options.jobs > 64 ? "--jobs must be 1 to 64" : "";
}

}  // namespace dfs::cli
