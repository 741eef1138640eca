// What every Table promises of its checkpoints, checked on the real one and on the simulator's.
#include <doctest/doctest.h>

#include <atomic>
#include <fstream>
#include <functional>
#include <random>
#include <thread>

#include "actors/mem_table.h"
#include "actors/posix_disk.h"
#include "actors/rocks_table.h"
#include "tests/actors/disk/halting_disk.h"
#include "tests/actors/disk/table_fixture.h"
#include "tests/sim/sim_disk.h"

namespace dfs {
namespace {

// Two tables, and a disk with an empty directory for checkpoints.
struct Place {
  Table& table;
  Table& other;
  Disk& disk;
  std::string directory;
};

RocksTableSettings settings_of(const std::string& directory, bool write_ahead_log) {
  return {.directory = directory, .write_ahead_log = write_ahead_log, .cache_bytes = 1 << 20};
}

std::unique_ptr<Table> open_rocks(const std::string& directory, bool write_ahead_log = false) {
  auto table = open_rocks_table(settings_of(directory, write_ahead_log));
  REQUIRE_MESSAGE(table.ok(), table.error().describe());
  return std::move(*table);
}

void on_each_pair(const std::function<void(Place)>& check) {
  SUBCASE("MemTable") {
    MemTable table, other;
    sim::SimDisk disk;
    REQUIRE(disk.make_directories("/data").ok());
    check({table, other, disk, "/data"});
  }
  for (const bool write_ahead_log : {true, false}) {
    const char* name = write_ahead_log ? "RocksTable" : "RocksTable without its own log";
    SUBCASE(name) {
      const TempDirectory directory;
      const auto disk = make_posix_disk();
      REQUIRE(disk->make_directories(directory.path() + "/copies").ok());
      const auto table = open_rocks(directory.path() + "/a", write_ahead_log);
      const auto other = open_rocks(directory.path() + "/b", write_ahead_log);
      check({*table, *other, *disk, directory.path() + "/copies"});
    }
  }
}

// Enough for a file that is larger than all others of a checkpoint.
void put_many(Table& table) {
  std::mt19937_64 random(1);
  Batch batch;
  for (int i = 0; i < 200; ++i) {
    std::string key, value;
    append_u32(key, static_cast<uint32_t>(i));
    while (value.size() < 1000) append_u64(value, random());
    batch.put(key, value);
  }
  REQUIRE(table.write(batch).ok());
}

void send(Disk& disk, const std::string& from, const std::string& to) {
  REQUIRE(disk.make_directories(to).ok());
  const auto names = disk.list(from);
  REQUIRE(names.ok());
  for (const std::string& name : *names) {
    const auto bytes = read_file(disk, from + "/" + name, SIZE_MAX);
    REQUIRE(bytes.ok());
    REQUIRE(write_file_atomically(disk, to + "/" + name, *bytes).ok());
  }
}

std::string largest_file(Disk& disk, const std::string& directory) {
  std::string largest;
  size_t bytes_max = 0;
  const auto names = disk.list(directory);
  REQUIRE(names.ok());
  for (const std::string& name : *names) {
    const auto bytes = read_file(disk, directory + "/" + name, SIZE_MAX);
    REQUIRE(bytes.ok());
    if (bytes->size() <= bytes_max) continue;
    bytes_max = bytes->size();
    largest = directory + "/" + name;
  }
  return largest;
}

void copy_files(const std::string& from, const std::string& to) {
  std::filesystem::copy(from, to, std::filesystem::copy_options::recursive);
}

std::string value_of(const Result<std::optional<std::string>>& made) {
  REQUIRE_MESSAGE(made.ok(), made.error().describe());
  return made->value_or("nothing");
}

}  // namespace

TEST_SUITE("table") {
  TEST_CASE("a checkpoint holds the rows as they were, and a restore brings them back") {
    on_each_pair([](Place at) {
      const std::string copy = at.directory + "/1";
      put_many(at.table);
      put(at.table, "index", "7");
      put(at.table, "gone later", "there");
      put(at.table, std::string("\0\xff", 2), "");
      const Rows before = rows(at.table);
      CHECK(value_of(at.table.checkpoint(at.disk, copy, "index")) == "7");
      put(at.table, "index", "8");
      put(at.table, "new", "row");
      Batch batch;
      batch.erase("gone later");
      REQUIRE(at.table.write(batch).ok());

      REQUIRE(at.table.restore(at.disk, copy).ok());
      CHECK(rows(at.table) == before);
      CHECK(*at.disk.exists(copy) == false);
      put(at.table, "index", "9");
      CHECK(*at.table.get("index") == "9");
      REQUIRE(at.table.flush().ok());
      CHECK(rows(at.table).size() == before.size());
    });
  }

  TEST_CASE("a checkpoint tells what it holds at a key, if anything") {
    on_each_pair([](Place at) {
      CHECK(value_of(at.table.checkpoint(at.disk, at.directory + "/1", "index")) == "nothing");
      put(at.table, "index", "1");
      CHECK(value_of(at.table.checkpoint(at.disk, at.directory + "/2", "index")) == "1");
      REQUIRE(at.table.restore(at.disk, at.directory + "/1").ok());
      CHECK(rows(at.table).empty());
      REQUIRE(at.table.restore(at.disk, at.directory + "/2").ok());
      CHECK(rows(at.table) == Rows{{"index", "1"}});
    });
  }

  TEST_CASE("the files of a checkpoint, sent elsewhere, make another table the same") {
    on_each_pair([](Place at) {
      put_many(at.table);
      REQUIRE(at.table.checkpoint(at.disk, at.directory + "/1", "").ok());
      send(at.disk, at.directory + "/1", at.directory + "/received");
      put(at.other, "in the way", "x", Durability::synced);
      REQUIRE(at.other.restore(at.disk, at.directory + "/received").ok());
      CHECK(rows(at.other) == rows(at.table));
      // The two have nothing in common from here on.
      put(at.table, "one", "1");
      put(at.other, "other", "1", Durability::synced);
      CHECK(*at.other.get("one") == std::nullopt);
      CHECK(*at.table.get("other") == std::nullopt);
      REQUIRE(at.disk.remove_tree(at.directory + "/1").ok());
      CHECK(rows(at.other).size() == 201);
      CHECK(rows(at.table).size() == 201);
    });
  }

  TEST_CASE("a checkpoint does not go where something is") {
    on_each_pair([](Place at) {
      put(at.table, "a", "1");
      REQUIRE(at.table.checkpoint(at.disk, at.directory + "/1", "a").ok());
      put(at.table, "a", "2");
      CHECK(at.table.checkpoint(at.disk, at.directory + "/1", "a").code() == Code::exists);
      REQUIRE(at.table.restore(at.disk, at.directory + "/1").ok());
      CHECK(*at.table.get("a") == "1");
    });
  }

  TEST_CASE("a damaged or incomplete checkpoint is refused, and the rows stay") {
    on_each_pair([](Place at) {
      put_many(at.table);
      put(at.other, "mine", "1", Durability::synced);
      REQUIRE(at.table.checkpoint(at.disk, at.directory + "/good", "").ok());
      const std::string bad = at.directory + "/bad";
      const auto refused = [&](const std::function<void(const std::string& largest)>& damage) {
        send(at.disk, at.directory + "/good", bad);
        damage(largest_file(at.disk, bad));
        const auto restored = at.other.restore(at.disk, bad);
        REQUIRE(restored.code() == Code::corrupt);
        CHECK(*at.disk.exists(bad) == false);
        CHECK(rows(at.other) == Rows{{"mine", "1"}});
      };
      refused([&](const std::string& largest) { REQUIRE(at.disk.remove(largest).ok()); });
      refused([&](const std::string& largest) {
        auto file = at.disk.open(largest, {});
        REQUIRE(file.ok());
        REQUIRE((*file)->truncate(*(*file)->size() / 2).ok());
      });
      refused([&](const std::string&) {
        REQUIRE(at.disk.remove_tree(bad).ok());
        REQUIRE(at.disk.make_directories(bad).ok());
      });
      put(at.other, "mine", "2", Durability::synced);
      REQUIRE(at.other.restore(at.disk, at.directory + "/good").ok());
      CHECK(rows(at.other) == rows(at.table));
    });
  }

  TEST_CASE("MemTable refuses a checkpoint with any bit flipped") {
    sim::SimDisk disk;
    MemTable table;
    put(table, "a", "1");
    put(table, "b", "2");
    REQUIRE(table.checkpoint(disk, "/copy", "").ok());
    const auto good = read_file(disk, "/copy/rows");
    REQUIRE(good.ok());
    for (size_t at = 0; at < good->size(); ++at) {
      REQUIRE(disk.make_directories("/bad").ok());
      REQUIRE(write_file_atomically(disk, "/bad/rows", *good).ok());
      disk.flip("/bad/rows", at);
      CHECK(table.restore(disk, "/bad").code() == Code::corrupt);
    }
    CHECK(rows(table) == Rows{{"a", "1"}, {"b", "2"}});
  }

  TEST_CASE("MemTable: a death at any step of a restore leaves all old rows or all new ones") {
    bool finished = false;
    for (uint64_t steps = 0; !finished; ++steps) {
      CAPTURE(steps);
      sim::SimDisk disk;
      MemTable table;
      put(table, "a", "new");
      put(table, "b", "new");
      REQUIRE(table.checkpoint(disk, "/copy", "").ok());
      put(table, "a", "old", Durability::synced);
      put(table, "c", "old");
      const Rows old_rows{{"a", "old"}, {"b", "new"}};
      const Rows new_rows{{"a", "new"}, {"b", "new"}};
      disk.halt_after(steps);
      const bool done = table.restore(disk, "/copy").ok();
      finished = !disk.halted();
      table.crash();
      const Rows found = rows(table);
      CHECK((found == new_rows || (!done && found == old_rows)));
    }
  }

  TEST_CASE("RocksTable: a death at any step of a restore leaves all old rows or all new ones") {
    const Rows old_rows{{"a", "old"}, {"c", "old"}};
    const Rows new_rows{{"a", "new"}, {"b", "new"}};
    const TempDirectory directory;
    const auto source = open_rocks(directory.path() + "/source");
    for (const auto& [key, value] : new_rows) put(*source, key, value);
    const auto copy_source = [&](const std::string& to) {
      REQUIRE(source->checkpoint(*make_posix_disk(), to, "").ok());
      return to;
    };
    {
      const auto old = open_rocks(directory.path() + "/old");
      for (const auto& [key, value] : old_rows) put(*old, key, value);
      REQUIRE(old->flush().ok());
    }
    bool seen_old = false, seen_new = false;
    bool finished = false;
    for (uint64_t steps = 0; !finished; ++steps) {
      CAPTURE(steps);
      const TempDirectory life;
      const std::string copy = copy_source(life.path() + "/copy");
      copy_files(directory.path() + "/old", life.path() + "/t");
      {
        HaltingDisk disk;
        const auto table = open_rocks(life.path() + "/t");
        disk.halt_after(steps);
        finished = table->restore(disk, copy).ok() && !disk.halted();
        // What a killed process leaves is what the files hold at that moment: a copy of them.
        copy_files(life.path() + "/t", life.path() + "/killed");
      }
      const auto table = open_rocks(life.path() + "/killed");
      const Rows found = rows(*table);
      REQUIRE((found == new_rows || (!finished && found == old_rows)));
      (found == new_rows ? seen_new : seen_old) = true;
      // Nothing of the other rows is left; and it can be tried again.
      CHECK(make_posix_disk()->list(life.path() + "/killed")->size() == 2);
      REQUIRE(table->restore(*make_posix_disk(), copy_source(life.path() + "/again")).ok());
      CHECK(rows(*table) == new_rows);
    }
    CHECK(seen_old);
    CHECK(seen_new);
  }

  TEST_CASE("what was restored is there when the table is opened again") {
    for (const bool write_ahead_log : {true, false}) {
      const TempDirectory directory;
      const auto disk = make_posix_disk();
      const std::string path = directory.path() + "/t";
      auto table = open_rocks(path, write_ahead_log);
      for (const char* value : {"1", "2", "3"}) {
        put(*table, "a", value);
        REQUIRE(table->checkpoint(*disk, directory.path() + "/copy", "").ok());
        put(*table, "a", "lost", Durability::synced);
        REQUIRE(table->restore(*disk, directory.path() + "/copy").ok());
        table.reset();
        table = open_rocks(path, write_ahead_log);
        CHECK(rows(*table) == Rows{{"a", value}});
      }
    }
  }

  TEST_CASE("a checkpoint made while others write holds whole batches, and the first ones") {
    for (const bool write_ahead_log : {true, false}) {
      const TempDirectory directory;
      const auto disk = make_posix_disk();
      const auto table = open_rocks(directory.path() + "/t", write_ahead_log);
      std::atomic<bool> done = false;
      std::thread writer([&] {
        for (uint32_t i = 0; !done; ++i) {
          Batch batch;
          std::string key;
          append_u32(key, i);
          batch.put("a" + key, "");
          batch.put("z" + key, "");
          std::string last;
          append_u32(last, i + 1);
          batch.put("count", last);
          DFS_ASSERT(table->write(batch).ok());
        }
      });
      std::vector<Result<std::optional<std::string>>> made;
      for (int i = 0; i < 3; ++i) {
        made.push_back(
            table->checkpoint(*disk, directory.path() + "/" + std::to_string(i), "count"));
      }
      done = true;
      writer.join();
      for (int i = 0; i < 3; ++i) {
        const std::string count = value_of(made[i]);
        const auto copy = open_rocks(directory.path() + "/copy" + std::to_string(i));
        REQUIRE(copy->restore(*disk, directory.path() + "/" + std::to_string(i)).ok());
        const uint32_t batches = count == "nothing" ? 0 : read_u32(count, 0);
        CHECK(rows(*copy, "a", "b").size() == batches);
        CHECK(rows(*copy, "z", "").size() == batches);
        CHECK((*copy->get("count")).value_or("nothing") == count);
      }
    }
  }

  TEST_CASE("RocksTable refuses a directory that does not say which rows count") {
    const TempDirectory directory;
    const auto disk = make_posix_disk();
    const std::string path = directory.path() + "/t";
    const std::string live = path + "/live";
    {
      const auto table = open_rocks(path);
      put(*table, "a", "1", Durability::synced);
      REQUIRE(table->checkpoint(*disk, directory.path() + "/copy", "").ok());
      REQUIRE(table->restore(*disk, directory.path() + "/copy").ok());
    }
    const auto whole = read_file(*disk, live);
    REQUIRE(whole.ok());
    for (const std::string& bytes : {std::string(), std::string("rows-"), std::string("rows-9"),
                                     *whole + "0", *whole + "\n", std::string(5000, 'x')}) {
      REQUIRE(write_file_atomically(*disk, live, bytes).ok());
      const auto table = open_rocks_table(settings_of(path, false));
      REQUIRE(table.code() == Code::corrupt);
      CHECK(table.error().text.find(path) != std::string::npos);
    }
    REQUIRE(disk->remove(live).ok());
    CHECK(open_rocks_table(settings_of(path, false)).code() == Code::corrupt);
    REQUIRE(write_file_atomically(*disk, live, *whole).ok());
    CHECK(rows(*open_rocks(path)) == Rows{{"a", "1"}});
  }

  TEST_CASE("RocksTable finishes a first opening that was interrupted") {
    const TempDirectory directory;
    open_rocks(directory.path()).reset();
    REQUIRE(make_posix_disk()->remove(directory.path() + "/live").ok());
    put(*open_rocks(directory.path()), "a", "1", Durability::synced);
    CHECK(rows(*open_rocks(directory.path())) == Rows{{"a", "1"}});
  }
}

}  // namespace dfs
