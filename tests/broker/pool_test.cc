#include "broker/pool.h"

#include <doctest/doctest.h>

#include "broker/actor_thread.h"
#include "tests/broker/harness.h"

namespace dfs {
namespace {

using test::Promised;

// Collects until `over`; waits for results, never for time.
void collect_until(Pool& pool, const std::function<bool()>& over) {
  zmq_pollitem_t item{pool.results().handle(), 0, ZMQ_POLLIN, 0};
  while (!over()) {
    REQUIRE(zmq_poll(&item, 1, 20'000) == 1);
    pool.collect(16);
  }
}

TEST_SUITE_BEGIN("broker");

TEST_CASE("every job is worked once and done once, on the owner's thread") {
  const auto context = make_context();
  Pool pool(*context, 4, 1000);
  std::atomic<size_t> worked = 0;
  size_t done = 0;
  const auto owner = std::this_thread::get_id();
  for (size_t i = 0; i < 1000; ++i) {
    REQUIRE(pool.run([&] { ++worked; },
                     [&] {
                       CHECK(std::this_thread::get_id() == owner);
                       ++done;
                     }));
  }
  collect_until(pool, [&] { return done == 1000; });
  CHECK(worked == 1000);
}

TEST_CASE("jobs of a single worker keep their order") {
  const auto context = make_context();
  Pool pool(*context, 1, 100);
  std::vector<int> order;
  for (int i = 0; i < 50; ++i) {
    REQUIRE(pool.run([] {}, [&order, i] { order.push_back(i); }));
  }
  collect_until(pool, [&] { return order.size() == 50; });
  for (int i = 0; i < 50; ++i) CHECK(order[static_cast<size_t>(i)] == i);
}

TEST_CASE("over its limit the pool is busy, and takes more once a job is done") {
  const auto context = make_context();
  Pool pool(*context, 2, 5);
  Promised<bool> gate;
  std::atomic<bool> open = false;
  size_t done = 0;
  const auto work = [&] { open.wait(false); };
  for (int i = 0; i < 5; ++i) REQUIRE(pool.run(work, [&] { ++done; }));
  const Result<void> refused = pool.run(work, [] { FAIL("a refused job was done"); });
  CHECK(refused.code() == Code::busy);
  CHECK(done == 0);
  open = true;
  open.notify_all();
  collect_until(pool, [&] { return done >= 1; });
  CHECK(pool.run([] {}, [&] { ++done; }));
  collect_until(pool, [&] { return done == 6; });
}

TEST_CASE("a short job does not wait behind a long one while a worker is idle") {
  const auto context = make_context();
  Pool pool(*context, 2, 100);
  std::atomic<bool> open = false;
  size_t quick = 0;
  bool slow = false;
  REQUIRE(pool.run([&] { open.wait(false); }, [&] { slow = true; }));
  for (int i = 0; i < 20; ++i) REQUIRE(pool.run([] {}, [&] { ++quick; }));
  collect_until(pool, [&] { return quick == 20; });
  CHECK_FALSE(slow);
  open = true;
  open.notify_all();
  collect_until(pool, [&] { return slow; });
}

TEST_CASE("a job may order the next one") {
  const auto context = make_context();
  Pool pool(*context, 1, 1);
  int left = 100;
  std::function<void()> next = [&] {
    if (--left > 0) CHECK(pool.run([] {}, next));
  };
  REQUIRE(pool.run([] {}, next));
  collect_until(pool, [&] { return left == 0; });
}

TEST_CASE("stop waits for what runs, drops what waits, and refuses what comes") {
  const auto context = make_context();
  Pool pool(*context, 1, 10);
  auto started = std::make_shared<Promised<bool>>();
  std::atomic<int> finished = 0;
  const auto alive = std::make_shared<int>(0);
  REQUIRE(pool.run(
      [&, started] {
        started->set(true);
        ++finished;
      },
      [alive] { FAIL("done was called after stop"); }));
  REQUIRE(pool.run([&] { finished += 100; }, [alive] { FAIL("done was called after stop"); }));
  REQUIRE(started->arrived());
  pool.stop();
  pool.stop();
  CHECK(finished % 100 == 1);
  CHECK(alive.use_count() == 1);
  CHECK(pool.run([] {}, [] {}).code() == Code::stopping);
}

TEST_SUITE_END();

}  // namespace
}  // namespace dfs
