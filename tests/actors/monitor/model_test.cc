// Random operations against a model of the tree that is as simple as can be.
#include <random>

#include "tests/actors/monitor/machine.h"
#include "tests/actors/monitor/tree_model.h"

using namespace dfs;

namespace {

using Model = TreeModel;

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
