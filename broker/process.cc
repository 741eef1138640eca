#include "broker/process.h"

#include <malloc.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <condition_variable>
#include <csignal>
#include <cstdio>
#include <mutex>
#include <thread>
#include <vector>
#include <zmq.hpp>

#include "broker/zap.h"

namespace dfs {
namespace {

sigset_t stop_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  return set;
}

// Each connection takes a few descriptors, and so does each open segment.
void raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  (void)setrlimit(RLIMIT_NOFILE, &limit);
}

// Ends the process when a stop takes longer than it may.
class StopGuard {
 public:
  StopGuard(std::string name, Duration deadline)
      : thread_([this, name = std::move(name), deadline] {
          std::unique_lock lock(mutex_);
          if (over_.wait_for(lock, deadline, [this] { return done_; })) return;
          log_event(Level::warn, name, "stop took too long", {});
          flush_log();
          _exit(1);
        }) {}
  ~StopGuard() {
    {
      const std::lock_guard lock(mutex_);
      done_ = true;
    }
    over_.notify_one();
    thread_.join();
  }

 private:
  std::mutex mutex_;
  std::condition_variable over_;
  bool done_ = false;
  std::thread thread_;
};

}  // namespace

void tune_malloc() {
  // Buffers of a block's part are allocated on one thread and freed on another, thousands of times
  // a second; mapping and unmapping each would cost more than copying it. Few arenas and a bounded
  // top keep what is held in reserve small.
  mallopt(M_MMAP_THRESHOLD, 8 << 20);
  mallopt(M_TRIM_THRESHOLD, 16 << 20);
  mallopt(M_ARENA_MAX, 4);
}

struct Process::State {
  explicit State(ProcessSettings s) : settings(std::move(s)) {}

  const ProcessSettings settings;
  Result<void> log_opened;
  std::shared_ptr<zmq::context_t> context;
  std::unique_ptr<ZapHandler> zap;
  int stop_fd = -1;
  std::vector<std::function<void()>> parts;  // each call destroys one, in reverse order

  void stop_parts() {
    while (!parts.empty()) {
      const auto release = std::move(parts.back());
      parts.pop_back();
      release();
    }
    zap.reset();  // when the last port is closed
  }
};

Process::Process(ProcessSettings settings) : state_(std::make_unique<State>(std::move(settings))) {
  const sigset_t signals = stop_signals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  tune_malloc();
  raise_descriptor_limit();
  state_->log_opened = open_log(state_->settings.log);
  state_->stop_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  DFS_ASSERT(state_->stop_fd >= 0);
  state_->context = make_context(state_->settings.io_threads);
  if (const auto& security = state_->settings.security; security && security->served) {
    state_->zap = std::make_unique<ZapHandler>(*state_->context, security->known);
    DFS_ASSERT(state_->zap->ready().ok());  // nobody else is in this context yet
  }
}

Process::~Process() {
  state_->stop_parts();
  state_->context.reset();
  close(state_->stop_fd);
  flush_log();
}

zmq::context_t& Process::context() {
  return *state_->context;
}

Result<ActorThread*> Process::start(ActorSettings settings, ActorThread::Factory factory) {
  if (!state_->log_opened) return state_->log_opened.error();
  const std::string address = settings.address;
  if (!settings.security) settings.security = state_->settings.security;
  auto actor = std::make_unique<ActorThread>(context(), std::move(settings), std::move(factory));
  if (!actor->ready()) {
    const Error& error = actor->ready().error();
    log_event(Level::error, state_->settings.name, "not started",
              {{"part", address}, {"why", error.describe()}});
    return error;
  }
  log_event(Level::info, state_->settings.name, "started",
            {{"part", address}, {"endpoint", actor->endpoint()}});
  return &keep(std::move(actor));
}

void Process::keep_until_stop(std::function<void()> release) {
  state_->parts.push_back(std::move(release));
}

int Process::run() {
  const ProcessSettings& settings = state_->settings;
  if (!settings.ready_line.empty()) {
    std::printf("%s\n", settings.ready_line.c_str());
    std::fflush(stdout);
  }
  const sigset_t signals = stop_signals();
  const int signal_fd = signalfd(-1, &signals, SFD_CLOEXEC);
  DFS_ASSERT(signal_fd >= 0);
  pollfd items[] = {{signal_fd, POLLIN, 0}, {state_->stop_fd, POLLIN, 0}};
  while (poll(items, 2, -1) < 0) {
  }
  // The signal that ended the wait is taken off before signals get their default action back: from
  // here on the next one ends the process.
  if ((items[0].revents & POLLIN) != 0) {
    signalfd_siginfo info{};
    (void)!read(signal_fd, &info, sizeof info);
  }
  close(signal_fd);
  std::signal(SIGTERM, SIG_DFL);
  std::signal(SIGINT, SIG_DFL);
  pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);

  log_event(Level::info, settings.name, "stopping", {});
  {
    const StopGuard guard(settings.name, settings.stop_deadline);
    state_->stop_parts();
    state_->context.reset();
  }
  log_event(Level::info, settings.name, "stopped", {});
  flush_log();
  return 0;
}

void Process::request_stop() {
  const uint64_t one = 1;
  (void)!write(state_->stop_fd, &one, sizeof one);
}

}  // namespace dfs
