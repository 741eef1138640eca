// Names that the parser of the command line would take for syntax of its own: "[a,b]" and "{}" are
// lists to it, "++" ends a command, "%%" separates. They are shielded before it sees them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace dfs::cli {

// The arguments after the program's name, those that need it with a mark in front.
std::vector<std::string> shielded_arguments(int argc, const char* const* argv);
// What was typed.
std::string unshielded(std::string argument);
void unshield(std::vector<std::string>& arguments);

// Why `text` is no whole number from `least` on, or empty: for CLI::Option::check(). The parser
// alone would take -1 for the largest number there is.
std::string not_a_number(const std::string& text, uint64_t least = 0);

}  // namespace dfs::cli
