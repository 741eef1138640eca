// Threads for work that blocks. The owner's thread hands jobs out and takes results back over
// PUSH/PULL sockets, so that waiting for them is one more item of its poll loop.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>
#include <zmq.hpp>

#include "messages/result.h"

namespace dfs {

// All of it on the owner's thread. Works run in any order and in parallel; each `done` is called by
// collect(), on the owner's thread, where both functions are destroyed too.
class Pool {
 public:
  // The threads start with the first job. At most `jobs_max` jobs are waiting or running.
  Pool(zmq::context_t& context, size_t threads, size_t jobs_max);
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  // Fails with `busy` when jobs_max is reached and with `stopping` after stop(); the job is
  // dropped then.
  Result<void> run(std::function<void()> work, std::function<void()> done);

  // Readable when collect() has something to do.
  zmq::socket_t& results() { return results_; }
  // Calls `done` of at most `batch` finished jobs and hands out waiting ones. True when there may
  // be more of them.
  bool collect(size_t batch);

  // Drops what waits, lets what runs finish (its `done` is dropped) and joins. Twice is harmless.
  void stop();

 private:
  struct Job {
    std::function<void()> work;
    std::function<void()> done;
    size_t worker = 0;
    std::atomic<bool> handed_over = false;  // orders the accesses of owner and worker
  };
  struct Worker {
    zmq::socket_t jobs;
    std::thread thread;
  };
  void launch();
  void hand_out();
  static void work(zmq::socket_t in, zmq::socket_t out);

  zmq::context_t& context_;
  size_t threads_;
  size_t jobs_max_;
  size_t running_ = 0;
  bool stopped_ = false;
  std::string results_endpoint_;
  zmq::socket_t results_;
  std::vector<Worker> workers_;
  std::vector<size_t> idle_;
  std::deque<std::unique_ptr<Job>> waiting_;
};

}  // namespace dfs
