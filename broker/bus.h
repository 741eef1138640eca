// How an actor sees the world: time, messages, a pool for blocking work. Two implementations run
// the very same actors: ZmqBus (real sockets, actor_thread.h) and SimBus (virtual time, tests/sim).
#pragma once

#include <chrono>
#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "messages/envelope.h"

namespace dfs {

using Duration = std::chrono::nanoseconds;

// A point of the bus's clock, which never goes back and has no relation to the wall clock.
struct BusClock {
  using duration = Duration;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<BusClock>;
  static constexpr bool is_steady = true;
};
using Instant = BusClock::time_point;

enum class Level { debug, info, warn, error };

// One key=value of a log line.
struct LogField {
  std::string_view key;
  std::string value;
  LogField(std::string_view k, std::string v) : key(k), value(std::move(v)) {}
  LogField(std::string_view k, const char* v) : key(k), value(v) {}
  LogField(std::string_view k, uint64_t v) : key(k), value(std::to_string(v)) {}
};

// All of it is called on the actor's own thread only, and nothing of it blocks.
class Bus {
 public:
  virtual ~Bus() = default;

  // This actor's address; `from` of what it sends. A storage node learns its number by joining and
  // takes its address then.
  virtual const std::string& address() const = 0;
  virtual void set_address(std::string address) = 0;

  virtual Instant now() const = 0;
  virtual int64_t wall_ms() const = 0;  // Unix time; may jump
  virtual uint64_t random() = 0;        // uniform; from the seed in the simulator

  // Calls `fire` once, after `delay` or a little later. cancel() of a timer that fired is harmless.
  using TimerId = uint64_t;  // never 0
  virtual TimerId after(Duration delay, std::function<void()> fire) = 0;
  virtual void cancel(TimerId timer) = 0;

  // Sends on a link, connecting first where the link is an endpoint. Success means queued, not
  // delivered. `unavailable`: the peer is gone. `busy`: the link's queue is full; nothing was sent.
  // An empty header.from is filled with address(). Order is kept per link while it is up.
  // A link that breaks is reported once through Actor::link_down; what was queued on it is lost,
  // and the next send connects anew.
  virtual Result<void> send(const Link& link, Envelope envelope) = 0;
  Result<void> reply(Envelope envelope) {  // of reply_to()
    const Link link = envelope.link;
    return send(link, std::move(envelope));
  }
  // The links to the brokers of this cluster: those configured, in their order, then those added.
  virtual const std::vector<Link>& brokers() const = 0;
  // From now on `broker` ("tcp://127.0.0.1:7000") is one of them, for requests, publications and
  // subscriptions alike. One that is known already, or that cannot be an address, changes nothing.
  virtual void add_broker(const Link& broker) = 0;
  // Where peers reach this actor directly ("tcp://127.0.0.1:7101"), or empty.
  virtual const std::string& endpoint() const = 0;

  // Publishing never fails and may lose: it is for heartbeats and wake-ups. What was published on a
  // topic with a subscribed prefix arrives at Actor::observe(), the last value of each topic first.
  virtual void publish(std::string topic, Envelope envelope) = 0;
  virtual void subscribe(std::string prefix) = 0;

  // Runs `work` on the pool, off the actor's thread, where it may block and must touch nothing of
  // the actor that changes meanwhile; then `done` on the actor's thread. `busy` when the pool's
  // queue is full; neither is called then. Works may run in any order and in parallel.
  virtual Result<void> run(std::function<void()> work, std::function<void()> done) = 0;

  // `event` is a constant of a few words; what varies goes into the fields.
  virtual void log(Level level, std::string_view event,
                   std::initializer_list<LogField> fields = {}) = 0;
};

}  // namespace dfs
