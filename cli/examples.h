// An example for each command, for its help and its manual page.
#pragma once

#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace dfs::cli {

// Puts the examples of every command below `app` at the end of its help, where they are not yet.
void add_examples(CLI::App& app);

// What those of a command are preceded by.
inline constexpr const char* kExamplesTitle = "Examples:";

}  // namespace dfs::cli
