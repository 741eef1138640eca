// A monitor on a fake bus with virtual time, a disk and a table in memory.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <memory>
#include <set>

#include "actors/mem_table.h"
#include "actors/monitor/monitor.h"
#include "messages/cluster.h"
#include "messages/dispatch.h"
#include "messages/events.h"
#include "messages/namespace.h"
#include "tests/broker/fake_bus.h"
#include "tests/sim/sim_disk.h"

namespace dfs {

using namespace std::chrono_literals;

inline constexpr const char* kPeer = "peer/1";

// A bus whose actor can be made to miss a stretch of time, as by SIGSTOP and SIGCONT.
class StallingBus : public FakeBus {
 public:
  using FakeBus::FakeBus;
  Instant now() const override { return FakeBus::now() + stalled_; }
  void stall(Duration time) { stalled_ += time; }

 private:
  Duration stalled_{};
};

struct TestMonitor {
  explicit TestMonitor(MonitorSettings its_settings = {}) : settings(std::move(its_settings)) {
    settings.directory = "/monitor";
    settings.found = true;
    settings.broker = "tcp://head-1:7000";
    bus.listen_endpoint = "tcp://head-1:7003";
    start();
    settings.found = false;
  }

  void start() {
    monitor = std::make_unique<Monitor>(bus, disk, table, settings);
    ready.reset();
    monitor->start([this](Result<void> outcome) { ready = outcome; });
    settle();
    // One that was there before asks who is around, and waits for others before it leads.
    const auto waits = [&] { return ready ? ready->ok() && !monitor->replica().leading() : true; };
    for (int i = 0; i < 40 && waits(); ++i) {
      bus.advance(50ms);
      settle();
    }
  }
  // As after kill -9: what was not flushed to the table is replayed from the log.
  void restart() {
    monitor.reset();
    table.crash();
    disk.restart();
    for (auto& [node, state] : nodes) state.sequence = 0;
    start();
    REQUIRE(ready);
    REQUIRE(ready->ok());
  }
  void settle() {
    for (int i = 0; i < 20; ++i) bus.advance();
  }

  template <Request R>
  Result<typename R::Reply> ask(const R& request, uint64_t id = 0) {
    tell(request, id);
    settle();
    return take_reply<R>();
  }
  template <Request R>
  void tell(const R& request, uint64_t id = 0) {
    Envelope envelope = envelope_of(request, "monitor");
    envelope.header.from = from;
    envelope.header.ticket = ticket;
    envelope.header.request = last_request = id != 0 ? id : ++next_request;
    envelope.link = kPeer;
    monitor->receive(std::move(envelope));
  }
  template <Request R>
  Result<typename R::Reply> take_reply() {
    for (const auto& sent : bus.take_sent()) {
      if (sent.envelope.header.request != last_request || sent.link != kPeer) continue;
      CHECK(sent.envelope.header.to == from);
      return reply_as<typename R::Reply>(sent.envelope);
    }
    return Error{Code::timeout, "the monitor said nothing", {}, 0};
  }

  struct NodeSim {
    uint64_t boot = 0;
    uint64_t sequence = 0;
    bool beats = true;
    bool full = false;
    uint64_t used = 0;
    uint64_t losses = 0;
    uint64_t blocks = 0;
    uint64_t blocks_bad = 0;
    uint32_t directories_failed = 0;
  };
  Result<JoinReply> join(char uuid, const std::string& cluster = {}) {
    Join request;
    request.uuid = std::string(32, uuid);
    request.endpoint = std::string("tcp://127.0.0.1:700") + uuid;
    request.cluster = cluster;
    request.total_bytes = 1'000'000;
    auto reply = ask(request);
    if (reply) nodes[reply->node] = NodeSim{bus.random() | 1};
    return reply;
  }
  void beat(NodeId node) {
    NodeSim& state = nodes[node];
    Heartbeat heartbeat;
    heartbeat.node = node;
    heartbeat.boot = state.boot;
    heartbeat.sequence = ++state.sequence;
    heartbeat.total_bytes = 1'000'000;
    heartbeat.used_bytes = state.used;
    heartbeat.accepts_writes = !state.full;
    heartbeat.losses = state.losses;
    heartbeat.blocks = state.blocks;
    heartbeat.blocks_bad = state.blocks_bad;
    heartbeat.directories_failed = state.directories_failed;
    hear(heartbeat);
  }
  void hear(const Heartbeat& heartbeat) { hear(heartbeat, heartbeat.node); }
  // As storage/`speaker` tells it.
  void hear(const Heartbeat& heartbeat, NodeId speaker) {
    Envelope envelope = envelope_of(heartbeat);
    envelope.header.from = "storage/" + std::to_string(speaker);
    monitor->observe(kHeartbeatTopic + envelope.header.from, std::move(envelope));
  }
  // Lets time pass with heartbeats of every node that beats, each half second.
  void pass(Duration time) {
    for (const Instant end = bus.now() + time; bus.now() < end;) {
      for (const auto& [node, state] : nodes) {
        if (state.beats) beat(node);
      }
      bus.advance(std::min<Duration>(500ms, end - bus.now()));
    }
    settle();
  }
  ClusterMap map() { return *ask(GetMap()); }
  NodeState state_of(NodeId node) {
    for (const NodeView& view : map().nodes) {
      if (view.node == node) return view.state;
    }
    return static_cast<NodeState>(0);
  }
  std::vector<Event> events(const std::string& topic) {
    std::vector<Event> out;
    for (const auto& published : bus.published) {
      if (published.topic == "event/" + topic)
        out.push_back(*decode<Event>(published.envelope.body));
    }
    return out;
  }
  void join_all(int count) {
    for (int i = 0; i < count; ++i) REQUIRE(join(static_cast<char>('1' + i)).ok());
    pass(1s);
  }

  StallingBus bus{"monitor"};
  sim::SimDisk disk;
  MemTable table;
  MonitorSettings settings;
  std::unique_ptr<Monitor> monitor;
  std::optional<Result<void>> ready;
  std::map<NodeId, NodeSim> nodes;
  std::string from = "client/1";
  std::string ticket;
  uint64_t next_request = 0;
  uint64_t last_request = 0;
};

inline PlanFile plan_of(const std::string& path, uint64_t blocks, std::vector<NodeId> avoid = {}) {
  PlanFile plan;
  plan.path = path;
  plan.block_bytes = kBlockBytesMin;
  plan.size = blocks * kBlockBytesMin;
  plan.avoid = std::move(avoid);
  return plan;
}

// The commit of a file whose every block all live members of its groups acknowledged.
inline CommitFile commit_of(const PlanFile& plan, const PlanFileReply& reply) {
  CommitFile commit;
  commit.path = plan.path;
  commit.size = plan.size;
  commit.layout.object = reply.object;
  commit.layout.block_bytes = reply.block_bytes;
  for (const GroupRoute& route : reply.groups) {
    commit.layout.groups.push_back(route.group);
    GroupWrites writes{route.group, route.epoch, {}};
    for (const GroupMember& member : route.members) {
      if (member.up) writes.nodes.push_back(member.node);
    }
    commit.writes.push_back(writes);
  }
  return commit;
}

}  // namespace dfs
