#include "cli/key_file.h"

#include <doctest/doctest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

namespace dfs::cli {
namespace {

struct Folder {
  Folder() {
    char name[] = "/tmp/zdfs-key-file-XXXXXX";
    REQUIRE(::mkdtemp(name) != nullptr);
    path = name;
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string path;
};

PoolKeyList two_keys() {
  PoolKeyList list;
  list.cluster = "fedcba9876543210fedcba9876543210";
  for (const KeyId id : {KeyId{7}, ~KeyId{0}}) {
    PoolKeyView& key = list.keys.emplace_back();
    key.id = id;
    key.pool = "a pool";
    key.key.bytes = std::string(kKeyBytes, static_cast<char>(id));
  }
  return list;
}

void write(const std::string& path, const std::string& text, mode_t mode) {
  std::ofstream(path) << text;
  REQUIRE(::chmod(path.c_str(), mode) == 0);
}

}  // namespace

TEST_SUITE("cli") {
  TEST_CASE("keys that were written to a file are read from it, by its owner alone") {
    const Folder folder;
    const std::string path = folder.path + "/keys";
    REQUIRE(write_key_file(path, two_keys()).ok());
    struct stat info {};
    REQUIRE(::stat(path.c_str(), &info) == 0);
    CHECK((info.st_mode & 0777) == 0600);
    const auto keys = read_key_file(path);
    REQUIRE_MESSAGE(keys.ok(), keys.error().text);
    REQUIRE(keys->size() == 2);
    for (size_t i = 0; i < 2; ++i) {
      CHECK((*keys)[i].id == two_keys().keys[i].id);
      CHECK((*keys)[i].pool == "a pool");
      CHECK((*keys)[i].key.bytes == two_keys().keys[i].key.bytes);
    }
    CHECK(write_key_file(path, two_keys()).code() == Code::exists);
    REQUIRE(::chmod(path.c_str(), 0640) == 0);
    CHECK(read_key_file(path).code() == Code::denied);
  }

  TEST_CASE("what is no file of keys is refused") {
    const Folder folder;
    const std::string path = folder.path + "/keys";
    CHECK(read_key_file(path).code() == Code::local_io);
    const std::string key(2 * kKeyBytes, 'a');
    for (const std::string& text :
         {std::string(), std::string("# nothing\n"), std::string("7\n"), "7 " + key + "a pool\n",
          "0 " + key + " pool\n", "x " + key + " pool\n", "7x " + key + " pool\n",
          "7 " + key.substr(2) + " pool\n", "7 " + std::string(64, 'z') + " pool\n"}) {
      CAPTURE(text);
      write(path, text, 0600);
      CHECK(read_key_file(path).code() == Code::corrupt);
    }
    write(path, "7 " + key + " pool\n", 0600);
    CHECK(read_key_file(path).ok());
  }
}

}  // namespace dfs::cli
