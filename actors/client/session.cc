#include "actors/client/session.h"

#include <chrono>
#include <cstdio>
#include <future>
#include <random>
#include <zmq.hpp>

#include "broker/actor_thread.h"

namespace dfs {

namespace {

constexpr auto kCancelPoll = std::chrono::milliseconds(50);

std::string random_address() {
  std::random_device entropy;
  char text[32];
  std::snprintf(text, sizeof text, "client/%08x%08x", entropy(), entropy());
  return text;
}

ActorSettings actor_settings(const SessionSettings& settings) {
  ActorSettings actor;
  actor.address = random_address();
  actor.brokers = settings.brokers;
  actor.pool_threads = settings.pool_threads;
  actor.security = settings.security;
  return actor;
}

ClientSettings client_settings(const SessionSettings& settings) {
  return {settings.deadline, settings.ticket, settings.ticket_renewed};
}

// A run() as the client's thread sees it. Whoever lets it go last, without an outcome, means that
// the client stopped.
struct Waiting {
  std::function<Task<void>(Client&)> flow;
  std::promise<Result<void>> promise;
  Signal changed;
  bool over = false;       // the flow is done
  bool cancelled = false;  // nobody waits for it any more

  ~Waiting() {
    flow = nullptr;  // what it captured is gone before the caller goes on
    if (over) {
      promise.set_value({});
    } else if (cancelled) {
      promise.set_value({Code::cancelled, "cancelled"});
    } else {
      promise.set_value({Code::stopping, "the session was closed before the operation was done"});
    }
  }
};

Task<void> run_flow(Client* client, Waiting* waiting) {
  Task<void> running = waiting->flow(*client);
  co_await running;
  waiting->over = true;
  waiting->changed.notify();
}

// Runs the flow in a scope of its own, which ends with the flow or with its cancellation. The
// caller's thread goes on after that, when the frame lets `waiting` go: nothing of the flow is
// left.
Task<void> drive(Client* client, std::shared_ptr<Waiting> waiting) {
  TaskScope inner;
  inner.spawn(run_flow(client, waiting.get()));
  while (!waiting->over && !waiting->cancelled) {
    Signal::Waiter step = waiting->changed.wait();
    co_await step;
  }
  if (inner.size() > 0) {
    // Not on the stack of the flow that is about to be destroyed.
    Task<void> stepping_aside = sleep(client->bus(), Duration::zero());
    co_await stepping_aside;
  }
}

}  // namespace

struct Session::State {
  explicit State(const SessionSettings& settings)
      : context(1),
        thread(context, actor_settings(settings), [client = client_settings(settings)](Bus& bus) {
          return std::make_unique<Client>(bus, client);
        }) {}

  zmq::context_t context;
  ActorThread thread;
};

Session::Session(SessionSettings settings) : state_(std::make_unique<State>(settings)) {}
Session::~Session() = default;

const Result<void>& Session::ready() const {
  return state_->thread.ready();
}

void Session::post(std::function<void(Client&)> step) {
  state_->thread.post(
      [step = std::move(step)](Actor& actor) { step(static_cast<Client&>(actor)); });
}

Result<void> Session::run_to_end(std::function<Task<void>(Client&)> flow) {
  DFS_CHECK(ready());
  auto waiting = std::make_shared<Waiting>();
  waiting->flow = std::move(flow);
  std::future<Result<void>> outcome = waiting->promise.get_future();
  const std::weak_ptr<Waiting> watched = waiting;
  post([waiting = std::move(waiting)](Client& client) mutable {
    client.scope().spawn(drive(&client, std::move(waiting)));
  });
  for (Duration waited{0}; outcome.wait_for(kCancelPoll) != std::future_status::ready;) {
    waited += kCancelPoll;
    const Duration limit(limit_ns_.load(std::memory_order_relaxed));
    const bool late = limit != Duration::zero() && waited >= limit;
    if (!late && !cancelled_.load(std::memory_order_relaxed)) continue;
    post([watched](Client&) {
      const auto still = watched.lock();
      if (still == nullptr) return;
      still->cancelled = true;
      still->changed.notify();
    });
    outcome.wait();
  }
  return outcome.get();
}

Result<TransferReport> Session::put(std::shared_ptr<Source> source, std::string path,
                                    TransferOptions options) {
  return run<TransferReport>([&](Client& client) { return client.put(source, path, options); });
}

Result<TransferReport> Session::get(std::string path, std::shared_ptr<Sink> sink,
                                    TransferOptions options) {
  return run<TransferReport>([&](Client& client) { return client.get(path, sink, options); });
}

Result<InodeInfo> Session::stat(std::string path) {
  return run<InodeInfo>([&](Client& client) { return client.stat(path); });
}

Result<std::vector<ListEntry>> Session::list_all(std::string path) {
  std::vector<ListEntry> entries;
  while (true) {
    const std::string after = entries.empty() ? "" : entries.back().name;
    auto page =
        run<ListReply>([&](Client& client) { return client.list(path, after, kListEntriesMax); });
    if (!page) return page.error();
    for (ListEntry& entry : page->entries) entries.push_back(std::move(entry));
    if (!page->more || page->entries.empty()) return entries;
  }
}

Result<MakeDirReply> Session::make_dir(std::string path, bool parents) {
  return run<MakeDirReply>([&](Client& client) { return client.make_dir(path, parents); });
}

Result<RenameReply> Session::rename(std::string from, std::string to, bool replace) {
  return run<RenameReply>([&](Client& client) { return client.rename(from, to, replace); });
}

Result<RemoveReply> Session::remove(std::string path, bool recursive) {
  return run<RemoveReply>([&](Client& client) { return client.remove(path, recursive); });
}

}  // namespace dfs
