// Several data directories behind one face, and what happens when one of them fails.
#include "actors/storage/volumes.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "tests/actors/storage/volumes_fixture.h"

namespace dfs::storage {

namespace {

using Operation = sim::SimDisk::Operation;

uint32_t put_all(VolumesFixture& f, uint32_t count, size_t bytes) {
  for (uint32_t i = 0; i < count; ++i) REQUIRE(f.put({7, i, 1}, content(i, bytes)));
  return count;
}

std::vector<BlockKey> listed(VolumesFixture& f, uint32_t limit) {
  std::vector<BlockKey> keys;
  ListBlocks request;
  request.limit = limit;
  while (true) {
    const auto page = f.volumes->list(request);
    REQUIRE(page);
    CHECK(page->blocks.size() <= limit);
    for (const BlockView& view : page->blocks)
      keys.push_back({view.object, view.index, view.group});
    if (!page->more) return keys;
    request.after_object = keys.back().object;
    request.after_index = keys.back().index;
    request.after_group = keys.back().group;
  }
}

// Fails changes below a directory of the fixture.
void break_directory(VolumesFixture& f, size_t directory, Error error) {
  f.disk.fault = [prefix = f.path(directory) + "/", error](
                     Operation operation, const std::string& path) -> Result<void> {
    const bool change = operation != Operation::read && operation != Operation::open;
    if (!change || !path.starts_with(prefix)) return {};
    return error;
  };
}

}  // namespace

TEST_SUITE("storage") {
  TEST_CASE("blocks spread over the directories and are found in each") {
    VolumesFixture f(3);
    f.settings.capacity_bytes = 64 << 20;
    REQUIRE(f.start());
    put_all(f, 12, 900'000);
    std::vector<size_t> homes(3);
    for (uint32_t i = 0; i < 12; ++i) {
      ++homes.at(f.home({7, i, 1}));
      CHECK(*f.get({7, i, 1}) == content(i, 900'000));
    }
    CHECK(*std::min_element(homes.begin(), homes.end()) >= 3);
    CHECK(f.volumes->stats().sum.blocks == 12);
    CHECK(f.volumes->stats().sum.total_bytes == 3 * (64 << 20));
    CHECK(f.volumes->digest(1).blocks == 12);
    const auto all = listed(f, 5);
    CHECK(all.size() == 12);
    CHECK(std::is_sorted(all.begin(), all.end()));
    CHECK(all == listed(f, 1000));
    REQUIRE(f.remove({{7, 3, 1}, {7, 4, 1}, {7, 5, 1}, {7, 6, 1}}));
    CHECK(f.volumes->digest(1).blocks == 8);
    CHECK(f.get({7, 4, 1}).code() == Code::no_such_block);
    f.stop();
    const auto report = f.start();
    REQUIRE(report);
    CHECK(report->blocks == 8);
    CHECK(f.volumes->digest(1).blocks == 8);
  }

  TEST_CASE("directories of one disk share the blocks") {
    VolumesFixture f(2);
    REQUIRE(f.start());  // each sees all of the disk
    put_all(f, 10, 300'000);
    uint32_t first = 0;
    for (uint32_t i = 0; i < 10; ++i) first += f.home({7, i, 1}) == 0;
    CHECK(first == 5);
  }

  TEST_CASE("a block has one home, whoever writes it again and whenever") {
    VolumesFixture f(3);
    REQUIRE(f.start());
    const std::string bytes = content(1, 50'000);
    REQUIRE(f.put({1, 0, 1}, bytes));
    const size_t home = f.home({1, 0, 1});
    for (uint32_t i = 0; i < 5; ++i) REQUIRE(f.put({1, 0, 1}, bytes));
    CHECK(f.volumes->digest(1).blocks == 1);
    f.damage({1, 0, 1});
    CHECK(f.get({1, 0, 1}).code() == Code::corrupt);
    REQUIRE(f.put({1, 0, 1}, bytes));
    CHECK(f.home({1, 0, 1}) == home);
    CHECK(f.volumes->stats().sum.blocks == 1);
    // Two attempts at the same time.
    BlockSpec spec;
    spec.key = {2, 0, 1};
    spec.capacity = bytes.size();
    const auto one = f.volumes->begin(spec);
    const auto other = f.volumes->begin(spec);
    CHECK(one % kDirectoriesMax == other % kDirectoriesMax);
    int durable = 0;
    for (const auto id : {one, other}) {
      f.volumes->write(id, StoreFixture::part(bytes, 0),
                       [&](Result<Written> written) { durable += written && written->durable; });
    }
    f.settle();
    CHECK(durable == 2);
    CHECK(f.volumes->digest(1).blocks == 2);
  }

  TEST_CASE("a directory that fails is fenced and the node lives on with the others") {
    VolumesFixture f(2);
    REQUIRE(f.start());
    put_all(f, 10, 300'000);
    const uint64_t losses = f.volumes->losses();
    const size_t failing = f.home({7, 0, 1});
    break_directory(f, failing, {Code::io_error, "the medium is broken", {}, 0});
    uint32_t written = 0;
    for (uint32_t i = 0; i < 20; ++i) {
      if (f.put({8, i, 1}, content(i, 300'000))) ++written;
    }
    CHECK(written >= 14);
    CHECK(f.volumes->stats().failed == 1);
    CHECK(f.volumes->stats().directories == 2);
    CHECK(f.volumes->losses() == losses + 1);
    const auto topics = f.topics();
    CHECK(std::count(topics.begin(), topics.end(), "directory-failed") == 1);
    CHECK(f.events.back().second.at("directory") == f.path(failing));
    uint32_t here = 0;
    for (uint32_t i = 0; i < 10; ++i) {
      const auto read = f.get({7, i, 1});
      if (read) {
        CHECK(*read == content(i, 300'000));
        ++here;
      } else {
        CHECK(read.code() == Code::io_error);  // it may come back with the directory
      }
    }
    CHECK(here > 0);
    CHECK(here < 10);
    CHECK(f.volumes->digest(1).blocks == here + written);
    CHECK(listed(f, 1000).size() == here + written);
    CHECK(f.volumes->stats().sum.accepts_writes);
  }

  TEST_CASE("a file system that became read-only is given up at once") {
    VolumesFixture f(2);
    REQUIRE(f.start());
    REQUIRE(f.put({1, 0, 1}, "x"));
    break_directory(f, f.home({1, 0, 1}),
                    {Code::io_error, "read-only file system", {{"read_only", "1"}}, 0});
    int failed = 0;
    for (uint32_t i = 0; i < 4; ++i) failed += f.put({2, i, 1}, content(i, 1000)).ok() ? 0 : 1;
    CHECK(failed == 1);
    CHECK(f.volumes->stats().failed == 1);
  }

  TEST_CASE("with its only directory failed a node serves nothing, takes nothing, and lives") {
    VolumesFixture f(1);
    REQUIRE(f.start());
    REQUIRE(f.put({1, 0, 1}, "x"));
    break_directory(f, 0, {Code::io_error, "read-only file system", {{"read_only", "1"}}, 0});
    CHECK(f.put({1, 1, 1}, "y").code() == Code::io_error);
    CHECK(f.put({1, 2, 1}, "z").code() == Code::io_error);
    CHECK(f.get({1, 0, 1}).code() == Code::io_error);
    CHECK(listed(f, 10).empty());
    CHECK(f.volumes->groups().empty());
    CHECK_FALSE(f.volumes->stats().sum.accepts_writes);
    REQUIRE(f.remove({{1, 0, 1}}));
    bool flushed = false;
    f.volumes->flush([&] { flushed = true; });
    f.settle();
    CHECK(flushed);
  }

  TEST_CASE("a directory that is not there at the start is left out") {
    VolumesFixture f(2);
    REQUIRE(f.start());
    put_all(f, 8, 300'000);
    f.stop();
    f.missing = 0;
    REQUIRE(f.start());
    CHECK(f.volumes->stats().failed == 1);
    CHECK(f.volumes->losses() == 1);
    CHECK(f.events.back().first == "directory-failed");
    CHECK(f.volumes->digest(1).blocks < 8);
    CHECK(f.put({9, 0, 1}, "x").ok());
    f.stop();
    f.tables.resize(1);
    f.missing = 0;
    CHECK_FALSE(f.start().ok());  // with none at all there is nothing to start on
  }

  TEST_CASE("what came back with a directory and was fetched meanwhile is kept once") {
    VolumesFixture f(2);
    REQUIRE(f.start());
    put_all(f, 10, 200'000);
    f.stop();
    f.missing = 0;
    REQUIRE(f.start());
    const uint64_t left = f.volumes->digest(1).blocks;
    REQUIRE(left < 10);
    put_all(f, 10, 200'000);  // by repair
    f.stop();
    f.missing = SIZE_MAX;
    REQUIRE(f.start());
    CHECK(f.volumes->digest(1).blocks == 10);
    CHECK(listed(f, 3).size() == 10);
    CHECK(f.volumes->stats().sum.blocks == 10);
    for (uint32_t i = 0; i < 10; ++i) CHECK(*f.get({7, i, 1}) == content(i, 200'000));
  }

  TEST_CASE("at its watermark a disk takes no new blocks but repairs, and then recovers") {
    VolumesFixture f(1);
    f.settings.capacity_bytes = 100 << 20;
    f.settings.full_percent = 50;
    REQUIRE(f.start());
    uint32_t count = 0;
    while (count < 200) {
      const auto written = f.put({3, count, 1}, content(count, kPartBytes));
      if (!written) {
        CHECK(written.code() == Code::no_space);
        break;
      }
      ++count;
    }
    CHECK(count >= 47);
    CHECK(count <= 50);
    CHECK_FALSE(f.volumes->stats().sum.accepts_writes);
    CHECK(f.topics() == std::vector<std::string>{"disk-full"});
    for (uint32_t i = 0; i < 40; ++i) {
      REQUIRE(f.put({4, i, 1}, content(i, kPartBytes), true));
    }
    CHECK(f.put({3, 199, 1}, content(1, kPartBytes)).code() == Code::no_space);
    CHECK(*f.get({3, 0, 1}) == content(0, kPartBytes));
    CHECK(f.topics().size() == 1);
    // The last of it stays for removals and the index.
    uint32_t more = 0;
    while (more < 100 && f.put({5, more, 1}, content(more, kPartBytes), true)) ++more;
    CHECK(more < 15);
    std::vector<BlockKey> keys;
    for (uint32_t i = 0; i < 40; ++i) keys.push_back({4, i, 1});
    for (uint32_t i = 0; i < more; ++i) keys.push_back({5, i, 1});
    for (uint32_t i = 0; i < 5; ++i) keys.push_back({3, i, 1});
    REQUIRE(f.remove(keys));
    CHECK(f.volumes->stats().sum.accepts_writes);
    CHECK(f.topics() == std::vector<std::string>{"disk-full", "disk-ok"});
    CHECK(f.put({3, 199, 1}, content(1, kPartBytes)).ok());
  }
}

}  // namespace dfs::storage
