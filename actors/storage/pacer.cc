#include "actors/storage/pacer.h"

#include <algorithm>

namespace dfs::storage {

namespace {

constexpr Duration kWindow = std::chrono::milliseconds(200);
constexpr uint64_t kNanosPerSecond = 1'000'000'000;

}  // namespace

void Pacer::foreground() {
  served_ = bus_.now();
  window_bytes_ = 0;  // what repair takes from here on, it does not take alone
}

uint64_t Pacer::rate() const {
  if (!busy()) return limit_;
  uint64_t alone = alone_rate_ != 0 ? alone_rate_ : kUnknownRate;
  if (limit_ != 0) alone = std::min(alone, limit_);
  const uint64_t half = std::max(alone / 2, kLeastRate);
  return limit_ != 0 ? std::min(half, limit_) : half;
}

Task<void> Pacer::take(uint64_t bytes) {
  const Instant now = bus_.now();
  const uint64_t rate = this->rate();
  if (rate != 0) {
    const Instant turn = std::max(next_, now);
    const double nanos = static_cast<double>(bytes) * kNanosPerSecond / static_cast<double>(rate);
    next_ = turn + Duration(static_cast<int64_t>(nanos));
    if (turn > now) {
      Task<void> waiting = sleep(bus_, turn - now);
      co_await waiting;
    }
  }
  measure(bytes);
}

// Over windows in which repair was at work all the time, and nobody else.
void Pacer::measure(uint64_t bytes) {
  if (busy()) return;
  const Instant now = bus_.now();
  if (window_bytes_ == 0 || now - measured_ > kWindow) {
    window_ = now;
    window_bytes_ = 0;
  }
  measured_ = now;
  if (now - window_ >= kWindow) {
    const double seconds = std::chrono::duration<double>(now - window_).count();
    const auto rate = static_cast<uint64_t>(static_cast<double>(window_bytes_) / seconds);
    alone_rate_ = alone_rate_ == 0 ? rate : (3 * alone_rate_ + rate) / 4;
    window_ = now;
    window_bytes_ = 0;
  }
  window_bytes_ += bytes;
}

}  // namespace dfs::storage
