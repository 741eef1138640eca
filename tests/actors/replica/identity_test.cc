#include "actors/replica/identity.h"

#include <doctest/doctest.h>

#include "tests/sim/sim_disk.h"

namespace dfs {

using sim::SimDisk;

namespace {

const Identity kSelf{std::string(32, 'c'), 3, std::string(32, 'd')};

}  // namespace

TEST_SUITE("identity") {
  TEST_CASE("a fresh directory has none, and what was saved is found again") {
    SimDisk disk;
    const auto fresh = load_identity(disk, "/head");
    REQUIRE(fresh.ok());
    CHECK(!*fresh);
    REQUIRE(save_identity(disk, "/head", kSelf).ok());
    disk.crash([] { return 0; });
    const auto found = load_identity(disk, "/head");
    REQUIRE(found.ok());
    REQUIRE(*found);
    CHECK(same(**found, kSelf));
  }

  TEST_CASE("an identity is never replaced by another") {
    SimDisk disk;
    REQUIRE(save_identity(disk, "/head", kSelf).ok());
    CHECK(save_identity(disk, "/head", kSelf).ok());
    Identity other = kSelf;
    other.cluster = std::string(32, 'e');
    const auto refused = save_identity(disk, "/head", other);
    CHECK(refused.code() == Code::exists);
    CHECK(refused.error().text.find(kSelf.cluster) != std::string::npos);
    CHECK(same(**load_identity(disk, "/head"), kSelf));
  }

  TEST_CASE("one that makes no sense is refused") {
    SimDisk disk;
    Identity bad = kSelf;
    bad.member = 0;
    CHECK(save_identity(disk, "/head", bad).code() == Code::invalid);
    bad = kSelf;
    bad.uuid.pop_back();
    CHECK(save_identity(disk, "/head", bad).code() == Code::invalid);
  }

  TEST_CASE("any flipped or missing byte is noticed") {
    SimDisk disk;
    REQUIRE(save_identity(disk, "/head", kSelf).ok());
    const auto size = read_file(disk, "/head/identity")->size();
    for (uint64_t at = 0; at < size; ++at) {
      CAPTURE(at);
      disk.flip("/head/identity", at);
      const auto found = load_identity(disk, "/head");
      CHECK(found.code() == Code::corrupt);
      disk.flip("/head/identity", at);
    }
    CHECK(load_identity(disk, "/head").ok());
    auto file = disk.open("/head/identity", {});
    REQUIRE((*file)->truncate(size - 1).ok());
    const auto cut = load_identity(disk, "/head");
    REQUIRE(cut.code() == Code::corrupt);
    CHECK(cut.error().text.find("/head/identity") != std::string::npos);
    CHECK(save_identity(disk, "/head", kSelf).code() == Code::corrupt);
  }

  TEST_CASE("a crash while it is saved leaves it whole or absent") {
    for (uint64_t changes = 0; changes < 12; ++changes) {
      CAPTURE(changes);
      SimDisk disk;
      disk.halt_after(changes);
      const auto saved = save_identity(disk, "/head", kSelf);
      disk.crash([] { return UINT64_MAX / 2; });
      const auto found = load_identity(disk, "/head");
      REQUIRE(found.ok());
      if (saved) CHECK(found->has_value());
      if (*found) CHECK(same(**found, kSelf));
      CHECK(save_identity(disk, "/head", kSelf).ok());
    }
  }
}

}  // namespace dfs
