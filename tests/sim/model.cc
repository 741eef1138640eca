#include "tests/sim/model.h"

namespace dfs::sim {

bool is_within(std::string_view path, std::string_view root) {
  return path.starts_with(root) && (path.size() == root.size() || path[root.size()] == '/');
}

std::string parent_of(const std::string& path) {
  return path.substr(0, path.rfind('/'));
}

Tree subtree(const Tree& tree, const std::string& root) {
  Tree found;
  if (const auto self = tree.find(root); self != tree.end()) found.insert(*self);
  const std::string prefix = root + "/";
  for (auto it = tree.lower_bound(prefix); it != tree.end() && it->first.starts_with(prefix);
       ++it) {
    found.insert(*it);
  }
  return found;
}

Change Model::change(std::string what, std::vector<std::string> roots, Tree after) const {
  Change change{std::move(what), std::move(roots), {}, std::move(after)};
  for (const std::string& root : change.roots) change.before.merge(subtree(tree_, root));
  return change;
}

void Model::apply(const Change& change) {
  for (const auto& [path, entry] : change.before) tree_.erase(path);
  for (const auto& [path, entry] : change.after) tree_[path] = entry;
}

void Model::leave_unknown(Change change) {
  for (const auto& [path, entry] : change.before) tree_.erase(path);
  unknown_.push_back(std::move(change));
}

bool Model::known(std::string_view path) const {
  for (const Change& change : unknown_) {
    for (const std::string& root : change.roots) {
      if (is_within(path, root)) return false;
    }
  }
  return true;
}

bool Model::settled(std::string_view path) const {
  if (!known(path)) return false;
  for (const Change& change : unknown_) {
    for (const std::string& root : change.roots) {
      if (is_within(root, path)) return false;
    }
  }
  return true;
}

std::vector<std::string> Model::files() const {
  std::vector<std::string> paths;
  for (const auto& [path, entry] : tree_) {
    if (!entry.directory) paths.push_back(path);
  }
  return paths;
}

std::vector<std::string> Model::directories(bool settled_only) const {
  std::vector<std::string> paths;
  for (const auto& [path, entry] : tree_) {
    if (!entry.directory || path == home_) continue;
    if (!settled_only || settled(path)) paths.push_back(path);
  }
  return paths;
}

std::vector<std::string> Model::children(const std::string& directory) const {
  std::vector<std::string> names;
  for (const auto& [path, entry] : subtree(tree_, directory)) {
    if (path.size() > directory.size() && parent_of(path) == directory) {
      names.push_back(path.substr(directory.size() + 1));
    }
  }
  return names;
}

}  // namespace dfs::sim
