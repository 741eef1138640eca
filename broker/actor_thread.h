// One actor on one thread over ZeroMQ. The constructor returns when the actor is ready, the
// destructor stops it and joins. The thread owns every socket of the actor and runs one poll loop.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "broker/actor.h"
#include "broker/bus.h"
#include "broker/security.h"

namespace zmq {
class context_t;
}

namespace dfs {

// A broker's three sockets. "tcp://h:7000" means requests on 7000, published news goes in on 7001
// and comes out on 7002; "inproc://x" means inproc://x, inproc://x-in and inproc://x-out.
struct BrokerEndpoints {
  std::string requests;   // ROUTER
  std::string publish;    // XSUB
  std::string subscribe;  // XPUB
  static Result<BrokerEndpoints> of(const std::string& requests);
};

// A context with room for the sockets of a process, which must outlive everything made with it.
// Destroying it waits, up to 200 ms, until what was queued has left.
std::shared_ptr<zmq::context_t> make_context(int io_threads = 1);

struct ActorSettings {
  std::string address;  // "client/9f3c…"
  std::string listen;   // endpoint of a ROUTER to bind, or empty; "tcp://127.0.0.1:*" allowed
  std::vector<std::string> listen_also;  // further endpoints of the same ROUTER
  std::string advertise;                 // host that peers use, where `listen` is "tcp://*:…"
  std::vector<std::string> brokers;      // request endpoints, in order of preference
  size_t pool_threads = 4;               // workers for Bus::run
  size_t pool_jobs_max = 1024;           // waiting or running; more are refused as `busy`
  size_t link_messages_max = 4096;       // queued on one link; more are refused as `busy`
  size_t links_max = 1024;               // connections this actor opens; the longest idle is closed
  // How its connections are protected; without, they are plain. See security.h.
  std::shared_ptr<const Security> security;
  Audience audience = Audience::heads;  // who may connect to `listen`
  Duration start_deadline = std::chrono::seconds(30);
  Duration stop_deadline = std::chrono::seconds(2);
};

class ActorThread {
 public:
  using Factory = std::function<std::unique_ptr<Actor>(Bus&)>;  // called on the new thread

  // Throws nothing: ask ready(). The context must outlive the object.
  ActorThread(zmq::context_t& context, ActorSettings settings, Factory factory);
  ~ActorThread();
  ActorThread(const ActorThread&) = delete;
  ActorThread& operator=(const ActorThread&) = delete;

  // What start() of the actor answered, or why its sockets could not be opened.
  const Result<void>& ready() const;
  const std::string& endpoint() const;  // of the bound ROUTER, with the real port

  // Runs `step` on the actor's thread, soon. Callable from any thread. After stop: dropped.
  void post(std::function<void(Actor&)> step);

  // Orderly stop, at most stop_deadline and the longest work of the pool, then join. Called by the
  // destructor; twice is harmless.
  void stop();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace dfs
