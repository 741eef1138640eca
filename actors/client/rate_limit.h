// How fast transfers may be, all together that share one of these.
#pragma once

#include <algorithm>

#include "broker/bus.h"

namespace dfs {

// Used on the client's thread alone. Nothing that is not used is saved up for later.
class RateLimit {
 public:
  explicit RateLimit(uint64_t bytes_per_second) : rate_(std::max<uint64_t>(bytes_per_second, 1)) {}

  // How long to wait before `bytes` may move; they are counted as moved.
  Duration reserve(Instant now, uint64_t bytes) {
    const Instant turn = std::max(next_, now);
    const double seconds = static_cast<double>(bytes) / static_cast<double>(rate_);
    next_ = turn + std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
    return turn - now;
  }

 private:
  uint64_t rate_;
  Instant next_{};
};

}  // namespace dfs
