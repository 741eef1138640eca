#include "cli/arguments.h"

#include <string_view>

namespace dfs::cli {

namespace {
constexpr char kMark = '\x01';
constexpr std::string_view kSpecial = "[{+%\x01";
}  // namespace

std::vector<std::string> shielded_arguments(int argc, const char* const* argv) {
  std::vector<std::string> arguments;
  for (int i = 1; i < argc; ++i) {
    std::string argument = argv[i];
    const bool special = !argument.empty() && kSpecial.find(argument[0]) != std::string_view::npos;
    arguments.push_back(special ? kMark + argument : argument);
  }
  return arguments;
}

std::string unshielded(std::string argument) {
  if (!argument.empty() && argument[0] == kMark) argument.erase(0, 1);
  return argument;
}

void unshield(std::vector<std::string>& arguments) {
  for (std::string& argument : arguments) argument = unshielded(std::move(argument));
}

}  // namespace dfs::cli
