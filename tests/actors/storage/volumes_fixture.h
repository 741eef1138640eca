// Volumes over several directories of a simulated disk, with a bus whose time the test moves.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "actors/storage/volumes.h"
#include "tests/actors/storage/store_fixture.h"

namespace dfs::storage {

struct VolumesFixture {
  explicit VolumesFixture(size_t directories = 2) {
    settings.segment_bytes = 4 << 20;
    for (size_t i = 0; i < directories; ++i) tables.push_back(std::make_unique<MemTable>());
  }

  static std::string path(size_t directory) { return "/data" + std::to_string(directory); }

  // A process starts on what the directories and the tables hold.
  Result<RecoveryReport> start() {
    volumes.reset();
    bus = std::make_unique<FakeBus>("storage/1");
    bus->advance(bus_time);
    std::vector<Directory> directories;
    for (size_t i = 0; i < tables.size(); ++i) {
      directories.push_back({path(i), tables[i].get(), std::nullopt});
      if (i == missing)
        directories.back() = {path(i), nullptr, Error{Code::io_error, "gone", {}, 0}};
    }
    volumes = std::make_unique<Volumes>(
        *bus, disk, directories, settings,
        [this](std::string topic, std::map<std::string, std::string> fields) {
          events.emplace_back(std::move(topic), std::move(fields));
        });
    Result<RecoveryReport> report(Code::timeout, "open() did not answer");
    volumes->open(StoreFixture::kCluster, [&](Result<RecoveryReport> r) { report = std::move(r); });
    settle();
    return report;
  }
  // The process dies, the machine lives.
  void stop() {
    if (bus) bus_time = bus->now() - Instant();
    volumes.reset();
    disk.restart();
  }

  void settle(Duration time = std::chrono::milliseconds(5)) {
    for (int i = 0; i < 200; ++i) bus->advance();
    bus->advance(time);
    for (int i = 0; i < 200; ++i) bus->advance();
  }

  Result<Written> put(const BlockKey& key, const std::string& bytes, bool repair = false) {
    Result<Written> outcome(Code::timeout, "write() did not answer");
    BlockSpec spec;
    spec.key = key;
    spec.epoch = 1;
    spec.capacity = bytes.size();
    spec.repair = repair;
    const auto id = volumes->begin(spec);
    for (uint64_t offset = 0;; offset += kPartBytes) {
      Part next = StoreFixture::part(bytes, offset);
      const bool last = next.last;
      volumes->write(id, std::move(next), [&](Result<Written> written) {
        if (!written || written->durable) outcome = std::move(written);
      });
      if (last) break;
    }
    settle();
    return outcome;
  }
  Result<std::string> get(const BlockKey& key) {
    std::string bytes;
    Result<void> outcome(Code::timeout, "read() did not answer");
    volumes->read(key, 0, kPartBytes, [&](const Result<ReadOutcome>& read) {
      outcome = read ? Result<void>() : Result<void>(read.error());
      if (read) bytes = read->payload.view();
    });
    settle();
    if (!outcome) return outcome.error();
    return bytes;
  }
  Result<void> remove(std::vector<BlockKey> keys) {
    Result<void> outcome(Code::timeout, "remove() did not answer");
    volumes->remove(std::move(keys), ProofForTests::make(),
                    [&](Result<void> removed) { outcome = std::move(removed); });
    settle();
    return outcome;
  }

  // The directory that has the block.
  size_t home(const BlockKey& key) {
    for (size_t i = 0; i < volumes->size(); ++i) {
      BlockStore* store = volumes->store(i);
      if (store != nullptr && *store->find(key)) return i;
    }
    return SIZE_MAX;
  }
  void damage(const BlockKey& key, uint64_t at = 0) {
    const size_t directory = home(key);
    const auto row = *volumes->store(directory)->find(key);
    disk.flip(segment_path(path(directory), row->segment), row->data_offset() + at, 0x20);
  }
  std::vector<std::string> topics() const {
    std::vector<std::string> topics;
    for (const auto& [topic, fields] : events) topics.push_back(topic);
    return topics;
  }

  BlockStoreSettings settings;
  sim::SimDisk disk;
  std::vector<std::unique_ptr<MemTable>> tables;
  size_t missing = SIZE_MAX;  // this directory is not there at the next start
  Duration bus_time{};
  std::unique_ptr<FakeBus> bus;
  std::unique_ptr<Volumes> volumes;
  std::vector<std::pair<std::string, std::map<std::string, std::string>>> events;
};

}  // namespace dfs::storage
