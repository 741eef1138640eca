// What was found out about some bytes at a cost, such as that a signature is right, so that it
// costs one look-up when they come again. Bounded: what was unused for longest goes first. Not
// thread-safe.
#pragma once

#include <cstddef>
#include <list>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "messages/result.h"

namespace dfs {

template <class Value>
class Remembered {
 public:
  explicit Remembered(size_t max) : max_(max) { DFS_ASSERT(max > 0); }

  // Null when it was not remembered, or is no longer. Valid until the next call.
  const Value* find(std::string_view bytes) {
    const auto found = places_.find(bytes);
    if (found == places_.end()) return nullptr;
    entries_.splice(entries_.end(), entries_, found->second);
    return &found->second->second;
  }

  // The bytes are not remembered yet. Valid until the next call.
  const Value* remember(std::string_view bytes, Value value) {
    if (entries_.size() >= max_) {
      places_.erase(entries_.front().first);
      entries_.pop_front();
    }
    const auto entry = entries_.insert(entries_.end(), {std::string(bytes), std::move(value)});
    const bool added = places_.emplace(entry->first, entry).second;
    DFS_ASSERT(added);
    return &entry->second;
  }

  void clear() {
    places_.clear();
    entries_.clear();
  }

 private:
  using Entries = std::list<std::pair<std::string, Value>>;
  size_t max_;
  Entries entries_;                                                          // longest unused first
  std::unordered_map<std::string_view, typename Entries::iterator> places_;  // into entries_
};

}  // namespace dfs
