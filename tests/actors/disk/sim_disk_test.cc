// What SimDisk does to those who do not sync. Tests of durability are worth what this is worth.
#include "tests/sim/sim_disk.h"

#include <doctest/doctest.h>

#include <random>
#include <set>

namespace dfs::sim {
namespace {

std::unique_ptr<File> open(SimDisk& disk, const std::string& path, bool create = false) {
  auto file = disk.open(path, {.create = create});
  REQUIRE(file.ok());
  return std::move(*file);
}

// A file of `size` bytes 'o' whose name and contents are durable.
std::unique_ptr<File> durable_file(SimDisk& disk, size_t size) {
  auto file = open(disk, "/f", true);
  const std::string old(size, 'o');
  REQUIRE(file->write_at(0, old.data(), size).ok());
  REQUIRE(file->sync().ok());
  REQUIRE(disk.sync_directory("/").ok());
  return file;
}

std::string contents(SimDisk& disk) {
  auto bytes = read_file(disk, "/f");
  REQUIRE(bytes.ok());
  return *bytes;
}

}  // namespace

TEST_SUITE("disk") {
  TEST_CASE("SimDisk: what was synced survives every crash") {
    for (uint64_t seed = 0; seed < 50; ++seed) {
      std::mt19937_64 random(seed);
      SimDisk disk;
      auto file = durable_file(disk, 10'000);
      REQUIRE(file->write_at(5'000, "news", 4).ok());
      REQUIRE(file->sync().ok());
      REQUIRE(file->write_at(9'000, std::string(3'000, 'x').data(), 3'000).ok());
      disk.crash([&] { return random(); });
      const std::string bytes = contents(disk).substr(0, 9'000);
      CHECK(bytes.substr(0, 5'000) == std::string(5'000, 'o'));
      CHECK(bytes.substr(5'000, 4) == "news");
      CHECK(bytes.substr(5'004) == std::string(3'996, 'o'));
    }
  }

  TEST_CASE("SimDisk: an unsynced write may be lost, kept or torn, at sectors only") {
    std::set<std::string> outcomes;
    bool whole = false, lost = false, later_alone = false;
    for (uint64_t seed = 0; seed < 200; ++seed) {
      std::mt19937_64 random(seed);
      SimDisk disk;
      auto file = durable_file(disk, 4'096);
      REQUIRE(file->write_at(0, std::string(2'048, '1').data(), 2'048).ok());
      REQUIRE(file->write_at(2'048, std::string(2'048, '2').data(), 2'048).ok());
      disk.crash([&] { return random(); });
      const std::string bytes = contents(disk);
      REQUIRE(bytes.size() == 4'096);
      for (size_t sector = 0; sector < 8; ++sector) {
        const char written = sector < 4 ? '1' : '2';
        const char first = bytes[sector * 512];
        CHECK((first == 'o' || first == written));
        CHECK(bytes.substr(sector * 512, 512) == std::string(512, first));
      }
      outcomes.insert(bytes);
      whole |= bytes.find('o') == std::string::npos;
      lost |= bytes == std::string(4'096, 'o');
      later_alone |= bytes[0] == 'o' && bytes[2'048] == '2';
    }
    CHECK(whole);
    CHECK(lost);
    CHECK(later_alone);
    CHECK(outcomes.size() > 20);
  }

  TEST_CASE("SimDisk: the same chance gives the same wreck") {
    const auto wreck = [](uint64_t seed) {
      std::mt19937_64 random(seed);
      SimDisk disk;
      auto file = durable_file(disk, 8'192);
      for (int i = 0; i < 8; ++i) {
        REQUIRE(
            file->write_at(i * 700, std::string(900, static_cast<char>('a' + i)).data(), 900).ok());
      }
      disk.crash([&] { return random(); });
      return contents(disk);
    };
    CHECK(wreck(7) == wreck(7));
    CHECK(wreck(7) != wreck(8));
  }

  TEST_CASE("SimDisk: names last once their directory is synced, and not surely before") {
    bool kept = false, lost = false, back = false;
    for (uint64_t seed = 0; seed < 50; ++seed) {
      std::mt19937_64 random(seed);
      SimDisk disk;
      REQUIRE(write_file_atomically(disk, "/f", "synced").ok());
      open(disk, "/g", true);
      REQUIRE(disk.remove("/f").ok());
      disk.crash([&] { return random(); });
      (*disk.exists("/g") ? kept : lost) = true;
      back |= *disk.exists("/f");
      if (*disk.exists("/f")) CHECK(contents(disk) == "synced");
      if (!*disk.exists("/g")) CHECK(*disk.exists("/f"));  // in order
    }
    CHECK(kept);
    CHECK(lost);
    CHECK(back);
  }

  TEST_CASE("SimDisk: truncation and holes come back unless synced") {
    bool cut = false, uncut = false;
    for (uint64_t seed = 0; seed < 50; ++seed) {
      std::mt19937_64 random(seed);
      SimDisk disk;
      auto file = durable_file(disk, 10'000);
      REQUIRE(file->truncate(10).ok());
      disk.crash([&] { return random(); });
      const std::string bytes = contents(disk);
      CHECK(bytes == std::string(bytes.size(), 'o'));
      (bytes.size() == 10 ? cut : uncut) = true;
    }
    CHECK(cut);
    CHECK(uncut);
  }

  TEST_CASE("SimDisk: a removed directory may come back with a part of its files unless synced") {
    bool whole = false, part = false, gone = false;
    for (uint64_t seed = 0; seed < 200; ++seed) {
      std::mt19937_64 random(seed);
      const bool synced = seed % 2 == 0;
      SimDisk disk;
      REQUIRE(disk.make_directories("/d/e").ok());
      for (const char* path : {"/d/a", "/d/b", "/d/e/c"}) open(disk, path, true);
      REQUIRE(disk.sync_directory("/d").ok());
      REQUIRE(disk.sync_directory("/d/e").ok());
      REQUIRE(disk.remove_tree("/d").ok());
      if (synced) REQUIRE(disk.sync_directory("/").ok());
      disk.crash([&] { return random(); });
      if (!*disk.exists("/d")) {
        gone = true;
        CHECK(!*disk.exists("/d/e/c"));
        CHECK(!*disk.exists("/d/e"));
        continue;
      }
      REQUIRE(!synced);
      const auto names = disk.list("/d");
      REQUIRE(names.ok());
      (names->size() == 3 ? whole : part) = true;
      // A file is never there without its directory.
      if (*disk.exists("/d/e/c")) CHECK(*disk.list("/d/e") == std::vector<std::string>{"c"});
    }
    CHECK(whole);
    CHECK(part);
    CHECK(gone);
  }

  TEST_CASE("SimDisk: a crash kills open files and frees locks; a restart loses nothing") {
    SimDisk disk;
    auto file = durable_file(disk, 10);
    auto lock = disk.lock("/lock");
    REQUIRE(lock.ok());
    REQUIRE(file->write_at(0, "new", 3).ok());
    disk.restart();
    CHECK(file->write_at(0, "dead", 4).code() == Code::io_error);
    CHECK(contents(disk) == "newooooooo");
    auto next = disk.lock("/lock");
    REQUIRE(next.ok());
    lock->reset();  // the dead process's lock is not the new one's
    CHECK(disk.lock("/lock").code() == Code::busy);
  }

  TEST_CASE("SimDisk: zeros cost no memory, but they fill the disk") {
    SimDisk disk(1 << 20);
    auto file = open(disk, "/f", true);
    REQUIRE(file->allocate(0, 1 << 20).ok());
    CHECK(disk.memory_bytes() == 0);
    CHECK(disk.space("/")->free_bytes == 0);
    REQUIRE(file->write_at(0, "x", 1).ok());
    CHECK(disk.memory_bytes() == 4'096);
    CHECK(file->write_at(1 << 20, "x", 1).code() == Code::no_space);
    REQUIRE(file->punch(0, 4'096).ok());
    CHECK(disk.memory_bytes() == 0);
    CHECK(disk.space("/")->free_bytes == 4'096);
    REQUIRE(file->write_at(1 << 20, "x", 1).ok());
    CHECK(file->write_at(0, "x", 1).code() == Code::no_space);
    REQUIRE(file->truncate(0).ok());
    CHECK(disk.used_bytes() == 0);
  }

  TEST_CASE("SimDisk: stops after so many changes and fails on demand") {
    SimDisk disk;
    auto file = durable_file(disk, 10);
    disk.halt_after(1);
    REQUIRE(file->write_at(0, "1", 1).ok());
    CHECK(disk.halted());
    CHECK(file->write_at(1, "2", 1).code() == Code::io_error);
    CHECK(disk.open("/f", {}).code() == Code::io_error);
    disk.restart();
    CHECK(contents(disk) == "1ooooooooo");

    auto again = open(disk, "/f");
    disk.fault = [](SimDisk::Operation operation, const std::string&) {
      if (operation == SimDisk::Operation::sync) return Result<void>(Code::io_error, "bad sector");
      return Result<void>();
    };
    CHECK(again->write_at(1, "2", 1).ok());
    CHECK(again->sync().code() == Code::io_error);
    disk.fault = nullptr;
    CHECK(again->sync().ok());
    disk.flip("/f", 2, 0x0f);
    CHECK(contents(disk)[2] == ('o' ^ 0x0f));
  }

  TEST_CASE("SimDisk: a spoiled range cannot be read until it is written anew or punched") {
    SimDisk disk;
    auto file = durable_file(disk, 3 * 4096);
    disk.spoil("/f", 4096, 1);
    disk.spoil("/f", 2 * 4096, 4096);
    char byte = 0;
    CHECK(file->read_at(4095, &byte, 1).ok());
    CHECK(file->read_at(4096, &byte, 1).code() == Code::io_error);
    CHECK_FALSE(disk.peek("/f", 4000, 200));
    CHECK(disk.peek("/f", 0, 4) == "oooo");
    disk.restart();
    file = open(disk, "/f");
    CHECK(file->read_at(8191, &byte, 1).code() == Code::io_error);

    REQUIRE(file->write_at(4096, "n", 1).ok());  // not all of the page
    CHECK(file->read_at(4096, &byte, 1).code() == Code::io_error);
    REQUIRE(file->write_at(4096, std::string(4096, 'n').data(), 4096).ok());
    CHECK(disk.peek("/f", 4095, 2) == "on");
    REQUIRE(file->punch(2 * 4096, 4096).ok());
    CHECK(disk.peek("/f", 2 * 4096, 1) == std::string(1, '\0'));
  }

  TEST_CASE("SimDisk: a stray write stays, and a lost directory takes all below it") {
    SimDisk disk;
    auto file = durable_file(disk, 4096);
    disk.overwrite("/f", 10, "stray");
    disk.crash([] { return uint64_t{0}; });
    CHECK(contents(disk).substr(9, 7) == "ostrayo");

    REQUIRE(disk.make_directories("/d/e").ok());
    REQUIRE(open(disk, "/d/e/g", true)->sync().ok());
    disk.lose("/d");
    CHECK_FALSE(disk.holds("/d/e/g"));
    CHECK_FALSE(*disk.exists("/d/e"));
    CHECK(disk.holds("/f"));
    disk.crash([] { return uint64_t{1}; });
    CHECK_FALSE(disk.holds("/d/e/g"));
  }
}

}  // namespace dfs::sim
