// A block on its way through one node of a chain.
#include <doctest/doctest.h>

#include "tests/actors/storage/node_fixture.h"

namespace dfs {

namespace {

using std::chrono::milliseconds;
using storage::content;

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
}

}  // namespace dfs
