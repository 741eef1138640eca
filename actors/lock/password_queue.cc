#include "actors/lock/password_queue.h"

namespace dfs::lock {

namespace {

// Counts as long as it lives.
struct Counted {
  size_t& count;
  explicit Counted(size_t& c) : count(c) { ++count; }
  ~Counted() { --count; }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;
};

}  // namespace

template <class T>
Task<Result<T>> PasswordQueue::in_turn(std::function<Result<T>()> work) {
  if (running_ >= running_max_) {
    if (waiting_ >= waiting_max_) {
      co_return Error{Code::busy, "many log in at this moment; ask again", {}, 500};
    }
    const Counted waiting(waiting_);
    while (running_ >= running_max_) {
      Signal::Waiter step = turn_over_.wait();
      co_await step;
    }
  }
  const auto outcome = std::make_shared<Result<T>>(Code::unavailable, "it was not done");
  auto turn = std::make_unique<Counted>(running_);
  Task<Result<void>> working = run(bus_, [outcome, work] { *outcome = work(); });
  const Result<void> ran = co_await working;
  turn.reset();
  // Not from here: what whoever is next does may end this flow.
  bus_.cancel(wake_timer_);
  wake_timer_ = bus_.after(Duration::zero(), [this] { turn_over_.notify(); });
  if (!ran) co_return ran.error();
  co_return std::move(*outcome);
}

Task<Result<PasswordHash>> PasswordQueue::hash(std::string password, std::string salt,
                                               PasswordCost cost) {
  return in_turn<PasswordHash>([password = std::move(password), salt = std::move(salt), cost] {
    return hash_password(password, salt, cost);
  });
}

Task<Result<bool>> PasswordQueue::fits(std::string password, PasswordHash hash) {
  return in_turn<bool>([password = std::move(password), hash = std::move(hash)] {
    return dfs::fits(password, hash);
  });
}

}  // namespace dfs::lock
