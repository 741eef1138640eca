// The CRC tables of the blocks read last, so that a read costs one access to the disk.
#pragma once

#include <list>
#include <map>
#include <memory>

#include "actors/storage/segment_format.h"

namespace dfs::storage {

class TableCache {
 public:
  explicit TableCache(size_t bytes_max) : bytes_max_(bytes_max) {}

  // The table of the extent at segment and offset, or null.
  std::shared_ptr<const ChunkTable> find(uint32_t segment, uint64_t offset) {
    const auto found = entries_.find({segment, offset});
    if (found == entries_.end()) return nullptr;
    order_.splice(order_.begin(), order_, found->second);
    return found->second->table;
  }

  void insert(uint32_t segment, uint64_t offset, std::shared_ptr<const ChunkTable> table) {
    erase(segment, offset);
    bytes_ += cost(*table);
    order_.push_front({{segment, offset}, std::move(table)});
    entries_[order_.front().key] = order_.begin();
    while (bytes_ > bytes_max_) erase(order_.back().key.first, order_.back().key.second);
  }

  void erase(uint32_t segment, uint64_t offset) {
    const auto found = entries_.find({segment, offset});
    if (found == entries_.end()) return;
    bytes_ -= cost(*found->second->table);
    order_.erase(found->second);
    entries_.erase(found);
  }

  size_t bytes() const { return bytes_; }

 private:
  using Key = std::pair<uint32_t, uint64_t>;
  struct Entry {
    Key key;
    std::shared_ptr<const ChunkTable> table;
  };
  static size_t cost(const ChunkTable& table) { return table.size() * 4 + 160; }  // and its nodes

  const size_t bytes_max_;
  size_t bytes_ = 0;
  std::list<Entry> order_;  // used last first
  std::map<Key, std::list<Entry>::iterator> entries_;
};

}  // namespace dfs::storage
