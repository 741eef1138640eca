// Coroutines for flows of several steps (put, get, …). One thread; no locks.
//
//   Task<Result<int>> flow(Bus& bus) {
//     const Result<void> ran = co_await run(bus, [] { …blocking… });
//     …
//   }
//
// House rules (g++ 12): bind each co_await to a named local; none inside conditions, ?: or argument
// lists; parameters by value (or references that outlive the flow); no capturing lambda coroutines.
#pragma once

#include <coroutine>
#include <cstdlib>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "broker/bus.h"

namespace dfs {

template <class T = void>
class Task;

namespace detail {

struct PromiseBase {
  std::coroutine_handle<> continuation;

  struct FinalAwaiter {
    bool await_ready() noexcept { return false; }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> self) noexcept {
      // The continuation may destroy this frame; nothing of it is touched afterwards.
      if (auto next = self.promise().continuation) next.resume();
    }
    void await_resume() noexcept {}
  };
  std::suspend_always initial_suspend() noexcept { return {}; }
  FinalAwaiter final_suspend() noexcept { return {}; }
  void unhandled_exception() noexcept { std::abort(); }
};

template <class T>
struct Promise : PromiseBase {
  std::optional<T> value;
  Task<T> get_return_object();
  template <class U>
  void return_value(U&& result) {
    value.emplace(std::forward<U>(result));
  }
  T take() { return std::move(*value); }
};

template <>
struct Promise<void> : PromiseBase {
  Task<void> get_return_object();
  void return_void() noexcept {}
  void take() noexcept {}
};

}  // namespace detail

// A flow that starts when it is awaited and is destroyed, with all it waits for, with its Task.
template <class T>
class [[nodiscard]] Task {
 public:
  using promise_type = detail::Promise<T>;
  using Handle = std::coroutine_handle<promise_type>;

  explicit Task(Handle handle) : handle_(handle) {}
  Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Task& operator=(Task&&) = delete;
  ~Task() {
    if (handle_) handle_.destroy();
  }

  bool await_ready() const noexcept { return false; }
  // Runs the flow right here. False when it is done already: the caller goes on without having been
  // suspended, so a loop of quick flows needs no stack (symmetric transfer would, in g++ at -O0).
  bool await_suspend(std::coroutine_handle<> caller) {
    handle_.resume();
    if (handle_.done()) return false;
    handle_.promise().continuation = caller;
    return true;
  }
  T await_resume() { return handle_.promise().take(); }

 private:
  Handle handle_;
};

namespace detail {
template <class T>
Task<T> Promise<T>::get_return_object() {
  return Task<T>(std::coroutine_handle<Promise<T>>::from_promise(*this));
}
inline Task<void> Promise<void>::get_return_object() {
  return Task<void>(std::coroutine_handle<Promise<void>>::from_promise(*this));
}
}  // namespace detail

// Owns flows that nobody awaits. Destroying the scope destroys those still under way.
class TaskScope {
 public:
  TaskScope() = default;
  TaskScope(const TaskScope&) = delete;
  TaskScope& operator=(const TaskScope&) = delete;
  ~TaskScope() { clear(); }

  // Runs `task` until it first waits, then in the background.
  void spawn(Task<void> task) {
    const uint64_t id = ++last_id_;
    Root root = drive(this, id, std::move(task));
    roots_.emplace(id, root.handle);
    root.handle.resume();
  }
  size_t size() const { return roots_.size(); }
  void clear() {
    // A destroyed flow's locals may spawn or finish others; take the frames out first.
    while (!roots_.empty()) {
      auto handle = roots_.begin()->second;
      roots_.erase(roots_.begin());
      handle.destroy();
    }
  }

 private:
  struct Root {
    struct promise_type {
      Root get_return_object() {
        return Root{std::coroutine_handle<promise_type>::from_promise(*this)};
      }
      std::suspend_always initial_suspend() noexcept { return {}; }
      std::suspend_never final_suspend() noexcept { return {}; }
      void return_void() noexcept {}
      void unhandled_exception() noexcept { std::abort(); }
    };
    std::coroutine_handle<promise_type> handle;
  };
  static Root drive(TaskScope* scope, uint64_t id, Task<void> task) {
    co_await task;
    scope->roots_.erase(id);
  }

  std::map<uint64_t, std::coroutine_handle<Root::promise_type>> roots_;
  uint64_t last_id_ = 0;
};

// Suspends until `fire(value)` of the Completion handed to the starter is called; the bridge from
// callbacks to flows. The callback may outlive the flow: it then does nothing.
template <class T>
class [[nodiscard]] Completion {
 public:
  struct State {
    std::optional<T> value;
    std::coroutine_handle<> waiter;
    bool abandoned = false;
  };
  class Fire {
   public:
    explicit Fire(std::shared_ptr<State> state) : state_(std::move(state)) {}
    void operator()(T value) const {
      if (state_->abandoned || state_->value) return;
      state_->value.emplace(std::move(value));
      if (auto waiter = std::exchange(state_->waiter, nullptr)) waiter.resume();
    }

   private:
    std::shared_ptr<State> state_;
  };

  Completion() : state_(std::make_shared<State>()) {}
  Completion(const Completion&) = delete;
  Completion& operator=(const Completion&) = delete;
  ~Completion() { state_->abandoned = true; }

  Fire fire() const { return Fire(state_); }
  bool await_ready() const { return state_->value.has_value(); }
  void await_suspend(std::coroutine_handle<> waiter) { state_->waiter = waiter; }
  T await_resume() { return std::move(*state_->value); }

 private:
  std::shared_ptr<State> state_;
};

// Flows wait for a change of some state: `while (!condition) co_await signal.wait();`
class Signal {
 public:
  Signal() = default;
  Signal(const Signal&) = delete;
  Signal& operator=(const Signal&) = delete;

  struct Waiter {
    explicit Waiter(Signal& signal) : signal_(signal) {}
    Waiter(const Waiter&) = delete;
    Waiter& operator=(const Waiter&) = delete;
    ~Waiter() {
      if (!waiting_) return;
      for (Waiter*& waiter : signal_.waiters_) {
        if (waiter == this) waiter = nullptr;
      }
    }
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> handle) {
      handle_ = handle;
      waiting_ = true;
      signal_.waiters_.push_back(this);
    }
    void await_resume() noexcept {}

   private:
    friend class Signal;
    Signal& signal_;
    std::coroutine_handle<> handle_;
    bool waiting_ = false;
  };
  Waiter wait() { return Waiter(*this); }

  // Wakes everyone who waits now, in order. A woken flow must not destroy the signal.
  void notify() {
    const size_t count = waiters_.size();
    ++notifying_;
    for (size_t i = 0; i < count; ++i) {
      Waiter* waiter = std::exchange(waiters_[i], nullptr);
      if (waiter == nullptr) continue;
      waiter->waiting_ = false;
      waiter->handle_.resume();
    }
    // A woken flow may notify in its turn; the places stay where they are until all are done.
    if (--notifying_ == 0) std::erase(waiters_, nullptr);
  }

 private:
  std::vector<Waiter*> waiters_;
  size_t notifying_ = 0;
};

// co_await sleep(bus, 10ms);
inline Task<void> sleep(Bus& bus, Duration delay) {
  Completion<bool> completion;
  const Bus::TimerId timer = bus.after(delay, [fire = completion.fire()] { fire(true); });
  struct Guard {
    Bus& bus;
    Bus::TimerId timer;
    ~Guard() { bus.cancel(timer); }
  } guard{bus, timer};
  [[maybe_unused]] const bool fired = co_await completion;
}

// Runs blocking `work` on the bus's pool; the flow goes on on the actor's thread. When the flow is
// destroyed meanwhile the work still finishes: it must own what it uses (shared_ptr captures).
inline Task<Result<void>> run(Bus& bus, std::function<void()> work) {
  Completion<bool> completion;
  const Result<void> queued = bus.run(std::move(work), [fire = completion.fire()] { fire(true); });
  if (!queued) co_return queued.error();
  [[maybe_unused]] const bool done = co_await completion;
  co_return Result<void>();
}

}  // namespace dfs
