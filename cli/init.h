// dfsd init, dfsd key: making keys and changing them.
#pragma once

namespace CLI {
class App;
}

namespace dfs::cli {

// Declares both. The chosen one has run when the command line is parsed, and its exit status is in
// `status`.
void add_key_commands(CLI::App& app, int& status);

}  // namespace dfs::cli
