// Who asks: judges the tickets that come with requests, and keeps what that takes up to date. Any
// actor that serves users has one.
#pragma once

#include <algorithm>
#include <optional>
#include <string>

#include "broker/bus.h"
#include "broker/calls.h"
#include "broker/task.h"
#include "messages/envelope.h"
#include "messages/requester.h"
#include "messages/ticket.h"
#include "messages/users.h"

namespace dfs {

// Whether a request that came through a broker is of a storage node, a head or an agent: by its
// address, which in a secure cluster the broker passes on only from whoever proved to be that
// (broker/router.h). Nothing that arrives at a port of one's own may be believed this way.
bool is_of_cluster(const Envelope& envelope);
bool is_of_head(const Envelope& envelope);

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

class Gate {
 public:
  Gate(Bus& bus, Calls& calls, Duration trust) : bus_(bus), calls_(calls), hearing_(trust) {}
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;

  // Hears of keys and revocations of this cluster from now on. May be called again.
  void begin(std::string cluster);
  // What was published on kTicketsTopic.
  void observe(const Envelope& envelope);

  // Whose ticket the envelope has. Fails as TicketJudge::judge(), or with `unavailable` while the
  // keys are not known or it was not heard for too long which log-ins ended (cause `reason`:
  // "unheard"); that is asked for then.
  Result<Requester> judge(const Envelope& envelope);

 private:
  // As it was at that moment, or later.
  void learn(TicketKeys keys, Instant at);
  Task<void> ask();

  Bus& bus_;
  Calls& calls_;
  std::string cluster_;
  TicketJudge judge_;
  Hearing hearing_;
  bool asking_ = false;
  TaskScope scope_;  // last: its flows use all of the above
};

}  // namespace dfs
