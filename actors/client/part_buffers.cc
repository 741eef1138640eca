#include "actors/client/part_buffers.h"

#include <atomic>

namespace dfs {

struct PartBuffers::Buffer {
  AlignedBuffer bytes{kPartBytes};
  Buffer* next = nullptr;

  static void free_all(Buffer* list) {
    while (list != nullptr) delete std::exchange(list, list->next);
  }
};

// libzmq lets a sent part go on its I/O thread. Any thread pushes, only the owner takes, and it
// takes the whole list at once, so a compare-and-swap is enough (no ABA).
struct PartBuffers::Shelf {
  std::atomic<Buffer*> returned{nullptr};

  ~Shelf() { Buffer::free_all(returned.load(std::memory_order_acquire)); }

  void put_back(Buffer* buffer) {
    buffer->next = returned.load(std::memory_order_relaxed);
    while (!returned.compare_exchange_weak(buffer->next, buffer, std::memory_order_release,
                                           std::memory_order_relaxed)) {
    }
  }
};

PartBuffers::PartBuffers() : shelf_(std::make_shared<Shelf>()) {}

PartBuffers::~PartBuffers() {
  Buffer::free_all(free_);
}

std::shared_ptr<AlignedBuffer> PartBuffers::take() {
  if (free_ == nullptr) free_ = shelf_->returned.exchange(nullptr, std::memory_order_acquire);
  Buffer* buffer = free_;
  if (buffer != nullptr) {
    free_ = buffer->next;
  } else {
    buffer = new Buffer;
    ++made_;
  }
  std::shared_ptr<Buffer> owner(buffer, [shelf = shelf_](Buffer* b) { shelf->put_back(b); });
  return std::shared_ptr<AlignedBuffer>(owner, &owner->bytes);
}

}  // namespace dfs
