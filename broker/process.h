// A daemon: starts its parts in order, waits for a signal, stops them in reverse order.
//
//   Process process(settings);                     // first thing in main, before any thread
//   auto node = process.start(actor_settings, [&](Bus& bus) { return std::make_unique<…>(bus); });
//   if (!node) { …; return 1; }
//   return process.run();
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "broker/actor_thread.h"
#include "broker/log.h"

namespace dfs {

struct ProcessSettings {
  std::string name;    // "storage"; the module of the process's own log lines
  int io_threads = 2;  // of libzmq
  LogSettings log;
  std::string ready_line;  // printed on stdout when run() begins, if not empty
  // Of all its actors that have none of their own; who may connect is asked for in this process.
  std::shared_ptr<const Security> security;
  Duration stop_deadline = std::chrono::seconds(2);  // of the whole stop; then the process ends
};

class Process {
 public:
  // Blocks SIGTERM and SIGINT in this thread and those it starts (run() takes them), ignores
  // SIGPIPE, tunes the allocator for 1 MiB buffers and opens the log; start() reports a log that
  // could not be opened.
  explicit Process(ProcessSettings settings);
  // Stops what is still running, in reverse order.
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  zmq::context_t& context();

  // Starts an actor and returns when it is ready; fails with its reason. The process owns it.
  Result<ActorThread*> start(ActorSettings settings, ActorThread::Factory factory);

  // For parts that are not one actor (a Broker, a Disk): kept until the stop, then destroyed in
  // reverse order with the actors.
  template <class T>
  T& keep(std::unique_ptr<T> part) {
    T& kept = *part;
    keep_until_stop([owner = std::shared_ptr<T>(std::move(part))]() mutable { owner.reset(); });
    return kept;
  }

  // Waits for SIGTERM or SIGINT (or request_stop()), then stops everything and returns the exit
  // status, 0. A second signal, or a stop over its deadline, ends the process at once.
  int run();
  // From any thread: makes run() return.
  void request_stop();

 private:
  void keep_until_stop(std::function<void()> release);

  struct State;
  std::unique_ptr<State> state_;
};

// Sets malloc so that buffers of a MiB are reused rather than mapped and unmapped for each part,
// and memory given back stays bounded. Called by Process; other programs (dfsctl) call it first.
void tune_malloc();

}  // namespace dfs
