// Which stream moves which block.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace dfs {

// Blocks shared out evenly among streams, each share contiguous; a stream that has done its own
// helps the one with most left, from that one's end, so that each goes on through neighbours.
// Stream s begins with block s of its share: layouts repeat, and streams in step with one another
// would all be at the same nodes.
class BlockQueue {
 public:
  BlockQueue() = default;
  BlockQueue(std::vector<uint32_t> blocks, uint32_t streams);

  // The next block for `stream`; nothing when all are taken.
  std::optional<uint32_t> take(uint32_t stream);

 private:
  struct Share {
    uint32_t next = 0;
    uint32_t end = 0;
  };
  std::vector<uint32_t> blocks_;
  std::vector<Share> shares_;
};

}  // namespace dfs
