// dfsctl: files in, files out, and how the cluster is.
#include <csignal>
#include <cstdlib>
#include <iostream>
#include <thread>

#include "broker/config.h"
#include "broker/log.h"
#include "broker/process.h"
#include "cli/arguments.h"
#include "cli/command_line.h"
#include "cli/line_editor.h"

namespace {

using dfs::cli::Context;
using dfs::cli::misuse;

// The shell ends for a signal that is not Ctrl-C: after what is under way, if anything is.
void end_shell(Context& context) {
  context.ending = true;
  if (!context.at_prompt) return;
  dfs::cli::restore_terminal();
  std::_Exit(dfs::cli::kExitInterrupted);
}

// Ctrl-C ends what is under way in order, a second one at once. The signals are blocked in every
// thread and taken by this one.
void watch_signals(Context& context) {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&signals, number);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  std::thread([signals, &context] {
    for (bool again = false;;) {
      int number = 0;
      sigwait(&signals, &number);
      const bool ends_command_only = context.in_shell && number == SIGINT;
      if (again && !ends_command_only) std::_Exit(dfs::cli::kExitInterrupted);
      context.interrupt();
      if (ends_command_only) continue;
      again = true;
      if (context.in_shell) end_shell(context);
    }
  }).detach();
}

int run(int argc, char** argv) {
  // It outlives main's end: the thread that waits for signals refers to it.
  static Context context;
  watch_signals(context);
  dfs::cli::CommandLine line(context);
  dfs::cli::add_shell_command(line.app(), context);
  dfs::Settings& settings = line.settings();
  if (const auto over = line.read(dfs::cli::shielded_arguments(argc, argv))) return *over;
  if (auto complete = settings.complete(); !complete) return misuse(context, complete.error().text);
  if (settings.print_requested()) {
    std::cout << settings.print();
    return dfs::cli::kExitOk;
  }
  if (!context.run) {
    return misuse(context,
                  "a command is missing; those that most begin with are put, get, ls and rm");
  }
  if (context.options.brokers.empty() && !dfs::cli::is_local(context.command)) {
    return misuse(context, "no broker is known; give --broker tcp://HOST:PORT or --config FILE");
  }
  context.waits_for_brokers = settings.source_of("timeout") != "default";
  // Every user of the machine sees the arguments of a process.
  const bool shows_ticket = settings.source_of("ticket").starts_with("flag");
  if (shows_ticket && !context.options.ticket.starts_with("@")) {
    return misuse(context, "a ticket must not be an argument; give --ticket @FILE or DFS_TICKET");
  }
  if (const std::string why = dfs::cli::bad_jobs(context.options); !why.empty()) {
    return misuse(context, why);
  }
  if (!dfs::cli::is_local(context.command)) {
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
