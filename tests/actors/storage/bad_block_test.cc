// Blocks that were found damaged, and the digests that tell who holds what.
#include <doctest/doctest.h>

#include "tests/actors/storage/store_fixture.h"

namespace dfs::storage {

namespace {

const BlockKey kKey{1, 0, 5};

void damage(StoreFixture& f, const BlockKey& key) {
  const auto row = *f.store->find(key);
  f.disk.flip(f.segment(row->segment), row->data_offset() + row->length / 2, 0x10);
}

Digest digest_of(const std::vector<std::pair<BlockKey, std::string>>& blocks, GroupId group) {
  Digests digests;
  for (const auto& [key, bytes] : blocks) digests.add(key, bytes.size(), crc32c(bytes));
  return digests.of(group);
}

}  // namespace

TEST_SUITE("storage") {
  TEST_CASE("a bad block is out of the digest, listed as bad, and stays so after a restart") {
    StoreFixture f;
    REQUIRE(f.start());
    const std::string bytes = content(1, 100'000);
    REQUIRE(f.put(kKey, bytes));
    REQUIRE(f.put({2, 0, 5}, "good"));
    CHECK(f.store->has_good(kKey, bytes.size(), crc32c(bytes)));
    CHECK_FALSE(f.store->has_good(kKey, bytes.size(), 1));
    CHECK_FALSE(f.store->has_good(kKey, 1, crc32c(bytes)));
    damage(f, kKey);
    CHECK(f.get(kKey).code() == Code::corrupt);
    const auto is_bad = [&] {
      CHECK(f.store->digest(5) == digest_of({{{2, 0, 5}, "good"}}, 5));
      CHECK_FALSE(f.store->has_good(kKey, bytes.size(), crc32c(bytes)));
      CHECK(f.store->stats().bad == 1);
      CHECK(f.store->losses() == 1);
      const auto page = f.store->list({});
      REQUIRE(page);
      REQUIRE(page->blocks.size() == 2);
      CHECK(page->blocks[0].bad);
      CHECK_FALSE(page->blocks[1].bad);
      CHECK(f.get(kKey).code() == Code::corrupt);
    };
    is_bad();
    // The power fails: the flag was made durable at once.
    f.crash([] { return uint64_t{0}; });
    REQUIRE(f.start());
    is_bad();
    CHECK(f.events == std::vector<std::string>{"block-corrupt"});
  }

  TEST_CASE("a fresh write of a bad block replaces it when it is durable") {
    StoreFixture f({.directory = "/data", .segment_bytes = 4 << 20, .capacity_bytes = 64 << 20});
    REQUIRE(f.start());
    const std::string bytes = content(2, 300'000);
    REQUIRE(f.put(kKey, bytes));
    REQUIRE(f.put({9, 0, 1}, "x"));
    const uint64_t used = f.store->stats().used_bytes;
    const Digest digest = f.store->digest(5);
    damage(f, kKey);
    CHECK(f.get(kKey).code() == Code::corrupt);
    const auto old = *f.store->find(kKey);
    REQUIRE(f.put(kKey, bytes));
    CHECK(*f.get(kKey) == bytes);
    CHECK(f.events == std::vector<std::string>{"block-corrupt", "block-repaired"});
    CHECK(f.store->digest(5) == digest);
    CHECK(f.store->stats().bad == 0);
    CHECK(f.store->stats().used_bytes == used);  // the bad copy's space came back
    CHECK(f.store->losses() == 1);
    const auto row = *f.store->find(kKey);
    CHECK_FALSE(row->same_extent(*old));
    f.crash([] { return uint64_t{0}; });
    const auto report = f.start();
    REQUIRE(report);
    CHECK(report->bad == 0);
    CHECK(*f.get(kKey) == bytes);
    CHECK(f.store->digest(5) == digest);
  }

  TEST_CASE("a bad block goes by removal too") {
    StoreFixture f;
    REQUIRE(f.start());
    REQUIRE(f.put(kKey, content(3, 5000)));
    damage(f, kKey);
    CHECK(f.get(kKey).code() == Code::corrupt);
    REQUIRE(f.remove({kKey}));
    CHECK(f.store->stats().bad == 0);
    CHECK(f.store->stats().blocks == 0);
    CHECK(f.store->digest(5) == digest_of({}, 5));
  }

  TEST_CASE("a crash at any change of a repair leaves the bad copy or its successor") {
    const std::string bytes = content(4, 70'000);
    std::mt19937_64 random(7);
    uint64_t repaired = 0;
    for (uint64_t changes = 1; changes < 40; ++changes) {
      StoreFixture f;
      REQUIRE(f.start());
      REQUIRE(f.put(kKey, bytes));
      damage(f, kKey);
      CHECK(f.get(kKey).code() == Code::corrupt);
      f.disk.halt_after(changes);
      const bool acknowledged = f.put(kKey, bytes).ok();
      f.crash(random);
      const auto report = f.start();
      REQUIRE(report);
      const auto read = f.get(kKey);
      if (read) {
        CHECK(*read == bytes);
      } else {
        CHECK(read.code() == Code::corrupt);
        CHECK_FALSE(acknowledged);
        REQUIRE(f.put(kKey, bytes));
        CHECK(*f.get(kKey) == bytes);
      }
      CHECK(f.store->digest(5) == digest_of({{kKey, bytes}}, 5));
      repaired += acknowledged;
    }
    CHECK(repaired > 0);
    CHECK(repaired < 39);
  }

  TEST_CASE("a block that could not be read is bad until its bytes prove right") {
    StoreFixture f;
    REQUIRE(f.start());
    const std::string bytes = content(5, 100'000);
    REQUIRE(f.put(kKey, bytes));
    uint64_t failures = 1;
    f.disk.fault = [&](sim::SimDisk::Operation operation, const std::string&) -> Result<void> {
      if (operation != sim::SimDisk::Operation::read || failures == 0) return {};
      --failures;
      return {Code::io_error, "the medium is broken"};
    };
    CHECK(*f.get(kKey) == bytes);  // one failure is forgiven
    failures = 2;
    CHECK(f.get(kKey).code() == Code::io_error);
    CHECK(f.store->stats().bad == 1);
    CHECK_FALSE(f.store->has_good(kKey, bytes.size(), crc32c(bytes)));
    failures = 2;
    CHECK(f.get(kKey).code() == Code::io_error);  // nobody has seen wrong bytes
    CHECK(f.events == std::vector<std::string>{"block-corrupt"});
    // The cable is back. It may be the only copy there is.
    CHECK(*f.get(kKey) == bytes);
    f.settle();
    CHECK(f.events == std::vector<std::string>{"block-corrupt", "block-repaired"});
    CHECK(f.store->stats().bad == 0);
    CHECK(f.store->has_good(kKey, bytes.size(), crc32c(bytes)));
  }

  TEST_CASE("a disk out of reach makes no block bad") {
    StoreFixture f;
    const std::string bytes = content(5, 100'000);
    REQUIRE(f.start());
    REQUIRE(f.put({2, 0, 5}, bytes));
    f.disk.restart();
    f.disk.fault = nullptr;
    REQUIRE(f.start());
    f.disk.fault = [&](sim::SimDisk::Operation operation, const std::string&) -> Result<void> {
      if (operation != sim::SimDisk::Operation::open) return {};
      return {Code::io_error, "too many open files"};
    };
    CHECK(f.get({2, 0, 5}).code() == Code::io_error);
    f.disk.fault = nullptr;
    CHECK(*f.get({2, 0, 5}) == bytes);
  }

  TEST_CASE("a write that finds the copy here damaged is told to come again, and then repairs it") {
    StoreFixture f;
    REQUIRE(f.start());
    const std::string bytes = content(6, 65536);
    REQUIRE(f.put(kKey, bytes));
    const auto row = *f.store->find(kKey);
    f.disk.restart();
    REQUIRE(f.start());
    f.disk.flip(f.segment(row->segment), row->tail_offset() + 1);
    CHECK(f.put(kKey, bytes).code() == Code::busy);
    CHECK(f.store->stats().bad == 1);
    REQUIRE(f.put(kKey, bytes));
    CHECK(*f.get(kKey) == bytes);
  }

  TEST_CASE("blocks of a segment that is gone or cut off are bad, the others are not") {
    StoreFixture f({.directory = "/data", .segment_bytes = 2 << 20});
    REQUIRE(f.start());
    for (uint32_t i = 0; i < 4; ++i) REQUIRE(f.put({3, i, 1}, content(i, 900'000)));
    const auto third = *f.store->find({3, 2, 1});
    REQUIRE(third->segment == 2);
    f.disk.restart();
    REQUIRE(f.disk.remove(f.segment(1)));
    REQUIRE((*f.disk.open(f.segment(2), {}))->truncate(third->offset + third->bytes() + 5000));
    const auto report = f.start();
    REQUIRE(report);
    CHECK(report->segments_missing == 1);
    CHECK(report->lost == 3);
    CHECK(f.store->losses() == 3);
    CHECK(f.store->digest(1) == digest_of({{{3, 2, 1}, content(2, 900'000)}}, 1));
    CHECK(*f.get({3, 2, 1}) == content(2, 900'000));
    for (const uint32_t i : {0u, 1u, 3u}) {
      CHECK(f.get({3, i, 1}).code() == Code::corrupt);
      REQUIRE(f.put({3, i, 1}, content(i, 900'000)));
      CHECK(*f.get({3, i, 1}) == content(i, 900'000));
    }
    f.disk.restart();
    const auto again = f.start();
    REQUIRE(again);
    CHECK(again->bad == 0);
    CHECK(again->segments_missing == 0);
  }

  TEST_CASE("digests tell equal holdings from different ones and survive a restart") {
    StoreFixture f;
    REQUIRE(f.start());
    std::vector<std::pair<BlockKey, std::string>> blocks;
    for (uint32_t i = 0; i < 20; ++i) {
      blocks.emplace_back(BlockKey{100 + i % 7, i, 1 + i % 2}, content(i, 1000 + i));
      REQUIRE(f.put(blocks.back().first, blocks.back().second));
    }
    const Digest one = f.store->digest(1);
    CHECK(one == digest_of(blocks, 1));
    CHECK(one.blocks == 10);
    CHECK(f.store->groups() == std::vector<GroupId>{1, 2});
    std::reverse(blocks.begin(), blocks.end());
    CHECK(digest_of(blocks, 1) == one);  // the order does not matter
    blocks[1].second[5] ^= 1;            // of group 1: 20 blocks were reversed
    CHECK_FALSE(digest_of(blocks, 1) == one);
    f.disk.restart();
    REQUIRE(f.start());
    CHECK(f.store->digest(1) == one);
    REQUIRE(f.remove({blocks[1].first}));
    CHECK(f.store->digest(1).blocks == 9);
    CHECK_FALSE(f.store->digest(1) == one);
    CHECK(f.store->digest(77).blocks == 0);
  }

  TEST_CASE("an index of the first format is brought up to date") {
    StoreFixture f;
    REQUIRE(f.start());
    for (uint32_t i = 0; i < 5; ++i) REQUIRE(f.put({7, i, 1 + i % 2}, content(i, 5000)));
    // As the first format had it: other keys, and rows without their last two fields.
    Batch batch;
    REQUIRE(f.table.scan("k", after_prefix("k"), [&](std::string_view key, std::string_view row) {
      std::string old = "b";
      append_u64(old, read_u64(key, 5));
      append_u32(old, read_u32(key, 13));
      append_u32(old, read_u32(key, 1));
      batch.put(old, std::string(row.substr(0, 36)));
      batch.erase(std::string(key));
      return true;
    }));
    std::string one;
    append_u32(one, 1);
    batch.put("format", one);
    REQUIRE(f.table.write(batch, Durability::synced));
    f.disk.restart();
    const auto report = f.start();
    REQUIRE(report);
    CHECK(report->blocks == 5);
    CHECK(report->found == 0);
    for (uint32_t i = 0; i < 5; ++i) CHECK(*f.get({7, i, 1 + i % 2}) == content(i, 5000));
    CHECK(f.store->list({})->blocks[0].created_ms == 0);
    f.disk.restart();
    REQUIRE(f.start());
    CHECK(f.store->stats().blocks == 5);
  }
}

}  // namespace dfs::storage
