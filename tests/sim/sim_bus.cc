#include "tests/sim/sim_bus.h"

#include <algorithm>
#include <cmath>

#include "tests/sim/network.h"
#include "tests/sim/process.h"
#include "tests/sim/world.h"

namespace dfs::sim {

namespace {
constexpr Duration kJobMax = std::chrono::seconds(2);  // on the slowest disk
constexpr int64_t kWallStartMs = 1'790'000'000'000;

// Exact for clocks that run as the world's does, and never short of it by a rounding.
Duration scaled(Duration duration, double rate) {
  if (rate == 1) return duration;
  return Duration(static_cast<int64_t>(std::ceil(static_cast<double>(duration.count()) * rate)));
}

const char* const kLevels[] = {"debug", "info", "warn", "error"};
}  // namespace

SimBus::SimBus(World& world, Process& process, Random random)
    : world_(world),
      process_(process),
      random_(random),
      started_(world.now()),
      boot_(random_.between(Duration::zero(), std::chrono::hours(1000))),
      rate_(process.clock_rate),
      address_(process.settings().address),
      brokers_(process.settings().brokers),
      workers_(std::max<size_t>(process.settings().pool_threads, 1), Duration::zero()) {}

SimBus::~SimBus() {
  clear();
}

void SimBus::clear() {
  // Destroying one callback may cancel or start others.
  while (!timers_.empty() || !jobs_.empty()) {
    const auto timers = std::move(timers_);
    const auto jobs = std::move(jobs_);
    timers_.clear();
    jobs_.clear();
  }
}

Instant SimBus::now() const {
  return Instant(boot_ + scaled(world_.now() - started_, rate_));
}

int64_t SimBus::wall_ms() const {
  return kWallStartMs + world_.now() / std::chrono::milliseconds(1) + process_.wall_skew_ms;
}

Bus::TimerId SimBus::after(Duration delay, std::function<void()> fire) {
  const TimerId timer = ++last_id_;
  timers_.emplace(timer, std::move(fire));
  const Duration late = random_.between(Duration::zero(), std::chrono::microseconds(50));
  const Duration wait = scaled(std::max(delay, Duration::zero()), 1 / rate_) + late;
  world_.after(wait, &process_, [this, timer] {
    const auto found = timers_.find(timer);
    if (found == timers_.end()) return;
    const std::function<void()> act = std::move(found->second);
    timers_.erase(found);
    world_.trace("timer", process_.name(), timer);
    act();
  });
  return timer;
}

Result<void> SimBus::send(const Link& link, Envelope envelope) {
  if (envelope.header.from.empty()) envelope.header.from = address_;
  return world_.network().send(process_, link, std::move(envelope));
}

const std::string& SimBus::endpoint() const {
  return process_.settings().listen;
}

void SimBus::add_broker(const Link& broker) {
  if (std::find(brokers_.begin(), brokers_.end(), broker) != brokers_.end()) return;
  brokers_.push_back(broker);
  for (const std::string& prefix : subscriptions_) world_.network().subscribe(process_, prefix);
}

void SimBus::publish(std::string topic, Envelope envelope) {
  if (envelope.header.from.empty()) envelope.header.from = address_;
  world_.network().publish(process_, topic, envelope);
}

void SimBus::subscribe(std::string prefix) {
  subscriptions_.push_back(prefix);
  world_.network().subscribe(process_, prefix);
}

Result<void> SimBus::run(std::function<void()> work, std::function<void()> done) {
  if (jobs_.size() >= process_.settings().pool_jobs_max) {
    return Result<void>(Code::busy, "the pool's queue is full; try again a little later");
  }
  const uint64_t job = ++last_id_;
  jobs_.emplace(job, Job{std::move(work), std::move(done)});
  jobs_max_ = std::max(jobs_max_, jobs_.size());

  const PoolTiming& timing = world_.pool_timing();
  const Duration longest =
      random_.chance(timing.slow_probability) ? timing.slow_max : timing.usual_max;
  const auto slow = static_cast<int64_t>(process_.disk().slow_factor);
  const auto worker = std::min_element(workers_.begin(), workers_.end());
  const Duration takes = random_.between(timing.quick, longest) * slow;
  *worker = std::max(*worker, world_.now()) + std::min(takes, kJobMax);
  world_.after(*worker - world_.now(), &process_, [this, job] { execute(job); });
  return {};
}

void SimBus::execute(uint64_t job) {
  std::function<void()> work = std::move(jobs_.at(job).work);
  world_.trace("job", process_.name(), job);
  const std::optional<Process::Doom> doom = std::exchange(process_.doom_, std::nullopt);
  if (doom) process_.disk().halt_after(doom->operations);
  work();
  work = nullptr;
  if (doom) {
    // The process is dead from here on: nothing that the job's end would set off happens.
    process_.frozen_ = true;
    world_.after(Duration::zero(),
                 [&process = process_, crash = doom->crash, incarnation = process_.incarnation()] {
                   if (process.incarnation() == incarnation) process.kill(crash);
                 });
    return;
  }
  const Duration back = random_.between(Duration::zero(), std::chrono::microseconds(50));
  world_.after(back, &process_, [this, job] { finish(job); });
}

void SimBus::finish(uint64_t job) {
  const auto found = jobs_.find(job);
  const std::function<void()> done = std::move(found->second.done);
  jobs_.erase(found);
  world_.trace("done", process_.name(), job);
  done();
}

void SimBus::log(Level level, std::string_view event, std::initializer_list<LogField> fields) {
  std::string line(kLevels[static_cast<int>(level)]);
  line.append(" ").append(event);
  for (const LogField& field : fields) {
    line.append(" ").append(field.key).append("=").append(field.value);
  }
  world_.trace("log", process_.name(), static_cast<uint64_t>(level), line);
}

}  // namespace dfs::sim
