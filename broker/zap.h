// Who may connect to the encrypted ports of this process: answers the questions that libzmq asks at
// the end of each handshake (ZAP, https://rfc.zeromq.org/spec/27). A peer's user id is its public
// key; who that is, is looked up whenever it matters, so that one that joins after it connected has
// its rights at once, and one that is removed loses them at once.
#pragma once

#include <cstdint>
#include <memory>

#include "broker/security.h"

namespace zmq {
class context_t;
}

namespace dfs {

// On a thread of its own, one for all ports of a context; there before the first of them is bound,
// and gone after the last was closed. The constructor returns when it answers, or cannot; the
// destructor stops and joins.
class ZapHandler {
 public:
  ZapHandler(zmq::context_t& context, std::shared_ptr<const KnownKeys> known);
  ~ZapHandler();
  ZapHandler(const ZapHandler&) = delete;
  ZapHandler& operator=(const ZapHandler&) = delete;

  const Result<void>& ready() const;
  uint64_t admitted() const;
  uint64_t refused() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace dfs
