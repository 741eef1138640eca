#include <doctest/doctest.h>

#include "tests/actors/client/fake_cluster.h"

namespace dfs {
namespace {

constexpr size_t kMiB = 1 << 20;

TransferOptions level(CopyLevel copies) {
  TransferOptions options;
  options.copies = copies;
  options.deadline = seconds(5);
  return options;
}

// What members hold of a new group, as routes tell it.
GroupMember member(NodeId node, bool complete = true, bool leaving = false) {
  return {node, FakeCluster::link_of(node), true, complete, leaving};
}

TEST_SUITE("client") {
  TEST_CASE("an upload is renewed as long as it lasts, and no longer") {
    FakeCluster cluster;
    cluster.lease_ms = 3000;
    for (auto& [id, node] : cluster.nodes) node.latency = milliseconds(2000);
    TransferOptions options;
    options.part_deadline = seconds(10);
    REQUIRE(cluster.put(pattern(40 * kMiB), options).ok());
    CHECK(cluster.renewals.size() >= 2);
    CHECK(cluster.renewals.front() == cluster.commits[0].layout.object);
    cluster.bus.advance(milliseconds(10));  // what was on its way at the end
    const size_t renewals = cluster.renewals.size();
    for (int i = 0; i < 100; ++i) cluster.bus.advance(milliseconds(100));
    CHECK(cluster.renewals.size() == renewals);
  }

  TEST_CASE("without a lease nothing is renewed") {
    FakeCluster cluster;
    for (auto& [id, node] : cluster.nodes) node.latency = milliseconds(2000);
    TransferOptions options;
    options.part_deadline = seconds(10);
    REQUIRE(cluster.put(pattern(2 * kMiB), options).ok());
    CHECK(cluster.renewals.empty());
  }

  TEST_CASE("an upload that the cluster gave up fails, and is not committed") {
    FakeCluster cluster;
    cluster.lease_ms = 300;
    cluster.on_part = [&](NodeId, const WriteBlock& part) { cluster.lost.insert(part.object); };
    for (auto& [id, node] : cluster.nodes) node.latency = milliseconds(1000);
    const auto report = cluster.put(pattern(20 * kMiB));
    CHECK(report.code() == Code::expired);
    CHECK(report.error().text.find("/f") != std::string::npos);
    CHECK(cluster.commits.empty());
    for (int i = 0; i < 50; ++i) cluster.bus.advance(milliseconds(100));
    for (const auto& [id, node] : cluster.nodes) CHECK(node.unfinished.empty());
  }

  TEST_CASE("the level is told in the plan after a failure and in the commit") {
    for (const auto& [copies, asked] :
         {std::pair(CopyLevel::standard, 0u), std::pair(CopyLevel::one, 1u),
          std::pair(CopyLevel::quorum, 2u), std::pair(CopyLevel::all, 3u)}) {
      FakeCluster cluster(5, 3);
      const auto report = cluster.put(pattern(4 * kMiB), level(copies));
      REQUIRE(report.ok());
      CHECK(report->copies_min == 3);
      CHECK(report->copies_wanted == 3);
      CHECK(cluster.commits[0].copies == asked);
    }
  }

  TEST_CASE("no level goes below the pool's minimum") {
    FakeCluster cluster(3, 3);
    cluster.min_copies = 2;
    REQUIRE(cluster.put(pattern(kMiB), level(CopyLevel::one)).ok());
    CHECK(cluster.commits[0].copies == 2);
  }

  TEST_CASE("with a node away a quorum is enough for a quorum, and not for all") {
    for (const CopyLevel copies : {CopyLevel::standard, CopyLevel::quorum, CopyLevel::all}) {
      FakeCluster cluster(3, 3);
      cluster.kill(2);
      for (GroupRoute& group : cluster.groups) {
        for (GroupMember& each : group.members) each.up = each.node != 2;
      }
      const auto report = cluster.put(pattern(2 * kMiB), level(copies));
      if (copies != CopyLevel::all) {
        REQUIRE_MESSAGE(report.ok(), report.error().text);
        CHECK(report->copies_min == 2);
        CHECK(report->copies_wanted == 3);
        continue;
      }
      CHECK(report.code() == Code::unavailable);
      CHECK(report.error().text.find("3 copies") != std::string::npos);
      CHECK(cluster.commits.empty());
      REQUIRE(cluster.plans.size() > 1);
      CHECK(cluster.plans.back().copies == 3);
    }
  }

  TEST_CASE("a put waits for the copies it wants, and goes on when a node is back") {
    FakeCluster cluster(2, 2);
    for (GroupRoute& group : cluster.groups) {
      for (GroupMember& each : group.members) each.up = each.node != 2;
    }
    cluster.bus.after(seconds(2), [&] {
      for (GroupRoute& group : cluster.groups) {
        for (GroupMember& each : group.members) each.up = true;
      }
    });
    const auto report = cluster.put(pattern(2 * kMiB), level(CopyLevel::all));
    REQUIRE_MESSAGE(report.ok(), report.error().text);
    CHECK(report->copies_min == 2);
  }

  TEST_CASE("members that are leaving are not written") {
    FakeCluster cluster(3, 2);
    cluster.groups = {{1, 10, {member(1), member(2, false), member(3, true, true)}}};
    const auto report = cluster.put(pattern(2 * kMiB));
    REQUIRE(report.ok());
    CHECK(report->copies_min == 2);
    CHECK(cluster.nodes[3].parts == 0);
    CHECK(cluster.commits[0].writes[0].nodes == std::vector<NodeId>{1, 2});
  }

  TEST_CASE("complete members are read first, then leaving ones, and those that lack last") {
    FakeCluster cluster(3, 2);
    cluster.groups = {{1, 10, {member(2, false), member(1), member(3, true, true)}}};
    const std::string bytes = pattern(4 * kMiB);
    REQUIRE(cluster.put(bytes).ok());
    for (const auto& [key, block] : cluster.nodes[1].blocks) cluster.nodes[3].blocks[key] = block;
    CHECK(cluster.get() == bytes);
    CHECK(cluster.nodes[1].reads == 4);
    CHECK(cluster.nodes[2].reads + cluster.nodes[3].reads == 0);
    cluster.kill(1);
    CHECK(cluster.get() == bytes);
    CHECK(cluster.nodes[3].reads == 4);
    CHECK(cluster.nodes[2].reads == 0);
    cluster.kill(3);
    CHECK(cluster.get() == bytes);
    CHECK(cluster.nodes[2].reads == 4);
  }

  TEST_CASE("a replica known to lack blocks is passed over in silence") {
    FakeCluster cluster(2, 2);
    cluster.groups = {{1, 10, {member(1), member(2)}}};
    const std::string bytes = pattern(3 * kMiB);
    REQUIRE(cluster.put(bytes).ok());
    cluster.nodes[1].blocks.clear();
    for (OpenFileReply* file : {&cluster.files["/f"]}) {
      file->routes = {{1, 11, {member(1, false), member(2)}}};
    }
    TransferOptions options;
    cluster.nodes[2].health = FakeCluster::Health::alive;
    cluster.refuse_read = [&](NodeId node, const ReadBlock&) -> std::optional<Error> {
      // The good one is slow to begin with, so that the other is asked as well.
      if (node == 2 && cluster.nodes[1].reads == 0) return Error{Code::busy, "busy", {}, 0};
      return std::nullopt;
    };
    CHECK(cluster.get(options) == bytes);
    CHECK(cluster.nodes[1].reads > 0);
    CHECK(cluster.logged("bad replica of a block, using another") == 0);
    CHECK(cluster.bus.published.empty());
  }
}

}  // namespace
}  // namespace dfs
