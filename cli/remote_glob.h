// Patterns of remote paths, looked up in the namespace.
#pragma once

#include <functional>
#include <string>

#include "cli/tree_walk.h"

namespace dfs::cli {

// Calls `found` with each path that matches the absolute `pattern`, in the order of names. Lists
// only what can hold a match: of "/logs/2026-*/a" it is "/logs" from "2026-" on. A directory that
// is not there has no matches; fails as the lister does otherwise. A pattern that ends with '/' is
// of directories. Names below a `**` are looked for everywhere.
Result<void> expand_pattern(const TreeWalk::Lister& lister, const std::string& pattern,
                            const std::function<void(std::string)>& found);

}  // namespace dfs::cli
