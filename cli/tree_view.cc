#include "cli/tree_view.h"

namespace dfs::cli {

std::string Branches::next(uint32_t depth, bool last) {
  last_.resize(depth);
  std::string line;
  if (depth > 0) {
    for (uint32_t above = 1; above < depth; ++above) line += last_[above] ? "    " : "│   ";
    line += last ? "└── " : "├── ";
  }
  last_.push_back(last);
  return line;
}

}  // namespace dfs::cli
