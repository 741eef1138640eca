// A Bus for unit tests: virtual time, and everything that was said is kept for inspection.
#pragma once

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "broker/bus.h"

namespace dfs {

class FakeBus : public Bus {
 public:
  struct Sent {
    Link link;
    Envelope envelope;
  };
  struct Published {
    std::string topic;
    Envelope envelope;
  };
  struct Logged {
    Level level;
    std::string event;
    std::map<std::string, std::string> fields;
  };
  struct Job {
    std::function<void()> work;
    std::function<void()> done;
  };

  // How run() treats its job: `immediate` works at once and calls `done` in the next advance()
  // (like the real bus, never from inside run()); `queued` keeps it in `jobs` for run_job().
  enum class RunMode { immediate, queued };

  explicit FakeBus(std::string address = "test/1") : address_(std::move(address)) {}

  // Everything below is the test's side; it may be read and changed at any time.
  std::vector<Sent> sent;            // accepted by send()
  std::vector<Published> published;  // in order
  std::vector<std::string> subscriptions;
  std::vector<Logged> logged;
  std::deque<Job> jobs;
  std::vector<Link> broker_links{"tcp://broker-1"};
  std::string listen_endpoint;
  std::map<Link, Error> refusals;  // what send() answers on a link instead of accepting
  std::function<void(const Sent&)> on_sent;
  RunMode run_mode = RunMode::immediate;
  size_t jobs_max = SIZE_MAX;
  int64_t wall = 1'700'000'000'000;  // Unix time in ms at the bus's instant 0

  // Lets time pass: fires the timers due until now() + delay in their order, each at its instant.
  void advance(Duration delay = Duration::zero()) {
    const Instant end = now_ + delay;
    while (!timers_.empty() && timers_.begin()->first.first <= end) {
      const auto first = timers_.begin();
      now_ = std::max(now_, first->first.first);
      auto fire = std::move(first->second);
      timers_.erase(first);
      fire();
    }
    now_ = end;
  }

  // The process was stopped for so long: what was due meanwhile fires with the next advance().
  void stand_still(Duration delay) { now_ += delay; }

  // Does the oldest queued job: its work, then its done.
  void run_job() {
    Job job = std::move(jobs.front());
    jobs.pop_front();
    job.work();
    job.done();
  }

  // The answer to what was sent, as it would arrive.
  template <Message T>
  static Envelope answer(const Sent& request, const T& message, Payload payload = {}) {
    Envelope reply = reply_to(request.envelope, message, std::move(payload));
    reply.header.from = request.envelope.header.to;
    reply.link = request.link;
    return reply;
  }
  static Envelope answer(const Sent& request, const Error& error) {
    return answer(request, ErrorReply::of(error));
  }

  // Removes and returns what was sent so far.
  std::vector<Sent> take_sent() { return std::exchange(sent, {}); }
  size_t timers() const { return timers_.size(); }

  const std::string& address() const override { return address_; }
  void set_address(std::string address) override { address_ = std::move(address); }
  Instant now() const override { return now_; }
  int64_t wall_ms() const override {
    return wall + now_.time_since_epoch() / std::chrono::milliseconds(1);
  }
  uint64_t random() override { return random_(); }

  TimerId after(Duration delay, std::function<void()> fire) override {
    const TimerId id = ++last_timer_;
    timers_.emplace(std::pair(now_ + std::max(delay, Duration::zero()), id), std::move(fire));
    return id;
  }
  void cancel(TimerId timer) override {
    std::erase_if(timers_, [&](const auto& entry) { return entry.first.second == timer; });
  }

  Result<void> send(const Link& link, Envelope envelope) override {
    if (const auto refusal = refusals.find(link); refusal != refusals.end()) return refusal->second;
    if (envelope.header.from.empty()) envelope.header.from = address_;
    sent.push_back({link, std::move(envelope)});
    if (on_sent) {
      const Sent last = sent.back();  // the callback may send
      on_sent(last);
    }
    return {};
  }
  const std::vector<Link>& brokers() const override { return broker_links; }
  void add_broker(const Link& broker) override {
    if (std::find(broker_links.begin(), broker_links.end(), broker) != broker_links.end()) return;
    broker_links.push_back(broker);
  }
  const std::string& endpoint() const override { return listen_endpoint; }

  void publish(std::string topic, Envelope envelope) override {
    if (envelope.header.from.empty()) envelope.header.from = address_;
    published.push_back({std::move(topic), std::move(envelope)});
  }
  void subscribe(std::string prefix) override { subscriptions.push_back(std::move(prefix)); }

  Result<void> run(std::function<void()> work, std::function<void()> done) override {
    if (run_mode == RunMode::immediate) {
      work();
      after(Duration::zero(), std::move(done));
      return {};
    }
    if (jobs.size() >= jobs_max) return {Code::busy, "the pool's queue is full"};
    jobs.push_back({std::move(work), std::move(done)});
    return {};
  }

  void log(Level level, std::string_view event, std::initializer_list<LogField> fields) override {
    Logged line{level, std::string(event), {}};
    for (const LogField& field : fields) line.fields.emplace(field.key, field.value);
    logged.push_back(std::move(line));
  }

 private:
  std::string address_;
  Instant now_{};
  TimerId last_timer_ = 0;
  std::map<std::pair<Instant, TimerId>, std::function<void()>> timers_;
  std::mt19937_64 random_{42};
};

}  // namespace dfs
