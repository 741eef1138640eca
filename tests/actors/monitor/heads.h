// Several monitors of one cluster with a network and a broker between them. All clocks go together,
// in steps of a few milliseconds; what is sent in a step arrives in it, unless its head is cut off.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>

#include "tests/actors/monitor/test_monitor.h"

namespace dfs {

inline constexpr const char* kBroker = "tcp://broker-1";

// What one head sees of the world; its chance is its own.
class HeadBus : public FakeBus {
 public:
  explicit HeadBus(uint64_t number) : FakeBus("monitor"), random_(number) {
    broker_links = {kBroker};
    listen_endpoint = "tcp://head-" + std::to_string(number) + ":7003";
  }
  uint64_t random() override { return random_(); }

 private:
  std::mt19937_64 random_;
};

struct TestHead {
  explicit TestHead(uint64_t its_number) : number(its_number), bus(its_number) {
    settings.directory = "/head";
    settings.broker = "tcp://head-" + std::to_string(number) + ":7000";
    settings.found = number == 1;
    settings.join = !settings.found;
  }
  void start() {
    ready.reset();
    monitor = std::make_unique<Monitor>(bus, disk, table, settings);
    monitor->start([this](Result<void> outcome) { ready = outcome; });
  }
  void kill() {
    monitor.reset();
    table.crash();
    disk.restart();
    settings.found = settings.join = false;
  }
  // True when it could serve.
  bool leads() const { return monitor && monitor->replica().leading(); }

  const uint64_t number;
  HeadBus bus;
  sim::SimDisk disk;
  MemTable table;
  MonitorSettings settings;
  std::unique_ptr<Monitor> monitor;
  std::optional<Result<void>> ready;
  bool cut = false;  // off from the network, and running
};

class TestHeads {
 public:
  explicit TestHeads(uint64_t count) {
    for (uint64_t number = 1; number <= count; ++number) {
      heads_[number] = std::make_unique<TestHead>(number);
    }
  }
  // The heads found a cluster and join it, one after the other.
  void gather() {
    for (auto& [number, head] : heads_) {
      head->start();
      REQUIRE(run_until([&] { return head->ready.has_value(); }));
      REQUIRE_MESSAGE(head->ready->ok(), head->ready->error().describe());
      head->settings.found = head->settings.join = false;
    }
    REQUIRE(run_until([&] { return voters() == heads_.size(); }));
  }
  TestHead& at(uint64_t number) { return *heads_.at(number); }
  TestHead* leader() {
    for (auto& [number, head] : heads_) {
      if (!head->cut && head->leads()) return head.get();
    }
    return nullptr;
  }
  TestHead& follower() {
    for (auto& [number, head] : heads_) {
      if (!head->cut && head->monitor && !head->leads()) return *head;
    }
    FAIL("there is no follower");
    std::abort();
  }
  size_t voters() {
    TestHead* head = leader();
    if (head == nullptr) return 0;
    const auto& members = head->monitor->replica().members().members;
    return static_cast<size_t>(std::count_if(members.begin(), members.end(), [](const Member& m) {
      return m.standing == Standing::voter;
    }));
  }

  void run(Duration time) {
    for (Duration passed{}; passed < time; passed += kStep) step();
  }
  bool run_until(const std::function<bool()>& condition, Duration limit = 30s) {
    for (Duration passed{}; passed < limit && !condition(); passed += kStep) step();
    return condition();
  }

  // Asks one head, once.
  template <Request R>
  Result<typename R::Reply> ask(TestHead& head, const R& request, uint64_t id = 0) {
    const uint64_t asked = id != 0 ? id : ++last_request_;
    answers_.erase(asked);
    if (head.monitor) {
      Envelope envelope = envelope_of(request, "monitor");
      envelope.header.from = "client/1";
      envelope.header.request = asked;
      envelope.link = kPeer;
      head.monitor->receive(std::move(envelope));
    }
    run_until([&] { return answers_.contains(asked); }, 3s);
    if (!answers_.contains(asked)) return Error{Code::timeout, "no answer", {}, 0};
    return reply_as<typename R::Reply>(answers_.at(asked));
  }
  // Asks whoever leads, as a client does: again, with the same id, until there is an answer.
  template <Request R>
  Result<typename R::Reply> ask(const R& request, uint64_t id = 0) {
    const uint64_t same = id != 0 ? id : ++last_request_;
    Result<typename R::Reply> reply = Error{Code::unavailable, "nobody leads", {}, 0};
    for (int attempt = 0; attempt < 200; ++attempt) {
      if (TestHead* head = leader()) {
        reply = ask(*head, request, same);
        if (reply || !is_retryable(reply.code())) return reply;
      }
      run(50ms);
    }
    return reply;
  }
  // Everything in the log's events, read in pages by a client that holds on to its place.
  void read_on(std::vector<Event>& events, LogIndex& since, uint32_t limit = 7) {
    for (bool more = true; more;) {
      const auto page = ask(ReadEvents{since, limit, "", false});
      REQUIRE_MESSAGE(page.ok(), page.error().describe());
      events.insert(events.end(), page->events.begin(), page->events.end());
      since = page->next;
      more = page->more;
    }
  }
  void beat(NodeId node, uint64_t used) {
    Heartbeat heartbeat;
    heartbeat.node = node;
    heartbeat.boot = 4711;
    heartbeat.sequence = ++beats_;
    heartbeat.total_bytes = 1'000'000;
    heartbeat.used_bytes = used;
    Envelope envelope = envelope_of(heartbeat);
    envelope.header.from = "storage/" + std::to_string(node);
    for (auto& [number, head] : heads_) {
      if (!head->monitor || head->cut) continue;
      head->monitor->observe(kHeartbeatTopic + envelope.header.from, envelope);
    }
  }

  // What the broker was told last, by service and address.
  std::map<std::pair<std::string, std::string>, uint64_t> announced;

 private:
  static constexpr Duration kStep = 2ms;

  void step() {
    for (auto& [number, head] : heads_) head->bus.advance(kStep);
    for (bool moved = true; moved;) {
      moved = false;
      for (auto& [number, head] : heads_) {
        for (FakeBus::Sent& sent : head->bus.take_sent()) {
          if (!head->cut) deliver(*head, sent);
          moved = true;
        }
      }
      for (auto& [number, head] : heads_) head->bus.advance();
    }
  }
  void deliver(TestHead& from, FakeBus::Sent& sent) {
    if (sent.link == kPeer) {
      answers_.insert_or_assign(sent.envelope.header.request, std::move(sent.envelope));
    } else if (sent.link == kBroker) {
      pass_on(from, sent);
    } else {
      for (auto& [number, head] : heads_) {
        // Who connected knows the link by its endpoint, who was connected to by the peer; what the
        // broker passed on is answered through it.
        const std::string suffix = "-" + std::to_string(number);
        Link link;
        if (sent.link == head->bus.listen_endpoint)
          link = "peer/head-" + std::to_string(from.number);
        if (sent.link == "peer/head" + suffix) link = from.bus.listen_endpoint;
        if (sent.link == "peer/broker" + suffix) link = kBroker;
        if (link.empty() || head->cut || !head->monitor) continue;
        sent.envelope.link = link;
        head->monitor->receive(std::move(sent.envelope));
        return;
      }
    }
  }
  void pass_on(TestHead& from, FakeBus::Sent& sent) {
    if (sent.envelope.header.type == Type::Announce) {
      const auto announce = decode<Announce>(sent.envelope.body);
      announced[{announce->service, sent.envelope.header.from}] = announce->term;
    } else if (TestHead* head = leader(); head != nullptr && sent.envelope.header.to == "monitor") {
      sent.envelope.link = "peer/broker-" + std::to_string(from.number);
      head->monitor->receive(std::move(sent.envelope));
    } else if (sent.envelope.header.request != 0 && from.monitor) {
      Envelope refusal =
          reply_to(sent.envelope, Error{Code::unavailable, "nobody serves this", {}, 0});
      refusal.link = kBroker;
      from.monitor->receive(std::move(refusal));
    }
  }

  std::map<uint64_t, std::unique_ptr<TestHead>> heads_;
  std::map<uint64_t, Envelope> answers_;  // of client/1, by request
  uint64_t last_request_ = 1000;
  uint64_t beats_ = 0;
};

}  // namespace dfs
