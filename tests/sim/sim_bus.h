// The bus of one simulated actor: virtual time, a simulated network, a pool whose jobs run at
// virtual instants.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "broker/actor.h"
#include "broker/bus.h"
#include "tests/sim/random.h"

namespace dfs::sim {

class Process;
class World;

class SimBus : public Bus {
 public:
  SimBus(World& world, Process& process, Random random);
  ~SimBus() override;

  const std::string& address() const override { return address_; }
  void set_address(std::string address) override { address_ = std::move(address); }
  Instant now() const override;
  int64_t wall_ms() const override;
  uint64_t random() override { return random_.next(); }
  TimerId after(Duration delay, std::function<void()> fire) override;
  void cancel(TimerId timer) override { timers_.erase(timer); }
  Result<void> send(const Link& link, Envelope envelope) override;
  const std::vector<Link>& brokers() const override { return brokers_; }
  void add_broker(const Link& broker) override;
  const std::string& endpoint() const override;
  void publish(std::string topic, Envelope envelope) override;
  void subscribe(std::string prefix) override;
  Result<void> run(std::function<void()> work, std::function<void()> done) override;
  void log(Level level, std::string_view event, std::initializer_list<LogField> fields) override;

  const std::vector<std::string>& subscriptions() const { return subscriptions_; }
  size_t jobs() const { return jobs_.size(); }
  size_t jobs_max() const { return jobs_max_; }  // the most that were ever waiting or running
  size_t timers() const { return timers_.size(); }

  // Forgets every timer and job; what they own is destroyed while the bus still works.
  void clear();

 private:
  struct Job {
    std::function<void()> work;
    std::function<void()> done;
  };
  void execute(uint64_t job);
  void finish(uint64_t job);

  World& world_;
  Process& process_;
  Random random_;
  const Duration started_;  // of the world's time
  const Duration boot_;     // the clock's zero is another one after each start
  const double rate_;
  std::string address_;
  std::vector<Link> brokers_;
  std::map<TimerId, std::function<void()>> timers_;
  std::map<uint64_t, Job> jobs_;
  std::vector<Duration> workers_;  // when each is free again
  std::vector<std::string> subscriptions_;
  uint64_t last_id_ = 0;
  size_t jobs_max_ = 0;
};

}  // namespace dfs::sim
