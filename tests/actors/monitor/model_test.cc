// Random operations against a model of the tree that is as simple as can be.
#include <map>
#include <random>

#include "tests/actors/monitor/machine.h"

using namespace dfs;

namespace {

struct Model {
  // Path → content of a file, or nothing for a directory.
  std::map<std::string, std::optional<std::string>> paths = {{"/", std::nullopt}};

  static std::string parent(const std::string& path) {
    const size_t slash = path.rfind('/');
    return slash == 0 ? "/" : path.substr(0, slash);
  }
  static std::string below(const std::string& path) { return path == "/" ? path : path + "/"; }
  bool exists(const std::string& path) const { return paths.contains(path); }
  bool is_directory(const std::string& path) const {
    return exists(path) && !paths.at(path).has_value();
  }
  std::vector<std::string> children(const std::string& path) const {
    std::vector<std::string> out;
    for (const auto& [other, content] : paths) {
      if (other != "/" && parent(other) == path) out.push_back(other);
    }
    return out;
  }

  // Why the way to `path` is blocked, or ok.
  Code way(const std::string& path) const {
    for (size_t at = path.find('/', 1); at != std::string::npos; at = path.find('/', at + 1)) {
      const std::string part = path.substr(0, at);
      if (!exists(part)) return Code::not_found;
      if (!is_directory(part)) return Code::not_directory;
    }
    return Code::ok;
  }

  Code make_dir(const std::string& path, bool parents) {
    if (!parents) {
      if (const Code code = way(path); code != Code::ok) return code;
      if (exists(path)) return Code::exists;
      paths[path] = std::nullopt;
      return Code::ok;
    }
    std::vector<std::string> parts;
    for (size_t at = path.find('/', 1); at != std::string::npos; at = path.find('/', at + 1)) {
      parts.push_back(path.substr(0, at));
    }
    parts.push_back(path);
    for (const std::string& part : parts) {
      if (exists(part) && !is_directory(part)) return Code::not_directory;
    }
    for (const std::string& part : parts) paths[part] = std::nullopt;
    return Code::ok;
  }

  Code put(const std::string& path, const std::string& content) {
    if (const Code code = way(path); code != Code::ok) return code;
    if (is_directory(path)) return Code::is_directory;
    paths[path] = content;
    return Code::ok;
  }

  Code remove(const std::string& path, bool recursive) {
    if (const Code code = way(path); code != Code::ok) return code;
    if (path == "/") return Code::invalid;
    if (!exists(path)) return Code::not_found;
    if (!children(path).empty() && !recursive) return Code::not_empty;
    std::erase_if(paths, [&](const auto& row) {
      return row.first == path || row.first.starts_with(below(path));
    });
    return Code::ok;
  }

  Code rename(const std::string& from, const std::string& to, bool replace) {
    if (from == "/" || to == "/") return Code::invalid;
    if (const Code code = way(from); code != Code::ok) return code;
    if (!exists(from)) return Code::not_found;
    if (const Code code = way(to); code != Code::ok) return code;
    if (is_directory(from) && to.starts_with(below(from))) return Code::loop;
    if (exists(to)) {
      if (!replace) return Code::exists;
      if (from == to) return Code::ok;
      if (is_directory(from) && !is_directory(to)) return Code::not_directory;
      if (!is_directory(from) && is_directory(to)) return Code::is_directory;
      if (!children(to).empty()) return Code::not_empty;
    }
    std::map<std::string, std::optional<std::string>> moved;
    for (const auto& [path, content] : paths) {
      if (path == from || path.starts_with(below(from))) {
        moved[to + path.substr(from.size())] = content;
      }
    }
    std::erase_if(paths, [&](const auto& row) {
      return row.first == from || row.first.starts_with(below(from));
    });
    for (const auto& [path, content] : moved) paths[path] = content;
    return Code::ok;
  }
};

void compare(TestMachine& machine, const Model& model) {
  uint64_t files = 0;
  uint64_t directories = 0;
  for (const auto& [path, content] : model.paths) {
    CAPTURE(path);
    const auto info = machine.stat(path);
    REQUIRE(info.ok());
    REQUIRE((info->type == FileType::directory) == !content.has_value());
    if (content) {
      ++files;
      REQUIRE(machine.open(path)->content.bytes == *content);
      REQUIRE(info->links == 1);
      continue;
    }
    ++directories;
    Rows rows(*machine.table);
    const auto inode = rows.require<InodeRow>(keys::inode(info->ino));
    REQUIRE(inode->parent == machine.stat(path == "/" ? path : Model::parent(path))->ino);
    std::vector<std::string> names;
    uint64_t subdirectories = 0;
    for (const std::string& child : model.children(path)) {
      names.push_back(child.substr(Model::below(path).size()));
      subdirectories += model.is_directory(child) ? 1 : 0;
    }
    std::sort(names.begin(), names.end());
    REQUIRE(machine.names(path) == names);
    REQUIRE(info->links == 2 + subdirectories);
  }
  machine.prune(3);
  REQUIRE(machine.tree().files == files);
  REQUIRE(machine.tree().directories == directories);
}

class Walk {
 public:
  explicit Walk(uint64_t seed) : random_(seed) {}

  void step() {
    const std::string path = some_path();
    const std::string other = some_path();
    const bool flag = random_() % 2 == 0;
    switch (random_() % 8) {
      case 0:
      case 1:
        return check(machine.make_dir(path, flag).code(), model.make_dir(path, flag));
      case 2:
      case 3: {
        const std::string content = std::to_string(random_() % 1000);
        return check(machine.put(path, content).code(), model.put(path, content));
      }
      case 4: {
        const bool recursive = random_() % 4 == 0;
        return check(machine.remove(path, recursive), model.remove(path, recursive));
      }
      case 5:
        return (void)machine.tell<Pruned>(PruneOrphans{static_cast<uint32_t>(random_() % 4 + 1)});
      default:
        return check(machine.rename(path, other, flag), model.rename(path, other, flag));
    }
  }

  TestMachine machine;
  Model model;

 private:
  void check(Code actual, Code expected) { REQUIRE(actual == expected); }

  std::string some_path() {
    std::string path;
    const size_t depth = random_() % 4;
    for (size_t i = 0; i < depth; ++i) path += "/" + std::string(1, "abc"[random_() % 3]);
    return path.empty() ? "/" : path;
  }

  std::mt19937_64 random_;
};

}  // namespace

TEST_SUITE_BEGIN("monitor");

TEST_CASE("random operations leave the tree that a simple model predicts") {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    CAPTURE(seed);
    Walk walk(seed);
    for (int i = 0; i < 300; ++i) {
      walk.step();
      if (i % 50 == 49) compare(walk.machine, walk.model);
    }
  }
}

TEST_CASE("two replicas that apply the same commands have the same rows") {
  for (uint64_t seed = 100; seed < 105; ++seed) {
    Walk a(seed);
    Walk b(seed);
    for (int i = 0; i < 200; ++i) {
      a.step();
      b.step();
    }
    std::vector<std::pair<std::string, std::string>> rows;
    REQUIRE(a.machine.table
                ->scan("", "",
                       [&](auto key, auto value) {
                         rows.emplace_back(key, value);
                         return true;
                       })
                .ok());
    size_t at = 0;
    REQUIRE(b.machine.table
                ->scan("", "",
                       [&](auto key, auto value) {
                         REQUIRE(at < rows.size());
                         CHECK(rows[at].first == key);
                         CHECK(rows[at].second == value);
                         ++at;
                         return true;
                       })
                .ok());
    CHECK(at == rows.size());
  }
}

TEST_SUITE_END();
