// Who asks: judges the tickets that come with requests, and keeps what that takes up to date. Any
// actor that serves users has one.
#pragma once

#include <string>

#include "actors/hearing.h"
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
