// Whose the data directories are.
#include "actors/storage/directories.h"

#include <doctest/doctest.h>

#include "tests/sim/sim_disk.h"

namespace dfs::storage {

namespace {

const std::string kUuid = "0123456789abcdef0123456789abcdef";

struct Given {
  // A process starts on the paths; the new ones among them get fresh names.
  Result<OpenDirectories> open(std::vector<std::string> paths, const std::string& uuid = kUuid,
                               const std::string& unusable = "") {
    disk.restart();
    std::vector<GivenDirectory> given;
    for (const std::string& path : paths) {
      char name[20];
      std::snprintf(name, sizeof name, "%016x", ++names);
      given.push_back({path, name, path != unusable});
    }
    return open_directories(disk, given, uuid);
  }
  void copy(const std::string& from, const std::string& to) {
    REQUIRE(disk.make_directories(to));
    REQUIRE(write_file_atomically(disk, to + "/identity", *read_file(disk, from + "/identity")));
  }
  sim::SimDisk disk;
  unsigned names = 0;
};

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_SUITE("storage") {
  TEST_CASE("directories of a node know each other and keep its identity") {
    Given f;
    auto first = f.open({"/a", "/b"});
    REQUIRE(first);
    CHECK(first->identity.uuid == kUuid);
    CHECK(first->directories.size() == 2);
    first->identity.cluster = "fedcba9876543210fedcba9876543210";
    first->identity.node = 7;
    REQUIRE(save_identity(f.disk, *first));
    const auto again = f.open({"/b", "/a", "/c"}, "another");  // one more, in any order
    REQUIRE(again);
    CHECK(again->identity.uuid == kUuid);
    CHECK(again->identity.node == 7);
    CHECK(again->directories.at("/a") == first->directories.at("/a"));
    CHECK(again->failures.empty());
    CHECK(again->gone.empty());
    const auto third = parse_identity(*read_file(f.disk, "/c/identity"));
    REQUIRE(third);
    CHECK(third->uuid == kUuid);
    CHECK(third->node == 7);
    CHECK(third->siblings.size() == 3);
    CHECK(third->directory == again->directories.at("/c"));
  }

  TEST_CASE("a directory of before there were several takes part") {
    Given f;
    REQUIRE(f.disk.make_directories("/a"));
    REQUIRE(write_file_atomically(f.disk, "/a/identity",
                                  "format=1\nuuid=" + kUuid + "\ncluster=\nnode=3\n"));
    const auto opened = f.open({"/a", "/b"}, "another");
    REQUIRE(opened);
    CHECK(opened->identity.uuid == kUuid);
    CHECK(opened->directories.size() == 2);
    CHECK(parse_identity(*read_file(f.disk, "/a/identity"))->directory.size() == 16);
  }

  TEST_CASE("foreign, copied and doubled directories are refused with the reason") {
    Given f;
    REQUIRE(f.open({"/a"}, kUuid));
    REQUIRE(f.open({"/b"}, "fedcba9876543210fedcba9876543210"));
    const auto foreign = f.open({"/a", "/b"});
    CHECK(foreign.code() == Code::invalid);
    CHECK(has(foreign.error().text, "/a and /b belong to different nodes"));
    f.copy("/a", "/copy");
    const auto copied = f.open({"/a", "/copy"});
    CHECK(copied.code() == Code::invalid);
    CHECK(has(copied.error().text, "copy"));
    const auto doubled = f.open({"/a", "/a"});
    CHECK(doubled.code() == Code::busy);
    CHECK(has(doubled.error().text, "given twice"));
    CHECK(f.open({"/a"}).ok());  // nothing was spoilt
  }

  TEST_CASE("a directory in use is refused") {
    Given f;
    const auto first = f.open({"/a"});
    REQUIRE(first);
    const auto second = open_directories(f.disk, {{"/a", "0000000000000009"}}, kUuid);
    CHECK(second.code() == Code::busy);
  }

  TEST_CASE("an empty mount point is not taken for the directory that was there") {
    Given f;
    REQUIRE(f.open({"/a", "/b"}));
    REQUIRE(f.disk.remove("/b/identity"));
    const auto opened = f.open({"/a", "/b"});
    REQUIRE(opened);
    CHECK(opened->directories.size() == 1);
    CHECK(has(opened->failures.at("/b").text, "mount its disk"));
    CHECK_FALSE(*f.disk.exists("/b/identity"));
    // It stays so, until the new disk comes under another path.
    CHECK(f.open({"/a", "/b"})->failures.size() == 1);
    const auto replaced = f.open({"/a", "/c"});
    REQUIRE(replaced);
    CHECK(replaced->directories.size() == 2);
    CHECK(replaced->gone == std::vector<std::string>{"/b"});
    CHECK(f.open({"/a", "/c"})->gone.empty());  // told once
  }

  TEST_CASE("directories may change places") {
    Given f;
    const auto before = f.open({"/a", "/b"});
    REQUIRE(before);
    REQUIRE(f.disk.make_directories("/moved"));
    REQUIRE(f.disk.rename("/b/identity", "/moved/identity"));
    const auto after = f.open({"/a", "/moved", "/b"});
    REQUIRE(after);
    CHECK(after->directories.at("/moved") == before->directories.at("/b"));
    CHECK(after->directories.size() == 3);
    CHECK(after->gone.empty());
  }

  TEST_CASE("one directory that cannot be read is left out, all of them are the end") {
    Given f;
    REQUIRE(f.open({"/a", "/b"}));
    const auto part = f.open({"/a", "/b"}, kUuid, "/b");
    REQUIRE(part);
    CHECK(part->failures.contains("/b"));
    CHECK(part->gone.empty());
    CHECK(part->identity.siblings.size() == 2);  // it may come back
    f.disk.fault = [](sim::SimDisk::Operation operation, const std::string& path) -> Result<void> {
      if (operation != sim::SimDisk::Operation::read || !path.ends_with("identity")) return {};
      return {Code::io_error, "the medium is broken"};
    };
    const auto none = f.open({"/a", "/b"});
    CHECK(none.code() == Code::io_error);
    CHECK(has(none.error().text, "/a"));
    f.disk.fault = nullptr;
    CHECK(f.open({"/a", "/b"})->directories.size() == 2);
  }
}

}  // namespace dfs::storage
