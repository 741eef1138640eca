#include "actors/client/block_queue.h"

#include <algorithm>

#include "actors/client/client.h"

namespace dfs {

std::vector<uint32_t> even_plan(uint32_t blocks, uint32_t streams) {
  DFS_ASSERT(streams > 0);
  std::vector<uint32_t> plan{0};
  for (uint32_t i = 0; i < streams; ++i) {
    plan.push_back(plan.back() + blocks / streams + (i < blocks % streams ? 1 : 0));
  }
  return plan;
}

BlockQueue::BlockQueue(std::vector<uint32_t> blocks, uint32_t streams)
    : blocks_(std::move(blocks)) {
  const std::vector<uint32_t> plan = even_plan(static_cast<uint32_t>(blocks_.size()), streams);
  for (uint32_t i = 0; i < streams; ++i) {
    shares_.push_back({plan[i], plan[i + 1]});
    const uint32_t size = plan[i + 1] - plan[i];
    const auto first = blocks_.begin() + plan[i];
    if (size > 0) std::rotate(first, first + i % size, first + size);
  }
}

std::optional<uint32_t> BlockQueue::take(uint32_t stream) {
  Share& own = shares_[stream];
  if (own.next < own.end) return blocks_[own.next++];
  const auto most = std::max_element(
      shares_.begin(), shares_.end(),
      [](const Share& a, const Share& b) { return a.end - a.next < b.end - b.next; });
  if (most->next == most->end) return std::nullopt;
  return blocks_[--most->end];
}

}  // namespace dfs
