// What a node tells of its copies, and who is served first.
#include <doctest/doctest.h>

#include "tests/actors/storage/node_fixture.h"

namespace dfs {

namespace {

using std::chrono::milliseconds;
using storage::content;

// A node with one block whose disk does nothing unless told to.
struct Reads : Node {
  Reads() {
    write(content(1, 5000), 0);
    step(milliseconds(300));  // the next heartbeat looks at the disk much later
    bus.take_sent();
    bus.run_mode = FakeBus::RunMode::queued;
  }
  uint64_t read(bool background) { return ask(ReadBlock{7, 2, 5, 0, 5000, background}); }
  size_t jobs() const { return bus.jobs.size(); }
};

// A node with one block that is asked to vouch for it.
struct Checks : Node {
  explicit Checks(const std::string& bytes) {
    for (uint64_t offset = 0; offset < bytes.size(); offset += kPartBytes) write(bytes, offset);
    step(milliseconds(300));
    bus.take_sent();
    bus.run_mode = FakeBus::RunMode::queued;
  }
  Result<CheckCopiesReply> checked(uint64_t request) {
    return reply_as<CheckCopiesReply>(*reply(request));
  }
};

}  // namespace

TEST_SUITE("storage") {
  TEST_CASE("reads for repair start while few others are under way, and not beside more") {
    Reads node;
    for (int i = 0; i < 6; ++i) node.read(false);
    const uint64_t background = node.read(true);
    CHECK(node.jobs() == 6);
    node.bus.run_job();
    CHECK(node.jobs() == 5);
    node.bus.run_job();
    // Four are left, and it comes behind them.
    CHECK(node.jobs() == 5);
    CHECK_FALSE(node.answered(background));
    while (node.jobs() > 0) node.bus.run_job();
    CHECK(node.reply(background)->payload.view() == content(1, 5000));
  }

  TEST_CASE("reads for repair are served a few at a time") {
    Reads node;
    for (int i = 0; i < 10; ++i) node.read(true);
    CHECK(node.jobs() == 4);
    node.bus.run_job();
    CHECK(node.jobs() == 4);
    node.read(false);  // somebody who waits is not held up by those that do
    CHECK(node.jobs() == 5);
  }

  TEST_CASE("one read for repair in a hundred milliseconds is served under any load") {
    Reads node;
    for (int i = 0; i < 20; ++i) node.read(false);
    for (int i = 0; i < 5; ++i) node.read(true);
    CHECK(node.jobs() == 20);
    node.bus.advance(milliseconds(95));
    CHECK(node.jobs() == 20);
    node.bus.advance(milliseconds(10));
    CHECK(node.jobs() == 21);
    node.bus.advance(milliseconds(90));
    CHECK(node.jobs() == 21);
    node.bus.advance(milliseconds(15));
    CHECK(node.jobs() == 22);
  }

  TEST_CASE("reads for repair beyond a limit are refused, others never for that") {
    Reads node;
    for (int i = 0; i < 4 + 256; ++i) node.read(true);
    const uint64_t refused = node.read(true);
    REQUIRE(node.answered(refused));
    CHECK(reply_as<ReadBlockReply>(*node.reply(refused)).code() == Code::busy);
    const uint64_t client = node.read(false);
    CHECK_FALSE(node.answered(client));
    while (node.jobs() > 0) node.bus.run_job();
    CHECK(node.answered(client));
  }

  TEST_CASE("digests come in the order asked, for all groups when none is named") {
    Node node;
    const std::string bytes = content(1, 5000);
    node.write(bytes, 0);
    node.step();
    const auto digests = reply_as<DigestList>(*node.reply(node.ask(GetDigests{{9, 5}})));
    REQUIRE(digests);
    CHECK(digests->epoch == 1);
    REQUIRE(digests->digests.size() == 2);
    CHECK(digests->digests[0].group == 9);
    CHECK(digests->digests[0].blocks == 0);
    CHECK(digests->digests[1].group == 5);
    CHECK(digests->digests[1].blocks == 1);
    CHECK(digests->digests[1].bytes == 5000);
    const auto all = reply_as<DigestList>(*node.reply(node.ask(GetDigests{})));
    REQUIRE(all);
    CHECK(all->digests.size() == 1);
  }

  TEST_CASE("copies are judged one by one, after all their bytes were read") {
    const std::string bytes = content(1, kPartBytes + 5000);
    Checks node(bytes);
    const uint32_t crc = crc32c(bytes);
    const uint64_t size = bytes.size();
    CheckCopies check;
    check.group = 5;
    check.copies = {
        {7, 2, size, crc}, {7, 2, size - 1, crc}, {7, 2, size, crc ^ 1}, {7, 3, size, crc}};
    const uint64_t asked = node.ask(check);
    for (int parts = 0; parts < 2; ++parts) {
      CHECK_FALSE(node.answered(asked));
      REQUIRE(node.bus.jobs.size() == 1);
      node.bus.run_job();
    }
    const auto checked = node.checked(asked);
    REQUIRE(checked);
    CHECK(checked->epoch == 1);
    CHECK(checked->good == std::vector<uint8_t>{1, 0, 0, 0});
    // What the index does not have is not looked for on the disk.
    check.group = 6;
    CHECK(node.checked(node.ask(check))->good == std::vector<uint8_t>{0, 0, 0, 0});
  }

  TEST_CASE("a copy that rotted unnoticed is not vouched for, and is flagged") {
    const std::string bytes = content(1, kPartBytes + 5000);
    Checks node(bytes);
    CheckCopies check;
    check.group = 5;
    check.copies = {{7, 2, bytes.size(), crc32c(bytes)}};
    // In the last bytes of the data, which come with its second part.
    node.disk.flip(storage::segment_path("/data", 1), 2 * 4096 + bytes.size() - 1);
    const uint64_t asked = node.ask(check);
    while (!node.bus.jobs.empty()) node.bus.run_job();
    CHECK(node.checked(asked)->good == std::vector<uint8_t>{0});
    ListBlocks list;
    list.group = 5;
    const auto listed = reply_as<ListBlocksReply>(*node.reply(node.ask(list)));
    REQUIRE(listed);
    REQUIRE(listed->blocks.size() == 1);
    CHECK(listed->blocks[0].bad);
    CHECK(reply_as<DigestList>(*node.reply(node.ask(GetDigests{{5}})))->digests[0].blocks == 0);
  }

  TEST_CASE("copies are read two at a time for whoever asks, until nobody waits any more") {
    const std::string bytes = content(1, 5000);
    Checks node(bytes);
    CheckCopies check;
    check.group = 5;
    check.copies = {{7, 2, bytes.size(), crc32c(bytes)}, {7, 2, bytes.size(), crc32c(bytes)}};
    std::vector<uint64_t> asked;
    for (int i = 0; i < 64; ++i) asked.push_back(node.ask(check));
    CHECK(node.bus.jobs.size() == 2);
    CHECK(node.checked(node.ask(check)).code() == Code::busy);
    while (!node.bus.jobs.empty()) {
      CHECK(node.bus.jobs.size() <= 2);
      node.bus.run_job();
    }
    for (const uint64_t one : asked) {
      REQUIRE(node.answered(one));
      CHECK(node.checked(one)->good == std::vector<uint8_t>{1, 1});
    }
    node.deadline_ms = 100;
    const uint64_t late = node.ask(check);
    REQUIRE(node.bus.jobs.size() == 1);
    node.bus.advance(milliseconds(150));
    node.bus.run_job();
    CHECK(node.bus.jobs.empty());
    CHECK_FALSE(node.answered(late));
  }
}

}  // namespace dfs
