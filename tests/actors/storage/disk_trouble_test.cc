// Disks that are full, broken, foreign or from the future.
#include <doctest/doctest.h>

#include "tests/actors/storage/store_fixture.h"

namespace dfs::storage {

namespace {

const BlockKey kKey{1, 0, 5};

// Puts the blocks {3, 0, 1}, {3, 1, 1} … until there is no space; returns how many there are.
uint32_t fill(StoreFixture& f) {
  for (uint32_t count = 0; count < 100; ++count) {
    const Result<Written> written = f.put({3, count, 1}, content(count, kPartBytes));
    if (written) continue;
    CHECK(written.code() == Code::no_space);
    return count;
  }
  FAIL("100 blocks went in");
  return 0;
}

}  // namespace

TEST_SUITE("storage") {
  TEST_CASE("a full disk refuses new blocks early and goes on reading and removing") {
    StoreFixture f({.directory = "/data", .segment_bytes = 4 << 20, .capacity_bytes = 16 << 20});
    REQUIRE(f.start());
    const uint32_t count = fill(f);
    CHECK(count >= 14);
    CHECK_FALSE(f.store->stats().accepts_writes);
    CHECK(f.events == std::vector<std::string>{"disk-full"});
    CHECK(f.store->stats().used_bytes <= 16 << 20);
    CHECK(*f.get({3, 0, 1}) == content(0, kPartBytes));
    REQUIRE(f.remove({{3, 0, 1}, {3, 1, 1}}));
    CHECK(f.store->stats().accepts_writes);
    CHECK(f.put({3, 200, 1}, content(200, kPartBytes)).ok());
  }

  TEST_CASE("a file system without space refuses blocks, and takes them when there is space") {
    StoreFixture f;
    f.disk.capacity_bytes = 12 << 20;
    REQUIRE(f.start());
    const uint32_t count = fill(f);
    CHECK(count >= 8);
    for (uint32_t i = 0; i < count; ++i) CHECK(*f.get({3, i, 1}) == content(i, kPartBytes));
    f.disk.capacity_bytes = 64 << 20;
    f.store->refresh_space();
    f.settle();
    CHECK(f.store->stats().accepts_writes);
    CHECK(f.put({3, 200, 1}, content(200, kPartBytes)).ok());
  }

  TEST_CASE("a segment whose sync failed is fenced and the next block goes elsewhere") {
    StoreFixture f;
    REQUIRE(f.start());
    REQUIRE(f.put({1, 0, 1}, content(1, 5000)));
    f.disk.fault = [](sim::SimDisk::Operation operation, const std::string&) -> Result<void> {
      if (operation != sim::SimDisk::Operation::sync) return {};
      return {Code::io_error, "the medium is broken"};
    };
    const auto other = f.store->begin({{1, 5, 1}, 1, 4096, ""});  // under way in the same segment
    CHECK(f.put({1, 1, 1}, content(2, 5000)).code() == Code::io_error);
    f.disk.fault = nullptr;
    Result<Written> outcome(Code::timeout, "");
    f.store->write(other, f.part("late", 0), [&](Result<Written> w) { outcome = std::move(w); });
    f.settle();
    CHECK_FALSE(outcome.ok());
    CHECK(f.events == std::vector<std::string>{"segment-fenced"});
    REQUIRE(f.put({1, 1, 1}, content(2, 5000)));
    const auto row = *f.store->find({1, 1, 1});
    CHECK(row->segment == 2);
    CHECK(*f.get({1, 0, 1}) == content(1, 5000));
  }

  TEST_CASE("a newer segment format is refused with the reason") {
    StoreFixture f;
    REQUIRE(f.start());
    REQUIRE(f.put(kKey, "x"));
    f.disk.restart();
    // A header of the next format, with its checksum right.
    auto opened = f.disk.open(f.segment(1), {});
    auto& file = *opened;
    std::vector<uint8_t> block(kAlignment);
    REQUIRE(file->read_at(0, block.data(), block.size()));
    block[11] = kSegmentFormat + 1;
    const uint32_t crc =
        crc32c(block.data() + kSealBytes, block.size() - kSealBytes, crc32c(block.data(), 20));
    std::string big_endian;
    append_u32(big_endian, crc);
    std::copy(big_endian.begin(), big_endian.end(), block.begin() + 20);
    REQUIRE(file->write_at(0, block.data(), block.size()));
    const auto report = f.start();
    CHECK(report.code() == Code::unsupported);
    CHECK(report.error().text.find("newer program") != std::string::npos);
  }

  TEST_CASE("segments of another cluster are refused") {
    StoreFixture f;
    REQUIRE(f.start());
    REQUIRE(f.put(kKey, "x"));
    f.disk.restart();
    MemTable table;
    const auto recovered = recover(f.disk, table, "/data", "another");
    CHECK(recovered.code() == Code::invalid);
  }

  TEST_CASE("a missing segment is reported and its blocks read as corrupt") {
    StoreFixture f;
    REQUIRE(f.start());
    REQUIRE(f.put(kKey, "x"));
    f.disk.restart();
    REQUIRE(f.disk.remove(f.segment(1)));
    const auto report = f.start();
    REQUIRE(report);
    CHECK(report->segments_missing == 1);
    CHECK(f.get(kKey).code() == Code::corrupt);
  }

  TEST_CASE("a segment's damaged header is made anew from the index and costs no block") {
    StoreFixture f;
    REQUIRE(f.start());
    REQUIRE(f.put(kKey, "x"));
    f.disk.restart();
    f.disk.flip(f.segment(1), 100);
    REQUIRE(f.start());
    CHECK(*f.get(kKey) == "x");
    CHECK(f.store->losses() == 0);
    f.disk.restart();
    MemTable table;  // the file is whole again: it stands for itself
    const auto recovered = recover(f.disk, table, "/data", StoreFixture::kCluster);
    REQUIRE(recovered);
    CHECK(recovered->report.found == 1);
  }

  TEST_CASE("a place that cannot be read costs the block there, and the node says so") {
    StoreFixture f;
    REQUIRE(f.start());
    for (uint32_t i = 0; i < 3; ++i) REQUIRE(f.put({1, i, 1}, content(i, 5000)));
    const auto second = *f.store->find({1, 1, 1});
    f.disk.restart();
    f.table = MemTable();  // all is behind the marks
    f.disk.spoil(f.segment(1), second->offset, kAlignment);
    const auto report = f.start();
    REQUIRE(report);
    CHECK(report->found == 2);
    CHECK(report->unreadable > 0);
    CHECK(f.store->losses() > 0);
    CHECK(*f.get({1, 0, 1}) == content(0, 5000));
    CHECK(*f.get({1, 2, 1}) == content(2, 5000));
  }
}

}  // namespace dfs::storage
