// How long ago it was heard which log-ins have ended (topic kTicketsTopic).
#pragma once

#include <algorithm>
#include <chrono>
#include <optional>
#include <string>

#include "broker/bus.h"
#include "messages/result.h"

namespace dfs {

inline constexpr const char* kUnheard = "unheard";  // `reason` of an error's cause

// When the lock actor was heard last, which tells twice a second which log-ins have ended. Whoever
// has not heard it for longer than `trust` may be cut off from it, and believes no ticket: its user
// may be gone. An election takes a second or two, and must be well below that.
class Hearing {
 public:
  // Zero: what was heard once is good for ever.
  explicit Hearing(Duration trust) : trust_(trust) {}

  void heard(Instant at) { last_ = std::max(last_.value_or(at), at); }
  // Never heard is stale as well.
  bool is_stale(Instant now) const { return is_silent_for(trust_, now); }
  // It is time to ask, before it is stale.
  bool is_aging(Instant now) const { return is_silent_for(trust_ / 2, now); }
  // What is said then to whoever shows a ticket. `address` is one's own, `another` what to ask.
  Error unheard(const std::string& address, const std::string& another, Instant now) const {
    const Duration silence = now - last_.value_or(now);
    const std::string since =
        last_ ? "for " + std::to_string(silence / std::chrono::seconds(1)) + " s" : "yet";
    return Error{Code::unavailable,
                 address + " has not heard " + since +
                     " which log-ins have ended, so it believes no ticket: it seems to be cut off "
                     "from the lock actor that leads; ask " +
                     another,
                 {{"reason", kUnheard}},
                 kAskAgainMs};
  }

 private:
  static constexpr uint32_t kAskAgainMs = 100;

  bool is_silent_for(Duration limit, Instant now) const {
    return trust_ > Duration::zero() && (!last_ || now - *last_ > limit);
  }

  const Duration trust_;
  std::optional<Instant> last_;
};

}  // namespace dfs
