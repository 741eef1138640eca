// Rows held in memory in front of a table: what they say is what the table would, had it been given
// every batch at once.
#include "actors/held_rows.h"

#include <doctest/doctest.h>

#include <random>

#include "actors/rocks_table.h"
#include "tests/actors/disk/table_fixture.h"

namespace dfs {
namespace {

using Changes = std::vector<std::pair<std::string, HeldRows::Value>>;

Changes changes_of(HeldRows& held) {
  Changes changes;
  held.each_change([&](const std::string& key, const HeldRows::Value& value) {
    changes.emplace_back(key, value);
  });
  return changes;
}

Batch batch_of(std::string key, HeldRows::Value value) {
  Batch batch;
  value ? batch.put(std::move(key), std::move(*value)) : batch.erase(std::move(key));
  return batch;
}

std::string word(std::mt19937_64& random, uint64_t kinds) {
  return std::to_string(random() % kinds);
}

}  // namespace

TEST_SUITE("held rows") {
  TEST_CASE("a row that changes many times is handed over once, and in order") {
    HeldRows held;
    held.write(batch_of("count", "1"));
    held.write(batch_of("b", "x"));
    held.write(batch_of("count", "2"));
    held.write(batch_of("a", std::nullopt));
    CHECK(changes_of(held) == Changes{{"a", std::nullopt}, {"b", "x"}, {"count", "2"}});
    REQUIRE(held.find("a") != nullptr);
    CHECK(*held.find("a") == std::nullopt);
    CHECK(*held.find("count") == "2");
    CHECK(held.find("c") == nullptr);
  }

  TEST_CASE("what was handed over stays known until the next time, and a change goes before it") {
    HeldRows held;
    held.write(batch_of("a", "1"));
    held.handed_over();
    CHECK(changes_of(held).empty());
    CHECK(*held.find("a") == "1");
    held.write(batch_of("a", "2"));
    CHECK(*held.find("a") == "2");
    held.write(batch_of("b", "1"));
    held.handed_over();
    held.write(batch_of("c", "1"));
    held.handed_over();
    CHECK(held.find("a") == nullptr);
    CHECK(held.find("b") == nullptr);
    held.clear();
    CHECK(held.find("c") == nullptr);
  }

  TEST_CASE("only small rows that are there are remembered, and not beyond bounds") {
    HeldRows held;
    held.remember("there", "1");
    held.remember("not there", std::nullopt);
    held.remember("large", std::string(5000, 'x'));
    CHECK(*held.find("there") == "1");
    CHECK(held.find("not there") == nullptr);
    CHECK(held.find("large") == nullptr);
    for (int i = 0; i < 100'000; ++i) held.remember(std::to_string(i), "1");
    size_t known = 0;
    for (int i = 0; i < 100'000; ++i) known += held.find(std::to_string(i)) != nullptr ? 1 : 0;
    CHECK(known <= 512);
    CHECK(held.find("99999") != nullptr);
  }

  TEST_CASE(
      "many rows, or many bytes, are enough to be handed over; one row again and again is not") {
    HeldRows held;
    for (int i = 0; i < 100'000; ++i) held.write(batch_of("count", std::to_string(i)));
    CHECK(!held.full());
    held.write(batch_of("large", std::string(300'000, 'x')));
    CHECK(held.full());
    held.handed_over();
    CHECK(!held.full());
    for (int i = 0; i < 1000; ++i) held.write(batch_of(std::to_string(i), std::nullopt));
    CHECK(held.full());
  }

  // Few keys, so that each is written, erased, found in memory and found on disk again and again.
  TEST_CASE("RocksTable without its own log answers like a map, whatever it holds back") {
    std::mt19937_64 random(42);
    const TempDirectory directory;
    auto opened =
        open_rocks_table({.directory = directory.path() + "/t", .write_ahead_log = false});
    REQUIRE(opened.ok());
    std::unique_ptr<Table> table = std::move(*opened);
    std::map<std::string, std::string> model;
    for (int step = 0; step < 20'000; ++step) {
      Batch batch;
      for (uint64_t i = random() % 4; i > 0; --i) {
        std::string key = word(random, 1200);
        if (random() % 3 == 0) {
          model.erase(key);
          batch.erase(std::move(key));
        } else {
          model[key] = std::to_string(step);
          batch.put(std::move(key), std::to_string(step));
        }
      }
      REQUIRE(table->write(batch).ok());
      const std::string asked = word(random, 1200);
      const auto found = model.find(asked);
      const auto value = table->get(asked);
      REQUIRE(value.ok());
      CHECK(*value == (found == model.end() ? HeldRows::Value() : found->second));
      if (random() % 1000 == 0) REQUIRE(table->flush().ok());
      if (random() % 1000 == 0) CHECK(rows(*table) == Rows(model.begin(), model.end()));
      if (random() % 5000 == 0) {
        REQUIRE(table->flush().ok());
        table.reset();
        auto again =
            open_rocks_table({.directory = directory.path() + "/t", .write_ahead_log = false});
        REQUIRE(again.ok());
        table = std::move(*again);
      }
    }
    CHECK(rows(*table) == Rows(model.begin(), model.end()));
  }
}

}  // namespace dfs
