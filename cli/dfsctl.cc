// dfsctl: files in, files out, and how the cluster is.
#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdlib>
#include <iostream>
#include <thread>

#include "broker/config.h"
#include "broker/log.h"
#include "broker/process.h"
#include "cli/arguments.h"
#include "cli/commands.h"

namespace {

using dfs::cli::Context;

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

// Ctrl-C ends what is under way in order, a second one at once. The signals are blocked in every
// thread and taken by this one.
void watch_signals(Context& context) {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&signals, number);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  std::thread([signals, &context] {
    int number = 0;
    sigwait(&signals, &number);
    context.interrupt();
    sigwait(&signals, &number);
    std::_Exit(dfs::cli::kExitInterrupted);
  }).detach();
}

int misuse(const Context& context, const std::string& text) {
  const std::string where = "dfsctl" + (context.command.empty() ? "" : " " + context.command);
  if (context.options.json) {
    dfs::cli::JsonLine line;
    line.add("command", context.command).add("error", "usage").add("text", text);
    std::cerr << line.add("exit", dfs::cli::kExitUsage).str() << std::endl;
  } else {
    std::cerr << where << ": " << text << "; see " << where << " --help" << std::endl;
  }
  return dfs::cli::kExitUsage;
}

std::string command_of(const CLI::App& app) {
  std::string name;
  for (const CLI::App* at = &app; !at->get_subcommands().empty();) {
    at = at->get_subcommands().front();
    name += (name.empty() ? "" : " ") + at->get_name();
  }
  return name;
}

void add_settings(dfs::Settings& settings, dfs::cli::GlobalOptions& options) {
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
  dfs::cli::add_client_security(settings, options.security_options);
}

int run(int argc, char** argv) {
  // It outlives main's end: the thread that waits for signals refers to it.
  static Context context;
  watch_signals(context);
  CLI::App app("Works with the files and the nodes of a ZDFS cluster.", "dfsctl");
  app.fallthrough();
  app.require_subcommand(0, 1);
  app.footer(kFooter);
  app.set_version_flag("--version", dfs::cli::version_text("dfsctl"));
  dfs::Settings settings(app);
  add_settings(settings, context.options);
  dfs::cli::add_transfer_commands(app, context);
  dfs::cli::add_sync_command(app, context);
  dfs::cli::add_list_command(app, context);
  dfs::cli::add_namespace_commands(app, context);
  dfs::cli::add_remove_command(app, context);
  dfs::cli::add_find_commands(app, context);
  dfs::cli::add_inspect_commands(app, context);
  dfs::cli::add_copy_command(app, context);
  dfs::cli::add_history_commands(app, context);
  dfs::cli::add_diff_command(app, context);
  dfs::cli::add_check_commands(app, context);
  dfs::cli::add_cluster_commands(app, context);
  dfs::cli::add_key_commands(app, context);
  dfs::cli::add_head_commands(app, context);
  dfs::cli::add_peek_commands(app, context);
  dfs::cli::add_event_commands(app, context);
  dfs::cli::add_node_commands(app, context);
  dfs::cli::add_pool_commands(app, context);
  dfs::cli::add_rights_commands(app, context);
  dfs::cli::add_task_commands(app, context);
  dfs::cli::add_rebuild_command(app, context);
  dfs::cli::add_explain_command(app, context);
  dfs::cli::add_lock_commands(app, context);
  dfs::cli::add_login_commands(app, context);
  dfs::cli::add_user_commands(app, context);
  dfs::cli::add_token_commands(app, context);
  dfs::cli::add_audit_command(app, context);

  const std::vector<std::string> arguments = dfs::cli::shielded_arguments(argc, argv);
  try {
    app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
  } catch (const CLI::ParseError& error) {
    context.command = command_of(app);
    if (error.get_exit_code() == 0) return app.exit(error);
    return misuse(context, dfs::cli::parse_error_text(app, error, arguments));
  }
  context.command = command_of(app);
  if (auto complete = settings.complete(); !complete) return misuse(context, complete.error().text);
  if (settings.print_requested()) {
    std::cout << settings.print();
    return dfs::cli::kExitOk;
  }
  if (!context.run) {
    return misuse(context,
                  "a command is missing; those that most begin with are put, get, ls and rm");
  }
  if (context.options.brokers.empty()) {
    return misuse(context, "no broker is known; give --broker tcp://HOST:PORT or --config FILE");
  }
  // Every user of the machine sees the arguments of a process.
  const bool shows_ticket = settings.source_of("ticket").starts_with("flag");
  if (shows_ticket && !context.options.ticket.starts_with("@")) {
    return misuse(context, "a ticket must not be an argument; give --ticket @FILE or DFS_TICKET");
  }
  if (context.options.jobs < 1 || context.options.jobs > 64) {
    return misuse(context, "--jobs must be 1 to 64");
  }
  if (context.command != "version") {
    auto security = dfs::cli::client_security(context.options.security_options);
    if (!security) return misuse(context, security.error().text);
    context.options.security = *security;
  }
  dfs::LogSettings log;
  log.levels = context.options.log_level;
  if (context.options.quiet && settings.source_of("log-level") == "default") log.levels = "error";
  if (auto opened = dfs::open_log(log); !opened) return misuse(context, opened.error().text);
  const int status = context.run();
  context.tell_freshness();
  return status;
}

}  // namespace

int main(int argc, char** argv) {
  dfs::tune_malloc();
  return run(argc, argv);
}
