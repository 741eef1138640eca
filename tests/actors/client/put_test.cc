#include <doctest/doctest.h>

#include "tests/actors/client/fake_cluster.h"

namespace dfs {
namespace {

constexpr size_t kMiB = 1 << 20;

// Reports fewer bytes than it said it had, as a file that is cut short does.
class ShrinkingSource : public MemorySource {
 public:
  ShrinkingSource() : MemorySource(pattern(3 * kMiB)) {}
  uint64_t size() const override { return 5 * kMiB; }
};

class ChangedSource : public MemorySource {
 public:
  ChangedSource() : MemorySource(pattern(3 * kMiB)) {}
  Result<void> unchanged() override { return {Code::local_changed, "changed"}; }
};

TEST_SUITE("client") {
  TEST_CASE("a file of any size comes back as it went in, with any number of streams") {
    for (const size_t size : {size_t{0}, size_t{1}, size_t{4096}, size_t{4097}, kMiB - 1, kMiB,
                              kMiB + 1, 2 * kMiB, 9 * kMiB + 12345}) {
      for (const uint32_t jobs : {1u, 4u}) {
        CAPTURE(size);
        FakeCluster cluster;
        const std::string bytes = pattern(size);
        TransferOptions options;
        options.jobs = jobs;
        options.block_bytes = size % 2 == 0 ? 0 : 2 * kMiB;
        const Result<TransferReport> report = cluster.put(bytes, options);
        REQUIRE_MESSAGE(report.ok(), report.error().text);
        CHECK(report->bytes == size);
        CHECK(report->info.crc32c == crc32c(bytes));
        CHECK(cluster.get(options) == bytes);
      }
    }
  }

  TEST_CASE("a file of at most 4 KiB is one request without a plan") {
    FakeCluster cluster;
    REQUIRE(cluster.put(pattern(4096)).ok());
    CHECK(cluster.plans.empty());
    REQUIRE(cluster.commits.size() == 1);
    CHECK(cluster.commits[0].content.bytes == pattern(4096));
    CHECK(cluster.commits[0].layout.object == 0);
  }

  TEST_CASE("the commit names checksum, layout and who acknowledged each group at which epoch") {
    FakeCluster cluster(4, 2);
    const std::string bytes = pattern(6 * kMiB);
    REQUIRE(cluster.put(bytes).ok());
    REQUIRE(cluster.commits.size() == 1);
    const CommitFile& commit = cluster.commits[0];
    CHECK(commit.invalid() == nullptr);
    CHECK(commit.size == bytes.size());
    CHECK(commit.crc32c == crc32c(bytes));
    CHECK(commit.layout.groups == std::vector<GroupId>{1, 2, 3, 4});
    CHECK(commit.layout.overrides.empty());
    REQUIRE(commit.writes.size() == 4);
    CHECK(commit.writes[0].group == 1);
    CHECK(commit.writes[0].epoch == 10);
    CHECK(commit.writes[0].nodes == std::vector<NodeId>{1, 2});
    CHECK(commit.writes[3].nodes == std::vector<NodeId>{4, 1});
  }

  TEST_CASE("a block stream has no more unacknowledged parts than its window") {
    FakeCluster cluster(2, 2);
    TransferOptions options;
    options.block_bytes = 16 * kMiB;
    options.window_parts = 3;
    options.jobs = 1;
    REQUIRE(cluster.put(pattern(16 * kMiB), options).ok());
    CHECK(cluster.block_in_flight_max[0] == 4);  // and the last, which waits for the disk
  }

  TEST_CASE("while a block waits for its receipt its stream sends the next one") {
    FakeCluster cluster(2, 1);
    TransferOptions options;
    options.block_bytes = 8 * kMiB;
    options.jobs = 1;
    std::vector<std::pair<uint32_t, bool>> order;  // block, last part
    cluster.on_part = [&](NodeId, const WriteBlock& part) {
      order.emplace_back(part.index, part.last);
    };
    REQUIRE(cluster.put(pattern(16 * kMiB), options).ok());
    const auto last = std::find(order.begin(), order.end(), std::pair(0u, true));
    const auto next = std::find(order.begin(), order.end(), std::pair(1u, false));
    REQUIRE(last != order.end());
    CHECK(next > last);
    CHECK(cluster.parts_in_flight_max == 5);  // the window, and the part that waits for the disk
  }

  TEST_CASE("no more than 64 parts are in flight whatever jobs and window say") {
    FakeCluster cluster(4, 1);
    for (auto& [id, node] : cluster.nodes) node.latency = milliseconds(50);
    TransferOptions options;
    options.jobs = 64;
    options.window_parts = 64;
    options.block_bytes = 2 * kMiB;
    const std::string bytes = pattern(200 * kMiB);
    REQUIRE(cluster.put(bytes, options).ok());
    CHECK(cluster.parts_in_flight_max == 64);
    CHECK(cluster.get(options) == bytes);
  }

  TEST_CASE("a node whose disk fails is avoided at once and its blocks go to other groups") {
    FakeCluster cluster(4, 2);
    cluster.refuse_write = [](NodeId node, const WriteBlock&) -> std::optional<Error> {
      if (node != 2) return std::nullopt;
      return Error{Code::io_error, "the disk is broken", {}, 0};
    };
    const std::string bytes = pattern(24 * kMiB);
    const Result<TransferReport> report = cluster.put(bytes);
    REQUIRE_MESSAGE(report.ok(), report.error().text);
    CHECK(report->blocks_resent >= 1);
    CHECK(report->copies_min == 2);
    REQUIRE(cluster.commits.size() == 1);
    const Layout& layout = cluster.commits[0].layout;
    CHECK(cluster.commits[0].invalid() == nullptr);
    CHECK(!layout.overrides.empty());
    for (uint32_t i = 0; i < 24; ++i) CHECK(layout.group_of(i) != 2);  // headed by node 2
    REQUIRE(cluster.plans.size() >= 1);
    CHECK(cluster.logged("storage node failed, using others") == 1);
    CHECK(cluster.nodes[2].parts < 8);
    CHECK(cluster.get() == bytes);
  }

  TEST_CASE("when no known group is whole the monitor is asked for others, told whom to avoid") {
    FakeCluster cluster(2, 2);
    cluster.refuse_write = [](NodeId node, const WriteBlock&) -> std::optional<Error> {
      if (node != 1) return std::nullopt;
      return Error{Code::no_space, "full", {}, 0};
    };
    const std::string bytes = pattern(4 * kMiB);
    const Result<TransferReport> report = cluster.put(bytes);
    REQUIRE_MESSAGE(report.ok(), report.error().text);
    CHECK(report->copies_min == 1);  // what is left: min_copies
    REQUIRE(cluster.plans.size() >= 2);
    CHECK(cluster.plans[1].object == cluster.commits[0].layout.object);
    CHECK(cluster.plans[1].avoid == std::vector<NodeId>{1});
    for (const GroupWrites& writes : cluster.commits[0].writes) {
      CHECK(std::count(writes.nodes.begin(), writes.nodes.end(), NodeId{2}) == 1);
    }
  }

  TEST_CASE("the error of a chain blames the node it names, not the first one") {
    FakeCluster cluster(4, 2);
    cluster.nodes[2].health = FakeCluster::Health::dead;  // second in group 1, first in group 2
    const std::string bytes = pattern(8 * kMiB);
    const Result<TransferReport> report = cluster.put(bytes);
    REQUIRE_MESSAGE(report.ok(), report.error().text);
    CHECK(cluster.logged("storage node failed, using others") == 1);
    CHECK(cluster.bus.logged[0].fields["node"] == "storage/2");
    CHECK(cluster.get() == bytes);
  }

  TEST_CASE("a node killed in mid-put costs no error and hardly any time") {
    for (const NodeId victim : {1u, 2u, 3u}) {
      FakeCluster cluster(3, 2);
      size_t parts = 0;
      cluster.on_part = [&](NodeId, const WriteBlock&) {
        if (++parts == 10) cluster.kill(victim);
      };
      const std::string bytes = pattern(30 * kMiB);
      TransferOptions options;
      options.block_bytes = 4 * kMiB;
      const Result<TransferReport> report = cluster.put(bytes, options);
      REQUIRE_MESSAGE(report.ok(), report.error().text);
      CHECK(report->longest_stall < milliseconds(500));
      CHECK(cluster.logged("storage node failed, using others") == 1);
      CHECK(cluster.get() == bytes);
    }
  }

  TEST_CASE("a node frozen in mid-put stalls it for less than three seconds in all") {
    for (const NodeId victim : {1u, 2u, 3u}) {
      FakeCluster cluster(3, 2);
      size_t parts = 0;
      cluster.on_part = [&](NodeId, const WriteBlock&) {
        if (++parts == 10) cluster.freeze(victim);
      };
      const std::string bytes = pattern(64 * kMiB);
      TransferOptions options;
      options.block_bytes = 8 * kMiB;
      options.jobs = 4;
      const Result<TransferReport> report = cluster.put(bytes, options);
      REQUIRE_MESSAGE(report.ok(), report.error().text);
      CHECK(report->longest_stall < seconds(3));
      CHECK(report->elapsed < seconds(4));  // all its blocks fail over together
      CHECK(report->copies_min == 2);
      CHECK(cluster.logged("storage node failed, using others") == 1);
      CHECK(cluster.get() == bytes);
    }
  }

  TEST_CASE("a slow node that still answers is waited for") {
    FakeCluster cluster(2, 2);
    size_t parts = 0;
    cluster.on_part = [&](NodeId node, const WriteBlock&) {
      // The acknowledgement of one part takes four seconds, pings go on.
      cluster.nodes[node].latency = ++parts == 5 ? seconds(4) : milliseconds(2);
    };
    const std::string bytes = pattern(8 * kMiB);
    const Result<TransferReport> report = cluster.put(bytes);
    REQUIRE_MESSAGE(report.ok(), report.error().text);
    CHECK(report->blocks_resent == 0);
    CHECK(cluster.logged("storage node failed, using others") == 0);
    CHECK(report->longest_stall >= seconds(3));
  }

  TEST_CASE("nodes that were all away are used again when they are back") {
    FakeCluster cluster(2, 2);
    for (auto& [id, node] : cluster.nodes) node.health = FakeCluster::Health::dead;
    cluster.bus.after(seconds(8), [&] {
      for (auto& [id, node] : cluster.nodes) node.health = FakeCluster::Health::alive;
    });
    const std::string bytes = pattern(3 * kMiB);
    const Result<TransferReport> report = cluster.put(bytes);
    REQUIRE_MESSAGE(report.ok(), report.error().text);
    CHECK(report->elapsed >= seconds(8));
    CHECK(report->elapsed < seconds(12));
    CHECK(cluster.logged("storage node failed, using others") == 2);
    CHECK(cluster.get() == bytes);
  }

  TEST_CASE("when no node ever takes the block the error names the nodes and commits nothing") {
    FakeCluster cluster(2, 2);
    cluster.kill(1);
    cluster.kill(2);
    const Result<TransferReport> report = cluster.put(pattern(2 * kMiB));
    REQUIRE(!report.ok());
    CHECK(report.code() == Code::unavailable);
    CHECK(report.error().text.find("storage/1") != std::string::npos);
    CHECK(report.error().text.find("storage/2") != std::string::npos);
    CHECK(cluster.commits.empty());
  }

  TEST_CASE("a block that is answered busy is sent again after a while") {
    FakeCluster cluster(2, 2);
    size_t refused = 0;
    cluster.refuse_write = [&](NodeId, const WriteBlock&) -> std::optional<Error> {
      if (++refused > 5) return std::nullopt;
      return Error{Code::busy, "too much to do", {}, 20};
    };
    const std::string bytes = pattern(4 * kMiB);
    REQUIRE(cluster.put(bytes).ok());
    CHECK(cluster.logged("storage node failed, using others") == 0);
    CHECK(cluster.commits[0].layout.overrides.empty());
    CHECK(cluster.get() == bytes);
  }

  TEST_CASE("a group whose epoch grew is not written at the old one") {
    FakeCluster cluster(4, 2);
    cluster.refuse_write = [&](NodeId, const WriteBlock& part) -> std::optional<Error> {
      if (part.epoch >= 11) return std::nullopt;
      for (GroupRoute& route : cluster.groups) route.epoch = 11;
      return Error{Code::stale_map, "the group changed", {{"epoch", "11"}}, 0};
    };
    const std::string bytes = pattern(8 * kMiB);
    const Result<TransferReport> report = cluster.put(bytes);
    REQUIRE_MESSAGE(report.ok(), report.error().text);
    for (const GroupWrites& writes : cluster.commits[0].writes) CHECK(writes.epoch == 11);
    CHECK(cluster.logged("storage node failed, using others") == 0);
  }

  TEST_CASE("a commit refused as stale sends the blocks of that group elsewhere") {
    FakeCluster cluster(4, 2);
    cluster.refuse_commit = [&](const CommitFile&) -> std::optional<Error> {
      if (cluster.commits.size() > 1) return std::nullopt;
      return Error{Code::stale_map, "group 3 changed", {{"group", "3"}}, 0};
    };
    const std::string bytes = pattern(8 * kMiB);
    const Result<TransferReport> report = cluster.put(bytes);
    REQUIRE_MESSAGE(report.ok(), report.error().text);
    REQUIRE(cluster.commits.size() == 2);
    CHECK(report->blocks_resent == 2);  // blocks 2 and 6
    CHECK(cluster.commits[1].layout.overrides.size() == 2);
    CHECK(cluster.commits[1].layout.group_of(2) != 3);
    CHECK(cluster.commits[1].crc32c == crc32c(bytes));
    REQUIRE(cluster.commit_requests.size() == 2);
    CHECK(cluster.commit_requests[0] != cluster.commit_requests[1]);  // another request
    CHECK(cluster.get() == bytes);
  }

  TEST_CASE("a refused commit with no other group sends its blocks to the same group again") {
    FakeCluster cluster(1, 1);
    cluster.refuse_commit = [&](const CommitFile&) -> std::optional<Error> {
      if (cluster.commits.size() > 1) return std::nullopt;
      return Error{Code::stale_map, "group 1 has too few copies", {{"group", "1"}}, 0};
    };
    const std::string bytes = pattern(2 * kMiB);
    const Result<TransferReport> report = cluster.put(bytes);
    REQUIRE_MESSAGE(report.ok(), report.error().text);
    CHECK(report->blocks_resent == 2);
    CHECK(cluster.get() == bytes);
  }

  TEST_CASE("a commit that got no answer is repeated with the same request id") {
    FakeCluster cluster;
    REQUIRE(cluster.run(cluster.client.stat("/")).ok());  // the broker is there
    cluster.monitor_drops = 2;
    REQUIRE(cluster.put(pattern(100)).ok());
    REQUIRE(cluster.commit_requests.size() == 3);
    CHECK(cluster.commit_requests[0] != 0);
    CHECK(cluster.commit_requests[0] == cluster.commit_requests[1]);
    CHECK(cluster.commit_requests[0] == cluster.commit_requests[2]);
  }

  TEST_CASE("a local file that changes while it is read is not stored") {
    FakeCluster cluster;
    const Result<TransferReport> shrunk =
        cluster.run(cluster.client.put(std::make_shared<ShrinkingSource>(), "/f", {}));
    CHECK(shrunk.code() == Code::local_changed);
    const Result<TransferReport> changed =
        cluster.run(cluster.client.put(std::make_shared<ChangedSource>(), "/f", {}));
    CHECK(changed.code() == Code::local_changed);
    CHECK(cluster.commits.empty());
  }

  TEST_CASE("a failed put calls its unfinished blocks off") {
    FakeCluster cluster(2, 2);
    cluster.refuse_write = [](NodeId, const WriteBlock& part) -> std::optional<Error> {
      if (part.offset < 4 * kMiB) return std::nullopt;
      return Error{Code::denied, "no right to write", {}, 0};
    };
    TransferOptions options;
    options.block_bytes = 16 * kMiB;
    CHECK(cluster.put(pattern(32 * kMiB), options).code() == Code::denied);
    cluster.bus.advance(seconds(1));
    CHECK(cluster.nodes[1].aborts >= 1);
    CHECK(cluster.nodes[1].unfinished.empty());
    CHECK(cluster.nodes[2].unfinished.empty());
  }

  TEST_CASE("a stream of unknown size is stored, whatever its length") {
    for (const size_t size :
         {size_t{0}, size_t{4096}, size_t{4097}, kMiB, 4 * kMiB, 5 * kMiB + 7, 12 * kMiB}) {
      CAPTURE(size);
      FakeCluster cluster;
      const std::string bytes = pattern(size);
      TransferOptions options;
      options.block_bytes = 4 * kMiB;
      const Result<TransferReport> report = cluster.run(
          cluster.client.put(std::make_shared<MemorySource>(bytes, true), "/f", options));
      REQUIRE_MESSAGE(report.ok(), report.error().text);
      CHECK(report->bytes == size);
      CHECK(cluster.plans.size() == (size > 4096 ? 1 : 0));
      CHECK(cluster.get() == bytes);
    }
  }

  TEST_CASE("a stream's block is sent again from memory when its node fails") {
    FakeCluster cluster(3, 2);
    size_t parts = 0;
    cluster.on_part = [&](NodeId, const WriteBlock& part) {
      if (++parts == 3) cluster.kill(part.chain.empty() ? 1 : part.chain[0].node);
    };
    const std::string bytes = pattern(14 * kMiB);
    TransferOptions options;
    options.block_bytes = 4 * kMiB;
    const Result<TransferReport> report =
        cluster.run(cluster.client.put(std::make_shared<MemorySource>(bytes, true), "/f", options));
    REQUIRE_MESSAGE(report.ok(), report.error().text);
    CHECK(report->blocks_resent >= 1);
    CHECK(cluster.get() == bytes);
  }

  TEST_CASE("progress grows to the size of the file, also over a failure") {
    FakeCluster cluster(3, 2);
    uint64_t last = 0;
    size_t calls = 0;
    TransferOptions options;
    options.block_bytes = 4 * kMiB;
    options.progress = [&](const Progress& progress) {
      CHECK(progress.done_bytes >= last);
      CHECK(progress.total_bytes == 12 * kMiB);
      last = progress.done_bytes;
      if (++calls == 6) cluster.kill(2);
    };
    REQUIRE(cluster.put(pattern(12 * kMiB), options).ok());
    CHECK(last == 12 * kMiB);
  }

  TEST_CASE("a put that is abandoned leaves nothing running") {
    FakeCluster cluster;
    {
      TaskScope scope;
      struct Run {
        static Task<void> put(Client* client) {
          Task<Result<TransferReport>> putting = client->put(
              std::make_shared<MemorySource>(pattern(20 * kMiB)), "/f", TransferOptions{});
          [[maybe_unused]] const Result<TransferReport> report = co_await putting;
        }
      };
      for (auto& [id, node] : cluster.nodes) node.latency = milliseconds(50);
      scope.spawn(Run::put(&cluster.client));
      cluster.bus.advance(milliseconds(20));
      CHECK(cluster.parts_in_flight > 0);
    }
    cluster.bus.advance(seconds(5));
    CHECK(cluster.commits.empty());
    CHECK(cluster.bus.timers() == 0);
  }
}

}  // namespace
}  // namespace dfs
