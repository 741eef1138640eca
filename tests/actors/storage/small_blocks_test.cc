// Small blocks, which share jobs, writes and syncs: what happens to one must cost no other.
#include <doctest/doctest.h>

#include "tests/actors/storage/store_fixture.h"

namespace dfs::storage {

namespace {

using Operation = sim::SimDisk::Operation;

// Blocks {7, 0, 1}, {7, 1, 1} … and what was answered to each.
class Crowd {
 public:
  explicit Crowd(StoreFixture& fixture) : f_(fixture) {}

  BlockStore::WriteId give(const std::string& bytes, uint64_t capacity = 0) {
    const auto i = static_cast<uint32_t>(bytes_.size());
    bytes_.push_back(bytes);
    outcomes_.emplace_back();
    return f_.give(
        key(i), bytes, [this, i](Result<Written> written) { outcomes_[i] = std::move(written); },
        capacity);
  }
  // The same with a checksum that is not the content's.
  void give_damaged(const std::string& bytes) {
    const auto i = static_cast<uint32_t>(bytes_.size());
    bytes_.push_back(bytes);
    outcomes_.emplace_back();
    Part part = f_.part(bytes, 0);
    part.crc32c ^= 1;
    f_.store->write(f_.store->begin({key(i), 1, bytes.size(), ""}), std::move(part),
                    [this, i](Result<Written> written) { outcomes_[i] = std::move(written); });
  }

  static BlockKey key(uint32_t i) { return {7, i, 1}; }
  bool durable(uint32_t i) const {
    return outcomes_[i] && outcomes_[i]->ok() && (*outcomes_[i])->durable;
  }
  Code refusal(uint32_t i) const { return outcomes_[i] ? outcomes_[i]->code() : Code::timeout; }
  uint32_t count() const {
    uint32_t durable_ones = 0;
    for (uint32_t i = 0; i < outcomes_.size(); ++i) durable_ones += durable(i) ? 1 : 0;
    return durable_ones;
  }
  bool reads_back(uint32_t i) {
    const auto read = f_.get(key(i));
    return read && *read == bytes_[i];
  }
  BlockRow row(uint32_t i) { return **f_.store->find(key(i)); }

 private:
  StoreFixture& f_;
  std::vector<std::string> bytes_;
  std::vector<std::optional<Result<Written>>> outcomes_;
};

void run_jobs(StoreFixture& f) {
  while (!f.bus->jobs.empty()) {
    f.bus->run_job();
    f.bus->advance();
  }
  f.bus->run_mode = FakeBus::RunMode::immediate;
}

}  // namespace

TEST_SUITE("storage") {
  TEST_CASE("small blocks of one moment lie side by side and share a write and a sync") {
    StoreFixture f;
    REQUIRE(f.start());
    REQUIRE(f.put({1, 0, 1}, "the segment is there"));
    std::vector<Operation> done;
    f.disk.fault = [&](Operation operation, const std::string&) -> Result<void> {
      if (operation == Operation::write || operation == Operation::sync) done.push_back(operation);
      return {};
    };
    f.bus->run_mode = FakeBus::RunMode::queued;
    Crowd crowd(f);
    constexpr uint32_t kBlocks = 33;
    for (uint32_t i = 0; i < kBlocks; ++i) crowd.give(content(i, 16'000));
    // The first goes at once, the others together when it is done.
    REQUIRE(f.bus->jobs.size() == 1);
    f.bus->jobs.front().work();
    CHECK(crowd.count() == 0);
    CHECK(done == std::vector{Operation::write, Operation::sync});
    f.bus->jobs.front().done();
    f.bus->jobs.pop_front();
    CHECK(crowd.count() == 1);
    REQUIRE(f.bus->jobs.size() == 1);
    f.bus->run_job();
    CHECK(crowd.count() == kBlocks);
    CHECK(done ==
          std::vector{Operation::write, Operation::sync, Operation::write, Operation::sync});
    CHECK(f.bus->jobs.empty());
    f.bus->run_mode = FakeBus::RunMode::immediate;
    uint64_t end = crowd.row(0).offset;
    for (uint32_t i = 0; i < kBlocks; ++i) {
      CHECK(crowd.row(i).offset == end);
      end += crowd.row(i).bytes();
      CHECK(crowd.reads_back(i));
    }
  }

  TEST_CASE("small blocks with room behind them are written each to its own place") {
    StoreFixture f;
    REQUIRE(f.start());
    f.bus->run_mode = FakeBus::RunMode::queued;
    Crowd crowd(f);
    for (uint32_t i = 0; i < 10; ++i) crowd.give(content(i, 5000 * i), 50'000);
    run_jobs(f);
    f.settle();
    CHECK(crowd.count() == 10);
    for (uint32_t i = 0; i < 10; ++i) CHECK(crowd.reads_back(i));
    f.disk.restart();
    f.table = MemTable();
    REQUIRE(f.start());
    for (uint32_t i = 0; i < 10; ++i) CHECK(crowd.reads_back(i));
  }

  TEST_CASE("more small blocks than fit into one write take several, and still one sync") {
    StoreFixture f;
    REQUIRE(f.start());
    REQUIRE(f.put({1, 0, 1}, "the segment is there"));
    uint64_t writes = 0;
    f.disk.fault = [&](Operation operation, const std::string&) -> Result<void> {
      writes += operation == Operation::write ? 1 : 0;
      return {};
    };
    f.bus->run_mode = FakeBus::RunMode::queued;
    const uint64_t syncs = f.disk.syncs();
    Crowd crowd(f);
    for (uint32_t i = 0; i < 25; ++i) crowd.give(content(i, 100'000));
    run_jobs(f);
    CHECK(crowd.count() == 25);
    CHECK(writes == 4);  // the first, then 24 in runs of 10
    CHECK(f.disk.syncs() - syncs == 2);
    for (uint32_t i = 0; i < 25; ++i) CHECK(crowd.reads_back(i));
  }

  TEST_CASE("a small block that does not match its checksum costs none of its neighbours") {
    StoreFixture f;
    REQUIRE(f.start());
    REQUIRE(f.put({1, 0, 1}, "the segment is there"));
    f.bus->run_mode = FakeBus::RunMode::queued;
    Crowd crowd(f);
    crowd.give("goes first");
    crowd.give(content(1, 9000));
    crowd.give_damaged(content(2, 9000));
    crowd.give(content(3, 9000));
    run_jobs(f);
    CHECK(crowd.refusal(2) == Code::corrupt);
    for (const uint32_t i : {0u, 1u, 3u}) {
      CHECK(crowd.durable(i));
      CHECK(crowd.reads_back(i));
    }
    CHECK(f.get(Crowd::key(2)).code() == Code::no_such_block);
    CHECK(f.events.empty());
  }

  TEST_CASE("a sync that fails costs just the blocks of its segment") {
    StoreFixture f({.directory = "/data", .segment_bytes = 256 << 10});
    REQUIRE(f.start());
    f.bus->run_mode = FakeBus::RunMode::queued;
    Crowd crowd(f);
    for (uint32_t i = 0; i < 16; ++i) crowd.give(content(i, 50'000));
    uint32_t writes = 0;  // to the second segment; the first is its header
    f.disk.fault = [&](Operation operation, const std::string& path) -> Result<void> {
      if (path != f.segment(2)) return {};
      writes += operation == Operation::write ? 1 : 0;
      if (operation != Operation::sync || writes < 2) return {};
      return {Code::io_error, "the medium is broken"};
    };
    run_jobs(f);
    f.settle();
    f.disk.fault = nullptr;
    uint32_t failed = 0;
    for (uint32_t i = 0; i < 16; ++i) {
      CAPTURE(i);
      if (crowd.durable(i)) {
        CHECK(crowd.row(i).segment != 2);
        CHECK(crowd.reads_back(i));
      } else {
        ++failed;
        CHECK(crowd.refusal(i) == Code::io_error);
        CHECK(f.get(Crowd::key(i)).code() == Code::no_such_block);
      }
    }
    CHECK(failed > 0);
    CHECK(failed < 16);
    CHECK((f.events == std::vector<std::string>{"segment-fenced"}));
    REQUIRE(f.put({8, 0, 1}, "life goes on"));
  }

  TEST_CASE("a write that fails is not synced over, and nothing of it is answered durable") {
    StoreFixture f;
    REQUIRE(f.start());
    REQUIRE(f.put({1, 0, 1}, "the segment is there"));
    f.bus->run_mode = FakeBus::RunMode::queued;
    Crowd crowd(f);
    crowd.give("goes first");
    f.bus->run_job();
    REQUIRE(crowd.durable(0));
    bool synced = false;
    f.disk.fault = [&](Operation operation, const std::string&) -> Result<void> {
      synced = synced || operation == Operation::sync;
      if (operation != Operation::write) return {};
      return {Code::io_error, "the medium is broken"};
    };
    for (uint32_t i = 1; i < 4; ++i) crowd.give(content(i, 9000));
    f.bus->run_job();
    CHECK_FALSE(synced);
    CHECK(crowd.refusal(1) == Code::io_error);
    f.disk.fault = nullptr;
    run_jobs(f);
    f.settle();
    // Those that waited had their places in the same segment, which takes no more.
    for (uint32_t i = 1; i < 4; ++i) CHECK(crowd.refusal(i) == Code::io_error);
    CHECK((f.events == std::vector<std::string>{"segment-fenced"}));
  }

  TEST_CASE("a small block given up while it waits is never written, one given up later is freed") {
    StoreFixture f;
    REQUIRE(f.start());
    REQUIRE(f.put({1, 0, 1}, "the segment is there"));
    const uint64_t used = f.store->stats().used_bytes;
    uint64_t writes = 0;
    f.disk.fault = [&](Operation operation, const std::string&) -> Result<void> {
      writes += operation == Operation::write ? 1 : 0;
      return {};
    };
    f.bus->run_mode = FakeBus::RunMode::queued;
    Crowd crowd(f);
    const auto writing = crowd.give(content(0, 9000));
    const auto waiting = crowd.give(content(1, 9000));
    f.store->abandon(waiting);
    f.bus->jobs.front().work();
    f.store->abandon(writing);
    f.bus->jobs.front().done();
    f.bus->jobs.pop_front();
    run_jobs(f);
    f.settle();
    CHECK(writes == 1);
    CHECK(crowd.refusal(0) == Code::timeout);  // nobody waits for an answer any more
    CHECK(crowd.refusal(1) == Code::timeout);
    CHECK(f.store->stats().used_bytes == used);
    f.disk.restart();
    REQUIRE(f.start());
    CHECK(f.get(Crowd::key(0)).code() == Code::no_such_block);
    CHECK(f.get(Crowd::key(1)).code() == Code::no_such_block);
  }

  TEST_CASE(
      "two small blocks of one key in a batch leave the first, and an equal second is right") {
    StoreFixture f;
    REQUIRE(f.start());
    f.bus->run_mode = FakeBus::RunMode::queued;
    std::vector<Code> codes(4, Code::timeout);
    const BlockKey other{9, 9, 1};
    const BlockKey same{7, 0, 1};
    const auto give = [&](size_t i, const BlockKey& key, const std::string& bytes) {
      f.give(key, bytes, [&codes, i](Result<Written> written) { codes[i] = written.code(); });
    };
    give(0, other, "goes first");
    give(1, same, "the block");
    give(2, same, "the block");
    give(3, same, "something else");
    run_jobs(f);
    f.settle();
    CHECK((codes == std::vector{Code::ok, Code::ok, Code::ok, Code::invalid}));
    CHECK(*f.get({7, 0, 1}) == "the block");
    CHECK(f.store->stats().blocks == 2);
  }
}

}  // namespace dfs::storage
