// The timers of one actor: a heap by time over slots that are reused.
#pragma once

#include <algorithm>
#include <functional>
#include <optional>
#include <vector>

#include "broker/bus.h"

namespace dfs {

class Timers {
 public:
  Bus::TimerId add(Instant when, std::function<void()> fire) {
    if (free_.empty()) {
      free_.push_back(static_cast<uint32_t>(slots_.size()));
      slots_.emplace_back();
    }
    const uint32_t slot = free_.back();
    free_.pop_back();
    slots_[slot].fire = std::move(fire);
    const Bus::TimerId id = id_of(slot);
    heap_.push_back({when, ++last_order_, id});
    std::push_heap(heap_.begin(), heap_.end(), later);
    return id;
  }

  void cancel(Bus::TimerId id) {
    if (!pending(id)) return;
    // Destroying the function may add or cancel timers, so the slot is released first.
    const std::function<void()> dropped = release(id);
    // Requests add and cancel a deadline each; the heap must not keep those until they are due.
    if (heap_.size() > 64 && heap_.size() > 2 * size()) {
      std::erase_if(heap_, [this](const Entry& entry) { return !pending(entry.id); });
      std::make_heap(heap_.begin(), heap_.end(), later);
    }
  }

  std::optional<Instant> next() {
    while (!heap_.empty() && !pending(heap_.front().id)) pop();
    if (heap_.empty()) return std::nullopt;
    return heap_.front().when;
  }

  // Calls what is due, at most `batch` timers.
  void fire(Instant now, size_t batch) {
    for (; batch > 0; --batch) {
      const std::optional<Instant> first = next();
      if (!first || *first > now) return;
      const Bus::TimerId id = heap_.front().id;
      pop();
      const std::function<void()> call = release(id);
      call();
    }
  }

  size_t size() const { return slots_.size() - free_.size(); }

 private:
  struct Slot {
    std::function<void()> fire;
    uint32_t generation = 1;  // grows with each use; part of the id, so old ids are harmless
  };
  struct Entry {
    Instant when;
    uint64_t order;  // equal instants fire in the order they were added
    Bus::TimerId id;
  };
  static bool later(const Entry& a, const Entry& b) {
    return a.when != b.when ? a.when > b.when : a.order > b.order;
  }

  Bus::TimerId id_of(uint32_t slot) const {
    return static_cast<Bus::TimerId>(slots_[slot].generation) << 32 | slot;
  }
  bool pending(Bus::TimerId id) const {
    const auto slot = static_cast<uint32_t>(id);
    return slot < slots_.size() && id_of(slot) == id;
  }
  std::function<void()> release(Bus::TimerId id) {
    const auto slot = static_cast<uint32_t>(id);
    std::function<void()> fire = std::exchange(slots_[slot].fire, nullptr);
    if (++slots_[slot].generation == 0) slots_[slot].generation = 1;
    free_.push_back(slot);
    return fire;
  }
  void pop() {
    std::pop_heap(heap_.begin(), heap_.end(), later);
    heap_.pop_back();
  }

  std::vector<Slot> slots_;
  std::vector<uint32_t> free_;
  std::vector<Entry> heap_;
  uint64_t last_order_ = 0;
};

}  // namespace dfs
