// What a client that alone writes below one directory knows about it. An operation whose outcome is
// unknown (a timeout, a crash) may take effect at any later time: the paths it touches are left
// alone from then on, and at the end must be wholly as before or wholly as after it.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "tests/sim/content.h"

namespace dfs::sim {

struct Entry {
  bool directory = false;
  Content content;
  uint64_t version = 0;  // 0: not known
  uint64_t ino = 0;      // 0: not known
  uint32_t copies = 0;   // promised for each block
};
using Tree = std::map<std::string, Entry>;  // by path

// A change of the tree: everything at and below `roots` goes from `before` to `after`.
struct Change {
  std::string what;  // for people: "rename /a to /b"
  std::vector<std::string> roots;
  Tree before;
  Tree after;
};

bool is_within(std::string_view path, std::string_view root);  // at or below
std::string parent_of(const std::string& path);
Tree subtree(const Tree& tree, const std::string& root);

class Model {
 public:
  explicit Model(std::string home) : home_(std::move(home)) { tree_[home_].directory = true; }

  const std::string& home() const { return home_; }
  const Tree& tree() const { return tree_; }
  Tree& tree() { return tree_; }
  const std::vector<Change>& unknown() const { return unknown_; }

  // The change that sets `roots` to `after`; `before` is what the model holds now.
  Change change(std::string what, std::vector<std::string> roots, Tree after) const;
  void apply(const Change& change);
  void leave_unknown(Change change);
  // Called at the end, when it is seen which of the two came true.
  void settle_unknown() { unknown_.clear(); }

  // Nothing at or above the path is of unknown state.
  bool known(std::string_view path) const;
  // Nothing at, above or below the path is of unknown state.
  bool settled(std::string_view path) const;

  // Those with known state; directories without the home itself and, when asked, only settled ones.
  std::vector<std::string> files() const;
  std::vector<std::string> directories(bool settled_only) const;
  std::vector<std::string> children(const std::string& directory) const;

 private:
  const std::string home_;
  Tree tree_;
  std::vector<Change> unknown_;
};

}  // namespace dfs::sim
