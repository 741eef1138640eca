// Names that the parser of the command line would take for syntax of its own: "[a,b]" and "{}" are
// lists to it, "++" ends a command, "%%" separates. They are shielded before it sees them.
#pragma once

#include <string>
#include <vector>

namespace dfs::cli {

// The arguments after the program's name, those that need it with a mark in front.
std::vector<std::string> shielded_arguments(int argc, const char* const* argv);
// What was typed.
std::string unshielded(std::string argument);
void unshield(std::vector<std::string>& arguments);

}  // namespace dfs::cli
