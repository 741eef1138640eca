// What every Table promises, checked on the real one and on the simulator's.
#include "actors/table.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <functional>

#include "actors/mem_table.h"
#include "actors/rocks_table.h"
#include "tests/actors/disk/table_fixture.h"

namespace dfs {
namespace {

void on_each_table(const std::function<void(Table&)>& check) {
  SUBCASE("MemTable") {
    MemTable table;
    check(table);
  }
  for (const bool write_ahead_log : {true, false}) {
    const char* name = write_ahead_log ? "RocksTable" : "RocksTable without its own log";
    SUBCASE(name) {
      const TempDirectory directory;
      auto table =
          open_rocks_table({.directory = directory.path(), .write_ahead_log = write_ahead_log});
      REQUIRE(table.ok());
      check(**table);
    }
  }
}

}  // namespace

TEST_SUITE("table") {
  TEST_CASE("a batch is applied in order and seen at once") {
    on_each_table([](Table& table) {
      CHECK(*table.get("a") == std::nullopt);
      Batch batch;
      batch.put("a", "1");
      batch.put("b", "2");
      batch.put("a", "3");
      batch.erase("b");
      batch.erase("never there");
      batch.put("", "the empty key");
      batch.put("zero", std::string("\0\xff", 2));
      REQUIRE(table.write(batch).ok());
      CHECK(*table.get("a") == "3");
      CHECK(*table.get("b") == std::nullopt);
      CHECK(*table.get("") == "the empty key");
      CHECK(*table.get("zero") == std::string("\0\xff", 2));
      REQUIRE(table.write(Batch(), Durability::synced).ok());
      REQUIRE(table.flush().ok());
      CHECK(*table.get("a") == "3");
    });
  }

  TEST_CASE("a scan visits the keys of its range in bytewise order") {
    on_each_table([](Table& table) {
      for (const char* key : {"b", "a", "c", "ab", "\xff"}) put(table, key, key);
      put(table, std::string("a\0", 2), "nul");
      CHECK(rows(table) == Rows{{"a", "a"},
                                {std::string("a\0", 2), "nul"},
                                {"ab", "ab"},
                                {"b", "b"},
                                {"c", "c"},
                                {"\xff", "\xff"}});
      CHECK(rows(table, "ab", "c") == Rows{{"ab", "ab"}, {"b", "b"}});
      CHECK(rows(table, "aa", after_prefix("a")) == Rows{{"ab", "ab"}});
      CHECK(rows(table, "\xff", after_prefix("\xff")) == Rows{{"\xff", "\xff"}});
      CHECK(rows(table, "c", "c").empty());
      CHECK(rows(table, "", "", 2).size() == 2);
    });
  }

  TEST_CASE("a scan sees the table as it was when it began") {
    on_each_table([](Table& table) {
      for (const char* key : {"a", "b", "c"}) put(table, key, "old");
      Rows seen;
      REQUIRE(table
                  .scan("", "",
                        [&](std::string_view key, std::string_view value) {
                          seen.emplace_back(key, value);
                          Batch batch;
                          batch.put("c", "new");
                          batch.erase("b");
                          batch.put("d", "new");
                          REQUIRE(table.write(batch).ok());
                          return true;
                        })
                  .ok());
      CHECK(seen == Rows{{"a", "old"}, {"b", "old"}, {"c", "old"}});
      CHECK(rows(table) == Rows{{"a", "old"}, {"c", "new"}, {"d", "new"}});
    });
  }

  TEST_CASE("numbers in keys sort as numbers") {
    std::string small, large;
    append_u64(small, 255);
    append_u64(large, 256);
    CHECK(small < large);
    CHECK(read_u64(large, 0) == 256);
    append_u32(small, 7);
    CHECK(read_u32(small, 8) == 7);
    CHECK(after_prefix("a\xff") == "b");
    CHECK(after_prefix("\xff\xff") == "");
  }

  TEST_CASE("a crash of MemTable takes the latest unsynced batches and no others") {
    MemTable table;
    put(table, "a", "1", Durability::synced);
    put(table, "b", "1");
    put(table, "c", "1");
    CHECK(table.unsynced() == 2);
    table.crash(1);
    CHECK(rows(table) == Rows{{"a", "1"}, {"b", "1"}});
    put(table, "d", "1");
    put(table, "e", "1", Durability::synced);
    put(table, "f", "1");
    table.crash();
    CHECK(rows(table) == Rows{{"a", "1"}, {"b", "1"}, {"d", "1"}, {"e", "1"}});
    put(table, "g", "1");
    REQUIRE(table.flush().ok());
    table.crash();
    CHECK(*table.get("g") == "1");
  }

  // What a killed process leaves is what the files hold at that moment: a copy of them.
  TEST_CASE("RocksTable keeps what was synced or flushed when its process is killed") {
    for (const bool write_ahead_log : {true, false}) {
      const TempDirectory directory, copy;
      auto table = open_rocks_table(
          {.directory = directory.path() + "/t", .write_ahead_log = write_ahead_log});
      REQUIRE(table.ok());
      put(**table, "a", "1");
      put(**table, "b", "1", Durability::synced);
      put(**table, "c", "1");
      REQUIRE((*table)->flush().ok());
      put(**table, "d", "1");
      std::filesystem::copy(directory.path() + "/t", copy.path() + "/t",
                            std::filesystem::copy_options::recursive);
      auto reopened =
          open_rocks_table({.directory = copy.path() + "/t", .write_ahead_log = write_ahead_log});
      REQUIRE(reopened.ok());
      Rows expected{{"a", "1"}, {"b", "1"}, {"c", "1"}};
      if (write_ahead_log) expected.emplace_back("d", "1");
      CHECK(rows(**reopened) == expected);
    }
  }

  TEST_CASE("RocksTable says which directory is damaged or in use") {
    const TempDirectory directory;
    {
      auto table = open_rocks_table({.directory = directory.path()});
      REQUIRE(table.ok());
      put(**table, "a", "1", Durability::synced);
      const auto second = open_rocks_table({.directory = directory.path()});
      REQUIRE(second.code() == Code::io_error);
      CHECK(second.error().text.find(directory.path()) != std::string::npos);
    }
    std::ofstream(directory.path() + "/rows-1/CURRENT") << "nonsense";
    const auto damaged = open_rocks_table({.directory = directory.path()});
    REQUIRE(damaged.code() == Code::corrupt);
    CHECK(damaged.error().text.find(directory.path()) != std::string::npos);
  }
}

}  // namespace dfs
