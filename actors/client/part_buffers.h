// Memory for parts on their way out, used again and again.
#pragma once

#include <memory>

#include "actors/disk.h"
#include "messages/types.h"

namespace dfs {

// Belongs to one thread; the buffers it hands out may be let go on any. Not limited by itself: its
// user limits how many parts are under way.
class PartBuffers {
 public:
  PartBuffers();
  ~PartBuffers();
  PartBuffers(const PartBuffers&) = delete;
  PartBuffers& operator=(const PartBuffers&) = delete;

  // kPartBytes of memory with undefined content, back on the shelf when the last owner is gone.
  std::shared_ptr<AlignedBuffer> take();

  size_t made() const { return made_; }  // buffers ever allocated

 private:
  struct Buffer;
  struct Shelf;
  std::shared_ptr<Shelf> shelf_;
  Buffer* free_ = nullptr;  // taken off the shelf, for this thread's use
  size_t made_ = 0;
};

}  // namespace dfs
