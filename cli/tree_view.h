// The branches that tree draws in front of names.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace dfs::cli {

// Given the entries of a tree in the order of a walk, returns what stands in front of each.
class Branches {
 public:
  // `depth` 0 is where the tree begins; `last`: no sibling comes after it.
  std::string next(uint32_t depth, bool last);

 private:
  std::vector<bool> last_;  // by depth, of the directories above
};

}  // namespace dfs::cli
