// shell
#include <CLI/CLI.hpp>

#include "cli/commands.h"
#include "cli/examples.h"
#include "cli/shell.h"

namespace dfs::cli {

void add_shell_command(CLI::App& app, Context& context) {
  auto* shell = app.add_subcommand("shell", "work with many commands, over one connection");
  shell->footer(
      "Besides the commands of dfsctl there are cd, pwd, lcd, lpwd and lls, and the words upload,\n"
      "download, create, delete and open. Relative remote paths begin at the directory of cd.\n"
      "Without a terminal on stdin, commands are read from it, and the exit status is that of the\n"
      "first that failed.");
  add_examples(app);
  shell->callback([&context] {
    context.run = [&context] {
      Shell shell(context);
      return shell.run();
    };
  });
}

}  // namespace dfs::cli
