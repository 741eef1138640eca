// The broker's relay of what is published: XSUB in, XPUB out, with the last value of each topic for
// those who subscribe late.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "broker/last_values.h"
#include "messages/result.h"

namespace zmq {
class context_t;
}

namespace dfs {

// On a thread of its own. The constructor returns when the sockets are bound or failed; the
// destructor stops and joins.
class EventRelay {
 public:
  EventRelay(zmq::context_t& context, std::vector<std::string> publish,
             std::vector<std::string> subscribe, LastValueLimits limits = {});
  ~EventRelay();
  EventRelay(const EventRelay&) = delete;
  EventRelay& operator=(const EventRelay&) = delete;

  const Result<void>& ready() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace dfs
