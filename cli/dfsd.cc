// dfsd: the daemons of a cluster. One subcommand per role.
#include <sys/stat.h>

#include <CLI/CLI.hpp>
#include <array>
#include <cstdio>
#include <iostream>
#include <memory>
#include <vector>

#include "broker/config.h"
#include "cli/daemon.h"
#include "cli/exit_codes.h"
#include "cli/init.h"

namespace {

using dfs::cli::DaemonOptions;
using dfs::cli::Role;

struct Choice {
  Role role;
  const char* help;
  DaemonOptions options;
  CLI::App* app = nullptr;
  std::unique_ptr<dfs::Settings> settings;
};

int misuse(const std::string& where, const std::string& text) {
  std::cerr << "dfsd" << where << ": " << text << "; see dfsd" << where << " --help\n";
  return dfs::cli::kExitUsage;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("The daemons of ZDFS, a distributed file system on a message bus.", "dfsd");
  app.set_version_flag("--version", dfs::cli::version_text("dfsd"));
  app.require_subcommand(0, 1);
  app.footer(
      "A cluster needs one head, better three, and any number of storage nodes. Each of these has\n"
      "--config FILE with what else they need to know: --keys DIR of heads, --cluster-key of all\n"
      "others, or --insecure.\n"
      "  dfsd init --dir /etc/zdfs/keys\n"
      "  dfsd head --data /var/lib/zdfs/head --bootstrap\n"
      "  dfsd head --data /var/lib/zdfs/head2 --listen tcp://127.0.0.1:7010 \\\n"
      "      --join tcp://127.0.0.1:7000\n"
      "  dfsd storage --data /var/lib/zdfs/storage --broker tcp://127.0.0.1:7000\n"
      "or, for dfsctl node create, an agent on each machine with disks:\n"
      "  dfsd agent --dir /var/lib/zdfs/nodes --broker tcp://127.0.0.1:7000\n"
      "--bootstrap is given once in the life of a cluster; a head that starts again needs neither\n"
      "that nor --join. --rebuild is for a cluster that has lost all its heads: dfsctl rebuild\n"
      "--help tells how.\n"
      "Every setting is also a key of the --config file and a DFS_ variable: --down-after is\n"
      "down-after and DFS_DOWN_AFTER. --print-config shows what holds and why.\n"
      "Exit status: 0 stopped in order, 1 could not start, 2 wrong usage or the wrong directory,\n"
      "4 not now (a port is taken, nobody answered), 5 the cluster wants no such node,\n"
      "6 what it keeps is damaged.");
  std::array<Choice, 6> choices = {
      Choice{Role::head, "broker, monitor and lock actor in one process", {}, nullptr, {}},
      Choice{Role::broker, "passes messages on between clients and services", {}, nullptr, {}},
      Choice{Role::monitor, "keeps the namespace and watches the storage nodes", {}, nullptr, {}},
      Choice{Role::lock, "knows the users, beside a monitor by itself", {}, nullptr, {}},
      Choice{Role::storage, "keeps blocks", {}, nullptr, {}},
      Choice{Role::agent, "starts storage nodes on its machine when asked to", {}, nullptr, {}}};
  std::vector<std::string> names;
  for (Choice& choice : choices) {
    choice.options = dfs::cli::default_options(choice.role);
    choice.app = app.add_subcommand(dfs::cli::name_of(choice.role), choice.help);
    // Not DFS_CONFIG: people keep their client's file there.
    choice.settings = std::make_unique<dfs::Settings>(*choice.app, "DFSD_CONFIG");
    dfs::cli::add_settings(*choice.settings, choice.role, choice.options);
    names.emplace_back(dfs::cli::name_of(choice.role));
  }
  int key_status = dfs::cli::kExitOk;
  dfs::cli::add_key_commands(app, key_status);
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  try {
    app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);
    const std::string where =
        app.get_subcommands().empty() ? "" : " " + app.get_subcommands().front()->get_name();
    return misuse(where, dfs::cli::parse_error_text(app, error, arguments));
  }
  if (app.get_subcommands().empty()) {
    return misuse("", "a role is missing: head, broker, monitor, lock, storage or agent");
  }
  for (Choice& choice : choices) {
    if (!choice.app->parsed()) continue;
    const std::string where = std::string(" ") + dfs::cli::name_of(choice.role);
    if (auto complete = choice.settings->complete(); !complete) {
      return misuse(where, complete.error().text);
    }
    if (choice.settings->print_requested()) {
      std::cout << choice.settings->print();
      return 0;
    }
    if (auto good = dfs::cli::check_options(choice.role, choice.options); !good) {
      return misuse(where, good.error().text);
    }
    ::umask(077);  // what a daemon keeps or logs is for nobody else on the machine
    return dfs::cli::run_daemon(choice.role, choice.options);
  }
  return key_status;
}
