// The contents of one file of a SimDisk. A part of sim_disk.cc.
#pragma once

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "tests/sim/reserved_pages.h"
#include "tests/sim/sim_disk.h"

namespace dfs::sim {

inline constexpr uint64_t kDiskPageBytes = 4096;

// What a file holds, and enough of its past to take back what was not synced.
class SimDisk::Contents {
 public:
  struct Change {
    Operation operation;
    uint64_t offset = 0;
    uint64_t size = 0;
    std::string data;
  };

  uint64_t size() const { return size_; }
  const ReservedPages& reserved() const { return reserved_; }
  size_t stored_pages() const { return pages_.size(); }

  // Whole pages, as a medium fails by sectors of that size.
  void spoil(uint64_t offset, uint64_t size) {
    for (uint64_t at = offset / kDiskPageBytes; at * kDiskPageBytes < offset + size; ++at) {
      spoiled_.insert(at);
    }
  }
  bool readable(uint64_t offset, uint64_t size) const {
    const auto first = spoiled_.lower_bound(offset / kDiskPageBytes);
    return first == spoiled_.end() || *first * kDiskPageBytes >= offset + size;
  }

  size_t read(uint64_t offset, uint8_t* out, size_t size) const {
    if (offset >= size_) return 0;
    size = std::min<uint64_t>(size, size_ - offset);
    for (size_t done = 0; done < size;) {
      const uint64_t at = offset + done;
      const size_t chunk = std::min<uint64_t>(kDiskPageBytes - at % kDiskPageBytes, size - done);
      const auto page = pages_.find(at / kDiskPageBytes);
      if (page == pages_.end()) {
        std::memset(out + done, 0, chunk);
      } else {
        std::memcpy(out + done, page->second->data() + at % kDiskPageBytes, chunk);
      }
      done += chunk;
    }
    return size;
  }

  void make(Change change) {
    if (unsynced_.empty()) {
      synced_size_ = size_;
      synced_reserved_ = reserved_;
    }
    apply(change);
    unsynced_.push_back(std::move(change));
  }

  void sync() {
    unsynced_.clear();
    synced_pages_.clear();
  }

  void crash(const Chance& random) {
    if (unsynced_.empty()) return;
    std::vector<Change> changes = std::move(unsynced_);
    for (auto& [number, page] : synced_pages_) {
      if (page) {
        pages_[number] = std::move(page);
      } else {
        pages_.erase(number);
      }
    }
    synced_pages_.clear();
    unsynced_.clear();
    size_ = synced_size_;
    reserved_ = synced_reserved_;

    // Some crashes keep a clean prefix, which is the usual case; others keep sectors at will, which
    // is all that a disk with a cache promises.
    const bool prefix = random() % 2 == 0;
    const size_t kept = random() % (changes.size() + 1);
    bool extents_survive = true;
    for (size_t i = 0; i < changes.size(); ++i) {
      if (changes[i].operation == Operation::write) {
        if (!prefix || i == kept) {
          tear(changes[i], random);
        } else if (i < kept) {
          apply(changes[i]);
        }
      } else {
        // Sizes and extents are journaled by the file system, in order.
        extents_survive = extents_survive && (prefix ? i < kept : random() % 4 != 0);
        if (extents_survive) apply(changes[i]);
      }
    }
    sync();
  }

  void flip(uint64_t offset, uint8_t mask) { stored_byte(offset) ^= mask; }
  void overwrite(uint64_t offset, std::string_view bytes) {
    for (size_t i = 0; i < bytes.size(); ++i) {
      stored_byte(offset + i) = static_cast<uint8_t>(bytes[i]);
    }
  }

 private:
  using Page = std::array<uint8_t, kDiskPageBytes>;

  static bool all_zero(const uint8_t* bytes, size_t size) {
    return size == 0 || (bytes[0] == 0 && std::memcmp(bytes, bytes + 1, size - 1) == 0);
  }

  uint8_t& stored_byte(uint64_t offset) {
    DFS_ASSERT(offset < size_);
    auto& page = pages_[offset / kDiskPageBytes];
    if (!page || page.use_count() > 1) {
      page = page ? std::make_shared<Page>(*page) : std::make_shared<Page>(Page{});
    }
    return (*page)[offset % kDiskPageBytes];
  }

  // Of whole pages that are written or given up.
  void renew(uint64_t offset, uint64_t end) {
    const auto first = spoiled_.lower_bound((offset + kDiskPageBytes - 1) / kDiskPageBytes);
    spoiled_.erase(first, spoiled_.lower_bound(std::max(end, offset) / kDiskPageBytes));
  }

  void apply(const Change& change) {
    const uint64_t end = change.offset + change.size;
    if (change.operation == Operation::truncate) {
      renew(change.size, UINT64_MAX);
    } else if (change.operation != Operation::allocate) {
      renew(change.offset, end);
    }
    switch (change.operation) {
      case Operation::write:
        put(change.offset, reinterpret_cast<const uint8_t*>(change.data.data()), change.size);
        break;
      case Operation::punch:
        zero(change.offset, std::min(end, size_));
        reserved_.remove((change.offset + kDiskPageBytes - 1) / kDiskPageBytes,
                         end / kDiskPageBytes);
        break;
      case Operation::allocate:
        reserved_.add(change.offset / kDiskPageBytes, (end + kDiskPageBytes - 1) / kDiskPageBytes);
        size_ = std::max(size_, end);
        break;
      case Operation::truncate:
        if (change.size < size_) {
          zero(change.size, size_);
          reserved_.remove((change.size + kDiskPageBytes - 1) / kDiskPageBytes, UINT64_MAX);
        }
        size_ = change.size;
        break;
      default:
        DFS_ASSERT(false);
    }
  }

  void tear(const Change& change, const Chance& random) {
    const auto* data = reinterpret_cast<const uint8_t*>(change.data.data());
    const uint64_t odds = random() % 3;  // few, half, or most sectors survive
    for (uint64_t done = 0; done < change.size;) {
      const uint64_t at = change.offset + done;
      const uint64_t chunk = std::min(kSectorBytes - at % kSectorBytes, change.size - done);
      if (random() % 4 <= odds) put(at, data + done, chunk);
      done += chunk;
    }
  }

  // The page, about to be changed; how it was at the last sync is remembered.
  std::shared_ptr<Page>& touch(uint64_t number) {
    auto& page = pages_[number];
    if (synced_pages_.emplace(number, page).second && page) page = std::make_shared<Page>(*page);
    if (!page) page = std::make_shared<Page>(Page{});
    return page;
  }

  void put(uint64_t offset, const uint8_t* data, uint64_t size) {
    if (size == 0) return;
    for (uint64_t done = 0; done < size;) {
      const uint64_t at = offset + done;
      const uint64_t number = at / kDiskPageBytes;
      const uint64_t chunk = std::min(kDiskPageBytes - at % kDiskPageBytes, size - done);
      const bool zeros = all_zero(data + done, chunk);
      if (!zeros || pages_.contains(number)) {
        auto& page = touch(number);
        std::memcpy(page->data() + at % kDiskPageBytes, data + done, chunk);
        if (zeros && all_zero(page->data(), kDiskPageBytes)) pages_.erase(number);
      }
      done += chunk;
    }
    reserved_.add(offset / kDiskPageBytes, (offset + size + kDiskPageBytes - 1) / kDiskPageBytes);
    size_ = std::max(size_, offset + size);
  }

  void zero(uint64_t from, uint64_t until) {
    auto page = pages_.lower_bound(from / kDiskPageBytes);
    while (page != pages_.end() && page->first * kDiskPageBytes < until) {
      const uint64_t number = page->first;
      const uint64_t start = number * kDiskPageBytes;
      auto& bytes = touch(number);
      const uint64_t first = std::max(from, start) - start;
      const uint64_t end = std::min(until, start + kDiskPageBytes) - start;
      std::memset(bytes->data() + first, 0, end - first);
      const bool empty = all_zero(bytes->data(), kDiskPageBytes);
      page = empty ? pages_.erase(pages_.find(number)) : std::next(pages_.find(number));
    }
  }

  std::map<uint64_t, std::shared_ptr<Page>> pages_;  // an absent one is all zeros
  std::set<uint64_t> spoiled_;                       // pages that cannot be read
  uint64_t size_ = 0;
  ReservedPages reserved_;
  std::vector<Change> unsynced_;
  std::map<uint64_t, std::shared_ptr<Page>> synced_pages_;  // of those changed since the last sync
  uint64_t synced_size_ = 0;
  ReservedPages synced_reserved_;
};

}  // namespace dfs::sim
