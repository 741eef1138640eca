// Blocking work and timers of an object that may go away first: nothing is called back then.
#pragma once

#include <functional>
#include <memory>

#include "broker/bus.h"

namespace dfs {

class Jobs {
 public:
  explicit Jobs(Bus& bus) : bus_(bus) {}

  // A pool that is full for a moment delays; what has to be done is done.
  void run(std::function<void()> work, std::function<void()> done) {
    const std::weak_ptr<char> alive = alive_;
    const auto guarded = [alive, done] {
      if (!alive.expired()) done();
    };
    if (bus_.run(work, guarded)) return;
    after(kPoolRetry, [this, work = std::move(work), done = std::move(done)] { run(work, done); });
  }

  Bus::TimerId after(Duration delay, std::function<void()> fire) {
    return bus_.after(delay, [alive = std::weak_ptr<char>(alive_), fire = std::move(fire)] {
      if (!alive.expired()) fire();
    });
  }

  // From now on nothing is called back.
  void stop() { alive_.reset(); }

 private:
  static constexpr Duration kPoolRetry = std::chrono::milliseconds(1);

  Bus& bus_;
  std::shared_ptr<char> alive_ = std::make_shared<char>();
};

}  // namespace dfs
