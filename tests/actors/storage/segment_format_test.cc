#include "actors/storage/segment_format.h"

#include <doctest/doctest.h>

#include <cstring>

#include "actors/mem_table.h"
#include "actors/storage/block_index.h"

namespace dfs::storage {

namespace {

ExtentHeader header() {
  ExtentHeader header;
  header.cluster = "c";
  header.segment = 7;
  header.nonce = 99;
  header.offset = 8192;
  header.object = 5;
  header.index = 2;
  header.group = 3;
  header.length = 100'000;
  header.crc32c = 0x1234;
  header.path_hint = "/a/b";
  return header;
}

}  // namespace

TEST_SUITE("storage") {
  TEST_CASE("an extent header comes back as it was sealed") {
    std::vector<uint8_t> bytes(2 * kAlignment, 0xee);
    seal_extent_header(header(), bytes.data(), kAlignment);
    uint32_t region = 0;
    const auto opened = open_extent_header(bytes.data(), bytes.size(), region);
    REQUIRE(opened);
    CHECK(region == kAlignment);
    CHECK(same(*opened, header()));
  }

  TEST_CASE("a path of 4096 bytes fits into a header of two blocks") {
    ExtentHeader long_one = header();
    long_one.path_hint = std::string(kPathBytesMax, 'p');
    const uint32_t region = header_bytes(long_one.path_hint.size());
    CHECK(region == 2 * kAlignment);
    std::vector<uint8_t> bytes(region);
    seal_extent_header(long_one, bytes.data(), region);
    uint32_t opened_region = 0;
    const auto opened = open_extent_header(bytes.data(), bytes.size(), opened_region);
    REQUIRE(opened);
    CHECK(opened->path_hint == long_one.path_hint);
    // Cut off after the first block it is no header.
    CHECK(open_extent_header(bytes.data(), kAlignment, opened_region).code() == Code::corrupt);
  }

  TEST_CASE("no single changed byte of a header goes unnoticed") {
    std::vector<uint8_t> bytes(kAlignment);
    seal_extent_header(header(), bytes.data(), kAlignment);
    for (size_t i = 0; i < bytes.size(); ++i) {
      bytes[i] ^= 0x10;
      uint32_t region = 0;
      CHECK_FALSE(open_extent_header(bytes.data(), bytes.size(), region).ok());
      bytes[i] ^= 0x10;
    }
  }

  TEST_CASE("a tail is accepted only for its own block and place") {
    const BlockKey key{5, 2, 3};
    const Place place{7, 99, 8192};
    const ChunkTable table{11, 22};
    std::vector<uint8_t> bytes(tail_bytes(100'000));
    seal_tail(key, place, 100'000, 0x1234, table, bytes.data());
    const auto opened = open_tail(key, place, 100'000, 0x1234, bytes.data());
    REQUIRE(opened);
    CHECK(*opened == table);
    CHECK(open_tail({5, 2, 4}, place, 100'000, 0x1234, bytes.data()).code() == Code::corrupt);
    CHECK(open_tail(key, {7, 99, 4096}, 100'000, 0x1234, bytes.data()).code() == Code::corrupt);
    CHECK(open_tail(key, {7, 98, 8192}, 100'000, 0x1234, bytes.data()).code() == Code::corrupt);
    CHECK(open_tail(key, place, 100'001, 0x1234, bytes.data()).code() == Code::corrupt);
    bytes[2] ^= 1;
    CHECK(open_tail(key, place, 100'000, 0x1234, bytes.data()).code() == Code::corrupt);
  }

  TEST_CASE("an extent of every length is a multiple of 4 KiB and holds its table") {
    for (const uint64_t length :
         {0ull, 1ull, 4095ull, 4096ull, 65536ull, 65537ull, 64ull << 20, 128ull << 20}) {
      CHECK(extent_bytes(kAlignment, length) % kAlignment == 0);
      CHECK(tail_bytes(length) >= chunks_of(length) * 4 + kFooterBytes);
    }
    CHECK(tail_bytes(128ull << 20) == 12288);
  }

  TEST_CASE("names of segments are parsed strictly") {
    uint32_t number = 0;
    CHECK(parse_segment_name(segment_name(0xa7), number));
    CHECK(number == 0xa7);
    CHECK_FALSE(parse_segment_name("a7.segment", number));
    CHECK_FALSE(parse_segment_name("000000a7.segment.part", number));
    CHECK_FALSE(parse_segment_name("lost+found", number));
  }

  TEST_CASE("rows of the index are listed by group, object and index") {
    MemTable table;
    Batch batch;
    for (const BlockKey key : {BlockKey{2, 0, 1}, {1, 300, 9}, {1, 2, 8}, {1, 2, 7}, {256, 0, 0}}) {
      put_block(batch, key, {1, 4096, 4096, 10, 0, 1});
    }
    put_mark(batch, 1, {5, 8192});
    REQUIRE(table.write(batch, Durability::later));
    std::vector<BlockKey> seen;
    REQUIRE(scan_blocks(table, {}, [&](const BlockKey& key, const BlockRow& row) {
      CHECK(row.length == 10);
      seen.push_back(key);
      return true;
    }));
    CHECK(seen == std::vector<BlockKey>{{256, 0, 0}, {2, 0, 1}, {1, 2, 7}, {1, 2, 8}, {1, 300, 9}});
  }

  TEST_CASE("an index of a newer format is refused with the reason") {
    MemTable table;
    Batch batch;
    std::string format;
    append_u32(format, kIndexFormat + 1);
    batch.put("format", format);
    REQUIRE(table.write(batch, Durability::later));
    const auto checked = check_index_format(table);
    CHECK(checked.code() == Code::unsupported);
    CHECK(checked.error().text.find("newer") != std::string::npos);
  }
}

}  // namespace dfs::storage
