#include "actors/storage/block_store.h"

#include <doctest/doctest.h>

#include "tests/actors/storage/store_fixture.h"

namespace dfs::storage {

namespace {

const BlockKey kKey{1, 0, 5};

}  // namespace

TEST_SUITE("storage") {
  TEST_CASE("blocks of every size read back as they were written") {
    StoreFixture f;
    REQUIRE(f.start());
    uint32_t index = 0;
    for (const size_t size :
         {size_t{0}, size_t{1}, size_t{4095}, size_t{4096}, size_t{65536}, size_t{65537},
          kPartBytes - 1, kPartBytes, kPartBytes + 1, 2 * kPartBytes + 70'000}) {
      const BlockKey key{1, index++, 5};
      const std::string bytes = content(index, size);
      const auto written = f.put(key, bytes, size + 1);
      REQUIRE(written);
      CHECK(written->durable);
      CHECK(written->length == size);
      CHECK(written->crc32c == crc32c(bytes));
      const auto read = f.get(key);
      REQUIRE(read);
      CHECK(*read == bytes);
    }
    CHECK(f.store->stats().blocks == index);
    CHECK(f.store->writes() == 0);
  }

  TEST_CASE("a range is read without what lies around it") {
    StoreFixture f;
    REQUIRE(f.start());
    const std::string bytes = content(3, 3 * kPartBytes - 12345);
    REQUIRE(f.put(kKey, bytes));
    for (const auto& [offset, length] : {std::pair<uint64_t, uint64_t>{0, 1},
                                         {65535, 2},
                                         {70'000, 1 << 20},
                                         {bytes.size() - 3, 1 << 20},
                                         {65536, 65536}}) {
      const auto read = f.get(kKey, offset, std::min<uint64_t>(length, bytes.size() - offset));
      REQUIRE(read);
      CHECK(*read == bytes.substr(offset, length));
    }
    const auto behind = f.get(kKey, bytes.size() + 5, 10);
    REQUIRE(behind);
    CHECK(behind->empty());
  }

  TEST_CASE("blocks survive a restart") {
    StoreFixture f;
    REQUIRE(f.start());
    const std::string bytes = content(4, 100'000);
    REQUIRE(f.put(kKey, bytes));
    f.disk.restart();
    const auto report = f.start();
    REQUIRE(report);
    CHECK(report->blocks == 1);
    CHECK(report->found == 0);
    CHECK(*f.get(kKey) == bytes);
  }

  TEST_CASE("an index that was lost is made anew from the segments") {
    StoreFixture f;
    REQUIRE(f.start());
    std::vector<std::string> all;
    for (uint32_t i = 0; i < 12; ++i) {
      all.push_back(content(i, 300'000 + i * 100'000));
      REQUIRE(f.put({7, i, i % 3}, all.back()));
    }
    f.disk.restart();
    f.table = MemTable();
    const auto report = f.start();
    REQUIRE(report);
    CHECK(report->found == 12);
    for (uint32_t i = 0; i < 12; ++i) CHECK(*f.get({7, i, i % 3}) == all[i]);
  }

  TEST_CASE("many small blocks share one sync") {
    StoreFixture f;
    REQUIRE(f.start());
    REQUIRE(f.put({1, 1000, 1}, "the first makes the segment"));
    const uint64_t before = f.disk.syncs();
    int durable = 0;
    for (uint32_t i = 0; i < 50; ++i) {
      f.give({1, i, 1}, content(i, 5000), [&](Result<Written> w) { durable += w && w->durable; });
    }
    f.settle();
    CHECK(durable == 50);
    CHECK(f.disk.syncs() - before <= 2);
  }

  TEST_CASE("a block that is here already succeeds at once when it is equal, else is invalid") {
    StoreFixture f;
    REQUIRE(f.start());
    const std::string bytes = content(5, kPartBytes + 100'000);
    REQUIRE(f.put(kKey, bytes));
    const uint64_t used = f.store->stats().used_bytes;
    const auto again = f.put(kKey, bytes);
    REQUIRE(again);
    CHECK(again->durable);
    CHECK(again->crc32c == crc32c(bytes));
    CHECK(f.store->stats().used_bytes == used);

    std::string other = bytes;
    other.back() ^= 1;
    CHECK(f.put(kKey, other).code() == Code::invalid);
    CHECK(f.put(kKey, bytes.substr(0, kPartBytes), bytes.size()).code() == Code::invalid);
    CHECK(f.put(kKey, bytes + "x").code() == Code::invalid);
    CHECK(*f.get(kKey) == bytes);
  }

  TEST_CASE("two equal writes at once leave one block, two different ones the first") {
    StoreFixture f;
    REQUIRE(f.start());
    const std::string bytes = content(6, 3 * kPartBytes);
    int durable = 0;
    const auto count = [&](Result<Written> w) { durable += w && w->durable; };
    const auto a = f.store->begin({kKey, 1, bytes.size(), ""});
    const auto b = f.store->begin({kKey, 1, bytes.size(), ""});
    for (uint64_t at = 0; at < bytes.size(); at += kPartBytes) {
      f.store->write(a, f.part(bytes, at), count);
      f.store->write(b, f.part(bytes, at), count);
    }
    f.settle();
    CHECK(durable == 2);
    CHECK(f.store->stats().blocks == 1);
    CHECK(*f.get(kKey) == bytes);

    const BlockKey key{2, 0, 5};
    const std::string one = content(7, 5000), two = content(8, 5000);
    Result<Written> first(Code::timeout, ""), second(Code::timeout, "");
    f.give(key, one, [&](Result<Written> w) { first = std::move(w); });
    f.give(key, two, [&](Result<Written> w) { second = std::move(w); });
    f.settle();
    CHECK(first.ok());
    CHECK(second.code() == Code::invalid);
    CHECK(*f.get(key) == one);
    // The losers' space comes back, and no restart brings them to life.
    f.disk.restart();
    const auto report = f.start();
    REQUIRE(report);
    CHECK(report->blocks == 2);
    CHECK(*f.get(key) == one);
  }

  TEST_CASE("a part that does not match its checksum is refused and the block given up") {
    StoreFixture f;
    REQUIRE(f.start());
    const std::string bytes = content(9, 10'000);
    Part part = f.part(bytes, 0);
    part.crc32c ^= 1;
    Result<Written> outcome(Code::timeout, "");
    const auto id = f.store->begin({kKey, 1, bytes.size(), ""});
    f.store->write(id, part, [&](Result<Written> w) { outcome = std::move(w); });
    f.settle();
    CHECK(outcome.code() == Code::corrupt);
    CHECK(f.get(kKey).code() == Code::no_such_block);
    CHECK(f.store->writes() == 0);
    REQUIRE(f.put(kKey, bytes));
  }

  TEST_CASE("parts out of order, oversized or of odd size are invalid") {
    StoreFixture f;
    REQUIRE(f.start());
    const std::string bytes = content(10, 3 * kPartBytes);
    const auto outcome_of = [&](Part part, uint64_t capacity) {
      Result<Written> outcome(Code::timeout, "");
      const auto id = f.store->begin({kKey, 1, capacity, ""});
      f.store->write(id, std::move(part), [&](Result<Written> w) { outcome = std::move(w); });
      f.settle();
      return outcome.code();
    };
    CHECK(outcome_of(f.part(bytes, kPartBytes), bytes.size()) == Code::invalid);
    CHECK(outcome_of(f.part(bytes, 0), kPartBytes - 1) == Code::invalid);
    Part odd = f.part("short", 0);
    odd.last = false;
    CHECK(outcome_of(odd, bytes.size()) == Code::invalid);
    CHECK(f.store->stats().used_bytes == f.store->stats().used_bytes);
    CHECK(f.store->writes() == 0);
  }

  TEST_CASE("an abandoned write leaves neither block nor used space") {
    StoreFixture f({.directory = "/data", .segment_bytes = 8 << 20, .capacity_bytes = 64 << 20});
    REQUIRE(f.start());
    REQUIRE(f.put({9, 0, 1}, "x"));
    const uint64_t used = f.store->stats().used_bytes;
    const std::string bytes = content(11, 3 * kPartBytes);
    const auto id = f.store->begin({kKey, 1, bytes.size(), ""});
    f.store->write(id, f.part(bytes, 0), [](Result<Written>) {});
    CHECK(f.store->stats().used_bytes > used);
    f.store->abandon(id);
    f.settle();
    CHECK(f.store->stats().used_bytes == used);
    CHECK(f.get(kKey).code() == Code::no_such_block);
    REQUIRE(f.put(kKey, bytes));
    CHECK(*f.get(kKey) == bytes);
  }

  TEST_CASE("a block shorter than its capacity takes only what it needs") {
    StoreFixture f({.directory = "/data", .segment_bytes = 16 << 20, .capacity_bytes = 64 << 20});
    REQUIRE(f.start());
    REQUIRE(f.put({1, 0, 1}, content(1, 5000), 4 << 20));
    CHECK(f.store->stats().used_bytes == extent_bytes(kAlignment, 5000));
    // The same with another block behind it: the rest between the two is punched.
    const std::string long_one = content(2, 2 * kPartBytes);
    const auto id = f.store->begin({{1, 1, 1}, 1, 4 << 20, ""});
    REQUIRE(f.put({1, 2, 1}, content(3, 5000)));
    f.store->write(id, f.part(long_one.substr(0, 7000), 0), [](Result<Written>) {});
    f.settle();
    CHECK(f.store->stats().used_bytes ==
          2 * extent_bytes(kAlignment, 5000) + extent_bytes(kAlignment, 7000));
  }

  TEST_CASE("segments rotate and full ones give back what is behind their last extent") {
    StoreFixture f;
    REQUIRE(f.start());
    std::map<uint32_t, std::string> all;
    for (uint32_t i = 0; i < 10; ++i) {
      all[i] = content(i, kPartBytes + 500'000);
      REQUIRE(f.put({3, i, 1}, all[i]));
    }
    CHECK(f.disk.list("/data/segments")->size() >= 5);
    CHECK(f.disk.used_bytes() < 10 * (2 << 20) + (2 * 4 << 20));
    for (const auto& [i, bytes] : all) CHECK(*f.get({3, i, 1}) == bytes);
  }

  TEST_CASE("a block larger than a segment gets a segment of its size") {
    StoreFixture f({.directory = "/data", .segment_bytes = 1 << 20});
    REQUIRE(f.start());
    const std::string bytes = content(12, 5 * kPartBytes + 1);
    REQUIRE(f.put(kKey, bytes));
    CHECK(*f.get(kKey) == bytes);
  }

  TEST_CASE("removed blocks are gone, their space too, and they stay away") {
    StoreFixture f({.directory = "/data", .segment_bytes = 4 << 20, .capacity_bytes = 64 << 20});
    REQUIRE(f.start());
    for (uint32_t i = 0; i < 6; ++i) REQUIRE(f.put({3, i, 1}, content(i, kPartBytes)));
    const uint64_t used_before = f.disk.used_bytes();
    REQUIRE(f.remove({{3, 1, 1}, {3, 4, 1}, {99, 0, 0}}));
    CHECK(f.get({3, 1, 1}).code() == Code::no_such_block);
    CHECK(*f.get({3, 0, 1}) == content(0, kPartBytes));
    CHECK(f.store->stats().blocks == 4);
    CHECK(f.disk.used_bytes() + 2 * kPartBytes <= used_before);
    f.disk.restart();
    const auto report = f.start();
    REQUIRE(report);
    CHECK(report->blocks == 4);
    CHECK(report->frees_finished == 0);
  }

  TEST_CASE("a segment that nobody lives in any more is removed") {
    StoreFixture f({.directory = "/data", .segment_bytes = 2 << 20});
    REQUIRE(f.start());
    for (uint32_t i = 0; i < 5; ++i) REQUIRE(f.put({3, i, 1}, content(i, kPartBytes + 500'000)));
    const size_t before = f.disk.list("/data/segments")->size();
    REQUIRE(f.remove({{3, 0, 1}, {3, 1, 1}}));
    CHECK(f.disk.list("/data/segments")->size() == before - 2);
    CHECK(f.disk.exists(f.segment(1)).value() == false);
    CHECK(*f.get({3, 2, 1}) == content(2, kPartBytes + 500'000));
  }

  TEST_CASE("bit rot is answered with corrupt and told to the world, never served") {
    StoreFixture f;
    REQUIRE(f.start());
    const std::string bytes = content(13, 3 * 65536);
    REQUIRE(f.put(kKey, bytes));
    const auto row = *f.store->find(kKey);
    f.disk.flip(f.segment(row->segment), row->data_offset() + 70'000, 4);
    CHECK(f.get(kKey).code() == Code::corrupt);
    CHECK(f.events == std::vector<std::string>{"block-corrupt"});
    // What proves right is given still: another copy may be damaged elsewhere.
    CHECK(*f.get(kKey, 0, 65536) == bytes.substr(0, 65536));
    f.settle();
    CHECK(f.get(kKey, 65536, 65536).code() == Code::corrupt);
    CHECK(f.store->stats().bad == 1);
    CHECK(f.events.size() == 1);
  }

  TEST_CASE("a damaged checksum table is answered with corrupt") {
    StoreFixture f;
    REQUIRE(f.start());
    REQUIRE(f.put(kKey, content(14, 65536)));
    const auto row = *f.store->find(kKey);
    f.disk.restart();
    REQUIRE(f.start());
    f.disk.flip(f.segment(row->segment), row->tail_offset() + 1);
    CHECK(f.get(kKey).code() == Code::corrupt);
  }

  TEST_CASE("an extent that lies where it was not written for is not believed") {
    StoreFixture f;
    REQUIRE(f.start());
    REQUIRE(f.put({1, 0, 1}, content(15, 5000)));
    REQUIRE(f.put({1, 1, 1}, content(16, 5000)));
    const auto first = *f.store->find({1, 0, 1});
    const auto second = *f.store->find({1, 1, 1});
    // The disk lost the second write and repeated the first in its place.
    auto opened = f.disk.open(f.segment(1), {});
    auto& file = *opened;
    std::vector<uint8_t> bytes(first->bytes());
    REQUIRE(file->read_at(first->offset, bytes.data(), bytes.size()));
    REQUIRE(file->write_at(second->offset, bytes.data(), bytes.size()));
    f.disk.restart();
    REQUIRE(f.start());
    CHECK(f.get({1, 1, 1}).code() == Code::corrupt);
    CHECK(*f.get({1, 0, 1}) == content(15, 5000));
    f.disk.restart();
    f.table = MemTable();  // no rows: the scan alone decides
    const auto report = f.start();
    REQUIRE(report);
    CHECK(report->found == 1);
    CHECK(f.get({1, 1, 1}).code() == Code::no_such_block);
  }

  TEST_CASE("a user's copy of a segment is content, not blocks") {
    StoreFixture f;
    REQUIRE(f.start());
    REQUIRE(f.put({1, 0, 1}, content(17, 5000)));
    auto opened = f.disk.open(f.segment(1), {});
    auto& file = *opened;
    std::string copy(200'000, '\0');
    REQUIRE(file->read_at(0, copy.data(), copy.size()));
    // Left unfinished, so that a scan walks through it.
    const auto id = f.store->begin({{2, 0, 1}, 1, 4 * kPartBytes, ""});
    const std::string bytes = std::string(kPartBytes - copy.size(), 'x') + copy + "one more part";
    f.store->write(id, f.part(bytes, 0), [](Result<Written>) {});
    f.settle();
    f.disk.restart();
    const auto report = f.start();
    REQUIRE(report);
    CHECK(report->blocks == 1);
    CHECK(report->found == 0);
  }

  TEST_CASE("lists come in pages, by group, object and index") {
    StoreFixture f;
    REQUIRE(f.start());
    for (uint32_t i = 0; i < 5; ++i) REQUIRE(f.put({7, i, 1}, content(i, 100 + i)));
    REQUIRE(f.put({7, 2, 2}, "other group"));
    REQUIRE(f.put({8, 0, 1}, "other object"));
    ListBlocks request;
    request.limit = 3;
    std::vector<BlockKey> seen;
    while (true) {
      const auto page = f.store->list(request);
      REQUIRE(page);
      CHECK(page->blocks.size() <= 3);
      for (const BlockView& view : page->blocks) {
        seen.push_back({view.object, view.index, view.group});
      }
      if (!page->more) break;
      request.after_object = seen.back().object;
      request.after_index = seen.back().index;
      request.after_group = seen.back().group;
    }
    CHECK(seen == std::vector<BlockKey>{
                      {7, 0, 1}, {7, 1, 1}, {7, 2, 1}, {7, 3, 1}, {7, 4, 1}, {8, 0, 1}, {7, 2, 2}});
    ListBlocks one;
    one.object = 7;
    const auto page = f.store->list(one);
    REQUIRE(page);
    CHECK(page->blocks.size() == 6);
    CHECK(page->blocks[1].length == 101);
    CHECK(page->blocks[1].crc32c == crc32c(content(1, 101)));
    CHECK_FALSE(page->blocks[1].bad);
    CHECK(page->blocks[1].created_ms > page->blocks[0].created_ms);
    CHECK(page->blocks[1].created_ms <= f.bus->wall_ms());
    one.group = 2;
    const auto both = f.store->list(one);
    REQUIRE(both);
    REQUIRE(both->blocks.size() == 1);
    CHECK(both->blocks[0].index == 2);
    one.group = 3;
    CHECK(f.store->list(one)->blocks.empty());
    ListBlocks group;
    group.group = 1;
    CHECK(f.store->list(group)->blocks.size() == 6);
  }

  TEST_CASE("a busy pool refuses reads and delays writes") {
    StoreFixture f;
    REQUIRE(f.start());
    REQUIRE(f.put(kKey, "x"));
    f.bus->run_mode = FakeBus::RunMode::queued;
    f.bus->jobs_max = 0;
    CHECK(f.get(kKey).code() == Code::busy);
    Result<Written> outcome(Code::timeout, "");
    f.give({1, 1, 1}, "later", [&](Result<Written> w) { outcome = std::move(w); });
    f.settle();
    CHECK(outcome.code() == Code::timeout);
    f.bus->run_mode = FakeBus::RunMode::immediate;
    f.settle();
    CHECK(outcome.ok());
  }

  TEST_CASE("reads wait while the payloads of earlier ones have not left") {
    BlockStoreSettings settings;
    settings.directory = "/data";
    settings.segment_bytes = 4 << 20;
    settings.reads_max = 3;
    settings.reads_waiting_max = 2;
    StoreFixture f(settings);
    REQUIRE(f.start());
    const std::string bytes = content(1, kPartBytes);
    REQUIRE(f.put(kKey, bytes));
    std::vector<Result<ReadOutcome>> outcomes;
    for (int i = 0; i < 6; ++i) {
      f.store->read(kKey, 0, kPartBytes,
                    [&](Result<ReadOutcome> read) { outcomes.push_back(std::move(read)); });
    }
    f.settle();
    REQUIRE(outcomes.size() == 4);
    CHECK(outcomes[0].code() == Code::busy);
    for (size_t i = 1; i < 4; ++i) CHECK(outcomes[i]->payload.view() == bytes);
    outcomes.clear();  // sent
    f.settle();
    REQUIRE(outcomes.size() == 2);
    CHECK(outcomes[1]->payload.view() == bytes);
  }

  TEST_CASE("the cache of checksum tables keeps to its limit and forgets the oldest") {
    TableCache cache(1000);
    for (uint64_t i = 0; i < 10; ++i) {
      cache.insert(1, i, std::make_shared<const ChunkTable>(10, i));
    }
    CHECK(cache.bytes() <= 1000);
    CHECK(cache.find(1, 0) == nullptr);
    REQUIRE(cache.find(1, 9) != nullptr);
    CHECK(cache.find(1, 9)->front() == 9);
  }
}

}  // namespace dfs::storage
