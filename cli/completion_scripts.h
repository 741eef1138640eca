// What makes bash, zsh and fish complete the command lines of dfsctl.
#pragma once

#include <string>

namespace dfs::cli {

// The script for "bash", "zsh" or "fish". It asks dfsctl itself, by `dfsctl complete`, and so needs
// no change when commands do. Empty for another shell.
std::string completion_script(const std::string& shell);

}  // namespace dfs::cli
