#include "actors/storage/pacer.h"

#include <doctest/doctest.h>

#include "tests/broker/fake_bus.h"

namespace dfs::storage {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr uint64_t kMiB = 1 << 20;

// Repair that always has more to move, `each` at a time, one after the other.
struct Repair {
  Repair(FakeBus& b, Pacer& p, uint64_t e, Duration w) : bus(b), pacer(p), each(e), work(w) {
    scope.spawn(go(this));
  }
  static Task<void> go(Repair* self) {
    while (true) {
      Task<void> taking = self->pacer.take(self->each);
      co_await taking;
      self->moved += self->each;
      Task<void> working = sleep(self->bus, self->work);
      co_await working;
    }
  }
  uint64_t moved_in(Duration time) {
    const uint64_t before = moved;
    bus.advance(time);
    return moved - before;
  }

  FakeBus& bus;
  Pacer& pacer;
  const uint64_t each;
  const Duration work;  // that moving takes
  uint64_t moved = 0;
  TaskScope scope;
};

}  // namespace

TEST_SUITE("storage") {
  TEST_CASE("repair that is alone goes as fast as it can") {
    FakeBus bus;
    Pacer pacer(bus);
    Repair repair(bus, pacer, kMiB, milliseconds(2));
    CHECK(repair.moved_in(seconds(1)) == 500 * kMiB);
  }

  TEST_CASE("the limit holds over all that is moved, however many move it") {
    FakeBus bus;
    Pacer pacer(bus);
    pacer.set_limit(10 * kMiB);
    Repair one(bus, pacer, kMiB, milliseconds(2));
    Repair two(bus, pacer, kMiB, milliseconds(2));
    bus.advance(seconds(10));
    const uint64_t moved = one.moved + two.moved;
    CHECK(moved >= 99 * kMiB);
    CHECK(moved <= 102 * kMiB);
    CHECK(one.moved > 40 * kMiB);
    CHECK(two.moved > 40 * kMiB);
  }

  TEST_CASE("beside a client repair takes about half of what it took, and all of it afterwards") {
    FakeBus bus;
    Pacer pacer(bus);
    Repair repair(bus, pacer, kMiB, milliseconds(5));
    CHECK(repair.moved_in(seconds(2)) == 400 * kMiB);
    uint64_t beside = 0;
    for (int i = 0; i < 100; ++i) {
      pacer.foreground();
      beside += repair.moved_in(milliseconds(20));
    }
    CHECK(beside >= 180 * kMiB);
    CHECK(beside <= 220 * kMiB);
    bus.advance(Pacer::kFresh);
    CHECK(repair.moved_in(seconds(1)) >= 195 * kMiB);
  }

  TEST_CASE("a limited repair beside a client takes half of its limit") {
    FakeBus bus;
    Pacer pacer(bus);
    pacer.set_limit(8 * kMiB);
    pacer.foreground();
    CHECK(pacer.rate() == 4 * kMiB);
    pacer.set_limit(kMiB / 4);
    CHECK(pacer.rate() == kMiB / 4);
    bus.advance(Pacer::kFresh);
    pacer.set_limit(0);
    CHECK(pacer.rate() == 0);
  }

  TEST_CASE("a slow repair is not pushed down to nothing") {
    FakeBus bus;
    Pacer pacer(bus);
    Repair repair(bus, pacer, 1000, milliseconds(10));
    bus.advance(seconds(2));
    pacer.foreground();
    CHECK(pacer.rate() == Pacer::kLeastRate);
  }
}

}  // namespace dfs::storage
