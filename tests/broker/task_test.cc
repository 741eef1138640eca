#include "broker/task.h"

#include <doctest/doctest.h>

#include "tests/broker/fake_bus.h"

namespace dfs {
namespace {

using std::chrono::milliseconds;

// Sets its flag when it is destroyed.
struct Tomb {
  bool& destroyed;
  explicit Tomb(bool& flag) : destroyed(flag) {}
  ~Tomb() { destroyed = true; }
};

Task<int> ready_number(int number) {
  co_return number;
}

Task<void> add_many(size_t count, uint64_t& sum) {
  for (size_t i = 0; i < count; ++i) {
    Task<int> adding = ready_number(1);
    const int one = co_await adding;
    sum += static_cast<uint64_t>(one);
  }
}

Task<void> wait_then_set(Bus& bus, Duration delay, int& value, int to) {
  Task<void> sleeping = sleep(bus, delay);
  co_await sleeping;
  value = to;
}

Task<void> wait_for_ever(Bus& bus, bool& destroyed) {
  const Tomb tomb(destroyed);
  Task<void> sleeping = sleep(bus, std::chrono::hours(1));
  co_await sleeping;
  FAIL("a cancelled flow went on");
}

Task<void> wait_in_child(Bus& bus, bool& outer, bool& inner) {
  const Tomb tomb(outer);
  Task<void> child = wait_for_ever(bus, inner);
  co_await child;
}

Task<void> await_value(Completion<int>& completion, int& value) {
  const int got = co_await completion;
  value = got;
}

Task<void> drain(const int& items, int& taken, Signal& signal) {
  while (true) {
    while (taken == items) {
      auto waiting = signal.wait();
      co_await waiting;
    }
    ++taken;
  }
}

Task<void> note_wake(Signal& signal, std::string& order, char name) {
  auto waiting = signal.wait();
  co_await waiting;
  order += name;
}

Task<void> wake_others(Signal& signal, std::string& order) {
  auto waiting = signal.wait();
  co_await waiting;
  order += 'n';
  signal.notify();
}

Task<void> destroy_scope(Signal& signal, std::unique_ptr<TaskScope>& other) {
  auto waiting = signal.wait();
  co_await waiting;
  other.reset();
}

Task<void> run_work(Bus& bus, bool& worked, Result<void>& outcome) {
  Task<Result<void>> running = run(bus, [&worked] { worked = true; });
  outcome = co_await running;
}

TEST_SUITE_BEGIN("broker");

TEST_CASE("a long loop of flows that are ready at once needs no stack") {
  TaskScope scope;
  uint64_t sum = 0;
  scope.spawn(add_many(1'000'000, sum));
  CHECK(sum == 1'000'000);
  CHECK(scope.size() == 0);
}

TEST_CASE("flows wait for virtual time and end in the order of their delays") {
  FakeBus bus;
  TaskScope scope;
  int value = 0;
  scope.spawn(wait_then_set(bus, milliseconds(20), value, 2));
  scope.spawn(wait_then_set(bus, milliseconds(10), value, 1));
  CHECK(scope.size() == 2);
  bus.advance(milliseconds(9));
  CHECK(value == 0);
  bus.advance(milliseconds(1));
  CHECK(value == 1);
  bus.advance(milliseconds(10));
  CHECK(value == 2);
  CHECK(scope.size() == 0);
}

TEST_CASE("destroying a scope destroys its flows, their children and their timers") {
  FakeBus bus;
  bool outer = false, inner = false;
  {
    TaskScope scope;
    scope.spawn(wait_in_child(bus, outer, inner));
    CHECK(bus.timers() == 1);
    CHECK_FALSE(inner);
  }
  CHECK(outer);
  CHECK(inner);
  CHECK(bus.timers() == 0);
}

TEST_CASE("a flow that was never started is destroyed with its task") {
  FakeBus bus;
  bool destroyed = false;
  { const Task<void> never = wait_for_ever(bus, destroyed); }
  CHECK_FALSE(destroyed);  // its body, and so the tomb, never began
  CHECK(bus.timers() == 0);
}

TEST_CASE("a completion passes its first value on, whether it is fired before or after the wait") {
  TaskScope scope;
  int value = 0;
  SUBCASE("before") {
    Completion<int> completion;
    completion.fire()(7);
    completion.fire()(8);
    scope.spawn(await_value(completion, value));
    CHECK(value == 7);
  }
  SUBCASE("after") {
    Completion<int> completion;
    scope.spawn(await_value(completion, value));
    CHECK(value == 0);
    completion.fire()(7);
    completion.fire()(8);
    CHECK(value == 7);
  }
}

TEST_CASE("firing a completion whose flow is gone does nothing") {
  auto completion = std::make_unique<Completion<int>>();
  const auto fire = completion->fire();
  completion.reset();
  fire(7);
}

TEST_CASE("a signal wakes who waits now, in order") {
  Signal signal;
  TaskScope scope;
  std::string order;
  for (const char name : {'a', 'b', 'c'}) scope.spawn(note_wake(signal, order, name));
  signal.notify();
  CHECK(order == "abc");
  signal.notify();
  CHECK(order == "abc");
}

TEST_CASE("a flow that waits again is not woken twice by one signal") {
  Signal signal;
  TaskScope scope;
  int items = 0, taken = 0;
  scope.spawn(drain(items, taken, signal));
  signal.notify();
  CHECK(taken == 0);
  items = 5;
  signal.notify();
  CHECK(taken == 5);
}

TEST_CASE("a woken flow may notify the same signal") {
  Signal signal;
  TaskScope scope;
  std::string order;
  scope.spawn(note_wake(signal, order, 'a'));
  scope.spawn(wake_others(signal, order));
  scope.spawn(note_wake(signal, order, 'b'));
  scope.spawn(note_wake(signal, order, 'c'));
  signal.notify();
  CHECK(order == "anbc");
}

TEST_CASE("a woken flow may destroy others that wait for the same signal") {
  Signal signal;
  TaskScope scope;
  auto victims = std::make_unique<TaskScope>();
  std::string order;
  victims->spawn(note_wake(signal, order, 'a'));
  scope.spawn(destroy_scope(signal, victims));
  victims->spawn(note_wake(signal, order, 'b'));
  scope.spawn(note_wake(signal, order, 'c'));
  signal.notify();
  CHECK(order == "ac");
}

TEST_CASE("work on the pool ends in the flow, or is refused as busy") {
  FakeBus bus;
  bus.run_mode = FakeBus::RunMode::queued;
  TaskScope scope;
  bool worked = false;
  Result<void> outcome(Code::cancelled, "");
  SUBCASE("done") {
    scope.spawn(run_work(bus, worked, outcome));
    CHECK_FALSE(worked);
    bus.run_job();
    CHECK(worked);
    CHECK(outcome);
  }
  SUBCASE("refused") {
    bus.jobs_max = 0;
    scope.spawn(run_work(bus, worked, outcome));
    CHECK(outcome.code() == Code::busy);
  }
  SUBCASE("the flow is destroyed meanwhile, the work still runs") {
    scope.spawn(run_work(bus, worked, outcome));
    scope.clear();
    bus.run_job();
    CHECK(worked);
    CHECK(outcome.code() == Code::cancelled);
  }
}

TEST_SUITE_END();

}  // namespace
}  // namespace dfs
