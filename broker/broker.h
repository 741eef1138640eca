// A whole broker: the Router behind its ROUTER socket and the EventRelay, on the three endpoints of
// BrokerEndpoints, for the network and for actors in the same process.
#pragma once

#include <memory>
#include <string>

#include "broker/actor_thread.h"
#include "broker/last_values.h"
#include "broker/router.h"

namespace dfs {

struct BrokerSettings {
  std::string listen;     // "tcp://0.0.0.0:7000"; "tcp://127.0.0.1:*" takes three free ports
  std::string advertise;  // host that others use, where `listen` is a wildcard
  std::string inproc;     // "inproc://broker", or empty
  size_t link_messages_max = 4096;
  RouterSettings router;
  LastValueLimits last_values;
  std::shared_ptr<const Security> security;  // its three ports are served so; else plain
};

class Broker {
 public:
  // Returns when it serves, or cannot: ask ready().
  Broker(zmq::context_t& context, BrokerSettings settings);
  ~Broker();
  Broker(const Broker&) = delete;
  Broker& operator=(const Broker&) = delete;

  const Result<void>& ready() const;
  const BrokerEndpoints& endpoints() const;  // with the real ports

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace dfs
