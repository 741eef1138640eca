// How fast repair may go. It gives way to what somebody waits for: alone it is held up by nothing
// but its limit; beside a client it takes about half of what it took alone.
#pragma once

#include <optional>

#include "broker/bus.h"
#include "broker/task.h"

namespace dfs::storage {

class Pacer {
 public:
  static constexpr Duration kFresh = std::chrono::milliseconds(100);
  static constexpr uint64_t kUnknownRate = 128ull
                                           << 20;  // taken for its own before it was measured
  static constexpr uint64_t kLeastRate = 1 << 20;  // beside a client, unless limited to less

  explicit Pacer(Bus& bus) : bus_(bus) {}
  Pacer(const Pacer&) = delete;
  Pacer& operator=(const Pacer&) = delete;

  // A client's read or write is being served.
  void foreground();
  // One was, within the last kFresh.
  bool busy() const { return served_ && bus_.now() - *served_ < kFresh; }

  void set_limit(uint64_t bytes_per_second) { limit_ = bytes_per_second; }  // 0: none
  // Goes on when it is time to move so many bytes.
  Task<void> take(uint64_t bytes);
  // Bytes per second at this moment; 0: as fast as it goes.
  uint64_t rate() const;

 private:
  void measure(uint64_t bytes);

  Bus& bus_;
  std::optional<Instant> served_;
  uint64_t limit_ = 0;
  Instant next_;             // when the bytes taken so far are paid for
  uint64_t alone_rate_ = 0;  // what repair took when nobody else was there; 0: not known
  Instant window_;           // began to measure
  Instant measured_;         // last
  uint64_t window_bytes_ = 0;
};

}  // namespace dfs::storage
