#include "tests/actors/monitor/machine.h"

using namespace dfs;

namespace {

constexpr uint64_t kBlock = kBlockBytesMin;

// Two nodes, every group on both, a range of objects to use.
struct Cluster : TestMachine {
  explicit Cluster(uint32_t replicas = 2, uint32_t min_copies = 1)
      : TestMachine(std::make_unique<MemTable>(), 8, replicas, min_copies) {
    for (const char uuid : {'1', '2', '3'}) join(uuid, std::string("tcp://host:") + uuid);
    set_all({1, 2});
    first_object = tell<ObjectRange>(ReserveObjects{100})->first;
  }

  void set_all(const std::vector<NodeId>& members) {
    SetGroups command;
    for (GroupId group = 0; group < 8; ++group) command.groups.push_back({group, members});
    REQUIRE(tell(command).ok());
  }

  // A file of `blocks` blocks over groups 0 and 1, written by nodes 1 and 2.
  CommitFile commit(const std::string& path, uint64_t blocks, ObjectId object = 0) {
    CommitFile request;
    request.path = path;
    request.size = blocks * kBlock;
    request.crc32c = 77;
    request.layout.object = object != 0 ? object : first_object;
    request.layout.block_bytes = kBlock;
    request.layout.groups = {0, 1};
    for (const GroupId id : {0, 1, 2}) request.writes.push_back({id, group(id).epoch, {1, 2}});
    return request;
  }

  ObjectId first_object = 0;
};

}  // namespace

TEST_SUITE_BEGIN("monitor");

TEST_CASE("a commit makes a file, the next gives it new content in place") {
  TestMachine machine;
  const auto made = machine.put("/f", "one");
  REQUIRE(made.ok());
  CHECK(made->created);
  CHECK(made->version == 1);
  const int64_t created_ms = machine.time_ms;
  const auto again = machine.put("/f", "second");
  REQUIRE(again.ok());
  CHECK(!again->created);
  CHECK(again->version == 2);
  CHECK(again->ino == made->ino);
  const auto info = machine.stat("/f");
  CHECK(info->size == 6);
  CHECK(info->created_ms == created_ms);
  CHECK(info->modified_ms == machine.time_ms);
  CHECK(machine.tree().files == 1);
  CHECK(machine.put("/", "x").code() == Code::is_directory);
  CHECK(machine.put("/none/f", "x").code() == Code::not_found);
  CHECK(machine.put("/f/g", "x").code() == Code::not_directory);
}

TEST_CASE("the expected version is checked") {
  TestMachine machine;
  CHECK(machine.put("/f", "1", 3).code() == Code::conflict);
  CHECK(machine.put("/f", "1", 0).ok());
  const auto exists = machine.put("/f", "2", 0);
  CHECK(exists.code() == Code::exists);
  CHECK(exists.error().cause.at("version") == "1");
  CHECK(machine.put("/f", "2", 1).ok());
  const auto changed = machine.put("/f", "3", 1);
  CHECK(changed.code() == Code::conflict);
  CHECK(changed.error().cause.at("version") == "2");
  CHECK(machine.open("/f")->content.bytes == "2");
}

TEST_CASE("inline content has at most 4 KiB") {
  TestMachine machine;
  CHECK(machine.put("/empty", "").ok());
  CHECK(machine.put("/most", std::string(kInlineBytesMax, '\0')).ok());
  CHECK(machine.put("/more", std::string(kInlineBytesMax + 1, 'x')).code() == Code::malformed);
  CHECK(machine.open("/most")->content.bytes.size() == kInlineBytesMax);
}

TEST_CASE("a file of blocks keeps its layout and marks its groups used") {
  Cluster cluster;
  CommitFile commit = cluster.commit("/f", 4);
  commit.layout.overrides = {{2, 2}};
  REQUIRE(cluster.ask(commit).ok());
  const auto opened = cluster.open("/f");
  REQUIRE(opened.ok());
  CHECK(same(opened->layout, commit.layout));
  CHECK(opened->info.object == cluster.first_object);
  CHECK(opened->info.block_bytes == kBlock);
  CHECK(opened->info.crc32c == 77);
  REQUIRE(opened->routes.size() == 3);
  CHECK(opened->routes[2].group == 2);
  CHECK(opened->routes[2].members.size() == 2);
  CHECK(opened->routes[2].members[0].endpoint == "tcp://host:1");
  for (const GroupId id : {0, 1, 2}) CHECK(cluster.group(id).used);
  CHECK(!cluster.group(3).used);

  // Inline content takes the layout's place.
  REQUIRE(cluster.put("/f", "small").ok());
  CHECK(cluster.open("/f")->info.object == 0);
  CHECK(cluster.open("/f")->info.block_bytes == 0);
}

TEST_CASE("an object must have been handed out, live, and be used once") {
  Cluster cluster;
  CHECK(cluster.ask(cluster.commit("/f", 1, cluster.first_object + 100)).code() == Code::invalid);
  REQUIRE(cluster.ask(cluster.commit("/f", 1)).ok());
  CHECK(cluster.ask(cluster.commit("/f", 1)).code() == Code::invalid);
  CHECK(cluster.ask(cluster.commit("/g", 1)).code() == Code::invalid);
  // Even after the file that had it is gone.
  CHECK(cluster.remove("/f") == Code::ok);
  CHECK(cluster.ask(cluster.commit("/f", 1)).code() == Code::invalid);

  const ObjectId dead = cluster.first_object + 1;
  ObjectRow row;
  row.state = ObjectState::dead;
  Batch batch;
  batch.put(keys::object(dead), encode_row(row));
  REQUIRE(cluster.table->write(batch, Durability::later).ok());
  CHECK(cluster.ask(cluster.commit("/f", 1, dead)).code() == Code::expired);
  CHECK(cluster.stat("/f").code() == Code::not_found);
}

TEST_CASE("object ranges never overlap") {
  Cluster cluster;
  const auto a = cluster.tell<ObjectRange>(ReserveObjects{4096});
  const auto b = cluster.tell<ObjectRange>(ReserveObjects{4096});
  CHECK(a->first == cluster.first_object + 100);
  CHECK(b->first == a->first + 4096);
  CHECK(b->count == 4096);
  CHECK((a->first >> kShardShift) == kShard);
}

TEST_CASE("a layout must make sense") {
  Cluster cluster;
  const auto code_of = [&](const std::function<void(CommitFile&)>& spoil) {
    CommitFile commit = cluster.commit("/f", 4);
    spoil(commit);
    return cluster.ask(commit).code();
  };
  CHECK(code_of([](CommitFile& c) { c.layout.groups = {0, 8}; }) == Code::invalid);
  CHECK(code_of([](CommitFile& c) { c.layout.groups = {0, 1, 2, 3, 4, 5, 6, 99}; }) ==
        Code::invalid);
  CHECK(code_of([](CommitFile& c) { c.layout.overrides = {{1, 2}, {1, 0}}; }) == Code::malformed);
  CHECK(code_of([](CommitFile& c) { c.layout.overrides = {{4, 2}}; }) == Code::invalid);
  CHECK(code_of([](CommitFile& c) { c.layout.overrides = {{3, 9}}; }) == Code::invalid);
  CHECK(code_of([](CommitFile& c) { c.writes.clear(); }) == Code::invalid);
  CHECK(code_of([](CommitFile& c) { c.writes.pop_back(); }) == Code::ok);
}

TEST_CASE("only groups that hold a block need to have been written") {
  Cluster cluster;
  CommitFile commit = cluster.commit("/f", 3);
  commit.layout.groups = {0, 3, 1, 5, 6, 7};
  commit.layout.overrides = {{1, 2}};
  CHECK(cluster.ask(commit).ok());
  CHECK(!cluster.group(3).used);
  CHECK(!cluster.group(5).used);
  CommitFile empty = cluster.commit("/empty", 0, cluster.first_object + 1);
  empty.writes.clear();
  CHECK(cluster.ask(empty).ok());
}

TEST_CASE("blocks of a group that shrank or was replaced must be written again") {
  Cluster cluster;
  const CommitFile commit = cluster.commit("/f", 2);
  cluster.set_all({1, 3});
  const auto refused = cluster.ask(commit);
  CHECK(refused.code() == Code::stale_map);
  CHECK(refused.error().cause.at("group") == "0");
  CHECK(refused.error().cause.at("epoch") == std::to_string(cluster.group(0).epoch));
  CHECK(cluster.changes == 0);
  CHECK(!cluster.group(1).used);
}

TEST_CASE("blocks of a group that only grew are good") {
  Cluster cluster(3, 2);
  const CommitFile commit = cluster.commit("/f", 2);
  cluster.set_all({1, 2, 3});
  CHECK(cluster.ask(commit).ok());
}

TEST_CASE("fewer acknowledging members than min_copies are too few") {
  Cluster cluster(2, 2);
  const auto code_with = [&](std::vector<NodeId> nodes) {
    CommitFile commit = cluster.commit("/f", 2);
    commit.writes[1].nodes = std::move(nodes);
    return cluster.ask(commit).code();
  };
  CHECK(code_with({}) == Code::stale_map);
  CHECK(code_with({1}) == Code::stale_map);
  CHECK(code_with({1, 1}) == Code::stale_map);
  CHECK(code_with({1, 3}) == Code::stale_map);
  CHECK(code_with({2, 1}) == Code::ok);
}

TEST_CASE("who wrote to a group is told once, and changes no group but those with blocks") {
  Cluster cluster;
  CommitFile commit = cluster.commit("/f", 2);
  commit.writes.push_back({1, cluster.group(1).epoch, {1}});
  CHECK(cluster.ask(commit).code() == Code::invalid);
  CHECK(cluster.changes == 0);

  // Group 2 has no block of it, 99 does not exist, and node 3 holds none of them.
  const Epoch epoch = cluster.group(2).epoch;
  commit.writes = {{0, cluster.group(0).epoch, {1, 2, 3, 99, 3}},
                   {1, cluster.group(1).epoch, {2, 3, 2}},
                   {2, epoch, {3}},
                   {99, 1, {1}}};
  REQUIRE(cluster.ask(commit).ok());
  CHECK(cluster.lacking(0).empty());
  CHECK(cluster.lacking(1) == std::vector<NodeId>{1});
  CHECK(cluster.lacking(2).empty());
  CHECK_FALSE(cluster.group(2).used);
  CHECK(cluster.group(2).epoch == epoch);
  for (const GroupId id : {0, 1, 2}) CHECK(cluster.group(id).members == std::vector<NodeId>{1, 2});
}

TEST_CASE("an epoch that nobody could know is stale too") {
  Cluster cluster;
  CommitFile commit = cluster.commit("/f", 1);
  commit.writes[0].epoch += 1;
  CHECK(cluster.ask(commit).code() == Code::stale_map);
}

TEST_CASE("4096 overrides are taken, one more is malformed") {
  Cluster cluster;
  CommitFile commit = cluster.commit("/f", 8192);
  for (uint32_t i = 0; i < kOverridesMax; ++i) commit.layout.overrides.push_back({2 * i, 2});
  REQUIRE(cluster.ask(commit).ok());
  CHECK(cluster.open("/f")->layout.overrides.size() == kOverridesMax);
  CHECK(cluster.open("/f")->layout.group_of(8) == 2);
  CommitFile more = cluster.commit("/g", 9000, cluster.first_object + 1);
  more.layout.overrides = commit.layout.overrides;
  more.layout.overrides.push_back({8999, 2});
  CHECK(cluster.ask(more).code() == Code::malformed);
}

TEST_SUITE_END();
