// What the engine promises when the machine may die at any moment: a block that was acknowledged
// reads back right, a removed one stays away, and one that was never acknowledged is either absent
// or exactly what its writer gave.
#include <doctest/doctest.h>

#include <random>

#include "tests/actors/storage/store_fixture.h"

namespace dfs::storage {

namespace {

class Torture {
 public:
  explicit Torture(uint64_t seed)
      : random_(seed), f_({.directory = "/data", .segment_bytes = 3 << 20}) {}

  void start() {
    const auto report = f_.start();
    REQUIRE_MESSAGE(report, (report ? "" : report.error().describe()));
    f_.bus->run_mode = FakeBus::RunMode::queued;
  }

  // Some writes and removals at once, their jobs in random order.
  void work(int actions) {
    for (int i = 0; i < actions; ++i) {
      if (random_() % 5 == 0) {
        remove_one();
      } else {
        put_one();
      }
      pump(random_() % 6);
    }
  }
  void finish() { pump(UINT64_MAX); }

  void halt_after(uint64_t changes) { f_.disk.halt_after(changes); }
  void crash() {
    f_.crash([this] { return random_(); });
    for (auto& [key, block] : blocks_) {
      if (block.state == State::writing) block.state = State::unknown;
      if (block.state == State::removing) block.state = State::perhaps_removed;
    }
  }

  void check() {
    for (const auto& [key, block] : blocks_) {
      CAPTURE(to_string(key));
      const auto read = read_back(key);
      switch (block.state) {
        case State::acknowledged:
          REQUIRE_MESSAGE(read, (read ? "" : read.error().describe()));
          CHECK(*read == block.bytes);
          break;
        case State::removed:
          CHECK(read.code() == Code::no_such_block);
          break;
        default:
          if (read) {
            CHECK(*read == block.bytes);
          } else {
            CHECK(read.code() == Code::no_such_block);
          }
      }
    }
  }

  uint64_t changes() const { return f_.disk.changes(); }
  uint64_t acknowledged() const { return acknowledged_; }
  StoreFixture& fixture() { return f_; }

 private:
  enum class State { writing, acknowledged, removing, removed, unknown, perhaps_removed };
  struct Block {
    std::string bytes;
    State state = State::writing;
  };

  Result<std::string> read_back(const BlockKey& key) {
    f_.bus->run_mode = FakeBus::RunMode::immediate;
    auto read = f_.get(key);
    f_.bus->run_mode = FakeBus::RunMode::queued;
    return read;
  }

  void put_one() {
    constexpr size_t kSizes[] = {1, 3000, 4096, 70'000, kPartBytes, kPartBytes + 5000};
    const BlockKey key{1 + random_() % 3, next_index_++, 1};
    Block& block = blocks_[key];
    block.bytes = content(random_(), kSizes[random_() % std::size(kSizes)]);
    const uint64_t slack = random_() % 3 == 0 ? 100'000 : 0;
    const auto id = f_.give(
        key, block.bytes,
        [this, key](Result<Written> written) {
          Block& mine = blocks_.at(key);
          mine.state = written ? State::acknowledged : State::unknown;
          acknowledged_ += written.ok();
        },
        block.bytes.size() + slack);
    if (random_() % 10 == 0) {
      f_.store->abandon(id);
      if (block.state == State::writing) block.state = State::unknown;
    }
  }

  void remove_one() {
    for (auto& [key, block] : blocks_) {
      if (block.state != State::acknowledged || random_() % 3 != 0) continue;
      block.state = State::removing;
      f_.store->remove({key}, ProofForTests::make(), [this, key = key](Result<void> removed) {
        blocks_.at(key).state = removed ? State::removed : State::perhaps_removed;
      });
      return;
    }
  }

  void pump(uint64_t jobs) {
    for (uint64_t i = 0; i < jobs; ++i) {
      f_.bus->advance(std::chrono::milliseconds(1));
      auto& queue = f_.bus->jobs;
      if (queue.empty()) return;
      std::swap(queue.front(), queue[random_() % queue.size()]);
      f_.bus->run_job();
    }
  }

  std::mt19937_64 random_;
  StoreFixture f_;
  std::map<BlockKey, Block> blocks_;
  uint32_t next_index_ = 0;
  uint64_t acknowledged_ = 0;
};

}  // namespace

TEST_SUITE("storage") {
  TEST_CASE("no power loss at any change of the disk loses what was acknowledged") {
    uint64_t steps = 0;
    {
      Torture whole(1);
      whole.start();
      whole.work(12);
      whole.finish();
      steps = whole.changes();
      CHECK(whole.acknowledged() >= 5);
    }
    for (uint64_t step = 0; step <= steps; ++step) {
      CAPTURE(step);
      Torture torture(1);
      torture.start();
      torture.halt_after(step);
      torture.work(12);
      torture.finish();
      torture.crash();
      torture.start();
      torture.check();
    }
  }

  TEST_CASE("power losses again and again, during recovery too, lose nothing acknowledged") {
    uint64_t acknowledged = 0;
    for (uint64_t seed = 1; seed <= 60; ++seed) {
      CAPTURE(seed);
      std::mt19937_64 random(seed);
      Torture torture(seed * 1000);
      torture.start();
      for (int round = 0; round < 5; ++round) {
        torture.halt_after(random() % 60);
        torture.work(10);
        if (random() % 2 == 0) torture.finish();
        torture.crash();
        if (random() % 2 == 0) {
          torture.halt_after(random() % 12);
          (void)torture.fixture().start();  // may fail: the power goes while it recovers
          torture.crash();
        }
        torture.start();
        torture.check();
      }
      acknowledged += torture.acknowledged();
    }
    CHECK(acknowledged > 500);
  }

  TEST_CASE("a process killed and started again has all it acknowledged") {
    for (uint64_t seed = 1; seed <= 20; ++seed) {
      CAPTURE(seed);
      Torture torture(seed);
      torture.start();
      for (int round = 0; round < 3; ++round) {
        torture.work(15);
        torture.fixture().store.reset();
        torture.fixture().disk.restart();
        torture.start();
        torture.check();
      }
    }
  }

  TEST_CASE("the index is flushed in time, so that a crash leaves little to scan") {
    for (const bool by_bytes : {true, false}) {
      BlockStoreSettings settings;
      settings.directory = "/data";
      settings.segment_bytes = 16 << 20;
      settings.flush_bytes = by_bytes ? 1 << 20 : 1 << 30;
      StoreFixture f(settings);
      REQUIRE(f.start());
      for (uint32_t i = 0; i < 8; ++i) REQUIRE(f.put({1, i, 1}, content(i, 500'000)));
      CHECK((f.table.unsynced() < 6) == by_bytes);
      f.bus->advance(std::chrono::seconds(6));
      f.settle();
      CHECK(f.table.unsynced() == 0);
    }
  }

  TEST_CASE("a torn header, table or data behind the mark is dropped and its space comes back") {
    const BlockKey key{1, 0, 1};
    const std::string bytes = content(1, 200'000);
    for (const int where : {0, 1, 2}) {
      CAPTURE(where);
      StoreFixture f;
      REQUIRE(f.start());
      REQUIRE(f.put({1, 9, 1}, "the first"));
      REQUIRE(f.put(key, bytes));
      const auto row = *f.store->find(key);
      const uint64_t at = where == 0   ? row->offset + 100
                          : where == 1 ? row->tail_offset()
                                       : row->data_offset() + 130'000;
      f.store.reset();
      f.disk.restart();
      f.disk.flip(f.segment(1), at);
      f.table = MemTable();  // as if the rows had not come to the disk
      const auto report = f.start();
      REQUIRE(report);
      CHECK(report->found == 1);
      CHECK(report->dropped == (where == 0 ? 0 : 1));
      CHECK(f.get(key).code() == Code::no_such_block);
      CHECK(*f.get({1, 9, 1}) == "the first");
      CHECK(f.disk.used_bytes() < 100'000);
      REQUIRE(f.put(key, bytes));
      CHECK(*f.get(key) == bytes);
    }
  }

  TEST_CASE("a removal that was under way is finished by the next start") {
    StoreFixture f;
    REQUIRE(f.start());
    REQUIRE(f.put({1, 0, 1}, content(1, kPartBytes)));
    REQUIRE(f.put({1, 1, 1}, content(2, kPartBytes)));
    f.disk.fault = [](sim::SimDisk::Operation operation, const std::string&) -> Result<void> {
      if (operation != sim::SimDisk::Operation::punch) return {};
      return {Code::io_error, "not now"};
    };
    REQUIRE(f.remove({{1, 0, 1}}));
    CHECK(f.get({1, 0, 1}).code() == Code::no_such_block);
    f.disk.fault = nullptr;
    const uint64_t used = f.disk.used_bytes();
    f.disk.restart();
    const auto report = f.start();
    REQUIRE(report);
    CHECK(report->frees_finished == 1);
    CHECK(report->blocks == 1);
    CHECK(f.disk.used_bytes() + kPartBytes <= used);
    CHECK(*f.get({1, 1, 1}) == content(2, kPartBytes));
  }
}

}  // namespace dfs::storage
