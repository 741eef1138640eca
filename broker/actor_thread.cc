#include "broker/actor_thread.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <charconv>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>

#include "broker/log.h"
#include "broker/zmq_bus.h"

namespace dfs {
namespace {

constexpr Duration kWaitMax = std::chrono::seconds(10);
constexpr int kSocketsMax = 16'384;

}  // namespace

Result<BrokerEndpoints> BrokerEndpoints::of(const std::string& requests) {
  using R = Result<BrokerEndpoints>;
  if (requests.starts_with("inproc://")) {
    return BrokerEndpoints{requests, requests + "-in", requests + "-out"};
  }
  const size_t colon = requests.rfind(':');
  unsigned port = 0;
  if (requests.starts_with("tcp://") && colon > 5) {
    const char* end = requests.data() + requests.size();
    const auto [stop, error] = std::from_chars(requests.data() + colon + 1, end, port);
    if (error != std::errc() || stop != end) port = 0;
  }
  if (port == 0 || port > 65'533) {
    return R(Code::usage, "`" + requests +
                              "` is not a broker's address; write tcp://HOST:PORT with a port "
                              "between 1 and 65533");
  }
  const std::string host = requests.substr(0, colon + 1);
  return BrokerEndpoints{requests, host + std::to_string(port + 1),
                         host + std::to_string(port + 2)};
}

std::shared_ptr<zmq::context_t> make_context(int io_threads) {
  auto context = std::make_shared<zmq::context_t>(io_threads);
  context->set(zmq::ctxopt::max_sockets, kSocketsMax);
  return context;
}

struct ActorThread::State {
  State(zmq::context_t& c, ActorSettings s, Factory f)
      : context(c), settings(std::move(s)), factory(std::move(f)) {
    wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    DFS_ASSERT(wake_fd >= 0);
  }
  ~State() { close(wake_fd); }

  void run();
  void serve(ZmqBus& bus);
  void take_steps(Actor& actor);
  void report(Result<void> outcome);
  void wake() {
    const uint64_t one = 1;
    (void)!write(wake_fd, &one, sizeof one);
  }

  zmq::context_t& context;
  const ActorSettings settings;
  const Factory factory;
  int wake_fd = -1;
  std::thread thread;
  std::atomic<bool> stopping = false;

  std::mutex mutex;  // guards what follows
  std::condition_variable changed;
  std::optional<Result<void>> ready;
  std::string endpoint;
  bool takes_steps = true;
  std::vector<std::function<void(Actor&)>> steps;
};

void ActorThread::State::report(Result<void> outcome) {
  const std::lock_guard lock(mutex);
  if (ready) return;
  ready.emplace(std::move(outcome));
  changed.notify_all();
}

void ActorThread::State::take_steps(Actor& actor) {
  uint64_t count = 0;
  if (read(wake_fd, &count, sizeof count) < 0) return;
  std::vector<std::function<void(Actor&)>> taken;
  {
    const std::lock_guard lock(mutex);
    taken.swap(steps);
  }
  for (const auto& step : taken) step(actor);
}

void ActorThread::State::serve(ZmqBus& bus) {
  bool started = false;
  const Instant start_end = bus.now() + settings.start_deadline;
  const std::unique_ptr<Actor> actor = factory(bus);
  actor->start([this, &started](Result<void> outcome) {
    started = true;
    report(std::move(outcome));
  });
  while (!stopping) {
    const Duration left = start_end - bus.now();
    if (!started && left <= Duration::zero()) {
      started = true;
      report({Code::timeout, "`" + settings.address + "` did not become ready in time"});
    }
    const bool woken = bus.turn(*actor, started ? kWaitMax : std::min(left, kWaitMax));
    if (woken) take_steps(*actor);
  }
  // Shared with the actor, which may answer after we stopped waiting.
  const auto stopped = std::make_shared<bool>(false);
  const Instant stop_end = bus.now() + settings.stop_deadline;
  actor->stop([stopped] { *stopped = true; });
  while (!*stopped && bus.now() < stop_end) {
    if (bus.turn(*actor, stop_end - bus.now())) take_steps(*actor);
  }
  if (!*stopped) bus.log(Level::warn, "stopped without waiting any longer", {});
  bus.stop_pool();
}

void ActorThread::State::run() {
  try {
    ZmqBus bus(context, settings, wake_fd);
    if (Result<void> opened = bus.open(); !opened) return report(std::move(opened));
    {
      const std::lock_guard lock(mutex);
      endpoint = bus.endpoint();
    }
    serve(bus);
    report({Code::stopping, "stopped before it was ready"});
  } catch (const std::exception& error) {
    log_event(Level::error, settings.address, "died", {{"why", error.what()}});
    flush_log();
    std::abort();
  }
}

ActorThread::ActorThread(zmq::context_t& context, ActorSettings settings, Factory factory)
    : state_(std::make_unique<State>(context, std::move(settings), std::move(factory))) {
  state_->thread = std::thread([state = state_.get()] { state->run(); });
  std::unique_lock lock(state_->mutex);
  state_->changed.wait(lock, [this] { return state_->ready.has_value(); });
}

ActorThread::~ActorThread() {
  stop();
}

const Result<void>& ActorThread::ready() const {
  return *state_->ready;  // never changes once the constructor has returned
}

const std::string& ActorThread::endpoint() const {
  return state_->endpoint;
}

void ActorThread::post(std::function<void(Actor&)> step) {
  {
    const std::lock_guard lock(state_->mutex);
    if (!state_->takes_steps) return;
    state_->steps.push_back(std::move(step));
  }
  state_->wake();
}

void ActorThread::stop() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->takes_steps = false;
  }
  if (!state_->thread.joinable()) return;
  state_->stopping = true;
  state_->wake();
  state_->thread.join();
  state_->steps.clear();
}

}  // namespace dfs
