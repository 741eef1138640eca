#include "broker/timers.h"

#include <doctest/doctest.h>

#include <string>

namespace dfs {
namespace {

Instant at(int64_t nanoseconds) {
  return Instant(Duration(nanoseconds));
}

TEST_SUITE_BEGIN("broker");

TEST_CASE("timers fire by time, equal ones in the order they were added") {
  Timers timers;
  std::string order;
  for (const char name : {'a', 'b', 'c'}) timers.add(at(5), [&order, name] { order += name; });
  timers.add(at(1), [&] { order += '1'; });
  CHECK(timers.next() == at(1));
  timers.fire(at(4), 100);
  CHECK(order == "1");
  timers.fire(at(5), 2);
  CHECK(order == "1ab");
  timers.fire(at(5), 100);
  CHECK(order == "1abc");
  CHECK_FALSE(timers.next());
}

TEST_CASE("an id is never that of another timer, even when its slot is used again") {
  Timers timers;
  bool fired = false;
  const Bus::TimerId first = timers.add(at(1), [] { FAIL("a cancelled timer fired"); });
  timers.cancel(first);
  const Bus::TimerId second = timers.add(at(1), [&] { fired = true; });
  CHECK(first != 0);
  CHECK(first != second);
  timers.cancel(first);
  timers.cancel(0);
  timers.cancel(UINT64_MAX);
  timers.fire(at(1), 100);
  CHECK(fired);
  timers.cancel(second);
}

TEST_CASE("a timer that adds one due at once does not keep the others waiting") {
  Timers timers;
  int count = 0;
  std::function<void()> again = [&] {
    ++count;
    timers.add(at(0), again);
  };
  timers.add(at(0), again);
  timers.fire(at(0), 10);
  CHECK(count == 10);
}

TEST_CASE("a fired timer may cancel the next one") {
  Timers timers;
  Bus::TimerId next = 0;
  timers.add(at(1), [&] { timers.cancel(next); });
  next = timers.add(at(1), [] { FAIL("a cancelled timer fired"); });
  timers.fire(at(1), 100);
  CHECK(timers.size() == 0);
}

TEST_CASE("many deadlines that are added and cancelled leave nothing behind") {
  Timers timers;
  int fired = 0;
  timers.add(at(7), [&] { ++fired; });
  for (int i = 0; i < 100'000; ++i) timers.cancel(timers.add(at(1'000'000 + i), [] {}));
  CHECK(timers.size() == 1);
  CHECK(timers.next() == at(7));
  timers.fire(at(2'000'000), 100);
  CHECK(fired == 1);
}

TEST_SUITE_END();

}  // namespace
}  // namespace dfs
