#pragma once

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <map>

namespace dfs::sim {

// Which pages of a file have space reserved; disjoint ranges [first, end).
class ReservedPages {
 public:
  uint64_t pages() const { return pages_; }

  uint64_t missing(uint64_t first, uint64_t end) const {
    uint64_t missing = end - first;
    for (auto range = ranges_.begin(); range != ranges_.end() && range->first < end; ++range) {
      const uint64_t from = std::max(first, range->first);
      const uint64_t until = std::min(end, range->second);
      if (from < until) missing -= until - from;
    }
    return missing;
  }

  void add(uint64_t first, uint64_t end) {
    if (first >= end) return;
    remove(first, end);
    ranges_[first] = end;
    pages_ += end - first;
    // Neighbours are joined, or a file written page by page would have as many ranges.
    const auto range = ranges_.find(first);
    if (const auto next = std::next(range); next != ranges_.end() && next->first == end) {
      range->second = next->second;
      ranges_.erase(next);
    }
    if (range != ranges_.begin()) {
      if (const auto before = std::prev(range); before->second == first) {
        before->second = range->second;
        ranges_.erase(range);
      }
    }
  }

  void remove(uint64_t first, uint64_t end) {
    if (first >= end) return;
    auto range = ranges_.upper_bound(first);
    if (range != ranges_.begin()) --range;
    while (range != ranges_.end() && range->first < end) {
      const auto [from, until] = *range;
      if (until <= first) {
        ++range;
        continue;
      }
      pages_ -= until - from;
      range = ranges_.erase(range);
      if (from < first) {
        ranges_[from] = first;
        pages_ += first - from;
      }
      if (until > end) {
        ranges_[end] = until;
        pages_ += until - end;
      }
    }
  }

 private:
  std::map<uint64_t, uint64_t> ranges_;
  uint64_t pages_ = 0;
};

}  // namespace dfs::sim
