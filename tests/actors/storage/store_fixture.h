// A BlockStore on a simulated disk, with a bus whose time the test moves.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "actors/mem_table.h"
#include "actors/storage/block_store.h"
#include "messages/crc32c.h"
#include "tests/broker/fake_bus.h"
#include "tests/sim/sim_disk.h"

namespace dfs::storage {

// What the guard would have found out.
struct ProofForTests {
  static DeletionProof make() { return DeletionProof("test"); }
};

// Bytes that differ between seeds and between places.
inline std::string content(uint64_t seed, size_t size) {
  std::string bytes(size, '\0');
  uint64_t state = seed * 0x9e3779b97f4a7c15ull + 1;
  for (char& byte : bytes) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    byte = static_cast<char>(state);
  }
  return bytes;
}

struct StoreFixture {
  static constexpr const char* kCluster = "0123456789abcdef0123456789abcdef";

  explicit StoreFixture(BlockStoreSettings s = {.directory = "/data", .segment_bytes = 4 << 20}) {
    settings = std::move(s);
  }

  // A process starts on what the disk and the table hold.
  Result<RecoveryReport> start() {
    store.reset();
    bus = std::make_unique<FakeBus>("storage/1");
    store = std::make_unique<BlockStore>(
        *bus, disk, table, settings,
        [this](std::string topic, std::map<std::string, std::string>) { events.push_back(topic); });
    Result<RecoveryReport> report(Code::timeout, "open() did not answer");
    store->open(kCluster, [&](Result<RecoveryReport> r) { report = std::move(r); });
    settle();
    return report;
  }

  // The machine dies: the disk loses what was not synced, the table some of the last batches.
  template <class Random>
  void crash(Random&& random) {
    store.reset();
    bus.reset();
    disk.crash(random);
    table.crash(table.unsynced() == 0 ? 0 : random() % (table.unsynced() + 1));
  }

  void settle() {
    for (int i = 0; i < 200; ++i) bus->advance();
    bus->advance(std::chrono::milliseconds(5));
    for (int i = 0; i < 200; ++i) bus->advance();
  }

  static Part part(const std::string& bytes, uint64_t offset) {
    const size_t size = std::min<size_t>(kPartBytes, bytes.size() - offset);
    Part part;
    part.offset = offset;
    part.payload = Payload::of(bytes.substr(offset, size));
    part.crc32c = crc32c(part.payload.view());
    part.last = offset + size == bytes.size();
    return part;
  }

  // Gives every part of a block; the last answer goes to `done`.
  BlockStore::WriteId give(const BlockKey& key, const std::string& bytes,
                           std::function<void(Result<Written>)> done, uint64_t capacity = 0) {
    const auto id = store->begin({key, 1, capacity != 0 ? capacity : bytes.size(), "/a/path"});
    auto failed = std::make_shared<bool>(false);
    for (uint64_t offset = 0;; offset += kPartBytes) {
      Part next = part(bytes, offset);
      const bool last = next.last;
      store->write(id, std::move(next), [done, last, failed](Result<Written> written) {
        if (*failed) return;
        if (!written) *failed = true;
        if (!written || last) done(std::move(written));
      });
      if (last) return id;
    }
  }

  Result<Written> put(const BlockKey& key, const std::string& bytes, uint64_t capacity = 0) {
    Result<Written> outcome(Code::timeout, "write() did not answer");
    give(
        key, bytes, [&](Result<Written> written) { outcome = std::move(written); }, capacity);
    settle();
    return outcome;
  }

  Result<std::string> get(const BlockKey& key, uint64_t offset = 0,
                          uint64_t length = kBlockBytesMax) {
    std::string bytes;
    while (true) {
      Result<ReadOutcome> outcome(Code::timeout, "read() did not answer");
      store->read(key, offset, std::min<uint64_t>(length, kPartBytes),
                  [&](Result<ReadOutcome> read) { outcome = std::move(read); });
      settle();
      if (!outcome) return outcome.error();
      if (crc32c(outcome->payload.view()) != outcome->crc32c) {
        return Result<std::string>(Code::malformed, "the reply's checksum is wrong");
      }
      bytes += outcome->payload.view();
      offset += outcome->payload.size();
      length -= outcome->payload.size();
      if (length == 0 || outcome->payload.empty() || offset >= outcome->block_length) return bytes;
    }
  }

  Result<void> remove(std::vector<BlockKey> keys) {
    Result<void> outcome(Code::timeout, "remove() did not answer");
    store->remove(std::move(keys), ProofForTests::make(),
                  [&](Result<void> removed) { outcome = std::move(removed); });
    settle();
    return outcome;
  }

  std::string segment(uint32_t number) { return segment_path("/data", number); }

  BlockStoreSettings settings;
  sim::SimDisk disk;
  MemTable table;
  std::unique_ptr<FakeBus> bus;
  std::unique_ptr<BlockStore> store;
  std::vector<std::string> events;
};

}  // namespace dfs::storage
