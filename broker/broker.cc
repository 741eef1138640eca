#include "broker/broker.h"

#include <cstdio>
#include <random>
#include <zmq.hpp>

#include "broker/events.h"

namespace dfs {
namespace {

constexpr int kPortAttempts = 32;

std::string random_address() {
  std::random_device device;
  char text[32];
  std::snprintf(text, sizeof text, "broker/%08x", device());
  return text;
}

}  // namespace

struct Broker::State {
  Result<void> ready;
  BrokerEndpoints endpoints;
  std::unique_ptr<EventRelay> relay;
  std::unique_ptr<ActorThread> router;

  void open(zmq::context_t& context, const BrokerSettings& settings);
};

void Broker::State::open(zmq::context_t& context, const BrokerSettings& settings) {
  ActorSettings actor;
  actor.address = random_address();
  actor.listen = settings.listen;
  actor.advertise = settings.advertise;
  actor.link_messages_max = settings.link_messages_max;
  if (!settings.inproc.empty()) actor.listen_also.push_back(settings.inproc);
  router = std::make_unique<ActorThread>(
      context, actor, [&](Bus& bus) { return std::make_unique<Router>(bus, settings.router); });
  ready = router->ready();
  if (!ready) return;

  const Result<BrokerEndpoints> reached = BrokerEndpoints::of(router->endpoint());
  if (!reached) {
    ready = reached.error();
    return;
  }
  endpoints = *reached;
  // Bound on the host that was asked for, with the ports that follow the one the ROUTER got.
  const std::string host = settings.listen.substr(0, settings.listen.rfind(':'));
  const auto local = [&](const std::string& endpoint) {
    return endpoint.starts_with("tcp://") ? host + endpoint.substr(endpoint.rfind(':')) : endpoint;
  };
  std::vector<std::string> publish{local(endpoints.publish)};
  std::vector<std::string> subscribe{local(endpoints.subscribe)};
  if (!settings.inproc.empty()) {
    publish.push_back(settings.inproc + "-in");
    subscribe.push_back(settings.inproc + "-out");
  }
  relay = std::make_unique<EventRelay>(context, publish, subscribe, settings.last_values);
  ready = relay->ready();
}

Broker::Broker(zmq::context_t& context, BrokerSettings settings)
    : state_(std::make_unique<State>()) {
  // With a wildcard port the two that follow it may be taken; then another is tried.
  const bool wildcard = settings.listen.ends_with(":*");
  for (int attempt = 0; attempt < (wildcard ? kPortAttempts : 1); ++attempt) {
    state_ = std::make_unique<State>();
    state_->open(context, settings);
    if (state_->ready) return;
  }
}

Broker::~Broker() = default;

const Result<void>& Broker::ready() const {
  return state_->ready;
}

const BrokerEndpoints& Broker::endpoints() const {
  return state_->endpoints;
}

}  // namespace dfs
