// Pools: their groups, their copies, and the directories that send files to them.
#include "messages/tasks.h"
#include "tests/actors/monitor/machine.h"

using namespace dfs;

TEST_SUITE_BEGIN("monitor");

TEST_CASE("a pool gets its own groups, numbered after all others") {
  TestMachine test;
  const auto made = test.ask(SetPool{"fast", true, 3, 0, 16});
  REQUIRE(made.ok());
  CHECK(made->id == 1);
  const ClusterView& cluster = test.machine.cluster();
  CHECK(cluster.map().groups.size() == 24);
  CHECK(cluster.group(7)->pool == 0);
  CHECK(cluster.group(8)->pool == 1);
  CHECK(cluster.pool_named("fast")->min_copies == 2);
  CHECK(test.ask(SetPool{"fast", true, 3, 0, 16}).code() == Code::exists);
  CHECK(test.ask(SetPool{"none", false, 3, 0, 0}).code() == Code::not_found);
  CHECK(test.ask(SetPool{"a/b", true, 0, 0, 0}).code() == Code::invalid);
  CHECK(test.ask(SetPool{"huge", true, 0, 0, 4096}).code() == Code::invalid);
  CHECK(test.ask(SetPool{"few", true, 2, 3, 1}).code() == Code::invalid);
}

TEST_CASE("the groups of a pool are doubled, and the copies raised, but neither is lowered") {
  TestMachine test;
  REQUIRE(test.ask(SetPool{"fast", true, 2, 0, 4}).ok());
  const Epoch epoch = test.machine.cluster().map().epoch;
  REQUIRE(test.ask(SetPool{"default", false, 0, 0, 16}).ok());
  const ClusterView& cluster = test.machine.cluster();
  CHECK(cluster.map().groups.size() == 20);
  CHECK(cluster.group(12)->pool == 0);
  CHECK(cluster.pool(0).groups == 16);
  CHECK(cluster.map().epoch == epoch + 1);
  REQUIRE(test.ask(SetPool{"default", false, 3, 2, 0}).ok());
  CHECK(cluster.pool(0).replicas == 3);
  CHECK(cluster.pool(0).min_copies == 2);
  CHECK(test.ask(SetPool{"default", false, 2, 0, 0}).code() == Code::invalid);
  CHECK(test.ask(SetPool{"default", false, 0, 0, 8}).code() == Code::invalid);
  REQUIRE(test.ask(SetPool{"default", false, 3, 2, 16}).ok());
  CHECK(test.changes == 0);
}

TEST_CASE("a directory says which pool the files below it go to, the nearest one counts") {
  TestMachine test;
  REQUIRE(test.ask(SetPool{"fast", true, 3, 0, 4}).ok());
  REQUIRE(test.make_dir("/a/b/c", true).ok());
  REQUIRE(test.put("/a/f", "x").ok());
  const auto pool_for_path = [&](const std::string& path) {
    Rows rows(*test.table);
    auto pool = pool_for(rows, path);
    REQUIRE(pool.ok());
    return *pool;
  };
  CHECK(pool_for_path("/a/b/c/f").empty());
  REQUIRE(test.ask(SetAttributes{"/a", true, "fast"}).ok());
  CHECK(test.stat("/a")->pool == "fast");
  CHECK(pool_for_path("/a/b/c/f") == "fast");
  CHECK(pool_for_path("/f").empty());
  REQUIRE(test.ask(SetAttributes{"/a/b", true, "default"}).ok());
  CHECK(pool_for_path("/a/b/c/f") == "default");
  REQUIRE(test.ask(SetAttributes{"/a/b", true, ""}).ok());
  CHECK(pool_for_path("/a/b/c/f") == "fast");
  CHECK(test.ask(SetAttributes{"/a", true, "none"}).code() == Code::not_found);
  CHECK(test.ask(SetAttributes{"/a/f", true, "fast"}).code() == Code::not_directory);
  CHECK(test.ask(SetAttributes{"/x", true, "fast"}).code() == Code::not_found);
}

TEST_CASE("a commit needs as many copies as the pool of its group says") {
  TestMachine test;
  for (const char uuid : {'1', '2', '3'}) test.join(uuid, std::string("tcp://n:") + uuid);
  REQUIRE(test.ask(SetPool{"safe", true, 3, 2, 1}).ok());
  REQUIRE(test.tell(SetGroups{{{0, {1, 2}}, {8, {1, 2, 3}}}}).ok());
  CHECK(test.put_block("/f", 0, {1}).ok());
  CHECK(test.put_block("/g", 8, {1}).code() == Code::stale_map);
  CHECK(test.put_block("/g", 8, {1, 3}).ok());
}

TEST_SUITE_END();
