#include <doctest/doctest.h>

#include "tests/actors/client/fake_cluster.h"

namespace dfs {
namespace {

constexpr size_t kMiB = 1 << 20;

// A cluster that holds "/f" already.
struct Stored : FakeCluster {
  explicit Stored(size_t size, uint32_t count = 4, uint32_t copies = 2, uint64_t block = kMiB)
      : FakeCluster(count, copies, block), bytes(pattern(size)) {
    REQUIRE(put(bytes).ok());
    bus.logged.clear();
  }
  Result<TransferReport> fetch(std::shared_ptr<MemorySink> sink, TransferOptions options = {}) {
    return run(client.get("/f", std::move(sink), std::move(options)));
  }
  std::string bytes;
};

TEST_SUITE("client") {
  TEST_CASE("reads are spread over the replicas") {
    Stored cluster(16 * kMiB);
    CHECK(cluster.get() == cluster.bytes);
    for (const auto& [id, node] : cluster.nodes) CHECK(node.reads == 4);
  }

  TEST_CASE("the node asked for serves all it has") {
    Stored cluster(8 * kMiB, 2, 2);
    TransferOptions options;
    options.from = 2;
    CHECK(cluster.get(options) == cluster.bytes);
    CHECK(cluster.nodes[1].reads == 0);
    CHECK(cluster.nodes[2].reads == 8);
  }

  TEST_CASE("a silent replica is hedged after hedge_after and then asked last") {
    Stored cluster(32 * kMiB);
    cluster.freeze(2);
    const auto sink = std::make_shared<MemorySink>();
    const Result<TransferReport> report = cluster.fetch(sink);
    REQUIRE_MESSAGE(report.ok(), report.error().text);
    CHECK(sink->bytes() == cluster.bytes);
    CHECK(report->reads_hedged >= 1);
    CHECK(report->reads_failed_over == report->reads_hedged);
    CHECK(report->longest_stall < milliseconds(600));
    CHECK(report->elapsed < seconds(1));  // it costs its silence once
    CHECK(cluster.logged("storage node slow, asking others too") == 1);
  }

  TEST_CASE("a replica that stays silent has failed, one that was slow has not") {
    for (const bool frozen : {true, false}) {
      Stored cluster(32 * kMiB);
      cluster.nodes[1].latency = cluster.nodes[3].latency = milliseconds(300);
      cluster.nodes[2].latency = milliseconds(700);
      if (frozen) cluster.freeze(2);
      const auto sink = std::make_shared<MemorySink>();
      TransferOptions options;
      options.jobs = 1;
      options.window_parts = 1;
      const Result<TransferReport> report = cluster.fetch(sink, options);
      REQUIRE_MESSAGE(report.ok(), report.error().text);
      REQUIRE(report->elapsed > options.part_deadline);
      CHECK(cluster.logged("storage node failed, using others") == (frozen ? 1 : 0));
    }
  }

  TEST_CASE("a slow answer of the first replica still wins when the hedge is slower") {
    Stored cluster(kMiB, 2, 2);
    cluster.nodes[1].latency = milliseconds(600);
    cluster.nodes[2].latency = milliseconds(900);
    const auto sink = std::make_shared<MemorySink>();
    TransferOptions options;
    options.from = 1;
    const Result<TransferReport> report = cluster.fetch(sink, options);
    REQUIRE(report.ok());
    CHECK(report->reads_hedged == 1);
    CHECK(report->reads_failed_over == 0);
    CHECK(report->elapsed < milliseconds(620));
  }

  TEST_CASE("a node killed in mid-get costs neither an error nor time") {
    for (const bool in_order : {false, true}) {
      Stored cluster(48 * kMiB, 3, 2, 4 * kMiB);
      size_t reads = 0;
      cluster.on_read = [&](NodeId, const ReadBlock&) {
        if (++reads == 10) cluster.kill(1);
      };
      const auto sink = std::make_shared<MemorySink>(in_order);
      const Result<TransferReport> report = cluster.fetch(sink);
      REQUIRE_MESSAGE(report.ok(), report.error().text);
      CHECK(sink->bytes() == cluster.bytes);
      CHECK(report->reads_failed_over >= 1);
      CHECK(report->longest_stall < milliseconds(200));
      CHECK(cluster.logged("storage node failed, using others") == 1);
    }
  }

  TEST_CASE("bytes that do not match their checksum come from another replica and are reported") {
    Stored cluster(4 * kMiB, 2, 2, 4 * kMiB);
    cluster.nodes[1].flips_bits = true;
    TransferOptions options;
    options.from = 1;
    CHECK(cluster.get(options) == cluster.bytes);
    CHECK(cluster.logged("bad replica of a block, using another") == 1);
    REQUIRE(cluster.bus.published.size() == 1);
    CHECK(cluster.bus.published[0].topic == "event/block-corrupt");
    const Result<Event> event = decode<Event>(cluster.bus.published[0].envelope.body);
    REQUIRE(event.ok());
    CHECK(event->fields.at("node") == "storage/1");
  }

  TEST_CASE("a replica without the block is passed over") {
    Stored cluster(4 * kMiB, 2, 2);
    cluster.nodes[2].blocks.clear();
    TransferOptions options;
    options.from = 2;
    CHECK(cluster.get(options) == cluster.bytes);
  }

  TEST_CASE("a block without any good replica ends the get as corrupt, at once") {
    Stored cluster(4 * kMiB, 2, 2);
    cluster.nodes[1].flips_bits = true;
    cluster.nodes[2].blocks.clear();
    const auto sink = std::make_shared<MemorySink>();
    const Result<TransferReport> report = cluster.fetch(sink);
    REQUIRE(report.code() == Code::corrupt);
    CHECK(report.error().text.find("storage/1") != std::string::npos);
    CHECK(report.error().text.find("storage/2") != std::string::npos);
    CHECK(!sink->finished());
    CHECK(cluster.opens == 2);  // the layout might have been stale
  }

  TEST_CASE("when all replicas are dead the error comes after the deadline and names them") {
    Stored cluster(4 * kMiB, 2, 2);
    cluster.kill(1);
    cluster.kill(2);
    const Instant start = cluster.bus.now();
    TransferOptions options;
    options.deadline = seconds(20);
    const Result<TransferReport> report = cluster.fetch(std::make_shared<MemorySink>(), options);
    REQUIRE(report.code() == Code::unavailable);
    CHECK(report.error().text.find("storage/1") != std::string::npos);
    CHECK(report.error().text.find("storage/2") != std::string::npos);
    CHECK(cluster.bus.now() - start >= seconds(20));
    CHECK(cluster.bus.now() - start < seconds(25));
  }

  TEST_CASE("replicas that come back before the deadline serve the rest") {
    Stored cluster(4 * kMiB, 2, 2);
    for (auto& [id, node] : cluster.nodes) node.health = FakeCluster::Health::dead;
    cluster.bus.after(seconds(7), [&] {
      for (auto& [id, node] : cluster.nodes) node.health = FakeCluster::Health::alive;
    });
    CHECK(cluster.get() == cluster.bytes);
  }

  TEST_CASE("a stale layout is fetched anew, once") {
    Stored cluster(4 * kMiB, 4, 2);
    // The members of all groups moved: the routes that were answered lead nowhere.
    const OpenFileReply fresh = cluster.files["/f"];
    for (GroupRoute& route : cluster.files["/f"].routes) {
      for (GroupMember& member : route.members) member = {9, "tcp://node-9", true};
    }
    cluster.nodes[9];
    cluster.on_read = [&](NodeId, const ReadBlock&) { cluster.files["/f"] = fresh; };
    CHECK(cluster.get() == cluster.bytes);
    CHECK(cluster.opens == 2);
  }

  TEST_CASE("a file replaced while its old blocks vanish is a conflict, not a mixture") {
    Stored cluster(4 * kMiB, 2, 2);
    for (auto& [id, node] : cluster.nodes) node.blocks.clear();
    cluster.on_read = [&](NodeId, const ReadBlock&) {
      cluster.files["/f"].layout.object = 999;
      cluster.files["/f"].info.object = 999;
    };
    CHECK(cluster.fetch(std::make_shared<MemorySink>()).code() == Code::conflict);
  }

  TEST_CASE("content that does not match the file's checksum is not kept") {
    for (const size_t size : {size_t{100}, 3 * kMiB}) {
      for (const bool in_order : {false, true}) {
        Stored cluster(size);
        cluster.files["/f"].info.crc32c ^= 1;
        const auto sink = std::make_shared<MemorySink>(in_order);
        CHECK(cluster.fetch(sink).code() == Code::corrupt);
        CHECK(!sink->finished());
      }
    }
  }

  TEST_CASE("a sink that cannot seek gets its parts in order, a bounded number read ahead") {
    Stored cluster(100 * kMiB, 4, 2, 4 * kMiB);
    uint32_t asked = 0;
    uint64_t ahead_max = 0;
    uint64_t done = 0;
    cluster.on_read = [&](NodeId, const ReadBlock&) {
      ++asked;
      ahead_max = std::max(ahead_max, asked - done / kMiB);
    };
    TransferOptions options;
    options.jobs = 64;
    options.window_parts = 64;
    options.progress = [&](const Progress& progress) { done = progress.done_bytes; };
    const auto sink = std::make_shared<MemorySink>(true);  // refuses what is out of order
    const Result<TransferReport> report = cluster.fetch(sink, options);
    REQUIRE_MESSAGE(report.ok(), report.error().text);
    CHECK(sink->bytes() == cluster.bytes);
    CHECK(ahead_max >= 32);
    CHECK(ahead_max <= 65);
  }

  TEST_CASE("a file of one block is read with as many parts in flight as a large one") {
    Stored cluster(16 * kMiB, 2, 2, 16 * kMiB);
    TransferOptions options;
    options.jobs = 4;
    options.window_parts = 2;
    const auto sink = std::make_shared<MemorySink>();
    const Result<TransferReport> report = cluster.fetch(sink, options);
    REQUIRE(report.ok());
    CHECK(report->elapsed < milliseconds(2 * 16 / 8 + 6));
  }

  TEST_CASE("a sink that fails ends the get with its error") {
    struct Full : MemorySink {
      Result<void> write(uint64_t, const void*, size_t) override {
        return {Code::local_io, "no room"};
      }
    };
    Stored cluster(4 * kMiB);
    CHECK(cluster.run(cluster.client.get("/f", std::make_shared<Full>(), {})).code() ==
          Code::local_io);
    CHECK(cluster.run(cluster.client.get("/g", std::make_shared<Full>(), {})).code() ==
          Code::not_found);
  }

  TEST_CASE("locate tells which nodes hold equal copies of each block") {
    Stored cluster(5 * kMiB, 3, 2);
    const ObjectId object = cluster.files["/f"].layout.object;
    cluster.nodes[3].blocks.erase({object, 1, 2});               // group 2 is nodes 2 and 3
    cluster.nodes[1].blocks[{object, 3, 1}] = "something else";  // group 1 is nodes 1 and 2
    const auto locations = cluster.run(cluster.client.locate("/f"));
    REQUIRE(locations.ok());
    REQUIRE(locations->size() == 5);
    CHECK(locations->at(0).nodes == std::vector<NodeId>{1, 2});
    CHECK(locations->at(0).length == kMiB);
    CHECK(locations->at(1).nodes == std::vector<NodeId>{2});
    CHECK(locations->at(3).nodes.size() == 1);
    CHECK(locations->at(4).nodes == std::vector<NodeId>{2, 3});
    CHECK(locations->at(4).group == 2);
  }

  TEST_CASE("events are heard by every listener, and what is no event by none") {
    FakeCluster cluster;
    std::vector<std::string> heard;
    cluster.client.listen([&](const Event& event) { heard.push_back("a " + event.topic); });
    cluster.client.listen([&](const Event& event) { heard.push_back("b " + event.topic); });
    CHECK(cluster.bus.subscriptions == std::vector<std::string>{"event/"});
    Event event;
    event.topic = "node-down";
    cluster.client.observe("event/node-down", envelope_of(event));
    cluster.client.observe("event/odd", envelope_of(Ping{1}));
    CHECK(heard == std::vector<std::string>{"a node-down", "b node-down"});
  }
}

}  // namespace
}  // namespace dfs
