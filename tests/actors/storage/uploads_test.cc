#include <doctest/doctest.h>

#include <algorithm>

#include "actors/storage/storage.h"
#include "messages/cluster.h"
#include "messages/dispatch.h"
#include "messages/events.h"
#include "tests/actors/storage/store_fixture.h"

namespace dfs {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using storage::content;

constexpr const char* kCluster = "0123456789abcdef0123456789abcdef";
constexpr const char* kNext = "tcp://next:1";
constexpr const char* kPeer = "peer/c1";

// A whole storage node that has joined as node 1; the test is everyone else.
struct Node {
  explicit Node(StorageSettings settings = {}) {
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

  void step(Duration time = milliseconds(1)) {
    for (int i = 0; i < 30; ++i) bus.advance();
    bus.advance(time);
    for (int i = 0; i < 30; ++i) bus.advance();
  }

  void answer_join() {
    for (const FakeBus::Sent& sent : bus.take_sent()) {
      if (sent.envelope.header.type != Type::Join) continue;
      actor->receive(FakeBus::answer(sent, JoinReply{1, kCluster, 1, 500}));
    }
    step();
    REQUIRE(bus.address() == "storage/1");
    for (const FakeBus::Sent& sent : bus.take_sent()) {
      if (sent.envelope.header.type != Type::GetMap) continue;
      actor->receive(FakeBus::answer(sent, map_of(1, 3)));
    }
    step(milliseconds(400));
  }

  // The monitor publishes a map in which group 5 is at `group_epoch`.
  void map(Epoch epoch, Epoch group_epoch) {
    actor->observe(kMapTopic, envelope_of(map_of(epoch, group_epoch)));
  }
  ClusterMap map_of(Epoch epoch, Epoch group_epoch) {
    ClusterMap map;
    map.cluster = kCluster;
    map.epoch = epoch;
    std::string uuid = identity_uuid();
    NodeView self;
    self.node = 1;
    self.uuid = uuid;
    self.endpoint = "tcp://self:1";
    map.nodes.push_back(self);
    map.groups.push_back({.group = 5, .epoch = group_epoch, .members = {1, 2}});
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

  sim::SimDisk disk;
  MemTable table;
  FakeBus bus{"storage/new"};
  std::unique_ptr<Storage> actor;
  uint64_t last_request = 1000;
};

const std::vector<ChainNode> kChain{{2, kNext}};

}  // namespace

TEST_SUITE("storage") {
  TEST_CASE("a block written to one node is durable with the last part and reads back") {
    Node node;
    const std::string bytes = content(1, 2 * kPartBytes + 777);
    const auto first = node.write(bytes, 0);
    const auto second = node.write(bytes, kPartBytes);
    const auto last = node.write(bytes, 2 * kPartBytes);
    node.step();
    REQUIRE(node.written(first));
    CHECK_FALSE(node.written(first)->durable);
    CHECK(node.written(second)->offset == kPartBytes);
    const auto reply = node.written(last);
    REQUIRE(reply);
    CHECK(reply->durable);
    CHECK(reply->crc32c == crc32c(bytes));
    CHECK(reply->length == bytes.size());
    CHECK(reply->nodes == std::vector<NodeId>{1});

    ReadBlock read{7, 2, 5, 100, kPartBytes};
    const auto asked = node.ask(read);
    node.step();
    const auto envelope = node.reply(asked);
    REQUIRE(envelope);
    const auto header = reply_as<ReadBlockReply>(*envelope);
    REQUIRE(header);
    CHECK(envelope->payload.view() == bytes.substr(100, kPartBytes));
    CHECK(header->crc32c == crc32c(envelope->payload.view()));
    CHECK(header->block_length == bytes.size());
  }

  TEST_CASE("parts go on down the chain at once, sharing the bytes, with a shorter chain") {
    Node node;
    const std::string bytes = content(2, kPartBytes + 5);
    WriteBlock part = node.part(bytes, 0);
    part.chain = {{2, kNext}, {3, "tcp://third:1"}};
    const Payload payload = node.payload(bytes, 0);
    node.ask(part, payload);
    const auto forwarded = node.sent_to_next();
    REQUIRE(forwarded.size() == 1);
    CHECK(forwarded[0].envelope.payload.data() == payload.data());
    CHECK(forwarded[0].envelope.header.to == "storage/2");
    const auto next = decode<WriteBlock>(forwarded[0].envelope.body);
    REQUIRE(next);
    REQUIRE(next->chain.size() == 1);
    CHECK(next->chain[0].node == 3);
    CHECK(next->upload == part.upload);
    CHECK(next->crc32c == part.crc32c);
  }

  TEST_CASE("an ack waits for the next node, and durable waits for both") {
    Node node;
    const std::string bytes = content(3, kPartBytes + 5);
    const auto first = node.write(bytes, 0, kChain);
    const auto last = node.write(bytes, kPartBytes, kChain);
    node.step();
    CHECK_FALSE(node.answered(first));
    CHECK_FALSE(node.answered(last));
    const auto forwarded = node.sent_to_next();
    REQUIRE(forwarded.size() == 2);
    node.next_answers(forwarded[0]);
    CHECK(node.answered(first));
    CHECK_FALSE(node.answered(last));
    node.next_answers(forwarded[1], crc32c(bytes), bytes.size());
    const auto reply = node.written(last);
    REQUIRE(reply);
    CHECK(reply->durable);
    CHECK(reply->nodes == std::vector<NodeId>{1, 2});
  }

  TEST_CASE("durable waits for the own sync when the next node is faster") {
    Node node;
    const std::string bytes = content(4, 5000);
    node.bus.run_mode = FakeBus::RunMode::queued;
    const auto last = node.write(bytes, 0, kChain);
    node.next_answers(node.sent_to_next().at(0), crc32c(bytes), bytes.size());
    node.step();
    CHECK_FALSE(node.answered(last));
    while (!node.bus.jobs.empty()) {
      CHECK_FALSE(node.answered(last));
      node.bus.run_job();
      node.step();
    }
    CHECK(node.written(last)->durable);
  }

  TEST_CASE("a refusal of the next node is handed back with its name and ends the attempt") {
    Node node;
    const std::string bytes = content(5, 2 * kPartBytes);
    const auto first = node.write(bytes, 0, kChain);
    node.step();
    node.actor->receive(
        FakeBus::answer(node.sent_to_next().at(0), Error{Code::no_space, "full", {}, 0}));
    const auto reply = node.written(first);
    CHECK(reply.code() == Code::no_space);
    CHECK(reply.error().cause.at("node") == "2");
    const auto second = node.write(bytes, kPartBytes, kChain);
    CHECK(node.written(second).code() == Code::invalid);
    node.step();
    CHECK_FALSE(node.has_block());
  }

  TEST_CASE("a culprit further down the chain keeps its name") {
    Node node;
    const std::string bytes = content(6, 5000);
    const auto request = node.write(bytes, 0, {{2, kNext}, {3, "tcp://third:1"}});
    node.step();
    node.actor->receive(FakeBus::answer(node.sent_to_next().at(0),
                                        Error{Code::unavailable, "silent", {{"node", "3"}}, 0}));
    CHECK(node.written(request).error().cause.at("node") == "3");
  }

  TEST_CASE("a silent next node is given up after forward_deadline and named") {
    Node node;
    const std::string bytes = content(7, 2 * kPartBytes);
    const auto first = node.write(bytes, 0, kChain);
    node.step(milliseconds(1300));
    CHECK_FALSE(node.answered(first));
    node.step(milliseconds(400));
    const auto reply = node.written(first);
    CHECK(reply.code() == Code::unavailable);
    CHECK(reply.error().cause.at("node") == "2");
    // It may only have been slow: it is told to forget the block.
    CHECK(node.sent_to_next(Type::AbortBlock).size() == 1);
    CHECK_FALSE(node.has_block());
  }

  TEST_CASE("a next node that answers other parts is busy, not silent") {
    Node node;
    const std::string bytes = content(8, 6 * kPartBytes);
    std::vector<uint64_t> requests;
    for (uint64_t i = 0; i < 5; ++i) requests.push_back(node.write(bytes, i * kPartBytes, kChain));
    for (size_t i = 0; i < 4; ++i) {
      node.step(milliseconds(1200));
      node.next_answers(node.sent_to_next().at(i));
    }
    for (size_t i = 0; i < 4; ++i) CHECK(node.written(requests[i]));
    CHECK_FALSE(node.answered(requests[4]));
  }

  TEST_CASE("a broken link to the next node fails its blocks at once") {
    Node node;
    const auto request = node.write(content(9, 2 * kPartBytes), 0, kChain);
    node.step();
    node.actor->link_down(kNext);
    node.step();
    const auto reply = node.written(request);
    CHECK(reply.code() == Code::unavailable);
    CHECK(reply.error().cause.at("node") == "2");
  }

  TEST_CASE("a next node that wrote other bytes makes the block corrupt") {
    Node node;
    const std::string bytes = content(10, 5000);
    const auto request = node.write(bytes, 0, kChain);
    node.step();
    node.next_answers(node.sent_to_next().at(0), crc32c(bytes) ^ 1, bytes.size());
    CHECK(node.written(request).code() == Code::corrupt);
  }

  TEST_CASE("a damaged part is refused here and the next node told to forget the block") {
    Node node;
    const std::string bytes = content(11, 2 * kPartBytes);
    WriteBlock part = node.part(bytes, 0);
    part.crc32c ^= 1;
    part.chain = kChain;
    const auto request = node.ask(part, node.payload(bytes, 0));
    node.step();
    CHECK(node.written(request).code() == Code::corrupt);
    CHECK(node.written(request).error().cause.at("node") == "1");
    CHECK(node.sent_to_next(Type::AbortBlock).size() == 1);
  }

  TEST_CASE("a write under an older epoch is refused, a newer one makes the node ask for the map") {
    Node node;
    const std::string bytes = content(12, 5000);
    WriteBlock part = node.part(bytes, 0);
    part.epoch = 2;
    const auto old = node.ask(part, node.payload(bytes, 0));
    CHECK(node.written(old).code() == Code::stale_map);
    CHECK(node.written(old).error().cause.at("epoch") == "3");

    part.epoch = 4;
    const auto newer = node.ask(part, node.payload(bytes, 0));
    node.step();
    CHECK(node.written(newer)->durable);
    CHECK(std::any_of(node.bus.sent.begin(), node.bus.sent.end(), [](const FakeBus::Sent& sent) {
      return sent.envelope.header.type == Type::GetMap;
    }));
  }

  TEST_CASE("an epoch that grows in mid-block fences the rest of it") {
    Node node;
    const std::string bytes = content(13, 2 * kPartBytes);
    const auto first = node.write(bytes, 0);
    node.step();
    CHECK(node.written(first));
    node.map(2, 4);
    const auto last = node.write(bytes, kPartBytes);
    node.step();
    CHECK(node.written(last).code() == Code::stale_map);
    CHECK_FALSE(node.has_block());
  }

  TEST_CASE("parts out of order are invalid and the block starts again") {
    Node node;
    const std::string bytes = content(14, 3 * kPartBytes);
    CHECK(node.written(node.write(bytes, kPartBytes)).code() == Code::invalid);
    const auto first = node.write(bytes, 0);
    const auto third = node.write(bytes, 2 * kPartBytes);
    node.step();
    CHECK(node.written(first).code() == Code::invalid);
    CHECK(node.written(third).code() == Code::invalid);
    for (uint64_t at = 0; at < bytes.size(); at += kPartBytes) node.write(bytes, at);
    node.step();
    CHECK(node.has_block());
  }

  TEST_CASE("a part that comes twice is written once and answered again") {
    Node node;
    const std::string bytes = content(15, 2 * kPartBytes);
    node.write(bytes, 0);
    node.step();
    const auto again = node.write(bytes, 0);
    CHECK(node.written(again));
    const auto last = node.write(bytes, kPartBytes);
    node.step();
    CHECK(node.written(last)->crc32c == crc32c(bytes));
  }

  TEST_CASE("a sender that starts a block again replaces its old attempt") {
    Node node;
    const std::string bytes = content(16, 2 * kPartBytes);
    const std::string other = content(17, 2 * kPartBytes);
    node.bus.run_mode = FakeBus::RunMode::queued;
    const auto old = node.ask(node.part(bytes, 0, 1), node.payload(bytes, 0));
    const auto first = node.ask(node.part(other, 0, 2), node.payload(other, 0));
    CHECK(node.written(old).code() == Code::cancelled);
    // What is left of the old attempt does not get into the new one.
    const auto late = node.ask(node.part(bytes, kPartBytes, 1), node.payload(bytes, kPartBytes));
    CHECK(node.written(late).code() == Code::invalid);
    const auto last = node.ask(node.part(other, kPartBytes, 2), node.payload(other, kPartBytes));
    while (!node.bus.jobs.empty()) node.bus.run_job();
    CHECK(node.written(first));
    CHECK(node.written(last)->crc32c == crc32c(other));
  }

  TEST_CASE("two senders of one block at once do not mix") {
    Node node;
    const std::string bytes = content(18, 2 * kPartBytes);
    const auto from = [&](const char* who, uint64_t upload, uint64_t offset) {
      return node.ask(node.part(bytes, offset, upload), node.payload(bytes, offset), kPeer, who);
    };
    from("client/a", 1, 0);
    from("client/b", 2, 0);
    from("client/b", 2, kPartBytes);
    from("client/a", 1, kPartBytes);
    node.step();
    int durable = 0;
    for (const FakeBus::Sent& sent : node.bus.sent) {
      if (sent.envelope.header.type != Type::WriteBlockReply) continue;
      const auto reply = decode<WriteBlockReply>(sent.envelope.body);
      REQUIRE(reply);
      if (!reply->durable) continue;
      CHECK(reply->crc32c == crc32c(bytes));
      ++durable;
    }
    CHECK(durable == 2);
  }

  TEST_CASE("writing a block again succeeds without writing it, and is forwarded all the same") {
    Node node;
    const std::string bytes = content(19, kPartBytes + 9);
    node.write(bytes, 0);
    node.write(bytes, kPartBytes);
    node.step();
    node.bus.take_sent();
    const auto send_again = [&](uint64_t offset) {
      WriteBlock part = node.part(bytes, offset, 99);
      part.chain = kChain;
      return node.ask(part, node.payload(bytes, offset));
    };
    send_again(0);
    const auto last = send_again(kPartBytes);
    node.step();
    const auto forwarded = node.sent_to_next();
    REQUIRE(forwarded.size() == 2);
    node.next_answers(forwarded[0]);
    node.next_answers(forwarded[1], crc32c(bytes), bytes.size());
    CHECK(node.written(last)->nodes == std::vector<NodeId>{1, 2});
  }

  TEST_CASE("more unfinished blocks than writes_max are refused as busy") {
    StorageSettings settings;
    settings.writes_max = 3;
    Node node(settings);
    const std::string bytes = content(20, 2 * kPartBytes);
    const auto begin = [&](uint32_t index) {
      WriteBlock part = node.part(bytes, 0, index + 1);
      part.index = index;
      return node.ask(part, node.payload(bytes, 0));
    };
    for (uint32_t i = 0; i < 3; ++i) {
      const auto request = begin(i);
      node.step();
      CHECK(node.written(request));
    }
    const auto refused = begin(3);
    CHECK(node.written(refused).code() == Code::busy);
    CHECK(node.written(refused).error().retry_after_ms > 0);
    // One is given up, and there is room again.
    node.ask(AbortBlock{7, 0, 5, 1});
    const auto taken = begin(4);
    node.step();
    CHECK(node.written(taken));
  }

  TEST_CASE("parts that wait for the disk are limited by memory_bytes_max") {
    StorageSettings settings;
    settings.memory_bytes_max = 4 << 20;
    Node node(settings);
    node.bus.run_mode = FakeBus::RunMode::queued;
    const std::string bytes = content(21, 6 * kPartBytes);
    uint64_t request = 0;
    for (uint64_t i = 0; i < 4; ++i) request = node.write(bytes, i * kPartBytes);
    CHECK_FALSE(node.answered(request));
    WriteBlock other = node.part(bytes, 0, 5);
    other.index = 9;
    CHECK(node.written(node.ask(other, node.payload(bytes, 0))).code() == Code::busy);
    CHECK(node.written(node.write(bytes, 4 * kPartBytes)).code() == Code::busy);
    // The memory comes back when the disk has caught up.
    while (!node.bus.jobs.empty()) node.bus.run_job();
    node.step();
    node.bus.run_mode = FakeBus::RunMode::immediate;
    const auto again = node.ask(other, node.payload(bytes, 0));
    node.step();
    CHECK(node.written(again));
  }

  TEST_CASE("an aborted block is forgotten, here and down the chain") {
    Node node;
    const std::string bytes = content(22, 2 * kPartBytes);
    const auto first = node.write(bytes, 0, kChain);
    node.step();
    const auto abort = node.ask(AbortBlock{7, 2, 5, 11});
    CHECK(node.reply(abort)->header.type == Type::AbortBlockReply);
    CHECK(node.written(first).code() == Code::cancelled);
    const auto handed_on = node.sent_to_next(Type::AbortBlock);
    REQUIRE(handed_on.size() == 1);
    CHECK(decode<AbortBlock>(handed_on[0].envelope.body)->upload == 11);
    // Of an unknown block too: the answer is the same.
    CHECK(node.reply(node.ask(AbortBlock{8, 2, 5, 11}))->header.type == Type::AbortBlockReply);
  }

  TEST_CASE("an unfinished block that is silent for upload_idle_max is given up") {
    StorageSettings settings;
    settings.upload_idle_max = seconds(10);
    Node node(settings);
    const std::string bytes = content(23, 2 * kPartBytes);
    node.write(bytes, 0);
    node.step(seconds(9));
    node.write(bytes, 0);  // a repetition is no progress
    node.step(seconds(3));
    CHECK(node.written(node.write(bytes, kPartBytes)).code() == Code::invalid);
  }

  TEST_CASE("a sender that is gone leaves no unfinished block") {
    StorageSettings settings;
    settings.writes_max = 1;
    Node node(settings);
    const std::string bytes = content(24, 2 * kPartBytes);
    node.write(bytes, 0);
    node.step();
    node.actor->link_down(kPeer);
    WriteBlock other = node.part(bytes, 0, 5);
    other.index = 9;
    const auto request = node.ask(other, node.payload(bytes, 0), "peer/c2");
    node.step();
    CHECK(node.written(request));
  }

  TEST_CASE("stopping refuses new blocks, finishes those under way and then says so") {
    Node node;
    const std::string bytes = content(25, 2 * kPartBytes);
    node.write(bytes, 0);
    node.step();
    bool stopped = false;
    node.actor->stop([&] { stopped = true; });
    node.step();
    CHECK_FALSE(stopped);
    WriteBlock other = node.part(bytes, 0, 5);
    other.index = 9;
    CHECK(node.written(node.ask(other, node.payload(bytes, 0))).code() == Code::stopping);
    const auto last = node.write(bytes, kPartBytes);
    node.step();
    CHECK(node.written(last)->durable);
    CHECK(stopped);
  }

  TEST_CASE("stopping does not wait for ever for a block that does not come on") {
    Node node;
    node.write(content(26, 2 * kPartBytes), 0);
    node.step();
    bool stopped = false;
    node.actor->stop([&] { stopped = true; });
    node.step(milliseconds(1600));
    CHECK(stopped);
  }

  TEST_CASE("what is not understood is answered, replies and news are not") {
    Node node;
    const auto strange = node.ask(GetStatus{});
    CHECK(reply_as<Pong>(*node.reply(strange)).code() == Code::unsupported);
    node.bus.take_sent();
    node.ask(ErrorReply{});
    node.ask(WriteBlockReply{});
    CHECK(node.bus.sent.empty());
    const auto ping = node.ask(Ping{42});
    CHECK(reply_as<Pong>(*node.reply(ping))->nonce == 42);
    CHECK(reply_as<Pong>(*node.reply(ping))->actor == "storage/1");
  }
}

}  // namespace dfs
