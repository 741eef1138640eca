// What every Disk promises, checked on the real one and on the simulator's.
#include <doctest/doctest.h>
#include <sys/stat.h>

#include <cstring>
#include <filesystem>
#include <functional>

#include "actors/disk.h"
#include "actors/posix_disk.h"
#include "tests/sim/sim_disk.h"

namespace dfs {
namespace {

// Runs `check` on each kind of disk with an empty directory on it.
void on_each_disk(const std::function<void(Disk&, const std::string& directory)>& check) {
  SUBCASE("PosixDisk") {
    std::string directory = (std::filesystem::temp_directory_path() / "dfs_disk_XXXXXX").string();
    REQUIRE(::mkdtemp(directory.data()) != nullptr);
    check(*make_posix_disk(), directory);
    std::filesystem::remove_all(directory);
  }
  SUBCASE("SimDisk") {
    sim::SimDisk disk;
    REQUIRE(disk.make_directories("/data").ok());
    check(disk, "/data");
  }
}

std::unique_ptr<File> create(Disk& disk, const std::string& path) {
  auto file = disk.open(path, {.create = true});
  REQUIRE(file.ok());
  return std::move(*file);
}

std::string contents(File& file, uint64_t offset, size_t size) {
  std::string bytes(size, '?');
  const auto got = file.read_at(offset, bytes.data(), size);
  REQUIRE(got.ok());
  bytes.resize(*got);
  return bytes;
}

}  // namespace

TEST_SUITE("disk") {
  TEST_CASE("what is written is read back, and reading stops at the end") {
    on_each_disk([](Disk& disk, const std::string& directory) {
      auto file = create(disk, directory + "/a");
      CHECK(contents(*file, 0, 10) == "");
      REQUIRE(file->write_at(3, "hello", 5).ok());
      CHECK(*file->size() == 8);
      CHECK(contents(*file, 0, 100) == std::string("\0\0\0hello", 8));
      CHECK(contents(*file, 5, 2) == "ll");
      CHECK(contents(*file, 8, 1) == "");
      REQUIRE(file->write_at(4, "u", 1).ok());
      CHECK(contents(*file, 3, 5) == "hullo");
      REQUIRE(file->sync().ok());
    });
  }

  TEST_CASE("a file is created only when asked, and its directory must exist") {
    on_each_disk([](Disk& disk, const std::string& directory) {
      CHECK(disk.open(directory + "/a", {}).code() == Code::not_found);
      CHECK(disk.open(directory + "/none/a", {.create = true}).code() == Code::not_found);
      CHECK(*disk.exists(directory + "/a") == false);
      create(disk, directory + "/a");
      CHECK(*disk.exists(directory + "/a") == true);
      CHECK(disk.open(directory + "/a", {.read_only = true}).ok());
    });
  }

  TEST_CASE("truncate cuts and extends; what was cut does not come back") {
    on_each_disk([](Disk& disk, const std::string& directory) {
      auto file = create(disk, directory + "/a");
      REQUIRE(file->write_at(0, "abcdef", 6).ok());
      REQUIRE(file->truncate(2).ok());
      REQUIRE(file->truncate(4).ok());
      CHECK(contents(*file, 0, 10) == std::string("ab\0\0", 4));
    });
  }

  TEST_CASE("allocated space reads as zeros and keeps what is there") {
    on_each_disk([](Disk& disk, const std::string& directory) {
      auto file = create(disk, directory + "/a");
      REQUIRE(file->write_at(0, "abc", 3).ok());
      REQUIRE(file->allocate(0, 100'000).ok());
      CHECK(*file->size() == 100'000);
      CHECK(contents(*file, 0, 5) == std::string("abc\0\0", 5));
      CHECK(contents(*file, 99'999, 5) == std::string("\0", 1));
      REQUIRE(file->allocate(0, 10).ok());
      CHECK(*file->size() == 100'000);
    });
  }

  TEST_CASE("a punched range reads as zeros, its neighbours and the size stay") {
    on_each_disk([](Disk& disk, const std::string& directory) {
      auto file = create(disk, directory + "/a");
      const std::string bytes(5 * 4096, 'x');
      REQUIRE(file->write_at(0, bytes.data(), bytes.size()).ok());
      REQUIRE(file->punch(4096, 2 * 4096).ok());
      CHECK(*file->size() == bytes.size());
      CHECK(contents(*file, 0, 4096) == std::string(4096, 'x'));
      CHECK(contents(*file, 4096, 2 * 4096) == std::string(2 * 4096, '\0'));
      CHECK(contents(*file, 3 * 4096, 9000) == std::string(2 * 4096, 'x'));
      REQUIRE(file->punch(4 * 4096 + 10, 20).ok());
      CHECK(contents(*file, 4 * 4096 + 9, 22) == "x" + std::string(20, '\0') + "x");
    });
  }

  TEST_CASE("aligned direct transfers work, also where direct I/O is refused") {
    on_each_disk([](Disk& disk, const std::string& directory) {
      auto file = disk.open(directory + "/a", {.create = true, .direct = true});
      REQUIRE(file.ok());
      AlignedBuffer out(2 * kDiskAlignment);
      std::memset(out.data(), 'd', out.size());
      REQUIRE((*file)->write_at(kDiskAlignment, out.data(), out.size()).ok());
      REQUIRE((*file)->sync().ok());
      AlignedBuffer in(4 * kDiskAlignment);
      const auto got = (*file)->read_at(0, in.data(), in.size());
      REQUIRE(got.ok());
      REQUIRE(*got == 3 * kDiskAlignment);
      CHECK(in.data()[0] == 0);
      CHECK(in.data()[kDiskAlignment] == 'd');
      CHECK(in.data()[3 * kDiskAlignment - 1] == 'd');
      // The end of the file may be at an odd place.
      REQUIRE((*file)->truncate(kDiskAlignment + 100).ok());
      CHECK(*(*file)->read_at(kDiskAlignment, in.data(), kDiskAlignment) == 100);
    });
  }

  TEST_CASE("list gives sorted names; remove and rename do what they say") {
    on_each_disk([](Disk& disk, const std::string& directory) {
      CHECK(disk.list(directory)->empty());
      CHECK(disk.list(directory + "/none").code() == Code::not_found);
      REQUIRE(disk.make_directories(directory + "/x/y").ok());
      REQUIRE(disk.make_directories(directory + "/x/y").ok());
      REQUIRE(create(disk, directory + "/b")->write_at(0, "b", 1).ok());
      create(disk, directory + "/a");
      create(disk, directory + "/x/inner");
      CHECK(*disk.list(directory) == std::vector<std::string>{"a", "b", "x"});
      CHECK(*disk.list(directory + "/x") == std::vector<std::string>{"inner", "y"});
      REQUIRE(disk.rename(directory + "/b", directory + "/a").ok());
      CHECK(*disk.list(directory) == std::vector<std::string>{"a", "x"});
      CHECK(*read_file(disk, directory + "/a") == "b");
      REQUIRE(disk.remove(directory + "/a").ok());
      CHECK(disk.remove(directory + "/a").code() == Code::not_found);
      CHECK(disk.rename(directory + "/a", directory + "/b").code() == Code::not_found);
      CHECK(disk.sync_directory(directory).ok());
      CHECK(disk.space(directory)->total_bytes > 0);
    });
  }

  TEST_CASE("remove_tree removes a directory with all that is in it, and nothing beside it") {
    on_each_disk([](Disk& disk, const std::string& directory) {
      REQUIRE(disk.make_directories(directory + "/x/y/z").ok());
      create(disk, directory + "/x/a");
      create(disk, directory + "/x/y/z/b");
      create(disk, directory + "/x-ray");
      REQUIRE(disk.remove_tree(directory + "/x").ok());
      CHECK(*disk.exists(directory + "/x") == false);
      CHECK(*disk.exists(directory + "/x/y/z/b") == false);
      CHECK(*disk.list(directory) == std::vector<std::string>{"x-ray"});
      CHECK(disk.open(directory + "/x/a", {.create = true}).code() == Code::not_found);
      REQUIRE(disk.remove_tree(directory + "/x").ok());
      REQUIRE(disk.make_directories(directory + "/x").ok());
      CHECK(disk.list(directory + "/x")->empty());
      REQUIRE(disk.remove_tree(directory + "/x/").ok());
      CHECK(*disk.list(directory) == std::vector<std::string>{"x-ray"});
    });
  }

  TEST_CASE("a lock keeps a second one out until it is dropped") {
    on_each_disk([](Disk& disk, const std::string& directory) {
      auto first = disk.lock(directory + "/lock");
      REQUIRE(first.ok());
      CHECK(disk.lock(directory + "/lock").code() == Code::busy);
      first->reset();
      CHECK(disk.lock(directory + "/lock").ok());
    });
  }

  TEST_CASE("a file written atomically replaces the old one; reading has a limit") {
    on_each_disk([](Disk& disk, const std::string& directory) {
      const std::string path = directory + "/small";
      CHECK(read_file(disk, path).code() == Code::not_found);
      REQUIRE(write_file_atomically(disk, path, "first, longer").ok());
      REQUIRE(write_file_atomically(disk, path, "second").ok());
      CHECK(*read_file(disk, path) == "second");
      CHECK(*disk.list(directory) == std::vector<std::string>{"small"});
      CHECK(*read_file(disk, path, 6) == "second");
      CHECK(read_file(disk, path, 5).code() == Code::too_large);
    });
  }

  TEST_CASE("errors name the path") {
    on_each_disk([](Disk& disk, const std::string& directory) {
      const auto missing = disk.open(directory + "/nothing here", {});
      REQUIRE(!missing.ok());
      CHECK(missing.error().text.find(directory + "/nothing here") != std::string::npos);
    });
  }
}

}  // namespace dfs
