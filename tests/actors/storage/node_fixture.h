// A whole storage node on a fake bus and a simulated disk; the test is everyone else.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "actors/mem_table.h"
#include "actors/storage/storage.h"
#include "messages/blocks.h"
#include "messages/cluster.h"
#include "messages/crc32c.h"
#include "messages/dispatch.h"
#include "messages/events.h"
#include "messages/grant.h"
#include "messages/repair.h"
#include "tests/actors/storage/store_fixture.h"
#include "tests/broker/fake_bus.h"
#include "tests/sim/sim_disk.h"

namespace dfs {

inline constexpr const char* kNodeCluster = "0123456789abcdef0123456789abcdef";
inline constexpr const char* kNext = "tcp://next:1";
inline constexpr const char* kPeer = "peer/c1";

// Joined as node 1; group 5 is at epoch 3.
struct Node {
  explicit Node(StorageSettings settings = {}, std::string its_grant_key = {},
                bool its_told_map = true)
      : grant_key(std::move(its_grant_key)), told_map(its_told_map) {
    settings.directory = "/data";
    settings.segment_bytes = 8 << 20;
    bus.listen_endpoint = "tcp://self:1";
    actor = std::make_unique<Storage>(bus, disk, table, settings);
    Result<void> ready(Code::timeout, "start() did not answer");
    actor->start([&](Result<void> r) { ready = std::move(r); });
    step();
    REQUIRE(ready);
    answer_join();
    bus.take_sent();
  }

  void step(Duration time = std::chrono::milliseconds(1)) {
    for (int i = 0; i < 30; ++i) bus.advance();
    bus.advance(time);
    for (int i = 0; i < 30; ++i) bus.advance();
  }

  void answer_join() {
    for (const FakeBus::Sent& sent : bus.take_sent()) {
      if (sent.envelope.header.type != Type::Join) continue;
      JoinReply joined{1, kNodeCluster, 1, 500};
      if (!grant_key.empty()) {
        const GrantSigner head(grant_key);
        verify_key = decode<Join>(sent.envelope.body)->verify_key;
        joined.grant_keys.bytes = head.verify_keys();
        warrant.bytes = head.sign(Warrant{1, verify_key, bus.wall_ms() + 60'000});
        joined.warrant = warrant;
      }
      actor->receive(FakeBus::answer(sent, joined));
    }
    step();
    REQUIRE(bus.address() == "storage/1");
    for (const FakeBus::Sent& sent : bus.take_sent()) {
      if (sent.envelope.header.type != Type::GetMap || !told_map) continue;
      actor->receive(FakeBus::answer(sent, map_of(1, 3)));
    }
    step(std::chrono::milliseconds(400));
  }

  // The monitor publishes a map in which group 5 is at `group_epoch`.
  void map(Epoch epoch, Epoch group_epoch) {
    actor->observe(kMapTopic, envelope_of(map_of(epoch, group_epoch)));
  }
  ClusterMap map_of(Epoch epoch, Epoch group_epoch) {
    ClusterMap map;
    map.cluster = kNodeCluster;
    map.epoch = epoch;
    std::string uuid = identity_uuid();
    NodeView self;
    self.node = 1;
    self.uuid = uuid;
    self.endpoint = "tcp://self:1";
    map.nodes.push_back(self);
    NodeView next;
    next.node = 2;
    next.endpoint = next_endpoint;
    map.nodes.push_back(next);
    GroupView group;
    group.group = 5;
    group.epoch = group_epoch;
    group.members = {1, 2};
    map.groups.push_back(group);
    return map;
  }

  std::string identity_uuid() {
    const auto text = read_file(disk, "/data/identity");
    REQUIRE(text);
    return text->substr(text->find("uuid=") + 5, 32);
  }

  WriteBlock part(const std::string& bytes, uint64_t offset, uint64_t upload = 11) {
    WriteBlock part;
    part.object = 7;
    part.index = 2;
    part.group = 5;
    part.epoch = 3;
    part.upload = upload;
    part.capacity = std::max<uint64_t>(bytes.size(), 1);
    part.offset = offset;
    part.last = offset + kPartBytes >= bytes.size();
    part.crc32c = crc32c(payload(bytes, offset).view());
    return part;
  }
  static Payload payload(const std::string& bytes, uint64_t offset) {
    return Payload::of(bytes.substr(offset, kPartBytes));
  }

  template <Message T>
  uint64_t ask(const T& message, Payload payload = {}, Link link = kPeer,
               std::string from = "client/c1") {
    Envelope envelope = envelope_of(message, "storage/1", std::move(payload));
    envelope.header.request = ++last_request;
    envelope.header.deadline_ms = deadline_ms;
    envelope.header.from = std::move(from);
    envelope.link = std::move(link);
    actor->receive(std::move(envelope));
    return last_request;
  }
  uint64_t write(const std::string& bytes, uint64_t offset, std::vector<ChainNode> chain = {}) {
    WriteBlock p = part(bytes, offset);
    p.chain = std::move(chain);
    return ask(p, payload(bytes, offset));
  }

  // The answer to a request, if there is one.
  std::optional<Envelope> reply(uint64_t request) {
    for (const FakeBus::Sent& sent : bus.sent) {
      if (sent.envelope.header.request == request && sent.envelope.header.to == "client/c1") {
        return sent.envelope;
      }
    }
    return std::nullopt;
  }
  bool answered(uint64_t request) { return reply(request).has_value(); }
  Result<WriteBlockReply> written(uint64_t request) {
    const auto envelope = reply(request);
    if (!envelope) return Result<WriteBlockReply>(Code::timeout, "no reply");
    return reply_as<WriteBlockReply>(*envelope);
  }

  std::vector<FakeBus::Sent> sent_to_next(Type type = Type::WriteBlock) {
    std::vector<FakeBus::Sent> out;
    for (const FakeBus::Sent& sent : bus.sent) {
      if (sent.link == kNext && sent.envelope.header.type == type) out.push_back(sent);
    }
    return out;
  }
  // The next node takes a part, or has the whole block.
  void next_answers(const FakeBus::Sent& forwarded, std::optional<uint32_t> whole_crc = {},
                    uint64_t length = 0) {
    const auto part = decode<WriteBlock>(forwarded.envelope.body);
    REQUIRE(part);
    WriteBlockReply reply{part->object, part->index, part->offset, false, 0, 0, {}};
    if (whole_crc) {
      reply.durable = true;
      reply.crc32c = *whole_crc;
      reply.length = length;
      reply.nodes = {2};
    }
    actor->receive(FakeBus::answer(forwarded, reply));
  }

  bool has_block() {
    const uint64_t request = ask(ListBlocks{});
    const auto list = reply_as<ListBlocksReply>(*reply(request));
    REQUIRE(list);
    return !list->blocks.empty();
  }

  std::string grant_key;              // of the heads; empty: no grants are needed
  Blob verify_key;                    // of what the node signs
  Blob warrant;                       // for that
  bool told_map = true;               // when it joined
  std::string next_endpoint = kNext;  // of node 2, by the map
  sim::SimDisk disk;
  MemTable table;
  FakeBus bus{"storage/new"};
  std::unique_ptr<Storage> actor;
  uint64_t last_request = 1000;
  uint32_t deadline_ms = 0;  // of what is asked; 0: none
};

}  // namespace dfs
