// Whole storage nodes in a small simulated world; the test is the monitor and everybody else.
#pragma once

#include <doctest/doctest.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "actors/storage/segment_io.h"
#include "actors/storage/storage.h"
#include "broker/announcer.h"
#include "broker/calls.h"
#include "broker/router.h"
#include "messages/blocks.h"
#include "messages/crc32c.h"
#include "messages/events.h"
#include "messages/rebuild.h"
#include "messages/reclaim.h"
#include "messages/repair.h"
#include "tests/sim/network.h"
#include "tests/sim/sim_bus.h"
#include "tests/sim/world.h"

namespace dfs {

// Answers as the test says, and asks what the test asks.
class FakeMonitor : public Actor {
 public:
  explicit FakeMonitor(Bus& b) : bus(b), calls(b), announcer(b, std::chrono::milliseconds(500)) {
    map.cluster = "0123456789abcdef0123456789abcdef";
    map.pools.push_back({"default", 2, 1, 64, 0});
  }
  void start(std::function<void(Result<void>)> ready) override {
    announcer.begin("monitor", 1);
    bus.subscribe(kEventTopic);
    bus.subscribe(kHeartbeatTopic);
    ready({});
  }
  void receive(Envelope envelope) override {
    if (calls.receive(envelope)) return;
    (void)dispatch<Join, GetMap, JudgeBlocks, ConfirmSurplus>(*this, envelope);
  }
  void observe(const std::string& topic, Envelope envelope) override {
    if (auto event = decode<Event>(envelope.body); event && topic.starts_with(kEventTopic)) {
      events.push_back(*event);
    }
    if (auto beat = decode<Heartbeat>(envelope.body); beat && topic.starts_with(kHeartbeatTopic)) {
      heartbeats[beat->node] = *beat;
    }
  }
  void link_down(const Link& link) override { calls.link_down(link); }

  // Node N listens at "sim://storage-N".
  void on(const Envelope& request, const Join& join) {
    const NodeId number = static_cast<NodeId>(std::stoul(join.endpoint.substr(14)));
    NodeView node;
    node.node = number;
    node.uuid = join.uuid;
    node.endpoint = join.endpoint;
    std::erase_if(map.nodes, [&](const NodeView& known) { return known.node == number; });
    map.nodes.push_back(node);
    ++map.epoch;
    (void)bus.reply(reply_to(request, JoinReply{number, map.cluster, map.epoch, 500}));
    publish();
  }
  void on(const Envelope& request, const GetMap&) { (void)bus.reply(reply_to(request, map)); }
  void on(const Envelope& request, const JudgeBlocks& asked) {
    JudgeBlocksReply reply;
    for (const BlockName& block : asked.blocks) reply.verdicts.push_back(judge(block));
    judged += asked.blocks.size();
    (void)bus.reply(reply_to(request, reply));
  }
  void on(const Envelope& request, const ConfirmSurplus& asked) {
    ++confirmations;
    const Result<ConfirmSurplusReply> reply = confirm(asked.node, asked.group);
    (void)bus.reply(reply ? reply_to(request, *reply) : reply_to(request, reply.error()));
  }

  void publish() { bus.publish(kMapTopic, envelope_of(map)); }

  // What a monitor answers when all members are complete.
  Result<ConfirmSurplusReply> all_complete(NodeId node, GroupId number) const {
    for (const GroupView& group : map.groups) {
      if (group.group != number) continue;
      if (group.holds(node)) return {Code::invalid, "a part of the group"};
      ConfirmSurplusReply reply{group.epoch, 2, {}};
      for (const NodeId member : group.members) {
        reply.members.push_back({member, "sim://storage-" + std::to_string(member), true});
      }
      return reply;
    }
    return {Code::not_found, "no such group"};
  }

  Bus& bus;
  Calls calls;
  Announcer announcer;
  ClusterMap map;
  std::function<BlockVerdict(const BlockName&)> judge = [](const BlockName&) {
    return BlockVerdict{Verdict::live, 0};
  };
  std::function<Result<ConfirmSurplusReply>(NodeId, GroupId)> confirm =
      [this](NodeId node, GroupId group) { return all_complete(node, group); };
  size_t judged = 0;
  size_t confirmations = 0;
  std::vector<Event> events;
  std::map<NodeId, Heartbeat> heartbeats;
  TaskScope scope;
};

// Bytes that differ between seeds and between places.
inline std::string noise(uint64_t seed, size_t size) {
  std::string bytes(size, '\0');
  uint64_t state = seed * 0x9e3779b97f4a7c15ull + 1;
  for (char& byte : bytes) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    byte = static_cast<char>(state);
  }
  return bytes;
}

struct Nodes {
  static constexpr GroupId kGroup = 5;

  explicit Nodes(uint32_t count, std::function<void(StorageSettings&)> tune = {}, uint64_t seed = 1)
      : world(seed) {
    sim::ProcessSettings broker = process("broker");
    broker.relay = true;
    broker.make = [](Bus& bus, sim::Process&) {
      bus.set_address("broker/1");
      return std::make_unique<Router>(bus, RouterSettings());
    };
    world.add(std::move(broker)).start();
    sim::ProcessSettings head = process("monitor");
    head.make = [this](Bus& bus, sim::Process&) {
      auto actor = std::make_unique<FakeMonitor>(bus);
      monitor = actor.get();
      return actor;
    };
    world.add(std::move(head)).start();
    world.run_for(std::chrono::milliseconds(10));
    for (uint32_t i = 1; i <= count; ++i) {
      sim::ProcessSettings settings = process("storage-" + std::to_string(i));
      settings.make = [tune](Bus& bus, sim::Process& self) {
        StorageSettings storage;
        storage.directory = "/data";
        storage.segment_bytes = 32 << 20;
        storage.reclaim_period = std::chrono::hours(24);
        if (tune) tune(storage);
        return std::make_unique<Storage>(bus, self.disk(), self.table(), storage);
      };
      world.add(std::move(settings)).start();
    }
    world.run_for(std::chrono::seconds(2));
    REQUIRE(monitor->map.nodes.size() == count);
  }

  static sim::ProcessSettings process(const std::string& name) {
    sim::ProcessSettings settings;
    settings.name = settings.machine = settings.address = name;
    settings.listen = endpoint(name);
    settings.brokers = {"sim://broker"};
    return settings;
  }
  static std::string endpoint(const std::string& name) { return "sim://" + name; }
  sim::Process& node(NodeId number) { return *world.find("storage-" + std::to_string(number)); }

  // The map says so from now on, and everybody hears it.
  Epoch set_group(std::vector<NodeId> members, std::vector<NodeId> leaving = {},
                  GroupId number = kGroup) {
    ClusterMap& map = monitor->map;
    GroupView group;
    group.group = number;
    group.epoch = ++map.epoch;
    group.members = std::move(members);
    group.leaving = std::move(leaving);
    std::erase_if(map.groups, [&](const GroupView& known) { return known.group == number; });
    map.groups.push_back(group);
    monitor->publish();
    world.run_for(std::chrono::milliseconds(20));
    return group.epoch;
  }
  Epoch epoch(GroupId number = kGroup) const {
    for (const GroupView& group : monitor->map.groups) {
      if (group.group == number) return group.epoch;
    }
    return 0;
  }

  // One request and its answer.
  template <Request R>
  static Task<void> flow(FakeMonitor* monitor, Link link, std::string to, R request,
                         Payload payload, std::shared_ptr<std::optional<Result<Answer<R>>>> out) {
    CallOptions options;
    options.deadline = std::chrono::seconds(20);
    options.payload = std::move(payload);
    auto calling = monitor->calls.call<R>(link, to, std::move(request), std::move(options));
    Result<Answer<R>> answer = co_await calling;
    out->emplace(std::move(answer));
  }
  template <Request R>
  std::shared_ptr<std::optional<Result<Answer<R>>>> begin_to_ask(NodeId to, R request,
                                                                 Payload payload = {}) {
    auto out = std::make_shared<std::optional<Result<Answer<R>>>>();
    const std::string number = std::to_string(to);
    monitor->scope.spawn(flow<R>(monitor, endpoint("storage-" + number), "storage/" + number,
                                 std::move(request), std::move(payload), out));
    return out;
  }
  template <Request R>
  Result<Answer<R>> ask(NodeId to, R request, Payload payload = {}) {
    const auto out = begin_to_ask(to, std::move(request), std::move(payload));
    world.run_until([&] { return out->has_value(); }, std::chrono::seconds(30));
    REQUIRE(out->has_value());
    return std::move(**out);
  }

  // Writes a block of one part or more to one node alone.
  Result<void> put(NodeId to, ObjectId object, const std::string& bytes, uint32_t index = 0,
                   GroupId group = kGroup) {
    uint64_t offset = 0;
    const uint64_t upload = ++uploads;
    do {
      WriteBlock part;
      part.object = object;
      part.index = index;
      part.group = group;
      part.epoch = epoch(group);
      part.upload = upload;
      part.capacity = std::max<uint64_t>(bytes.size(), 1);
      part.offset = offset;
      const Payload payload = Payload::of(bytes.substr(offset, kPartBytes));
      part.crc32c = crc32c(payload.view());
      offset += payload.size();
      part.last = offset == bytes.size();
      part.path_hint = path_hint;
      part.file_hint = file_hint;
      auto answer = ask(to, part, payload);
      if (!answer) return answer.error();
    } while (offset < bytes.size());
    return {};
  }
  // `count` blocks of object 1 with contents that follow from their index.
  void put_all(const std::vector<NodeId>& to, uint32_t first, uint32_t count, size_t size) {
    for (uint32_t i = first; i < first + count; ++i) {
      for (const NodeId node : to) REQUIRE(put(node, 1, noise(i, size), i));
    }
  }
  std::vector<BlockView> blocks(NodeId at, GroupId group = kAllGroups) {
    ListBlocks request;
    request.group = group;
    auto answer = ask(at, request);
    REQUIRE(answer);
    return answer->message.blocks;
  }
  HintView hint(NodeId at, ObjectId object, uint32_t index = 0) {
    auto answer = ask(at, ReadHints{{{object, index, kGroup}}});
    REQUIRE_MESSAGE(answer, answer.error().describe());
    REQUIRE(answer->message.hints.size() == 1);
    return answer->message.hints.front();
  }
  Result<std::string> get(NodeId from, ObjectId object, uint32_t index = 0) {
    std::string bytes;
    while (true) {
      ReadBlock request{object, index, kGroup, bytes.size(), kPartBytes};
      auto answer = ask(from, request);
      if (!answer) return answer.error();
      bytes += answer->payload.view();
      if (bytes.size() >= answer->message.block_length) return bytes;
    }
  }

  FillGroup fill_request(std::vector<NodeId> sources, LogIndex as_of = 1) {
    FillGroup request;
    request.group = kGroup;
    request.epoch = epoch();
    request.as_of = as_of;
    for (const NodeId source : sources) {
      request.sources.push_back({source, endpoint("storage-" + std::to_string(source)), true});
    }
    return request;
  }
  // Asks until the fill is done or failed.
  FillGroupReply fill(NodeId at, FillGroup request,
                      Duration poll = std::chrono::milliseconds(100)) {
    for (int i = 0; i < 3000; ++i) {
      auto answer = ask(at, request);
      REQUIRE(answer);
      const FillGroupReply& reply = answer->message;
      if (reply.state == FillState::done || reply.state == FillState::failed) return reply;
      world.run_for(poll);
    }
    FAIL("the fill does not come to an end");
    return {};
  }

  // Damages the first block of the node's first segment.
  void rot(NodeId at) { node(at).disk().flip(storage::segment_path("/data", 1), 3 * 4096 + 17); }

  sim::World world;
  FakeMonitor* monitor = nullptr;
  uint64_t uploads = 0;
  std::string path_hint;  // of all that put() writes
  FileHint file_hint;
};

}  // namespace dfs
