#include "cli/glob.h"

#include <doctest/doctest.h>

using namespace dfs::cli;

TEST_SUITE("cli") {
  TEST_CASE("names match patterns as in a shell") {
    CHECK(name_matches("*.txt", "a.txt"));
    CHECK(name_matches("*.txt", ".txt"));
    CHECK_FALSE(name_matches("*.txt", "a.txt~"));
    CHECK(name_matches("a?c", "abc"));
    CHECK(name_matches("a?c",
                       "a\xc3\xa4"
                       "c"));  // one character of two bytes
    CHECK(name_matches("[a-c]x", "bx"));
    CHECK_FALSE(name_matches("[!a-c]x", "bx"));
    CHECK(name_matches("a\\*b", "a*b"));
    CHECK_FALSE(name_matches("a\\*b", "axb"));
    CHECK_FALSE(name_matches("*.JPG", "a.jpg"));
    CHECK(name_matches("*.JPG", "a.jpg", true));
    CHECK(name_matches("*.bin", "\xff\xfe.bin"));  // names are any bytes
  }

  TEST_CASE("a text is a pattern when it holds a wildcard") {
    CHECK(is_pattern("/a/*.txt"));
    CHECK(is_pattern("what?"));
    CHECK(is_pattern("[ab]"));
    CHECK_FALSE(is_pattern("/plain/name"));
    CHECK_FALSE(is_pattern("a\\*b"));
    CHECK(unescaped("a\\*b\\\\c") == "a*b\\c");
  }

  TEST_CASE("paths match component by component") {
    CHECK(path_matches("/a/*/c", "/a/b/c"));
    CHECK_FALSE(path_matches("/a/*", "/a/b/c"));
    CHECK(path_matches("/a/**", "/a/b/c"));
    CHECK(path_matches("/**/c", "/c"));
    CHECK(path_matches("/**/c", "/a/b/c"));
    CHECK(path_matches("/a/**/**/c", "/a/c"));
    CHECK_FALSE(path_matches("/a/**/c", "/b/c"));
    CHECK_FALSE(path_matches("/a/**/c", "/a/b/cc"));
  }

  TEST_CASE("filters leave what they say") {
    GlobFilter filter;
    CHECK(filter.takes("any/thing", false));
    filter.exclude = {"*.tmp", "cache/", "docs/old", "**/secret/*.key"};
    CHECK_FALSE(filter.takes("a/b.tmp", false));
    CHECK_FALSE(filter.takes("a/cache", true));
    CHECK(filter.takes("a/cache", false));  // a file of that name
    CHECK_FALSE(filter.takes("docs/old", true));
    CHECK(filter.takes("more/docs/old", true));
    CHECK_FALSE(filter.takes("secret/x.key", false));
    CHECK_FALSE(filter.takes("a/b/secret/x.key", false));
    CHECK(filter.takes("a/b/secret/deep/x.key", false));
  }

  TEST_CASE("with an include only such files are left, and directories to look into") {
    GlobFilter filter;
    filter.include = {"*.jpg", "docs/**"};
    CHECK(filter.takes("a/b.jpg", false));
    CHECK_FALSE(filter.takes("a/b.png", false));
    CHECK(filter.takes("docs/a/b.png", false));
    CHECK(filter.takes("a", true));
    filter.exclude = {"private*"};
    CHECK_FALSE(filter.takes("private.jpg", false));
    CHECK_FALSE(filter.takes("private", true));
  }
}
