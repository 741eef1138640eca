#include "cli/tree_walk.h"

#include <doctest/doctest.h>

#include <set>

#include "tests/cli/fake_tree.h"

using namespace dfs;
using namespace dfs::cli;

namespace {

using Paths = std::vector<std::string>;

Found root_of(const std::string& path) {
  Found root;
  root.path = path;
  root.info.type = FileType::directory;
  return root;
}

struct Walked {
  Paths visited;
  Paths left;
  Paths failed;
  std::set<std::string> last;
};

Walked walk(FakeTree& tree, WalkRules rules = {}, size_t stop_after = SIZE_MAX,
            const std::string& root = "/") {
  Walked walked;
  WalkVisitor visitor;
  visitor.visit = [&](const Found& found) {
    walked.visited.push_back(found.path);
    if (found.last) walked.last.insert(found.path);
    return walked.visited.size() < stop_after;
  };
  visitor.leave = [&](const Found& found) {
    walked.left.push_back(found.path);
    return true;
  };
  visitor.failed = [&](const Found& directory, const Error&) {
    walked.failed.push_back(directory.path);
    return true;
  };
  TreeWalk(tree.lister(), std::move(rules), 4).run(root_of(root), visitor);
  return walked;
}

}  // namespace

TEST_SUITE("cli") {
  TEST_CASE("a walk visits parents first and siblings in the order of their names") {
    FakeTree tree;
    tree.add("/b/2").add("/b/1").add("/a").add("/b/deep/er/x").add("/c/").add("/b.txt");
    const Walked walked = walk(tree);
    CHECK(walked.visited == Paths{"/", "/a", "/b", "/b/1", "/b/2", "/b/deep", "/b/deep/er",
                                  "/b/deep/er/x", "/b.txt", "/c"});
    CHECK(walked.left == Paths{"/b/deep/er", "/b/deep", "/b", "/c", "/"});
  }

  TEST_CASE("a walk knows which entry is the last of its directory, also at the end of a page") {
    FakeTree tree(2);
    tree.add("/1").add("/2").add("/3").add("/4").add("/4d/a").add("/4d/b");
    CHECK(walk(tree).last == std::set<std::string>{"/", "/4d", "/4d/b"});
    // Of those that are kept.
    WalkRules directories;
    directories.keep = [](const Found& found) { return found.directory(); };
    tree.add("/0/").add("/9");
    CHECK(walk(tree, directories).visited == Paths{"/", "/0", "/4d"});
    CHECK(walk(tree, directories).last == std::set<std::string>{"/", "/4d"});
  }

  TEST_CASE("a walk enters neither what is too deep nor what is left out") {
    FakeTree tree;
    tree.add("/a/b/c/d").add("/skip/x").add("/z");
    WalkRules rules;
    rules.depth_max = 2;
    rules.keep = [](const Found& found) { return found.name != "skip"; };
    CHECK(walk(tree, rules).visited == Paths{"/", "/a", "/a/b", "/z"});
    for (const std::string& directory : tree.lists) {
      CHECK(directory != "/skip");
      CHECK(directory != "/a/b");
    }
  }

  TEST_CASE("a walk goes on where a directory cannot be listed, and passes over what is gone") {
    FakeTree tree;
    tree.add("/a/x").add("/b/x").add("/c/x");
    tree.fail("/a", Code::denied);
    tree.fail("/b", Code::not_found);
    const Walked walked = walk(tree);
    CHECK(walked.visited == Paths{"/", "/a", "/b", "/c", "/c/x"});
    CHECK(walked.failed == Paths{"/a"});
    CHECK(walk(tree, {}, SIZE_MAX, "/nowhere").failed == Paths{"/nowhere"});
  }

  TEST_CASE("a walk ends where its visitor says so") {
    FakeTree tree(1000);
    for (int i = 0; i < 5000; ++i) tree.add("/" + std::to_string(i) + "/x");
    CHECK(walk(tree, {}, 3).visited.size() == 3);
    // A page for the root and the next one, and a few ahead.
    CHECK(tree.lists.size() < 20);
  }

  TEST_CASE("a walk through many pages of many directories finds all") {
    FakeTree tree(7);
    size_t expected = 1;
    for (int i = 0; i < 60; ++i) {
      for (int j = 0; j < 60; ++j) tree.add("/" + std::to_string(i) + "/" + std::to_string(j));
      expected += 61;
    }
    const Walked walked = walk(tree);
    CHECK(walked.visited.size() == expected);
    CHECK(walked.left.size() == 61);
  }

  TEST_CASE("what was found knows its path below the beginning") {
    Found found;
    found.path = "/a/b/c";
    CHECK(found.below("/a") == "b/c");
    CHECK(found.below("/") == "a/b/c");
    CHECK(found.below("/a/b/c").empty());
  }
}
