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

struct Security;

// On a thread of its own. The constructor returns when the sockets are bound or failed; the
// destructor stops and joins.
class EventRelay {
 public:
  // With a `security` it takes publications from nodes and heads alone, and each topic only from
  // whoever may publish on it (may_publish()); what was dropped is counted, and told once a minute.
  EventRelay(zmq::context_t& context, std::vector<std::string> publish,
             std::vector<std::string> subscribe, LastValueLimits limits = {},
             std::shared_ptr<const Security> security = {});
  ~EventRelay();
  EventRelay(const EventRelay&) = delete;
  EventRelay& operator=(const EventRelay&) = delete;

  const Result<void>& ready() const;
  uint64_t dropped() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace dfs
