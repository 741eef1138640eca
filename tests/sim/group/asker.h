// Asks a group whose members are reached directly: tries one after the other, and the leader once
// one of them names it, until somebody answers or the time is over. Always the same request id.
#pragma once

#include <string>
#include <vector>

#include "broker/calls.h"
#include "tests/sim/random.h"

namespace dfs::sim {

class Directory {
 public:
  virtual ~Directory() = default;
  virtual const std::vector<Link>& endpoints() const = 0;
  // Where the actor with this address ("registers/3") listens; empty: not known.
  virtual Link endpoint_of(const std::string& address) const = 0;
};

class Asker {
 public:
  Asker(Bus& bus, const Directory& directory) : bus_(bus), calls_(bus), directory_(directory) {}

  struct Options {
    Duration deadline = std::chrono::seconds(10);
    bool anyone = false;  // it need not be the leader: change the member each time
  };
  // On failure *surely_not is true when no attempt can have taken effect.
  template <Request R>
  Task<Result<typename R::Reply>> ask(R request, Options options, bool* surely_not) {
    const Instant end = bus_.now() + options.deadline;
    const uint64_t id = calls_.fresh_request();
    *surely_not = true;
    Error last{Code::timeout, "nobody was asked", {}, 0};
    if (options.anyone || link_.empty()) change_member();
    while (bus_.now() < end) {
      CallOptions call;
      // Some lose patience so soon that they find the next leader while the last still leads.
      const Duration attempt = kAttemptMin + Duration(bus_.random() % kAttemptSpread.count());
      call.deadline = std::min<Duration>(end - bus_.now(), attempt);
      call.request = id;
      Task<Result<Answer<R>>> calling = calls_.call(link_, kService, request, std::move(call));
      Result<Answer<R>> answer = co_await calling;
      if (answer) co_return std::move(answer->message);
      last = answer.error();
      const bool refused = last.code == Code::busy || last.code == Code::no_space ||
                           last.code == Code::stopping || last.code == Code::too_large ||
                           last.code == Code::invalid;
      *surely_not = *surely_not && refused;
      if (!is_retryable(last.code) && last.code != Code::io_error && last.code != Code::no_space) {
        co_return last;
      }
      follow(last);
      const Duration pause(bus_.random() % kPauseMax.count());
      Task<void> pausing = sleep(bus_, std::min<Duration>(pause, end - bus_.now()));
      co_await pausing;
    }
    co_return last;
  }

  Calls& calls() { return calls_; }

  static constexpr const char* kService = "registers";
  static constexpr Duration kAttemptMin = std::chrono::milliseconds(100);
  static constexpr Duration kAttemptSpread = std::chrono::milliseconds(700);
  static constexpr Duration kPauseMax = std::chrono::milliseconds(60);

 private:
  void change_member() {
    const std::vector<Link>& all = directory_.endpoints();
    link_ = all[bus_.random() % all.size()];
  }
  void follow(const Error& error) {
    const auto leader = error.cause.find("leader");
    const Link hint = leader == error.cause.end() ? Link() : directory_.endpoint_of(leader->second);
    if (error.code == Code::not_leader && !hint.empty()) {
      link_ = hint;
    } else if (error.code != Code::busy) {
      change_member();
    }
  }

  Bus& bus_;
  Calls calls_;
  const Directory& directory_;
  Link link_;
};

}  // namespace dfs::sim
