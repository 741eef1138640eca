// What a node refuses, limits, forgets and finishes.
#include <doctest/doctest.h>

#include "actors/storage/volumes.h"
#include "tests/actors/storage/node_fixture.h"

namespace dfs {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using storage::content;

const std::vector<ChainNode> kChain{{2, kNext}};

}  // namespace

TEST_SUITE("storage") {
  TEST_CASE("the capacity is that of the node, whose directories share it evenly") {
    FakeBus bus;
    bus.listen_endpoint = "tcp://self:1";
    sim::SimDisk disk;
    MemTable one;
    MemTable two;
    StorageSettings settings;
    settings.segment_bytes = 8 << 20;
    settings.capacity_bytes = 100 << 20;
    Storage node(bus, disk, {{"/one", &one, std::nullopt}, {"/two", &two, std::nullopt}}, settings);
    node.start([](Result<void> ready) { CHECK(ready); });
    for (int i = 0; i < 60; ++i) bus.advance();
    const auto join = std::find_if(bus.sent.begin(), bus.sent.end(), [](const auto& sent) {
      return sent.envelope.header.type == Type::Join;
    });
    REQUIRE(join != bus.sent.end());
    CHECK(decode<Join>(join->envelope.body)->total_bytes == 100 << 20);
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

  TEST_CASE("a newer epoch fails what is unfinished at once, even when its last part was given") {
    Node node;
    const std::string bytes = content(27, kPartBytes + 5);
    node.bus.run_mode = FakeBus::RunMode::queued;
    const auto first = node.write(bytes, 0, kChain);
    const auto last = node.write(bytes, kPartBytes, kChain);
    CHECK_FALSE(node.answered(last));
    node.map(2, 4);
    CHECK(node.written(first).code() == Code::stale_map);
    CHECK(node.written(last).code() == Code::stale_map);
    CHECK(node.sent_to_next(Type::AbortBlock).size() == 1);
    // What the disk was doing then makes it no block.
    while (!node.bus.jobs.empty()) node.bus.run_job();
    node.step();
    CHECK_FALSE(node.has_block());
  }

  TEST_CASE("a newer epoch leaves what was written under it alone") {
    Node node;
    const std::string bytes = content(28, 2 * kPartBytes);
    WriteBlock part = node.part(bytes, 0);
    part.epoch = 4;
    node.ask(part, node.payload(bytes, 0));
    node.map(2, 4);
    part = node.part(bytes, kPartBytes);
    part.epoch = 4;
    const auto last = node.ask(part, node.payload(bytes, kPartBytes));
    node.step();
    CHECK(node.written(last)->durable);
  }

  TEST_CASE("a node that has not joined again yet signs its receipts with its number") {
    Node node;
    node.actor.reset();
    node.disk.restart();
    StorageSettings settings;
    settings.directory = "/data";
    node.actor = std::make_unique<Storage>(node.bus, node.disk, node.table, settings);
    node.actor->start([](const Result<void>& ready) { CHECK(ready); });
    node.step();
    const std::string bytes = content(12, 5000);
    const auto write = node.write(bytes, 0);
    node.step();
    REQUIRE(node.written(write));
    CHECK(node.written(write)->nodes == std::vector<NodeId>{1});
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
