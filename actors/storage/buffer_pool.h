// Aligned buffers that are used again. Fresh memory costs a page fault per 4 KiB, which is as dear
// as copying it.
#pragma once

#include <array>
#include <atomic>
#include <memory>

#include "actors/disk.h"
#include "messages/types.h"

namespace dfs::storage {

// take() and the release of a buffer may happen on any thread at once (libzmq releases a sent
// payload on its I/O thread). Buffers may outlive the pool.
class BufferPool {
 public:
  // Room for one part with a header before it and a tail behind it, or a part's covering chunks.
  static constexpr size_t kBufferBytes = kPartBytes + 128 * 1024;
  static constexpr size_t kKeptMax = 32;  // released buffers kept; more go back to the system

  BufferPool() : shelf_(std::make_shared<Shelf>()) {}

  // kBufferBytes bytes, contents undefined.
  std::shared_ptr<uint8_t> take() {
    uint8_t* bytes = nullptr;
    for (auto& slot : shelf_->slots) {
      bytes = slot.exchange(nullptr, std::memory_order_acquire);
      if (bytes != nullptr) break;
    }
    if (bytes == nullptr) {
      bytes = static_cast<uint8_t*>(std::aligned_alloc(kDiskAlignment, kBufferBytes));
      DFS_ASSERT(bytes != nullptr);
    }
    shelf_->taken.fetch_add(1, std::memory_order_relaxed);
    return {bytes, [shelf = shelf_](uint8_t* released) { shelf->put(released); }};
  }

  // Buffers that are out, a moment ago.
  size_t taken() const { return shelf_->taken.load(std::memory_order_relaxed); }

 private:
  struct Shelf {
    std::array<std::atomic<uint8_t*>, kKeptMax> slots{};
    std::atomic<size_t> taken = 0;
    void put(uint8_t* bytes) {
      taken.fetch_sub(1, std::memory_order_relaxed);
      for (auto& slot : slots) {
        uint8_t* empty = nullptr;
        if (slot.compare_exchange_strong(empty, bytes, std::memory_order_release,
                                         std::memory_order_relaxed)) {
          return;
        }
      }
      std::free(bytes);
    }
    ~Shelf() {
      for (auto& slot : slots) std::free(slot.load());
    }
  };
  std::shared_ptr<Shelf> shelf_;
};

}  // namespace dfs::storage
