#include "cli/arguments.h"

#include <charconv>
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

std::string not_a_number(const std::string& text, uint64_t least) {
  uint64_t number = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  if (error == std::errc() && rest == end && number >= least) return {};
  return text + " is not a whole number from " + std::to_string(least) + " on";
}

}  // namespace dfs::cli
