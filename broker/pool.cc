#include "broker/pool.h"

#include <algorithm>
#include <csignal>

#include "broker/sockets.h"

namespace dfs {
namespace {

// A frame that holds a pointer; a null pointer tells a worker to end.
void send_pointer(zmq::socket_t& socket, void* pointer) {
  zmq::message_t frame(&pointer, sizeof pointer);
  while (true) {
    try {
      (void)socket.send(frame, zmq::send_flags::none);
      return;
    } catch (const zmq::error_t& error) {
      DFS_ASSERT(error.num() == EINTR);
    }
  }
}

bool receive_pointer(zmq::socket_t& socket, zmq::recv_flags flags, void*& pointer) {
  zmq::message_t frame;
  while (true) {
    try {
      if (!socket.recv(frame, flags)) return false;
      pointer = *frame.data<void*>();
      return true;
    } catch (const zmq::error_t& error) {
      DFS_ASSERT(error.num() == EINTR);
    }
  }
}

}  // namespace

Pool::Pool(zmq::context_t& context, size_t threads, size_t jobs_max)
    : context_(context),
      threads_(std::max<size_t>(threads, 1)),
      jobs_max_(jobs_max),
      results_endpoint_(unique_inproc("pool-results")),
      results_(make_socket(context, zmq::socket_type::pull, 1)) {
  // Each worker holds one job at most, so the results of all fit whatever the owner does.
  results_.set(zmq::sockopt::rcvhwm, 0);
  results_.bind(results_endpoint_);
}

Pool::~Pool() {
  stop();
}

void Pool::launch() {
  for (size_t i = 0; i < threads_; ++i) {
    // One PUSH per worker: a single PUSH deals blindly in turn, and a short job would wait behind a
    // long one while other workers are idle.
    const std::string endpoint = unique_inproc("pool-jobs");
    zmq::socket_t jobs = make_socket(context_, zmq::socket_type::push, 1);
    zmq::socket_t in = make_socket(context_, zmq::socket_type::pull, 1);
    zmq::socket_t out = make_socket(context_, zmq::socket_type::push, 1);
    jobs.bind(endpoint);
    in.connect(endpoint);
    out.connect(results_endpoint_);
    // Connected here and handed to the thread, so that the first jobs need not wait for it.
    workers_.push_back({std::move(jobs), std::thread(work, std::move(in), std::move(out))});
    idle_.push_back(i);
  }
}

Result<void> Pool::run(std::function<void()> work, std::function<void()> done) {
  if (stopped_) return {Code::stopping, "the pool has stopped"};
  if (waiting_.size() + running_ >= jobs_max_) {
    return Error{Code::busy, "the pool's queue is full; try again later", {}, 10};
  }
  if (workers_.empty()) launch();
  auto job = std::make_unique<Job>();
  job->work = std::move(work);
  job->done = std::move(done);
  waiting_.push_back(std::move(job));
  hand_out();
  return {};
}

void Pool::hand_out() {
  while (!waiting_.empty() && !idle_.empty()) {
    Job* job = waiting_.front().release();
    waiting_.pop_front();
    job->worker = idle_.back();
    idle_.pop_back();
    ++running_;
    job->handed_over.store(true, std::memory_order_release);
    send_pointer(workers_[job->worker].jobs, job);
  }
}

bool Pool::collect(size_t batch) {
  for (; batch > 0; --batch) {
    void* pointer = nullptr;
    if (!receive_pointer(results_, zmq::recv_flags::dontwait, pointer)) return false;
    const std::unique_ptr<Job> job(static_cast<Job*>(pointer));
    (void)job->handed_over.load(std::memory_order_acquire);
    --running_;
    idle_.push_back(job->worker);
    // The worker gets its next job before the owner looks at this one's outcome.
    hand_out();
    job->done();
  }
  return true;
}

void Pool::stop() {
  if (std::exchange(stopped_, true)) return;
  waiting_.clear();
  for (Worker& worker : workers_) send_pointer(worker.jobs, nullptr);
  for (Worker& worker : workers_) worker.thread.join();
  void* pointer = nullptr;
  while (receive_pointer(results_, zmq::recv_flags::dontwait, pointer)) {
    const std::unique_ptr<Job> job(static_cast<Job*>(pointer));
    (void)job->handed_over.load(std::memory_order_acquire);
  }
  workers_.clear();
}

void Pool::work(zmq::socket_t in, zmq::socket_t out) {
  void* pointer = nullptr;
  while (receive_pointer(in, zmq::recv_flags::none, pointer) && pointer != nullptr) {
    Job* job = static_cast<Job*>(pointer);
    (void)job->handed_over.load(std::memory_order_acquire);
    job->work();
    job->handed_over.store(true, std::memory_order_release);
    send_pointer(out, job);
  }
}

}  // namespace dfs
