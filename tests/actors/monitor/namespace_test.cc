#include "tests/actors/monitor/machine.h"

using namespace dfs;

TEST_SUITE_BEGIN("monitor");

TEST_CASE("a fresh cluster has an empty root directory") {
  TestMachine machine;
  const auto root = machine.stat("/");
  REQUIRE(root.ok());
  CHECK(root->ino == kRootIno);
  CHECK(root->type == FileType::directory);
  CHECK(root->links == 2);
  CHECK(machine.names("/").empty());
  CHECK(machine.tree().directories == 1);
  CHECK(machine.tell(CreateCluster{"other", 2, 1, 8}).code() == Code::exists);
}

TEST_CASE("a directory is made once, in a directory that exists") {
  TestMachine machine;
  const auto made = machine.make_dir("/a");
  REQUIRE(made.ok());
  CHECK(made->ino > kRootIno);
  CHECK(made->receipt.index == machine.index);
  CHECK(made->receipt.synced);
  CHECK(machine.stat("/a")->links == 2);
  CHECK(machine.stat("/")->links == 3);
  CHECK(machine.stat("/")->modified_ms == machine.time_ms);

  CHECK(machine.make_dir("/a").code() == Code::exists);
  CHECK(machine.make_dir("/").code() == Code::exists);
  CHECK(machine.changes == 0);
  const auto orphaned = machine.make_dir("/x/y/z");
  CHECK(orphaned.code() == Code::not_found);
  CHECK(orphaned.error().cause.at("at") == "/x");
  CHECK(orphaned.error().cause.at("path") == "/x/y/z");
  REQUIRE(machine.put("/a/file", "1").ok());
  CHECK(machine.make_dir("/a/file").code() == Code::exists);
  const auto below_file = machine.make_dir("/a/file/b");
  CHECK(below_file.code() == Code::not_directory);
  CHECK(below_file.error().cause.at("at") == "/a/file");
  CHECK(machine.tree().directories == 2);
}

TEST_CASE("missing parents are made on request, and what is there is no error then") {
  TestMachine machine;
  REQUIRE(machine.make_dir("/a/b/c", true).ok());
  CHECK(machine.stat("/")->links == 3);
  CHECK(machine.stat("/a")->links == 3);
  CHECK(machine.stat("/a/b")->links == 3);
  CHECK(machine.stat("/a/b/c")->links == 2);
  CHECK(machine.tree().directories == 4);
  const LogIndex made_at = machine.index;

  const auto again = machine.make_dir("/a/b/c", true);
  REQUIRE(again.ok());
  CHECK(again->ino == machine.stat("/a/b/c")->ino);
  CHECK(again->receipt.index == made_at);
  CHECK(machine.changes == 0);
  CHECK(machine.make_dir("/", true)->ino == kRootIno);

  REQUIRE(machine.put("/a/file", "1").ok());
  const auto blocked = machine.make_dir("/a/file/d", true);
  CHECK(blocked.code() == Code::not_directory);
  CHECK(blocked.error().cause.at("at") == "/a/file");
  CHECK(machine.make_dir("/a/file", true).code() == Code::not_directory);
}

TEST_CASE("stat and list say what is not there and what is not a directory") {
  TestMachine machine;
  REQUIRE(machine.put("/file", "12345").ok());
  const auto info = machine.stat("/file");
  REQUIRE(info.ok());
  CHECK(info->size == 5);
  CHECK(info->links == 1);
  CHECK(info->version == 1);
  CHECK(machine.stat("/none").code() == Code::not_found);
  CHECK(machine.stat("/none").error().text == "no such file or directory: /none");
  CHECK(machine.stat("/file/x").code() == Code::not_directory);
  CHECK(machine.list("/none").code() == Code::not_found);
  CHECK(machine.list("/file").code() == Code::not_directory);
  CHECK(machine.open("/").code() == Code::is_directory);
  CHECK(machine.open("/none").code() == Code::not_found);
  CHECK(machine.open("/file")->content.bytes == "12345");
}

TEST_CASE("a long directory is listed page by page, each name once, in order") {
  TestMachine machine;
  REQUIRE(machine.make_dir("/d").ok());
  REQUIRE(machine.make_dir("/e").ok());
  for (int i = 0; i < 2500; ++i) REQUIRE(machine.put("/d/" + std::to_string(i), "").ok());
  std::vector<std::string> names;
  std::string after;
  for (const size_t expected : {1000, 1000, 500}) {
    const auto page = machine.list("/d", after);
    REQUIRE(page.ok());
    CHECK(page->entries.size() == expected);
    CHECK(page->more == (expected == 1000));
    CHECK(encode(*page).size() <= kBodyBytesMax);
    for (const ListEntry& entry : page->entries) names.push_back(entry.name);
    after = names.back();
  }
  CHECK(names.size() == 2500);
  CHECK(std::is_sorted(names.begin(), names.end()));
  CHECK(std::adjacent_find(names.begin(), names.end()) == names.end());
  CHECK(machine.list("/d", after)->entries.empty());
  CHECK(machine.list("/d", "", 1)->entries.size() == 1);
  CHECK(machine.list("/e")->entries.empty());
}

TEST_CASE("a page of the longest names fits a message") {
  TestMachine machine;
  for (int i = 0; i < 1000; ++i) {
    std::string name = std::to_string(1000 + i) + std::string(251, '\xc3');
    REQUIRE(machine.put("/" + name, "").ok());
  }
  const auto page = machine.list("/");
  REQUIRE(page.ok());
  CHECK(page->entries.size() == 1000);
  CHECK(encode(*page).size() <= kBodyBytesMax);
}

TEST_CASE("any name without slash and NUL is a name") {
  TestMachine machine;
  const std::vector<std::string> names = {"no dot",    "many.dots.in..it",
                                          "'quotes\"", "line\nfeed",
                                          "tab\t\r",   "\xc3\xa4\xe2\x82\xac",
                                          "-rf",       "directory.txt",
                                          "...",       " ",
                                          "\xff\xfe",  std::string(255, 'n'),
                                          "a\x01\x7f", "*?[]",
                                          "name",      "Name",
                                          "name ",     "~"};
  for (const std::string& name : names) {
    CAPTURE(name);
    REQUIRE(machine.put("/" + name, name).ok());
    REQUIRE(machine.make_dir("/" + name + "x").code() ==
            (name.size() == 255 ? Code::malformed : Code::ok));
  }
  for (const std::string& name : names) {
    CAPTURE(name);
    CHECK(machine.open("/" + name)->content.bytes == name);
    CHECK(machine.rename("/" + name, "/moved") == Code::ok);
    CHECK(machine.rename("/moved", "/" + name) == Code::ok);
  }
  CHECK(machine.names("/").size() == 2 * names.size() - 1);
  for (const std::string& name : names) CHECK(machine.remove("/" + name) == Code::ok);
}

TEST_CASE("paths over the limits, relative or with dots are malformed") {
  TestMachine machine;
  CHECK(machine.put("/" + std::string(255, 'a'), "").ok());
  CHECK(machine.put("/" + std::string(256, 'a'), "").code() == Code::malformed);
  std::string deep;
  while (deep.size() + 2 <= kPathBytesMax) deep += "/d";
  REQUIRE(deep.size() == kPathBytesMax);
  CHECK(machine.make_dir(deep, true).ok());
  CHECK(machine.stat(deep).ok());
  CHECK(machine.make_dir(deep + "/d", true).code() == Code::malformed);
  for (const char* path : {"", "a", "a/b", "/a/", "//", "/a//b", "/.", "/..", "/a/../b", "/a/."}) {
    CAPTURE(path);
    CHECK(machine.put(path, "").code() == Code::malformed);
    CHECK(machine.make_dir(path).code() == Code::malformed);
    CHECK(machine.remove(path) == Code::malformed);
    CHECK(machine.rename("/d", path) == Code::malformed);
  }
  CHECK(machine.put(std::string("/a\0b", 4), "").code() == Code::malformed);
}

TEST_CASE("a file is renamed, and replaces a file") {
  TestMachine machine;
  REQUIRE(machine.make_dir("/d").ok());
  REQUIRE(machine.put("/a", "a").ok());
  REQUIRE(machine.put("/b", "b").ok());
  const Ino ino = machine.stat("/a")->ino;
  CHECK(machine.rename("/a", "/d/c") == Code::ok);
  CHECK(machine.stat("/a").code() == Code::not_found);
  CHECK(machine.stat("/d/c")->ino == ino);
  CHECK(machine.stat("/d/c")->version == 1);
  CHECK(machine.rename("/d/c", "/b", false) == Code::exists);
  CHECK(machine.rename("/d/c", "/b") == Code::ok);
  CHECK(machine.open("/b")->content.bytes == "a");
  CHECK(machine.tree().files == 1);
  CHECK(machine.names("/") == std::vector<std::string>{"b", "d"});
  CHECK(machine.rename("/none", "/c") == Code::not_found);
  CHECK(machine.rename("/b", "/none/c") == Code::not_found);
  CHECK(machine.rename("/b", "/b/c") == Code::not_directory);
}

TEST_CASE("renaming onto itself changes nothing") {
  TestMachine machine;
  REQUIRE(machine.make_dir("/d").ok());
  REQUIRE(machine.put("/a", "a").ok());
  for (const char* path : {"/a", "/d"}) {
    const auto reply = machine.ask(Rename{path, path});
    REQUIRE(reply.ok());
    CHECK(reply->receipt.index < machine.index);
    CHECK(machine.changes == 0);
    CHECK(machine.rename(path, path, false) == Code::exists);
  }
}

TEST_CASE("a directory is renamed with all below it, and replaces an empty one only") {
  TestMachine machine;
  REQUIRE(machine.make_dir("/a/b", true).ok());
  REQUIRE(machine.put("/a/b/file", "1").ok());
  REQUIRE(machine.make_dir("/c").ok());
  CHECK(machine.rename("/a/b", "/c/d") == Code::ok);
  CHECK(machine.open("/c/d/file")->content.bytes == "1");
  CHECK(machine.stat("/a")->links == 2);
  CHECK(machine.stat("/c")->links == 3);

  CHECK(machine.rename("/c", "/a") == Code::ok);
  CHECK(machine.open("/a/d/file")->content.bytes == "1");
  CHECK(machine.stat("/")->links == 3);
  CHECK(machine.tree().directories == 3);

  REQUIRE(machine.make_dir("/e").ok());
  CHECK(machine.rename("/e", "/a") == Code::not_empty);
  CHECK(machine.rename("/a/d", "/a") == Code::not_empty);
  CHECK(machine.rename("/e", "/a/d/file") == Code::not_directory);
  CHECK(machine.rename("/a/d/file", "/e") == Code::is_directory);
  CHECK(machine.rename("/a", "/e", false) == Code::exists);
}

TEST_CASE("a directory does not move below itself, and the root not at all") {
  TestMachine machine;
  REQUIRE(machine.make_dir("/a/b/c", true).ok());
  CHECK(machine.rename("/a", "/a/x") == Code::loop);
  CHECK(machine.rename("/a", "/a/b/c/x") == Code::loop);
  CHECK(machine.rename("/a", "/a/b") == Code::loop);
  CHECK(machine.rename("/", "/a/x") == Code::invalid);
  CHECK(machine.rename("/a", "/") == Code::invalid);
  CHECK(machine.remove("/") == Code::invalid);
  CHECK(machine.remove("/", true) == Code::invalid);
  CHECK(machine.stat("/a/b/c").ok());
}

TEST_CASE("files and empty directories are removed; full ones only recursively") {
  TestMachine machine;
  REQUIRE(machine.make_dir("/a/b", true).ok());
  REQUIRE(machine.put("/a/file", "1").ok());
  CHECK(machine.remove("/none") == Code::not_found);
  CHECK(machine.remove("/a") == Code::not_empty);
  CHECK(machine.remove("/a/file") == Code::ok);
  CHECK(machine.remove("/a/file") == Code::not_found);
  CHECK(machine.remove("/a/b") == Code::ok);
  CHECK(machine.stat("/a")->links == 2);
  CHECK(machine.remove("/a", true) == Code::ok);
  CHECK(machine.stat("/")->links == 2);
  CHECK(machine.tree().files == 0);
  CHECK(machine.tree().directories == 1);
  CHECK(machine.prune() == 0);
}

TEST_CASE("a recursive removal takes one entry, however much is below") {
  TestMachine machine;
  REQUIRE(machine.make_dir("/keep").ok());
  for (int d = 0; d < 5; ++d) {
    const std::string directory = "/top/" + std::to_string(d) + "/deep/er";
    REQUIRE(machine.make_dir(directory, true).ok());
    for (int f = 0; f < 60; ++f) {
      REQUIRE(machine.put(directory + "/" + std::to_string(f), "x").ok());
    }
  }
  CHECK(machine.remove("/top", true) == Code::ok);
  CHECK(machine.changes <= 8);
  CHECK(machine.stat("/top").code() == Code::not_found);
  CHECK(machine.stat("/top/0/deep").code() == Code::not_found);
  CHECK(machine.names("/") == std::vector<std::string>{"keep"});
  CHECK(machine.stat("/")->links == 3);
  // The name is free at once, and its new owner is not pruned with the old one.
  REQUIRE(machine.make_dir("/top").ok());
  REQUIRE(machine.put("/top/new", "n").ok());

  uint32_t rows = 0;
  int batches = 0;
  while (true) {
    const auto pruned = machine.tell<Pruned>(PruneOrphans{7});
    REQUIRE(pruned.ok());
    CHECK(pruned->rows <= 8);
    rows += pruned->rows;
    ++batches;
    if (!pruned->more) break;
  }
  CHECK(rows == 300 + 15 + 16);
  CHECK(batches > 40);
  CHECK(machine.tree().files == 1);
  CHECK(machine.tree().directories == 3);
  CHECK(machine.open("/top/new")->content.bytes == "n");
  // Nothing is left but the rows of what is there.
  int inodes = 0;
  int orphans = 0;
  Rows all(*machine.table);
  REQUIRE(all.scan("", "",
                   [&](auto key, auto) {
                     inodes += key[0] == keys::kInode ? 1 : 0;
                     orphans += key[0] == keys::kOrphan ? 1 : 0;
                     return true;
                   })
              .ok());
  CHECK(inodes == 4);
  CHECK(orphans == 0);
}

TEST_CASE("a log entry from the future is refused, not guessed at") {
  TestMachine machine;
  Batch batch;
  Command command;
  command.type = static_cast<Type>(9999);
  command.index = 7;
  const Outcome outcome = machine.machine.apply(command, *machine.table, batch);
  CHECK(TestMachine::error_of(outcome).code == Code::unsupported);
  CHECK(batch.empty());
  command.type = Type::MakeDir;
  command.body = "\xc1";
  const Outcome malformed = machine.machine.apply(command, *machine.table, batch);
  CHECK(TestMachine::error_of(malformed).code == Code::malformed);
  CHECK(batch.empty());
}

TEST_SUITE_END();
