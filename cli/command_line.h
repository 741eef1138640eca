// A line of words as dfsctl understands it: the tree of its commands, and its settings.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "broker/config.h"
#include "cli/commands.h"

namespace dfs::cli {

// Every command that can be given to dfsctl and, all but `shell`, to its shell.
void add_commands(CLI::App& app, Context& context);

// One per line, for the parser remembers what it has read. What is read goes into `context`, which
// must live longer.
class CommandLine {
 public:
  explicit CommandLine(Context& context);
  ~CommandLine();
  CommandLine(const CommandLine&) = delete;
  CommandLine& operator=(const CommandLine&) = delete;

  CLI::App& app() { return *app_; }
  Settings& settings() { return *settings_; }

  // Leaves what is to be done in Context::run. Returns an exit status when that is all: help was
  // asked for and printed, or the words make no sense, which is told.
  std::optional<int> read(const std::vector<std::string>& words);

 private:
  Context& context_;
  std::unique_ptr<CLI::App> app_;
  std::unique_ptr<Settings> settings_;
};

// Tells of a wrong usage of the command that was read; returns the exit status.
int misuse(const Context& context, const std::string& text);

// Whether that command of dfsctl can do without any cluster, and without keys.
bool is_local(const std::string& command);

// Why --jobs cannot be that, or empty.
std::string bad_jobs(const GlobalOptions& options);

}  // namespace dfs::cli
