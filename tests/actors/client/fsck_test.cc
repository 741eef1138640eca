#include <doctest/doctest.h>

#include "actors/client/fsck.h"
#include "tests/actors/client/fake_cluster.h"

namespace dfs {
namespace {

constexpr size_t kMiB = 1 << 20;

struct Checked {
  FsckSummary summary;
  std::vector<FsckFinding> findings;

  size_t count(FsckFault fault) const {
    return static_cast<size_t>(
        std::count_if(findings.begin(), findings.end(),
                      [&](const FsckFinding& finding) { return finding.fault == fault; }));
  }
  const FsckFinding& first(FsckFault fault) const {
    const auto found = std::find_if(findings.begin(), findings.end(),
                                    [&](const FsckFinding& f) { return f.fault == fault; });
    REQUIRE(found != findings.end());
    return *found;
  }
};

Checked check(FakeCluster& cluster, const std::string& path = "/") {
  Checked checked;
  FsckOptions options;
  options.path = path;
  options.jobs = 2;
  options.found = [&](const FsckFinding& finding) { checked.findings.push_back(finding); };
  const auto summary = cluster.run(cluster.client.fsck(options));
  REQUIRE_MESSAGE(summary.ok(), summary.error().text);
  checked.summary = *summary;
  CHECK(checked.summary.findings == checked.findings.size());
  return checked;
}

// Seven files in three directories; two of them are inline.
void fill(FakeCluster& cluster) {
  for (const char* path : {"/a", "/d/b", "/d/c", "/d/e/f", "/d/e/g"}) {
    REQUIRE(cluster.put(pattern(3 * kMiB), {}, path).ok());
  }
  REQUIRE(cluster.put(pattern(10), {}, "/d/e/h").ok());
  REQUIRE(cluster.put(pattern(0), {}, "/z").ok());
}

auto copy_of(FakeCluster& cluster, const std::string& path, uint32_t index) {
  const Layout& layout = cluster.files[path].layout;
  return std::tuple(layout.object, index, layout.group_of(index));
}

TEST_SUITE("client") {
  TEST_CASE("a survey tells the state of every copy") {
    FakeCluster cluster(3, 3);
    REQUIRE(cluster.put(pattern(5 * kMiB)).ok());
    const auto whole = cluster.run(cluster.client.survey("/f"));
    REQUIRE(whole.ok());
    CHECK(whole->complete());
    CHECK(whole->checksum_right);
    CHECK(whole->copies_min() == 3);
    CHECK(whole->verified_ms() == 1000);
    REQUIRE(whole->blocks.size() == 5);
    CHECK(whole->blocks[4].length == kMiB);
    CHECK(whole->blocks[4].verified_ms() == 1004);

    cluster.nodes[1].blocks.erase(copy_of(cluster, "/f", 0));
    cluster.nodes[2].bad.insert(copy_of(cluster, "/f", 0));
    cluster.nodes[3].blocks[copy_of(cluster, "/f", 1)] = "short";
    cluster.kill(3);
    const auto survey = cluster.run(cluster.client.survey("/f"));
    REQUIRE(survey.ok());
    CHECK(!survey->complete());
    CHECK(survey->copies_min() == 0);
    const BlockSurvey& first = survey->blocks[0];
    CHECK(first.nodes_with(CopyState::missing) == std::vector<NodeId>{1});
    CHECK(first.nodes_with(CopyState::bad) == std::vector<NodeId>{2});
    CHECK(first.nodes_with(CopyState::silent) == std::vector<NodeId>{3});
    CHECK(survey->blocks[1].good() == 2);

    cluster.nodes[3].health = FakeCluster::Health::alive;
    const auto again = cluster.run(cluster.client.survey("/f"));
    CHECK(again->blocks[1].nodes_with(CopyState::wrong) == std::vector<NodeId>{3});
    CHECK(again->blocks[0].good() == 1);
    CHECK(again->checksum_right);
  }

  TEST_CASE("a survey of inline content asks no node") {
    FakeCluster cluster;
    REQUIRE(cluster.put(pattern(100)).ok());
    for (auto& [id, node] : cluster.nodes) node.health = FakeCluster::Health::frozen;
    const auto survey = cluster.run(cluster.client.survey("/f"));
    REQUIRE(survey.ok());
    CHECK(survey->complete());
    CHECK(survey->blocks.empty());
    CHECK(cluster.run(cluster.client.survey("/none")).code() == Code::not_found);
  }

  TEST_CASE("a node that may lack blocks is filling, not missing them") {
    FakeCluster cluster(2, 2);
    REQUIRE(cluster.put(pattern(kMiB)).ok());
    for (GroupRoute& route : cluster.files["/f"].routes) {
      for (GroupMember& member : route.members) member.complete = member.node != 2;
    }
    cluster.nodes[2].blocks.clear();
    const auto survey = cluster.run(cluster.client.survey("/f"));
    CHECK(survey->blocks[0].nodes_with(CopyState::filling) == std::vector<NodeId>{2});
    CHECK(survey->blocks[0].good() == 1);
  }

  TEST_CASE("of two copies of a file's only block the one that is as recorded is right") {
    for (const NodeId spoilt : {1u, 2u}) {
      FakeCluster cluster(2, 2);
      REQUIRE(cluster.put(pattern(kMiB)).ok());
      cluster.nodes[spoilt].blocks[copy_of(cluster, "/f", 0)][0] ^= 1;
      const auto survey = cluster.run(cluster.client.survey("/f"));
      REQUIRE(survey.ok());
      CHECK(survey->blocks[0].nodes_with(CopyState::wrong) == std::vector<NodeId>{spoilt});
      CHECK(survey->checksum_right);
    }
  }

  TEST_CASE("a sound cluster has no findings, and everything was looked at") {
    FakeCluster cluster;
    fill(cluster);
    const Checked checked = check(cluster);
    CHECK(checked.findings.empty());
    CHECK(checked.summary.directories == 3);
    CHECK(checked.summary.files == 7);
    CHECK(checked.summary.files_inline == 2);
    CHECK(checked.summary.blocks == 15);
    CHECK(checked.summary.bytes == 15 * kMiB);
    CHECK(checked.summary.copies_wanted == 30);
    CHECK(checked.summary.copies_good == 30);
    CHECK(checked.summary.nodes == 4);
    CHECK(checked.summary.live.blocks == 30);
    CHECK(checked.summary.live.bytes == 30 * kMiB);
  }

  TEST_CASE("each fault is found and named") {
    FakeCluster cluster;
    fill(cluster);
    const auto lost = copy_of(cluster, "/d/b", 1);
    for (auto& [id, node] : cluster.nodes) node.blocks.erase(lost);
    NodeId without = 0;
    for (auto& [id, node] : cluster.nodes) {
      if (without == 0 && node.blocks.erase(copy_of(cluster, "/d/c", 2)) > 0) without = id;
    }
    NodeId damaged = 0;
    for (auto& [id, node] : cluster.nodes) {
      if (!node.blocks.contains(copy_of(cluster, "/d/e/f", 0)) || damaged != 0) continue;
      node.bad.insert(copy_of(cluster, "/d/e/f", 0));
      damaged = id;
    }
    for (auto& [id, node] : cluster.nodes) {
      const auto found = node.blocks.find(copy_of(cluster, "/d/e/g", 0));
      if (found != node.blocks.end()) found->second[0] ^= 1;
    }
    const Checked checked = check(cluster);
    CHECK(checked.count(FsckFault::no_copy) == 1);
    CHECK(checked.first(FsckFault::no_copy).path == "/d/b");
    CHECK(checked.first(FsckFault::no_copy).index == 1);
    CHECK(checked.count(FsckFault::too_few_copies) == 2);
    CHECK(checked.first(FsckFault::bad_copy).path == "/d/e/f");
    CHECK(checked.first(FsckFault::bad_copy).nodes == std::vector<NodeId>{damaged});
    CHECK(checked.count(FsckFault::wrong_checksum) == 1);
    CHECK(checked.first(FsckFault::wrong_checksum).path == "/d/e/g");
    const auto few = std::find_if(checked.findings.begin(), checked.findings.end(),
                                  [](const FsckFinding& f) { return f.path == "/d/c"; });
    REQUIRE(few != checked.findings.end());
    CHECK(few->fault == FsckFault::too_few_copies);
    CHECK(few->nodes == std::vector<NodeId>{without});
    CHECK(few->text.find("1 of 2 copies") != std::string::npos);
    CHECK(checked.summary.copies_good == 26);
  }

  TEST_CASE("a silent node and groups that lack something are findings once each") {
    FakeCluster cluster;
    fill(cluster);
    cluster.kill(2);
    cluster.groups[0].members[0].complete = false;
    const Checked checked = check(cluster);
    CHECK(checked.count(FsckFault::silent_node) == 1);
    CHECK(checked.first(FsckFault::silent_node).nodes == std::vector<NodeId>{2});
    CHECK(checked.count(FsckFault::group) == 1);
    CHECK(checked.first(FsckFault::group).group == cluster.groups[0].group);
    CHECK(checked.summary.nodes == 3);
  }

  TEST_CASE("blocks that no file names are counted by what they are") {
    FakeCluster cluster;
    fill(cluster);
    const GroupId group = cluster.groups[0].group;
    cluster.nodes[1].blocks[{900, 0, group}] = "dead";
    cluster.nodes[1].blocks[{901, 0, group}] = "stray!";
    cluster.nodes[1].blocks[{902, 0, group}] = "pending";
    cluster.nodes[3].blocks[{903, 0, group}] = "surplus";  // no member of the group
    cluster.verdicts = {{900, Verdict::dead}, {901, Verdict::stray}, {902, Verdict::pending}};
    const Checked checked = check(cluster);
    CHECK(checked.findings.empty());
    CHECK(checked.summary.dead.bytes == 4);
    CHECK(checked.summary.stray.bytes == 6);
    CHECK(checked.summary.pending.bytes == 7);
    CHECK(checked.summary.surplus.blocks == 1);
  }

  TEST_CASE("a file or a directory is checked by itself, without the nodes") {
    FakeCluster cluster;
    fill(cluster);
    const Checked one = check(cluster, "/d/c");
    CHECK(one.summary.files == 1);
    CHECK(one.summary.blocks == 3);
    CHECK(one.summary.nodes == 0);
    const Checked tree = check(cluster, "/d/e");
    CHECK(tree.summary.files == 3);
    CHECK(tree.summary.directories == 1);
  }

  TEST_CASE("what is put right while one looks is no finding") {
    FakeCluster cluster;
    fill(cluster);
    const auto key = copy_of(cluster, "/a", 0);
    for (auto& [id, node] : cluster.nodes) {
      const auto found = node.blocks.find(key);
      if (found == node.blocks.end()) continue;
      const std::string bytes = found->second;
      node.blocks.erase(found);
      cluster.bus.after(milliseconds(200),
                        [&cluster, key, bytes, id = id] { cluster.nodes[id].blocks[key] = bytes; });
      break;
    }
    CHECK(check(cluster).findings.empty());
  }
}

}  // namespace
}  // namespace dfs
