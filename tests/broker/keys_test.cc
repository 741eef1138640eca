#include "broker/keys.h"

#include <doctest/doctest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "broker/hex.h"

namespace dfs {
namespace {

namespace fs = std::filesystem;

// A directory that is gone at the end of the scope.
struct Folder {
  std::string path = "/tmp/dfs_keys_test_XXXXXX";
  Folder() { REQUIRE(mkdtemp(path.data()) != nullptr); }
  ~Folder() { fs::remove_all(path); }
  std::string operator/(const std::string& name) const { return path + "/" + name; }
};

mode_t mode_of(const std::string& path) {
  struct stat about {};
  REQUIRE(::stat(path.c_str(), &about) == 0);
  return about.st_mode & 0777;
}

std::string text_of(const std::string& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

TEST_SUITE_BEGIN("broker");

TEST_CASE("hex digits are bytes, and nothing else is") {
  const std::string bytes("\x00\xff\x5a", 3);
  CHECK(to_hex(bytes) == "00ff5a");
  CHECK(from_hex("00ff5a") == bytes);
  CHECK_FALSE(from_hex("00f"));
  CHECK_FALSE(from_hex("0G"));
  CHECK_FALSE(from_hex("FF"));
}

TEST_CASE("a key pair survives in a file that is its owner's alone") {
  const Folder folder;
  const KeyPair made = make_key_pair();
  CHECK(made.public_key != make_key_pair().public_key);
  REQUIRE(save_key_pair(folder / "node.key", made));
  CHECK(mode_of(folder / "node.key") == 0600);
  CHECK_FALSE(fs::exists(folder / "node.key.new"));
  const auto read = load_key_pair(folder / "node.key");
  REQUIRE(read);
  CHECK(read->public_key == made.public_key);
  CHECK(read->secret_key == made.secret_key);
  CHECK(save_key_pair(folder / "node.key", make_key_pair()).code() == Code::exists);
  CHECK(load_key_pair(folder / "node.key")->public_key == made.public_key);
}

TEST_CASE("a secret that others could read is refused, with what to do") {
  const Folder folder;
  REQUIRE(save_key_pair(folder / "node.key", make_key_pair()));
  for (const mode_t mode : {0640, 0604, 0620}) {
    REQUIRE(::chmod((folder / "node.key").c_str(), mode) == 0);
    const auto refused = load_key_pair(folder / "node.key");
    CHECK(refused.code() == Code::denied);
    CHECK(refused.error().text.find("chmod 600 " + (folder / "node.key")) != std::string::npos);
    // Nor is another made in its place.
    CHECK(load_or_make_key_pair({folder / "node.key"}).code() == Code::denied);
  }
}

TEST_CASE("a damaged key file is told of and left as it is") {
  const Folder folder;
  const KeyPair one = make_key_pair();
  const KeyPair other = make_key_pair();
  const auto reads = [&](const std::string& text) {
    std::ofstream(folder / "k") << text;
    REQUIRE(::chmod((folder / "k").c_str(), 0600) == 0);
    const auto read = load_or_make_key_pair({folder / "k"});
    CHECK(text_of(folder / "k") == text);
    return read.code();
  };
  const auto lines = [](const std::string& publics, const std::string& secret) {
    return "public = \"" + publics + "\"\nsecret = \"" + secret + "\"\n";
  };
  CHECK(reads(lines(one.public_key, one.secret_key)) == Code::ok);
  CHECK(reads("") == Code::corrupt);
  CHECK(reads(lines(one.public_key, "")) == Code::corrupt);
  CHECK(reads(lines(one.public_key, one.secret_key.substr(1))) == Code::corrupt);
  CHECK(reads(lines(one.public_key, other.secret_key)) == Code::corrupt);
}

TEST_CASE(
    "of several directories the one that has a key gives it, else the first keeps a new one") {
  const Folder folder;
  fs::create_directory(folder / "a");
  fs::create_directory(folder / "b");
  const std::vector<std::string> paths = {folder / "gone/node.key", folder / "a/node.key",
                                          folder / "b/node.key"};
  const auto made = load_or_make_key_pair(paths);
  REQUIRE(made);
  CHECK(fs::exists(paths[1]));
  CHECK_FALSE(fs::exists(paths[2]));
  CHECK(load_or_make_key_pair({paths[2], paths[1]})->public_key == made->public_key);
  CHECK_FALSE(load_or_make_key_pair({paths[0]}));
}

TEST_CASE("the keys of a cluster are made once, in a directory of their own") {
  const Folder folder;
  const std::string keys = folder / "etc/keys";
  const auto made = init_cluster_keys(keys);
  REQUIRE(made);
  CHECK(mode_of(keys) == 0700);
  CHECK(mode_of(keys + "/cluster.key") == 0600);
  const std::string line = "\ncluster-key = \"" + made->public_key + "\"\n";
  CHECK(text_of(keys + "/cluster.pub").find(line) != std::string::npos);
  CHECK(text_of(keys + "/cluster.pub").find(made->secret_key) == std::string::npos);
  const auto again = init_cluster_keys(keys);
  CHECK(again.code() == Code::exists);
  CHECK(again.error().text.find(keys) != std::string::npos);
  const auto loaded = load_cluster_keys(keys);
  REQUIRE(loaded);
  CHECK(loaded->pair.secret_key == made->secret_key);
  CHECK(loaded->public_keys == std::vector<std::string>{made->public_key});
  const auto none = load_cluster_keys(folder / "etc");
  CHECK(none.code() == Code::not_found);
  CHECK(none.error().text.find("dfsd init --dir") != std::string::npos);
}

TEST_CASE("keys change in steps, at each of which old and new are known") {
  const Folder folder;
  const std::string keys = folder / "keys";
  const auto first = init_cluster_keys(keys);
  REQUIRE(first);
  CHECK_FALSE(take_next_keys(keys));
  const auto next = make_next_keys(keys);
  REQUIRE(next);
  CHECK(mode_of(keys + "/next.key") == 0600);
  CHECK(make_next_keys(keys).code() == Code::exists);
  const auto pair_of = [&] { return load_cluster_keys(keys)->pair.public_key; };
  const auto known = [&] { return load_cluster_keys(keys)->public_keys; };
  CHECK(pair_of() == first->public_key);
  CHECK(known() == std::vector<std::string>{first->public_key, next->public_key});
  REQUIRE(take_next_keys(keys));
  CHECK(pair_of() == next->public_key);
  CHECK(known() == std::vector<std::string>{next->public_key, first->public_key});
  REQUIRE(drop_previous_key(keys));
  CHECK(known() == std::vector<std::string>{next->public_key});
  CHECK_FALSE(drop_previous_key(keys));
}

TEST_SUITE_END();

}  // namespace
}  // namespace dfs
