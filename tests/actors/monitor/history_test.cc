#include "tests/actors/monitor/machine.h"

using namespace dfs;

namespace {

struct Former {
  LogIndex ended;
  int64_t ended_ms;
  std::string value;
};

std::vector<Former> history_of(TestMachine& machine, const std::string& key) {
  std::vector<Former> out;
  const std::string prefix = keys::history_of(key);
  Rows rows(*machine.table);
  REQUIRE(rows.scan(prefix, after_prefix(prefix),
                    [&](auto at, auto value) {
                      const auto row = decode<HistoryRow>(value);
                      REQUIRE(row.ok());
                      out.push_back({read_u64(at, prefix.size()), row->ended_ms, row->value.bytes});
                      return true;
                    })
              .ok());
  return out;
}

}  // namespace

TEST_SUITE_BEGIN("monitor");

TEST_CASE("each version of a file stays in history until the entry that ended it") {
  TestMachine machine;
  REQUIRE(machine.put("/f", "one").ok());
  const LogIndex first = machine.index;
  const Ino ino = machine.stat("/f")->ino;
  CHECK(history_of(machine, keys::inode(ino)).empty());
  REQUIRE(machine.put("/f", "two").ok());
  const LogIndex second = machine.index;
  const int64_t second_ms = machine.time_ms;
  CHECK(machine.remove("/f") == Code::ok);

  const auto former = history_of(machine, keys::inode(ino));
  REQUIRE(former.size() == 2);
  CHECK(former[0].ended == second);
  CHECK(former[0].ended_ms == second_ms);
  CHECK(former[1].ended == machine.index);
  const auto one = decode<InodeRow>(former[0].value);
  const auto two = decode<InodeRow>(former[1].value);
  CHECK(one->content.bytes == "one");
  CHECK(one->since == first);
  CHECK(one->version == 1);
  CHECK(two->content.bytes == "two");
  CHECK(two->since == second);
  CHECK(two->since_ms == second_ms);

  const auto entries = history_of(machine, keys::entry(kRootIno, "f"));
  REQUIRE(entries.size() == 1);
  CHECK(entries[0].ended == machine.index);
  CHECK(decode<EntryRow>(entries[0].value)->since == first);
}

TEST_CASE("the fence of a file outlives it in its history") {
  TestMachine machine;
  REQUIRE(machine.put("/f", "one").ok());
  const std::string key = keys::inode(machine.stat("/f")->ino);
  Rows rows(*machine.table);
  auto row = rows.require<InodeRow>(key);
  REQUIRE(row.ok());
  row->fence = 7;
  Batch batch;
  batch.put(key, encode_row(*row));
  REQUIRE(machine.table->write(batch).ok());
  CHECK(machine.remove("/f") == Code::ok);
  const auto former = history_of(machine, key);
  REQUIRE(former.size() == 1);
  CHECK(decode<InodeRow>(former[0].value)->fence == 7);
}

TEST_CASE("a rename ends the old entry and the one it replaces") {
  TestMachine machine;
  REQUIRE(machine.put("/a", "a").ok());
  REQUIRE(machine.put("/b", "b").ok());
  const Ino replaced = machine.stat("/b")->ino;
  CHECK(machine.rename("/a", "/b") == Code::ok);
  for (const char* name : {"a", "b"}) {
    const auto former = history_of(machine, keys::entry(kRootIno, name));
    REQUIRE(former.size() == 1);
    CHECK(former[0].ended == machine.index);
  }
  REQUIRE(history_of(machine, keys::inode(replaced)).size() == 1);
}

TEST_CASE("names that begin alike have histories of their own") {
  TestMachine machine;
  for (const char* path : {"/a", "/ab"}) {
    REQUIRE(machine.put(path, "").ok());
    CHECK(machine.remove(path) == Code::ok);
  }
  CHECK(history_of(machine, keys::entry(kRootIno, "a")).size() == 1);
  CHECK(history_of(machine, keys::entry(kRootIno, "ab")).size() == 1);
}

TEST_CASE("rows below a removed directory end with it, whenever they are pruned") {
  TestMachine machine;
  REQUIRE(machine.make_dir("/d/e", true).ok());
  REQUIRE(machine.put("/d/e/f", "x").ok());
  const Ino file = machine.stat("/d/e/f")->ino;
  const Ino inner = machine.stat("/d/e")->ino;
  CHECK(machine.remove("/d", true) == Code::ok);
  const LogIndex removed = machine.index;
  const int64_t removed_ms = machine.time_ms;
  REQUIRE(machine.put("/other", "").ok());
  machine.prune(1);
  for (const std::string& key : {keys::inode(file), keys::inode(inner), keys::entry(inner, "f")}) {
    const auto former = history_of(machine, key);
    REQUIRE(!former.empty());
    CHECK(former.back().ended == removed);
    CHECK(former.back().ended_ms == removed_ms);
  }
}

TEST_CASE("a command that fails leaves neither change nor history") {
  TestMachine machine;
  REQUIRE(machine.put("/f", "one").ok());
  CHECK(machine.put("/f", "two", 7).code() == Code::conflict);
  CHECK(machine.changes == 0);
  CHECK(machine.make_dir("/new/one/f", false).code() == Code::not_found);
  CHECK(machine.changes == 0);
}

TEST_CASE("a row leaves out what has its default, and reads back the same") {
  InodeRow row;
  CHECK(encode_row(row).size() == 1);
  row.size = 7;
  row.content.bytes = "content";
  row.slices.push_back({0, 7, 9, 0});
  row.created_ms = -5;
  const std::string bytes = encode_row(row);
  CHECK(bytes.size() < encode(row).size());
  CHECK(same(*decode<InodeRow>(bytes), row));
}

TEST_SUITE_END();
