#include "cli/check_view.h"

#include <doctest/doctest.h>

using namespace dfs;
using namespace dfs::cli;

namespace {

NodeStatus node(NodeId id, uint64_t total, uint64_t used) {
  NodeStatus status;
  status.view.node = id;
  status.heartbeat.boot = 1;
  status.heartbeat.total_bytes = total;
  status.heartbeat.used_bytes = used;
  status.heartbeat.blocks = 7;
  return status;
}

HeadList heads(size_t count) {
  HeadList list;
  for (size_t i = 0; i < count; ++i) {
    HeadStatus head;
    head.head = i + 1;
    list.heads.push_back(head);
  }
  return list;
}

FileSurvey survey(size_t blocks) {
  FileSurvey file;
  for (uint32_t i = 0; i < blocks; ++i) {
    BlockSurvey block;
    block.index = i;
    block.group = 5;
    block.wanted = 2;
    block.copies = {{1, CopyState::good, 1000}, {2, CopyState::good, 2000}};
    file.blocks.push_back(block);
  }
  return file;
}

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_SUITE("cli") {
  TEST_CASE("df adds the nodes up, and a node over its size has nothing free") {
    ClusterStatus status;
    status.nodes = {node(1, 4096, 1024), node(2, 1024, 2048)};
    status.content = {3, 2048, 1, 10};
    const std::string table = space_table(status);
    CHECK(has(table, "5.00 KiB"));
    CHECK(has(table, "60%"));
    const std::string json = space_json(status);
    CHECK(has(json, R"("total_bytes":5120,"used_bytes":3072,"free_bytes":2048,"blocks":14)"));
    CHECK(has(json, R"("used_bytes":2048,"free_bytes":0)"));
    CHECK(has(json, R"("objects_dead":1,"objects_dead_bytes":10)"));
    CHECK(has(space_notes(status)[1], "1 object of 10 B"));
  }

  TEST_CASE("df of a cluster without nodes divides by nothing") {
    CHECK(has(space_table({}), "-"));
    CHECK(has(space_json({}), R"("nodes":[])"));
  }

  TEST_CASE("the durability of a sound file is told in three lines") {
    const auto lines = durability_lines(survey(3), heads(3));
    REQUIRE(lines.size() == 3);
    CHECK(has(lines[0], "on 3 heads, synced on 2 of them"));
    CHECK(has(lines[1], "at least 2 of 2 of every block"));
    CHECK(has(lines[2], human_time(1000)));
    const std::string json = durability_json(survey(3), heads(3));
    CHECK(has(json, R"("complete":true)"));
    CHECK(has(json, R"("metadata":{"heads":3,"synced_on":2})"));
    CHECK(has(json, R"("blocks_short":[])"));
  }

  TEST_CASE("blocks with fewer copies than promised are named, up to a number") {
    FileSurvey file = survey(30);
    for (BlockSurvey& block : file.blocks) block.copies[1].state = CopyState::silent;
    const auto lines = durability_lines(file, heads(1));
    CHECK(lines.size() == 3 + 20 + 1);
    CHECK(has(lines[1], "at least 1 of 2"));
    CHECK(has(lines[3], "block 0 in group 5 has 1 of 2 copies, storage/2 silent"));
    CHECK(has(lines.back(), "10 more blocks"));
    CHECK(has(durability_json(file, heads(1)), R"("nodes":{"1":"good","2":"silent"})"));
  }

  TEST_CASE("inline content is as durable as its name") {
    const auto lines = durability_lines(FileSurvey(), heads(1));
    REQUIRE(lines.size() == 2);
    CHECK(has(lines[0], "on the one head"));
    CHECK(has(durability_json(FileSurvey(), heads(3)), R"("copies":3,"copies_wanted":3)"));
  }

  TEST_CASE("a finding names what it is about, and no more") {
    FsckFinding block{FsckFault::bad_copy, "/a\nb", 9, 2, 5, {1, 3}, "block 2 is damaged"};
    CHECK(finding_text(block) == "bad-copy  $'/a\\nb': block 2 is damaged");
    CHECK(finding_json(block) ==
          R"({"finding":"bad-copy","path":"/a\u000ab","object":9,"block":2,"group":5,)"
          R"("nodes":[1,3],"text":"block 2 is damaged"})");
    FsckFinding node{FsckFault::silent_node, "", 0, 0, 0, {4}, "storage/4 is down"};
    CHECK(finding_json(node) ==
          R"({"finding":"silent-node","nodes":[4],"text":"storage/4 is down"})");
  }

  TEST_CASE("the summary says clean or how much was found, and of the nodes only when asked") {
    FsckSummary summary;
    CHECK(summary_lines(summary).size() == 3);
    CHECK(summary_lines(summary).back() == "clean");
    summary.nodes = 2;
    summary.findings = 2;
    CHECK(summary_lines(summary).size() == 5);
    CHECK(summary_lines(summary).back() == "2 findings");
    CHECK(has(summary_json(summary), R"("summary":true,"findings":2)"));
  }
}
