// Passwords are hashed and compared on the pool, a few at a time: each takes much memory, and the
// pool has other work.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "broker/bus.h"
#include "broker/task.h"
#include "messages/password.h"

namespace dfs::lock {

class PasswordQueue {
 public:
  // At most `running_max` at a time and `waiting_max` that wait; more are `busy`.
  PasswordQueue(Bus& bus, size_t running_max, size_t waiting_max)
      : bus_(bus), running_max_(running_max), waiting_max_(waiting_max) {}

  ~PasswordQueue() { bus_.cancel(wake_timer_); }
  PasswordQueue(const PasswordQueue&) = delete;
  PasswordQueue& operator=(const PasswordQueue&) = delete;

  Task<Result<PasswordHash>> hash(std::string password, std::string salt, PasswordCost cost);
  Task<Result<bool>> fits(std::string password, PasswordHash hash);

 private:
  template <class T>
  Task<Result<T>> in_turn(std::function<Result<T>()> work);

  Bus& bus_;
  const size_t running_max_;
  const size_t waiting_max_;
  size_t running_ = 0;
  size_t waiting_ = 0;
  Signal turn_over_;
  Bus::TimerId wake_timer_ = 0;
};

}  // namespace dfs::lock
