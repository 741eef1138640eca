// Helpers for tests with real sockets: waiting is always for an event, with a generous bound.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "broker/actor_thread.h"
#include "messages/cluster.h"
#include "messages/dispatch.h"

namespace dfs::test {

// A refused handshake is given up after 5 s, twice, before that is believed.
inline constexpr auto kPatience = std::chrono::seconds(60);

// A value that arrives from another thread.
template <class T>
class Promised {
 public:
  Promised() : future_(promise_.get_future()) {}
  void set(T value) {
    if (!done_.exchange(true)) promise_.set_value(std::move(value));
  }
  bool arrived() { return future_.wait_for(kPatience) == std::future_status::ready; }
  T get() {
    if (!arrived()) throw std::runtime_error("what was waited for did not happen");
    return future_.get();
  }

 private:
  std::atomic<bool> done_ = false;
  std::promise<T> promise_;
  std::future<T> future_;
};

// An actor made of functions.
class Puppet : public Actor {
 public:
  explicit Puppet(Bus& b) : bus(b) {}
  Bus& bus;
  std::function<void(Envelope)> on_receive = [](Envelope) {};
  std::function<void(const std::string&, Envelope)> on_observe = [](const auto&, Envelope) {};
  std::function<void(const Link&)> on_link_down = [](const Link&) {};
  std::function<void(std::function<void()>)> on_stop = [](auto stopped) { stopped(); };

  void start(std::function<void(Result<void>)> ready) override { ready({}); }
  void receive(Envelope envelope) override { on_receive(std::move(envelope)); }
  void observe(const std::string& topic, Envelope envelope) override {
    on_observe(topic, std::move(envelope));
  }
  void link_down(const Link& link) override { on_link_down(link); }
  void stop(std::function<void()> stopped) override { on_stop(std::move(stopped)); }
};

using Setup = std::function<void(Puppet&)>;

// A puppet on its thread; `setup` runs there before it starts.
inline std::unique_ptr<ActorThread> puppet(
    zmq::context_t& context, ActorSettings settings, Setup setup = [](Puppet&) {}) {
  return std::make_unique<ActorThread>(context, std::move(settings), [setup](Bus& bus) {
    auto actor = std::make_unique<Puppet>(bus);
    setup(*actor);
    return actor;
  });
}

// Runs `step` on the actor's thread and returns its result.
template <class T>
T on_thread(ActorThread& thread, std::function<T(Puppet&)> step) {
  auto result = std::make_shared<Promised<T>>();
  thread.post([=](Actor& actor) { result->set(step(static_cast<Puppet&>(actor))); });
  return result->get();
}

// A puppet that answers each Ping with a Pong, payload and all.
inline Setup echo() {
  return [](Puppet& self) {
    self.on_receive = [&self](Envelope envelope) {
      if (envelope.header.type != Type::Ping) return;
      auto ping = decode<Ping>(envelope.body);
      Payload payload = envelope.payload;
      (void)self.bus.reply(
          reply_to(envelope, Pong{ping->nonce, self.bus.address()}, std::move(payload)));
    };
  };
}

// Calls `attempt` on the actor's thread until it is true.
inline void retry(Bus& bus, std::function<bool()> attempt) {
  if (attempt()) return;
  bus.after(std::chrono::milliseconds(1), [&bus, attempt] { retry(bus, attempt); });
}

inline Envelope ping(uint64_t nonce, Payload payload = {}) {
  Envelope envelope = envelope_of(Ping{nonce}, "", std::move(payload));
  envelope.header.request = nonce;
  return envelope;
}

}  // namespace dfs::test
