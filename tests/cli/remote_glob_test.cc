#include "cli/remote_glob.h"

#include <doctest/doctest.h>

#include "tests/cli/fake_tree.h"

using namespace dfs;
using namespace dfs::cli;

namespace {

using Paths = std::vector<std::string>;

Paths matches(FakeTree& tree, const std::string& pattern) {
  tree.lists.clear();
  Paths paths;
  const auto found = expand_pattern(tree.lister(), pattern,
                                    [&](std::string path) { paths.push_back(std::move(path)); });
  if (!found) return {name_of(found.code())};
  return paths;
}

}  // namespace

TEST_SUITE("cli") {
  TEST_CASE("patterns are looked up in the namespace") {
    FakeTree tree(3);
    tree.add("/logs/2025/a.log").add("/logs/2026/a.log").add("/logs/2026/b.log");
    tree.add("/logs/2026/deep/c.log").add("/logs/readme").add("/other/a.log");
    CHECK(matches(tree, "/logs/*") == Paths{"/logs/2025", "/logs/2026", "/logs/readme"});
    CHECK(matches(tree, "/logs/*/") == Paths{"/logs/2025", "/logs/2026"});
    CHECK(matches(tree, "/logs/202?/a.log") == Paths{"/logs/2025/a.log", "/logs/2026/a.log"});
    CHECK(matches(tree, "/*/a.log") == Paths{"/other/a.log"});
    CHECK(matches(tree, "/logs/**/*.log") == Paths{"/logs/2025/a.log", "/logs/2026/a.log",
                                                   "/logs/2026/b.log", "/logs/2026/deep/c.log"});
    CHECK(matches(tree, "/**/deep") == Paths{"/logs/2026/deep"});
    CHECK(matches(tree, "/logs/2026/**") == Paths{"/logs/2026/a.log", "/logs/2026/b.log",
                                                  "/logs/2026/deep", "/logs/2026/deep/c.log"});
    CHECK(matches(tree, "/logs/[!r]*/b*") == Paths{"/logs/2026/b.log"});
    CHECK(matches(tree, "/nowhere/*").empty());
    CHECK(matches(tree, "/logs/readme/*").empty());
  }

  TEST_CASE("only the names that begin as the pattern does are listed") {
    FakeTree tree(10);
    for (int i = 1000; i < 2000; ++i) tree.add("/d/" + std::to_string(i));
    CHECK(matches(tree, "/d/155*").size() == 10);
    CHECK(tree.lists.size() <= 3);
    CHECK(matches(tree, "/d/1[5]55") == Paths{"/d/1555"});
  }

  TEST_CASE("a directory that cannot be listed is an error and no lack of matches") {
    FakeTree tree;
    tree.add("/a/x");
    tree.fail("/a", Code::denied);
    CHECK(matches(tree, "/a/*") == Paths{"denied"});
  }
}
