#include "cli/paths.h"

#include <doctest/doctest.h>

using namespace dfs;
using namespace dfs::cli;

namespace {
std::string path_of(std::string_view text) {
  auto path = normal_path(text);
  return path ? *path : name_of(path.code());
}
std::string target_of(const std::string& target, TargetKind kind, bool as_directory, size_t sources,
                      const std::string& name) {
  auto path = target_path(target, kind, as_directory, sources, name);
  return path ? *path : name_of(path.code());
}
}  // namespace

TEST_SUITE("cli") {
  TEST_CASE("a remote path is taken from the root and tidied up") {
    CHECK(path_of("a/b") == "/a/b");
    CHECK(path_of("/a//b/") == "/a/b");
    CHECK(path_of("./a/./b/.") == "/a/b");
    CHECK(path_of("/a/x/../b") == "/a/b");
    CHECK(path_of("/") == "/");
    CHECK(path_of(".") == "/");
    CHECK(path_of("//") == "/");
  }

  TEST_CASE("no path leaves the namespace") {
    CHECK(path_of("..") == "/");
    CHECK(path_of("../../etc/passwd") == "/etc/passwd");
    CHECK(path_of("/a/../../b") == "/b");
  }

  TEST_CASE("a relative path begins at the working directory") {
    set_working_directory("/films/new");
    CHECK(path_of("a/b") == "/films/new/a/b");
    CHECK(path_of(".") == "/films/new");
    CHECK(path_of("..") == "/films");
    CHECK(path_of("../../../x") == "/x");
    CHECK(path_of("/a") == "/a");
    set_working_directory("/");
    CHECK(path_of("a") == "/a");
  }

  TEST_CASE("names may hold any byte but the slash") {
    CHECK(path_of("/-rf") == "/-rf");
    CHECK(path_of("a b\n\xff") == "/a b\n\xff");
    CHECK(path_of("/...") == "/...");
    CHECK(path_of("/" + std::string(255, 'n')) == "/" + std::string(255, 'n'));
  }

  TEST_CASE("what no path can hold is refused before anybody is asked") {
    CHECK(path_of("") == "usage");
    CHECK(path_of(std::string("/a\0b", 4)) == "bad_name");
    CHECK(path_of("/" + std::string(256, 'n')) == "bad_name");
    std::string deep;
    for (int i = 0; i < 3000; ++i) deep += "/d";
    CHECK(path_of(deep) == "bad_name");
  }

  TEST_CASE("a trailing slash or dot names a directory") {
    CHECK(names_directory("/a/"));
    CHECK(names_directory("/a/."));
    CHECK(names_directory("/a/.."));
    CHECK(names_directory("."));
    CHECK_FALSE(names_directory("/a"));
    CHECK_FALSE(names_directory("/a."));
  }

  TEST_CASE("paths come apart and together again") {
    CHECK(base_name("/a/b") == "b");
    CHECK(base_name("b/") == "b");
    CHECK(base_name("/") == "");
    CHECK(parent_path("/a/b") == "/a");
    CHECK(parent_path("/a") == "/");
    CHECK(parent_path("/") == "/");
    CHECK(join_path("/", "a") == "/a");
    CHECK(join_path("/a", "b") == "/a/b");
  }

  TEST_CASE("a source goes into a directory, or to the very name") {
    CHECK(target_of("/d", TargetKind::directory, false, 1, "f") == "/d/f");
    CHECK(target_of("/", TargetKind::directory, true, 3, "f") == "/f");
    CHECK(target_of("/d", TargetKind::missing, false, 1, "f") == "/d");
    CHECK(target_of("/d", TargetKind::file, false, 1, "f") == "/d");
  }

  TEST_CASE("targets that cannot take the sources are refused") {
    CHECK(target_of("/d", TargetKind::missing, false, 2, "f") == "usage");
    CHECK(target_of("/d", TargetKind::file, false, 2, "f") == "usage");
    CHECK(target_of("/d", TargetKind::missing, true, 1, "f") == "not_found");
    CHECK(target_of("/d", TargetKind::file, true, 1, "f") == "not_directory");
    CHECK(target_of("/d", TargetKind::directory, false, 1, "") == "usage");
  }
}
