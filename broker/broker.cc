#include "broker/broker.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <random>
#include <zmq.hpp>

#include "broker/events.h"
#include "broker/security.h"

namespace dfs {
namespace {

// Whether a listener could have this port, or which one it gets for 0; 0 when it could not.
uint16_t try_port(uint16_t port) {
  const int probe = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  socklen_t size = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  const bool good = bind(probe, generic, size) == 0 && getsockname(probe, generic, &size) == 0;
  close(probe);
  return good ? ntohs(address.sin_port) : 0;
}

// The first of three free ports in a row. They are tried with plain sockets: libzmq frees a port
// some time after its socket is closed.
uint16_t free_ports() {
  constexpr int kAttempts = 1000;
  constexpr uint16_t kLastPort = 65'533;
  uint16_t port = 0;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    port = try_port(0);
    if (port == 0 || port > kLastPort) continue;
    const auto second = static_cast<uint16_t>(port + 1);
    const auto third = static_cast<uint16_t>(port + 2);
    if (try_port(second) != 0 && try_port(third) != 0) break;
  }
  return port;
}

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
  actor.security = settings.security;
  actor.audience = Audience::all;
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
  relay = std::make_unique<EventRelay>(context, publish, subscribe, settings.last_values,
                                       settings.security);
  ready = relay->ready();
}

Broker::Broker(zmq::context_t& context, BrokerSettings settings)
    : state_(std::make_unique<State>()) {
  if (settings.listen.ends_with(":*")) {
    const std::string host = settings.listen.substr(0, settings.listen.size() - 1);
    settings.listen = host + std::to_string(free_ports());
  }
  state_->open(context, settings);
}

Broker::~Broker() = default;

const Result<void>& Broker::ready() const {
  return state_->ready;
}

const BrokerEndpoints& Broker::endpoints() const {
  return state_->endpoints;
}

}  // namespace dfs
