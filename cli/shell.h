// The shell of dfsctl: its commands one after the other, over one connection.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "cli/history_file.h"
#include "cli/line_editor.h"

namespace dfs::cli {

// Reads lines from stdin and does what they say. On a terminal with a prompt, editing and history;
// else as a script. No failure ends it.
class Shell {
 public:
  explicit Shell(Context& context);
  ~Shell();

  // Until the end of stdin, `exit`, or a signal. Of a script the exit status of the first command
  // that failed.
  int run();

 private:
  using Words = std::vector<std::string>;

  std::optional<std::string> next_line();  // empty: there is none
  void greet();
  std::string prompt() const;
  Completion complete(const std::string& before);

  int run_line(const std::string& line);
  int run_words(Words words);
  int run_command(const Words& words);
  // Asks for what an alias is to work on when only its word was given.
  std::optional<int> ask_for_name(Words& words);
  void end_last_line();

  // The commands that only a shell has.
  void add_words(CLI::App& app);
  int change_directory(const std::string& path);
  int change_local_directory(const std::string& path);
  int list_local(const Words& words);

  Context& context_;
  const GlobalOptions options_;  // of each command to begin with
  const bool interactive_;
  HistoryFile history_;
  std::unique_ptr<LineEditor> editor_;
  std::string before_ = "/";  // the directory that `cd -` goes back to
  bool over_ = false;
};

}  // namespace dfs::cli
