// Nodes that fill themselves from others, whatever happens to those meanwhile.
#include <doctest/doctest.h>

#include "tests/actors/storage/nodes_fixture.h"

namespace dfs {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr size_t kSmall = 5000;
constexpr size_t kBig = 3 * kPartBytes + 77;

size_t count(const std::vector<BlockView>& blocks) {
  return static_cast<size_t>(
      std::count_if(blocks.begin(), blocks.end(), [](const BlockView& b) { return !b.bad; }));
}

// A source that lists one block and sends another, with a checksum that fits what it sends.
class Impostor : public Actor {
 public:
  explicit Impostor(Bus& b) : bus(b) {}
  void start(std::function<void(Result<void>)> ready) override { ready({}); }
  void receive(Envelope envelope) override {
    (void)dispatch<GetDigests, ListBlocks, ReadHints, ReadBlock>(*this, envelope);
  }
  void on(const Envelope& request, const GetDigests&) {
    DigestList list;
    list.epoch = 1'000'000;
    list.digests.push_back({Nodes::kGroup, 1, kSmall, 7, 7});
    (void)bus.reply(reply_to(request, list));
  }
  void on(const Envelope& request, const ListBlocks&) {
    ListBlocksReply reply;
    BlockView block;
    block.group = Nodes::kGroup;
    block.object = 1;
    block.length = kSmall;
    block.crc32c = crc32c(noise(1, kSmall));
    reply.blocks.push_back(block);
    (void)bus.reply(reply_to(request, reply));
  }
  void on(const Envelope& request, const ReadHints&) {
    HintView hint;
    hint.found = true;
    (void)bus.reply(reply_to(request, HintList{{hint}}));
  }
  void on(const Envelope& request, const ReadBlock& read) {
    const Payload payload = Payload::of(noise(2, kSmall).substr(0, read.length));
    (void)bus.reply(reply_to(request, ReadBlockReply{crc32c(payload.view()), kSmall}, payload));
  }
  Bus& bus;
};

// What is sent of one type, and how much of it is unanswered.
struct Traffic {
  explicit Traffic(Nodes& nodes) {
    nodes.world.network().on_send = [this](sim::Process& from, const Envelope& envelope) {
      if (envelope.header.type == Type::ReadBlock) {
        ++reads;
        ++reads_from[envelope.header.to];
        peak = std::max(peak, ++open);
      }
      if (envelope.header.type == Type::ReadBlockReply) {
        --open;
        bytes += envelope.payload.size();
      }
      if (each) each(from, envelope);
    };
  }
  size_t reads = 0;
  std::map<std::string, size_t> reads_from;
  size_t open = 0;
  size_t peak = 0;
  uint64_t bytes = 0;
  std::function<void(sim::Process&, const Envelope&)> each;
};

// On their way, of those with two parts or more.
void at_most_eight_blocks(StorageSettings& settings) {
  settings.fill_memory_bytes_max = 16ull << 20;
}

}  // namespace

TEST_SUITE("storage") {
  TEST_CASE("a new member pulls all blocks, small and big, and holds them for good") {
    Nodes nodes(2);
    nodes.set_group({1});
    nodes.put_all({1}, 0, 30, kSmall);
    nodes.put_all({1}, 30, 3, kBig);
    nodes.set_group({1, 2});
    const FillGroupReply reply = nodes.fill(2, nodes.fill_request({1}, 77));
    CHECK(reply.state == FillState::done);
    CHECK(reply.as_of == 77);
    CHECK(reply.epoch == nodes.epoch());
    CHECK(reply.blocks_done == 33);
    CHECK(reply.blocks_total == 33);
    CHECK(reply.bytes_done == 30 * kSmall + 3 * kBig);
    CHECK(reply.blocks_unreadable == 0);
    nodes.node(2).kill(sim::Crash::machine);
    nodes.node(2).start();
    nodes.world.run_for(seconds(4));
    for (const uint32_t i : {0u, 29u}) {
      const Result<std::string> bytes = nodes.get(2, 1, i);
      REQUIRE_MESSAGE(bytes, bytes.error().describe());
      CHECK(*bytes == noise(i, kSmall));
    }
    CHECK(*nodes.get(2, 1, 32) == noise(32, kBig));
    CHECK(count(nodes.blocks(2)) == 33);
  }

  TEST_CASE("a first block says on every copy whose it is, also after a fill and a power cut") {
    Nodes nodes(3);
    nodes.set_group({1});
    nodes.path_hint = "/films/" + std::string(3000, 'f');  // a long header
    nodes.file_hint = {.size = 12'345, .block_bytes = 1 << 20, .mode = 0640, .written_ms = 77};
    REQUIRE(nodes.put(1, 1, noise(1, kSmall)));
    REQUIRE(nodes.put(1, 1, noise(2, kBig), 1));
    nodes.path_hint = "/short";
    nodes.file_hint = {};
    REQUIRE(nodes.put(1, 2, noise(3, kBig)));
    nodes.set_group({1, 2});
    REQUIRE(nodes.fill(2, nodes.fill_request({1})).state == FillState::done);
    nodes.set_group({2, 3});
    REQUIRE(nodes.fill(3, nodes.fill_request({2})).state == FillState::done);
    nodes.node(3).kill(sim::Crash::machine);
    nodes.node(3).start();
    nodes.world.run_for(seconds(4));
    for (const NodeId node : {1u, 2u, 3u}) {
      CAPTURE(node);
      const HintView first = nodes.hint(node, 1);
      CHECK(first.found);
      CHECK(first.path == "/films/" + std::string(3000, 'f'));
      CHECK(first.file == FileHint{12'345, 1 << 20, 0640, 77});
      CHECK(first.epoch > 0);
      CHECK(nodes.hint(node, 2).path == "/short");
      CHECK(nodes.hint(node, 2).file == FileHint());
      CHECK_FALSE(nodes.hint(node, 3).found);
      CHECK_FALSE(nodes.hint(node, 1, 7).found);
    }
  }

  TEST_CASE("a source whose header is damaged does not give a first block away nameless") {
    Nodes nodes(3);
    nodes.set_group({1, 2});
    nodes.path_hint = "/f";
    for (const NodeId node : {1u, 2u}) REQUIRE(nodes.put(node, 1, noise(1, kSmall)));
    nodes.node(1).disk().flip(storage::segment_path("/data", 1), 4096 + 100);
    CHECK_FALSE(nodes.hint(1, 1).found);
    nodes.set_group({1, 2, 3});
    REQUIRE(nodes.fill(3, nodes.fill_request({1, 2})).state == FillState::done);
    CHECK(nodes.hint(3, 1).path == "/f");
  }

  TEST_CASE("equal digests end a fill without a list or a block") {
    Nodes nodes(2);
    nodes.set_group({1, 2});
    nodes.put_all({1, 2}, 0, 5, kSmall);
    size_t lists = 0;
    nodes.world.network().on_send = [&](sim::Process&, const Envelope& envelope) {
      lists += envelope.header.type == Type::ListBlocks ? 1 : 0;
    };
    const FillGroupReply reply = nodes.fill(2, nodes.fill_request({1}));
    CHECK(reply.state == FillState::done);
    CHECK(reply.blocks_done == 0);
    CHECK(reply.blocks_same == 5);
    CHECK(lists == 0);
  }

  TEST_CASE("only the difference is pulled, over pages and from each source what it alone has") {
    Nodes nodes(3);
    nodes.set_group({1, 2, 3});
    nodes.put_all({1, 2, 3}, 0, 1100, 600);
    nodes.put_all({1}, 2000, 4, kSmall);
    nodes.put_all({2}, 3000, 3, kSmall);
    nodes.put_all({3}, 4000, 2, kSmall);  // what only it has does no harm
    Traffic traffic(nodes);
    FillGroup request = nodes.fill_request({1, 2});
    request.sources[1].complete = false;
    const FillGroupReply reply = nodes.fill(3, request);
    CHECK(reply.state == FillState::done);
    CHECK(reply.blocks_done == 7);
    CHECK(reply.blocks_same == 1100);
    CHECK(traffic.bytes == 7 * kSmall);
    CHECK(nodes.ask(3, GetDigests{{Nodes::kGroup}})->message.digests[0].blocks == 1109);
  }

  TEST_CASE("a fill waits until this node knows the epoch it is asked for") {
    Nodes nodes(2);
    nodes.set_group({1});
    nodes.put_all({1}, 0, 3, kSmall);
    nodes.world.network().partition("storage-2", "broker");
    nodes.set_group({1, 2});
    for (int i = 0; i < 5; ++i) {
      CHECK(nodes.ask(2, nodes.fill_request({1}))->message.state == FillState::running);
      nodes.world.run_for(milliseconds(300));
    }
    CHECK(nodes.blocks(2).empty());
    nodes.world.network().heal();
    CHECK(nodes.fill(2, nodes.fill_request({1})).state == FillState::done);
    CHECK(count(nodes.blocks(2)) == 3);
  }

  TEST_CASE("a fill waits until its source knows the epoch") {
    Nodes nodes(2);
    nodes.set_group({1});
    nodes.put_all({1}, 0, 3, kSmall);
    // The source hears nothing of the new map before a while has passed.
    nodes.world.network().partition("storage-1", "broker");
    nodes.set_group({1, 2});
    const auto first = nodes.ask(2, nodes.fill_request({1}));
    CHECK(first->message.state == FillState::running);
    nodes.world.run_for(seconds(1));
    const auto waiting = nodes.ask(2, nodes.fill_request({1}));
    CHECK(waiting->message.state == FillState::running);
    CHECK(nodes.blocks(2).empty());
    nodes.world.network().heal();
    nodes.monitor->publish();
    CHECK(nodes.fill(2, nodes.fill_request({1})).state == FillState::done);
    CHECK(count(nodes.blocks(2)) == 3);
  }

  TEST_CASE("whoever is no part of the group does not fill") {
    Nodes nodes(2);
    nodes.set_group({1});
    nodes.put_all({1}, 0, 1, kSmall);
    const FillGroupReply reply = nodes.fill(2, nodes.fill_request({1}));
    CHECK(reply.state == FillState::failed);
    CHECK(reply.why.find("no part of group 5") != std::string::npos);
  }

  TEST_CASE("a bad copy is replaced by a good one") {
    Nodes nodes(2);
    nodes.set_group({1, 2});
    nodes.put_all({1, 2}, 0, 1, kSmall);
    nodes.rot(2);
    CHECK(nodes.get(2, 1, 0).code() == Code::corrupt);
    CHECK(count(nodes.blocks(2)) == 0);
    const FillGroupReply reply = nodes.fill(2, nodes.fill_request({1}));
    CHECK(reply.state == FillState::done);
    CHECK(reply.blocks_done == 1);
    CHECK(*nodes.get(2, 1, 0) == noise(0, kSmall));
  }

  TEST_CASE("a source with a bad copy is passed over for one with a good copy") {
    Nodes nodes(3);
    nodes.set_group({1, 2, 3});
    nodes.put_all({1, 2}, 0, 1, kSmall);
    nodes.rot(1);
    const FillGroupReply reply = nodes.fill(3, nodes.fill_request({1, 2}));
    CHECK(reply.state == FillState::done);
    CHECK(*nodes.get(3, 1, 0) == noise(0, kSmall));
  }

  TEST_CASE("blocks that are damaged at every source are counted, and the others come") {
    Nodes nodes(3);
    nodes.set_group({1, 2, 3});
    nodes.put_all({1, 2}, 0, 4, kSmall);
    nodes.rot(1);
    nodes.rot(2);
    const FillGroupReply reply = nodes.fill(3, nodes.fill_request({1, 2}));
    CHECK(reply.state == FillState::done);
    CHECK(reply.blocks_unreadable == 1);
    CHECK(reply.blocks_done == 3);
    CHECK(reply.why.find("1 blocks") != std::string::npos);
    CHECK(count(nodes.blocks(3)) == 3);
  }

  TEST_CASE("a block that is here with other content is not taken for the same") {
    Nodes nodes(2);
    nodes.set_group({1, 2});
    REQUIRE(nodes.put(1, 1, noise(1, kSmall)));
    REQUIRE(nodes.put(2, 1, noise(2, kSmall)));
    const FillGroupReply reply = nodes.fill(2, nodes.fill_request({1}));
    CHECK(reply.state == FillState::failed);
    CHECK(reply.blocks_unreadable == 1);
    CHECK(*nodes.get(2, 1) == noise(2, kSmall));
    // Asked again, it begins again.
    const auto again = nodes.ask(2, nodes.fill_request({1}));
    CHECK(again->message.state == FillState::running);
  }

  TEST_CASE(
      "a source that dies ends the fill, with its name, and the next one goes on from there") {
    Nodes nodes(3, at_most_eight_blocks);
    nodes.set_group({1, 2, 3});
    nodes.put_all({1, 2}, 0, 20, kBig);
    Traffic traffic(nodes);
    bool killed = false;
    traffic.each = [&](sim::Process&, const Envelope&) {
      if (traffic.bytes < 10 * kBig || killed) return;
      killed = true;
      nodes.world.after(Duration::zero(), [&] { nodes.node(1).kill(sim::Crash::process); });
    };
    const FillGroupReply reply = nodes.fill(3, nodes.fill_request({1}));
    REQUIRE(killed);
    CHECK(reply.state == FillState::failed);
    CHECK(reply.why.find("storage/1") != std::string::npos);
    const size_t had = count(nodes.blocks(3));
    CHECK(had >= 5);
    CHECK(had < 20);
    const FillGroupReply other = nodes.fill(3, nodes.fill_request({2}));
    CHECK(other.state == FillState::done);
    CHECK(other.blocks_done == 20 - had);
  }

  TEST_CASE("what a source sends is kept only when it is what was listed") {
    Nodes nodes(1);
    sim::ProcessSettings impostor = Nodes::process("storage-9");
    impostor.make = [](Bus& bus, sim::Process&) { return std::make_unique<Impostor>(bus); };
    nodes.world.add(std::move(impostor)).start();
    nodes.set_group({1, 9});
    const FillGroupReply reply = nodes.fill(1, nodes.fill_request({9}));
    CHECK(reply.state == FillState::failed);
    CHECK(reply.blocks_unreadable == 1);
    CHECK(nodes.blocks(1).empty());
  }

  TEST_CASE("a node that restarts in the middle pulls only what it has not yet") {
    Nodes nodes(2);
    nodes.set_group({1, 2});
    nodes.put_all({1}, 0, 30, kPartBytes);
    Traffic traffic(nodes);
    (void)nodes.ask(2, nodes.fill_request({1}));
    nodes.world.run_until([&] { return traffic.bytes >= 15 * kPartBytes; }, seconds(20));
    nodes.node(2).kill(sim::Crash::machine);
    nodes.world.run_for(milliseconds(50));
    nodes.node(2).start();
    nodes.world.run_for(seconds(4));
    const size_t had = count(nodes.blocks(2));
    CHECK(had >= 1);
    CHECK(had < 30);
    traffic.bytes = 0;
    const FillGroupReply reply = nodes.fill(2, nodes.fill_request({1}));
    CHECK(reply.state == FillState::done);
    CHECK(reply.blocks_done == 30 - had);
    CHECK(traffic.bytes == (30 - had) * kPartBytes);
    CHECK(count(nodes.blocks(2)) == 30);
  }

  TEST_CASE("a change of the group in mid-fill ends it; under the new epoch it begins anew") {
    Nodes nodes(3, at_most_eight_blocks);
    nodes.set_group({1, 2});
    nodes.put_all({1}, 0, 30, kPartBytes);
    Traffic traffic(nodes);
    const FillGroup old = nodes.fill_request({1});
    (void)nodes.ask(2, old);
    nodes.world.run_until([&] { return traffic.bytes >= 5 * kPartBytes; }, seconds(20));
    nodes.set_group({1, 2, 3});
    nodes.world.run_for(seconds(2));
    const auto over = nodes.ask(2, old);
    CHECK(over->message.state == FillState::failed);
    CHECK(over->message.why.find("stale_map") != std::string::npos);
    CHECK(count(nodes.blocks(2)) < 30);
    CHECK(nodes.fill(2, nodes.fill_request({1})).state == FillState::done);
    // A monitor that is behind is told so.
    CHECK(nodes.ask(2, old).code() == Code::stale_map);
  }

  TEST_CASE("a fill that nobody asks about is given up") {
    Nodes nodes(2);
    nodes.set_group({1, 2});
    nodes.put_all({1}, 0, 40, kPartBytes);
    Traffic traffic(nodes);
    FillGroup request = nodes.fill_request({1});
    request.bytes_per_second = kPartBytes;
    (void)nodes.ask(2, request);
    nodes.world.run_for(seconds(12));
    const size_t before = traffic.reads;
    CHECK(before >= 8);
    nodes.world.run_for(seconds(10));
    CHECK(traffic.reads == before);
    // What was copied stays.
    CHECK(count(nodes.blocks(2)) >= 8);
  }

  TEST_CASE("done is answered until a fill as of a later entry is asked for") {
    Nodes nodes(2);
    nodes.set_group({1, 2});
    nodes.put_all({1}, 0, 2, kSmall);
    CHECK(nodes.fill(2, nodes.fill_request({1}, 10)).blocks_done == 2);
    nodes.put_all({1}, 2, 1, kSmall);
    const auto same = nodes.ask(2, nodes.fill_request({1}, 10));
    CHECK(same->message.state == FillState::done);
    CHECK(same->message.as_of == 10);
    CHECK(same->message.blocks_done == 2);
    const FillGroupReply later = nodes.fill(2, nodes.fill_request({1}, 11));
    CHECK(later.as_of == 11);
    CHECK(later.blocks_done == 1);
  }

  TEST_CASE("blocks on their way are limited in number and memory") {
    Nodes nodes(3, at_most_eight_blocks);
    nodes.set_group({1, 2, 3});
    nodes.put_all({1, 2}, 0, 24, kBig);
    Traffic big(nodes);
    CHECK(nodes.fill(3, nodes.fill_request({1, 2})).state == FillState::done);
    CHECK(big.peak <= 8);  // of at most two parts in memory each
    CHECK(big.peak >= 4);
    // Both sources were put to use.
    CHECK(big.reads_from["storage/1"] > 0);
    CHECK(big.reads_from["storage/2"] > 0);
    nodes.put_all({1}, 100, 200, 600);
    Traffic small(nodes);
    CHECK(nodes.fill(3, nodes.fill_request({1}, 2)).state == FillState::done);
    CHECK(small.peak <= 64);
    CHECK(small.peak > 8);
  }
}

}  // namespace dfs
