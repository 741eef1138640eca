#include "cli/exit_codes.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <vector>

#include "broker/config.h"
#include "cli/arguments.h"
#include "cli/output.h"
#include "cli/paths.h"
#include "messages/types.h"

namespace dfs::cli {

int exit_code_of(Code code) {
  switch (code) {
    case Code::ok:
      return kExitOk;
    case Code::usage:
      return kExitUsage;
    case Code::not_found:
      return kExitNotFound;
    case Code::unavailable:
    case Code::busy:
    case Code::timeout:
    case Code::not_leader:
    case Code::stale_map:
    case Code::stopping:
    case Code::too_few_nodes:
      return kExitUnavailable;
    case Code::denied:
    case Code::login_needed:
      return kExitDenied;
    case Code::corrupt:
    case Code::no_such_block:
      return kExitIntegrity;
    case Code::expired:
      return kExitExpired;
    case Code::cancelled:
      return kExitInterrupted;
    default:
      return kExitFailed;
  }
}

std::string hint_for(const Error& error, const std::string& command, const std::string& path) {
  if (error.text.find("; ") != std::string::npos) return {};
  const std::string above = printable(parent_path(path));
  if (error.cause.contains("reason") && error.cause.at("reason") == "no_leader") {
    const std::array reading = {"stat", "ls", "get", "cat", "tree", "find", "du", "head", "tail"};
    const bool reads = std::find(reading.begin(), reading.end(), command) != reading.end();
    return reads ? "try dfsctl cluster status, or --stale to read what one head knows"
                 : "it may take effect when one leads again; try dfsctl cluster status";
  }
  switch (error.code) {
    case Code::not_found:
      if (command == "put" || command == "mkdir" || command == "touch")
        return "try dfsctl mkdir -p " + above;
      return "try dfsctl ls " + above;
    case Code::exists:
      return command == "mkdir" ? "" : "try another name, or remove it first";
    case Code::is_directory:
      return command == "put" || command == "get" ? "try -r" : "";
    case Code::not_empty:
      return command == "rm" ? "try -r" : "";
    case Code::unavailable:
    case Code::timeout:
    case Code::busy:
    case Code::stopping:
      return "try dfsctl cluster status, or again with a longer --timeout";
    case Code::too_few_nodes:
    case Code::no_space:
      return "try dfsctl cluster status to see the storage nodes";
    case Code::corrupt:
    case Code::no_such_block:
      return "try dfsctl stat --blocks to see who holds what";
    case Code::conflict:
    case Code::local_changed:
    case Code::expired:
      return "try again";
    default:
      return {};
  }
}

namespace {

// The deepest subcommand that was recognised.
const CLI::App& chosen(const CLI::App& app) {
  const CLI::App* at = &app;
  while (!at->get_subcommands().empty()) at = at->get_subcommands().front();
  return *at;
}

std::string did_you_mean(const std::string& word, const std::vector<std::string>& known) {
  const std::string near = nearest(word, known);
  return near.empty() ? "" : "; did you mean " + near + "?";
}

std::vector<std::string> command_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands({})) {
    if (!command->get_group().empty()) names.push_back(command->get_name());
  }
  return names;
}

std::vector<std::string> option_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* at = &app; at != nullptr; at = at->get_parent()) {
    for (const CLI::Option* option : at->get_options()) {
      for (const auto& name : option->get_lnames()) names.push_back("--" + name);
    }
  }
  return names;
}

}  // namespace

std::string parse_error_text(const CLI::App& app, const CLI::ParseError& error,
                             const std::vector<std::string>& arguments) {
  const CLI::App& command = chosen(app);
  const std::vector<std::string> commands = command_names(command);
  const std::vector<std::string> options = option_names(command);
  for (const std::string& word : arguments) {
    if (word == "--") break;
    const std::string flag = word.substr(0, word.find('='));
    const bool dashed = flag.size() > 2 && flag.starts_with("--");
    if (dashed && std::find(options.begin(), options.end(), flag) == options.end()) {
      return "unknown option " + flag + did_you_mean(flag, options);
    }
  }
  // The word after a command that has commands of its own, such as "cluster".
  const auto self = std::find(arguments.begin(), arguments.end(), command.get_name());
  if (command.get_parent() != nullptr && !commands.empty() && self != arguments.end() &&
      self + 1 != arguments.end() && !(self + 1)->starts_with("-")) {
    return "unknown command " + unshielded(*(self + 1)) + did_you_mean(*(self + 1), commands);
  }
  const bool extra = dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr;
  if (extra && !commands.empty()) {
    for (const std::string& word : app.remaining(true)) {
      if (!word.starts_with("-"))
        return "unknown command " + unshielded(word) + did_you_mean(word, commands);
    }
  }
  if (extra) {
    const std::vector<std::string> rest = app.remaining(true);
    if (!rest.empty()) return "unexpected argument " + unshielded(rest.front());
  }
  return error.what();
}

const char* version_number() {
  return DFS_VERSION;
}

std::string version_text(const std::string& program) {
  return program + " " + version_number() + " (protocol " + std::to_string(kProtocolVersion) + ")";
}

}  // namespace dfs::cli
