// The life and death of objects: operations on the table, without an actor around them.
#include <algorithm>

#include "actors/leases.h"
#include "tests/actors/monitor/machine.h"

using namespace dfs;

namespace {

struct Cluster : TestMachine {
  Cluster() {
    join('1', "tcp://host:1");
    SetGroups command;
    for (GroupId group = 0; group < 8; ++group) command.groups.push_back({group, {1}});
    REQUIRE(tell(command).ok());
    next = tell<ObjectRange>(ReserveObjects{100})->first;
  }

  Result<CommitFileReply> commit(const std::string& path, ObjectId object,
                                 uint64_t size = kBlockBytesMin) {
    CommitFile request;
    request.path = path;
    request.size = size;
    request.layout.object = object;
    request.layout.block_bytes = kBlockBytesMin;
    request.layout.groups = {0};
    request.writes.push_back({0, group(0).epoch, {1}});
    return ask(request);
  }

  size_t count_rows(char kind) {
    size_t count = 0;
    const std::string prefix(1, kind);
    REQUIRE(table
                ->scan(prefix, after_prefix(prefix),
                       [&](auto, auto) {
                         ++count;
                         return true;
                       })
                .ok());
    return count;
  }
  std::optional<ObjectRow> object(ObjectId id) {
    Rows rows(*table);
    return *rows.get<ObjectRow>(keys::object(id));
  }
  bool dead(ObjectId id) { return object(id) && object(id)->state == ObjectState::dead; }
  ContentRow content() {
    Rows rows(*table);
    return rows.get<ContentRow>(keys::content())->value_or(ContentRow());
  }
  Pruned expire(int64_t before_ms, uint32_t limit = 256) {
    return *tell<Pruned>(ExpireHistory{before_ms, limit});
  }
  Pruned forget(int64_t before_ms, ObjectId below, uint32_t limit = 256) {
    return *tell<Pruned>(ForgetObjects{before_ms, limit, below});
  }

  ObjectId next = 0;
};

}  // namespace

TEST_SUITE_BEGIN("monitor");

TEST_CASE("history is forgotten from the oldest on, as much as is asked, with its index") {
  Cluster machine;
  REQUIRE(machine.put("/f", "one").ok());
  REQUIRE(machine.put("/f", "two").ok());
  const int64_t second_ms = machine.time_ms;
  REQUIRE(machine.put("/f", "three").ok());
  const size_t before = machine.count_rows(keys::kHistory);
  REQUIRE(before == 3);
  CHECK(machine.count_rows(keys::kHistoryByTime) == before);

  CHECK(machine.expire(second_ms).rows == before - 2);  // the root's version before "/f" was made
  CHECK(machine.count_rows(keys::kHistory) == 2);
  CHECK(machine.count_rows(keys::kHistoryByTime) == 2);
  const Pruned one = machine.expire(INT64_MAX, 1);
  CHECK(one.rows == 1);
  CHECK(one.more);
  const Pruned rest = machine.expire(INT64_MAX);
  CHECK(rest.rows == 1);
  CHECK(!rest.more);
  CHECK(machine.count_rows(keys::kHistory) == 0);
  CHECK(machine.count_rows(keys::kHistoryByTime) == 0);
  CHECK(machine.expire(INT64_MAX).rows == 0);
  CHECK(machine.open("/f")->content.bytes == "three");
}

TEST_CASE("a time before all times forgets nothing") {
  Cluster machine;
  REQUIRE(machine.put("/f", "one").ok());
  REQUIRE(machine.put("/f", "two").ok());
  CHECK(machine.expire(-1).rows == 0);
  CHECK(machine.expire(INT64_MIN).rows == 0);
  CHECK(machine.expire(0).rows == 0);
}

TEST_CASE("an object dies when the last version that names it is forgotten, and not before") {
  Cluster machine;
  const ObjectId first = machine.next;
  const ObjectId second = machine.next + 1;
  REQUIRE(machine.commit("/f", first).ok());
  REQUIRE(machine.commit("/f", second, 10).ok());
  const int64_t replaced_ms = machine.time_ms;
  CHECK(machine.content().live == 2);
  CHECK(machine.content().live_bytes == kBlockBytesMin + 10);
  machine.expire(replaced_ms);
  CHECK(!machine.dead(first));
  machine.expire(replaced_ms + 1);
  CHECK(machine.dead(first));
  CHECK(machine.object(first)->died_ms == machine.time_ms);
  CHECK(!machine.dead(second));
  CHECK(machine.content().live == 1);
  CHECK(machine.content().live_bytes == 10);
  CHECK(machine.content().dead == 1);
  CHECK(machine.content().dead_bytes == kBlockBytesMin);

  CHECK(machine.remove("/f") == Code::ok);
  CHECK(!machine.dead(second));
  machine.expire(INT64_MAX);
  CHECK(machine.dead(second));
  CHECK(machine.content().live == 0);
  CHECK(machine.content().live_bytes == 0);
  CHECK(machine.count_rows(keys::kDead) == 2);
}

TEST_CASE("an object lives while one of several versions that name it is there") {
  Cluster machine;
  const ObjectId object = machine.next;
  REQUIRE(machine.commit("/f", object).ok());
  const Ino ino = machine.stat("/f")->ino;
  // Versions of the same content, as a change of attributes would make them.
  for (int change = 0; change < 2; ++change) {
    Command command;
    command.index = ++machine.index;
    command.time_ms = machine.time_ms += 1000;
    VersionedRows rows(*machine.table, command);
    InodeRow inode = *rows.require<InodeRow>(keys::inode(ino));
    inode.mode += 1;
    rows.put(keys::inode(ino), inode);
    Batch batch;
    rows.commit(batch);
    REQUIRE(machine.table->write(batch).ok());
  }
  machine.expire(INT64_MAX);
  CHECK(!machine.dead(object));  // the file of now names it
  CHECK(machine.remove("/f") == Code::ok);
  machine.expire(INT64_MAX);
  CHECK(machine.dead(object));

  const ObjectId other = machine.next + 1;
  REQUIRE(machine.commit("/g", other).ok());
  const Ino second = machine.stat("/g")->ino;
  Command command;
  command.index = ++machine.index;
  command.time_ms = machine.time_ms += 1000;
  const int64_t changed_ms = command.time_ms;
  VersionedRows rows(*machine.table, command);
  InodeRow inode = *rows.require<InodeRow>(keys::inode(second));
  inode.mode += 1;
  rows.put(keys::inode(second), inode);
  Batch batch;
  rows.commit(batch);
  REQUIRE(machine.table->write(batch).ok());
  CHECK(machine.remove("/g") == Code::ok);
  machine.expire(changed_ms + 1);
  CHECK(!machine.dead(other));  // the version that was removed names it
  machine.expire(INT64_MAX);
  CHECK(machine.dead(other));
}

TEST_CASE("objects below a removed directory die with its history, as do renamed files") {
  Cluster machine;
  REQUIRE(machine.make_dir("/d").ok());
  REQUIRE(machine.commit("/d/f", machine.next).ok());
  REQUIRE(machine.commit("/g", machine.next + 1).ok());
  CHECK(machine.rename("/g", "/h") == Code::ok);
  machine.expire(INT64_MAX);
  CHECK(!machine.dead(machine.next + 1));
  CHECK(machine.remove("/d", true) == Code::ok);
  machine.expire(INT64_MAX);
  CHECK(!machine.dead(machine.next));  // not pruned yet
  machine.prune();
  machine.expire(INT64_MAX);
  CHECK(machine.dead(machine.next));
  CHECK(!machine.dead(machine.next + 1));
}

TEST_CASE("rows that are pruned long after their directory was removed are forgotten too") {
  Cluster machine;
  REQUIRE(machine.make_dir("/d").ok());
  REQUIRE(machine.commit("/d/f", machine.next).ok());
  CHECK(machine.remove("/d", true) == Code::ok);
  REQUIRE(machine.put("/other", "x").ok());
  REQUIRE(machine.put("/other", "y").ok());
  machine.expire(INT64_MAX);  // all that is history so far, which is younger than the removal
  machine.prune();
  CHECK(machine.count_rows(keys::kHistory) > 0);
  machine.expire(INT64_MAX);
  CHECK(machine.count_rows(keys::kHistory) == 0);
  CHECK(machine.dead(machine.next));
}

TEST_CASE("a dead object that may not be forgotten yet hides none of the same or a later time") {
  Cluster machine;
  REQUIRE(machine.tell(DeclareDead{{machine.next + 9, machine.next}}).ok());
  REQUIRE(machine.tell(DeclareDead{{machine.next + 1, machine.next + 8}}).ok());
  CHECK(machine.forget(INT64_MAX, machine.next + 5).rows == 2);
  CHECK(machine.dead(machine.next + 9));
  CHECK(machine.dead(machine.next + 8));
  CHECK(machine.forget(INT64_MAX, machine.next + 9).rows == 1);
  CHECK(machine.forget(INT64_MAX, machine.next + 10).rows == 1);
  CHECK(machine.count_rows(keys::kDead) == 0);
  CHECK(machine.content().dead == 0);
}

TEST_CASE("an upload that was declared dead cannot be committed; one committed is left alone") {
  Cluster machine;
  REQUIRE(machine.commit("/content", machine.next).ok());
  REQUIRE(machine
              .tell(DeclareDead{
                  {0, machine.next, machine.next + 1, machine.next + 1, machine.next + 1'000'000}})
              .ok());
  CHECK(!machine.dead(machine.next));
  CHECK(machine.dead(machine.next + 1));
  CHECK(!machine.object(machine.next + 1'000'000));
  CHECK(machine.content().dead == 1);
  CHECK(machine.content().live == 1);
  const int64_t died_ms = machine.object(machine.next + 1)->died_ms;
  REQUIRE(machine.tell(DeclareDead{{machine.next + 1}}).ok());
  CHECK(machine.object(machine.next + 1)->died_ms == died_ms);
  CHECK(machine.commit("/late", machine.next + 1).code() == Code::expired);
  CHECK(machine.stat("/late").code() == Code::not_found);
}

TEST_CASE("a dead object is never content again, also when its row is forgotten") {
  Cluster machine;
  REQUIRE(machine.commit("/f", machine.next + 1).ok());
  REQUIRE(machine.tell(DeclareDead{{machine.next}}).ok());
  CHECK(machine.forget(INT64_MAX, machine.next).rows == 0);  // not settled
  CHECK(machine.dead(machine.next));
  CHECK(machine.forget(machine.object(machine.next)->died_ms, machine.next + 2).rows == 0);
  CHECK(machine.dead(machine.next));
  CHECK(machine.forget(INT64_MAX, machine.next + 2).rows == 1);
  CHECK(!machine.object(machine.next));
  CHECK(machine.count_rows(keys::kDead) == 0);
  CHECK(machine.content().dead == 0);
  CHECK(machine.content().live == 1);

  CHECK(machine.commit("/late", machine.next).code() == Code::expired);
  CHECK(machine.open("/f").ok());
  CHECK(machine.commit("/f", machine.next + 2).ok());  // above what is settled
}

TEST_CASE("what is settled stays so, and no more than what was handed out is") {
  Cluster machine;
  CHECK(machine.forget(0, UINT64_MAX).rows == 0);
  const ObjectId settled = machine.content().settled;
  CHECK(settled == machine.next + 100);
  machine.forget(0, 1);
  CHECK(machine.content().settled == settled);
  const ObjectId later = machine.tell<ObjectRange>(ReserveObjects{10})->first;
  CHECK(later >= settled);
  CHECK(machine.commit("/f", machine.next).code() == Code::expired);
  CHECK(machine.commit("/f", later).ok());
  REQUIRE(machine.tell(DeclareDead{{machine.next}}).ok());  // dead already: needs no row
  CHECK(machine.content().dead == 0);
}

TEST_CASE("dead objects are forgotten in batches, the oldest first") {
  Cluster machine;
  for (ObjectId id = machine.next; id < machine.next + 5; ++id) {
    REQUIRE(machine.tell(DeclareDead{{id}}).ok());
  }
  const Pruned some = machine.forget(INT64_MAX, machine.next + 5, 3);
  CHECK(some.rows == 3);
  CHECK(some.more);
  CHECK(!machine.object(machine.next + 2));
  CHECK(machine.dead(machine.next + 3));
  const Pruned rest = machine.forget(INT64_MAX, machine.next + 5, 3);
  CHECK(rest.rows == 2);
  CHECK(!rest.more);
}

TEST_CASE("a lease ends a whole lease time after its last renewal, wherever in a tick it was") {
  Leases<ObjectId> leases;
  for (uint32_t tick = 0; tick <= kLeaseTicks; ++tick) {
    CHECK(!leases.complete());
    leases.tick();
  }
  CHECK(leases.complete());
  REQUIRE(leases.renew(7));
  REQUIRE(leases.renew(9));
  for (uint32_t tick = 0; tick < kLeaseTicks; ++tick) leases.tick();
  CHECK(leases.holds(7));
  CHECK(leases.first() == 7);
  REQUIRE(leases.renew(9));
  leases.tick();
  CHECK(!leases.holds(7));
  CHECK(leases.first() == 9);
  leases.end(9);
  CHECK(leases.first() == std::nullopt);
}

TEST_CASE("the number of leases is bounded, renewals are not refused") {
  Leases<ObjectId> leases;
  for (ObjectId id = 1; id <= kLeasesMax; ++id) REQUIRE(leases.renew(id));
  CHECK(!leases.renew(kLeasesMax + 1));
  CHECK(leases.renew(1));
  leases.end(2);
  CHECK(leases.renew(kLeasesMax + 1));
}

TEST_SUITE_END();
