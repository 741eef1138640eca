// Parts of the filler: what is on its way, as long as it is.
#pragma once

#include <algorithm>

#include "actors/storage/filler.h"

namespace dfs::storage {

inline std::string name_of(const FillSource& source) {
  return "storage/" + std::to_string(source.node);
}

// Holds memory for one block. While one part is being written here the next one comes.
class Filler::Flight {
 public:
  static constexpr uint64_t kLeast = 256 * 1024;  // so that small blocks are many, not countless
  static uint64_t cost(uint64_t length) {
    return std::clamp<uint64_t>(length, kLeast, 2 * kPartBytes);
  }
  Flight(Filler& filler, Fill& fill, uint64_t length)
      : filler_(filler), fill_(fill), cost_(cost(length)) {
    filler_.memory_bytes_ += cost_;
    filler_.memory_bytes_peak_ = std::max(filler_.memory_bytes_peak_, filler_.memory_bytes_);
    ++fill_.pulling;
  }
  Flight(const Flight&) = delete;
  Flight& operator=(const Flight&) = delete;
  ~Flight() {
    filler_.memory_bytes_ -= cost_;
    --fill_.pulling;
    filler_.landed_.notify();
  }

 private:
  Filler& filler_;
  Fill& fill_;
  const uint64_t cost_;
};

// A write into the store; abandoned unless it came to its end.
class Filler::Writing {
 public:
  Writing(Volumes& store, BlockSpec spec) : store_(store), id_(store.begin(std::move(spec))) {}
  Writing(const Writing&) = delete;
  Writing& operator=(const Writing&) = delete;
  ~Writing() { store_.abandon(id_); }

  void give(Part part) {
    last_ = std::make_unique<Completion<Result<Written>>>();
    store_.write(id_, std::move(part), last_->fire());
  }
  bool given() const { return last_ != nullptr; }
  Completion<Result<Written>>& last() { return *last_; }  // to be awaited once

 private:
  Volumes& store_;
  const Volumes::WriteId id_;
  std::unique_ptr<Completion<Result<Written>>> last_;
};

}  // namespace dfs::storage
