// The monitor as an actor: leases of uploads, and what it says of blocks.
#include "messages/reclaim.h"
#include "tests/actors/monitor/test_monitor.h"

using namespace dfs;

namespace {

MonitorSettings with_lease(Duration lease) {
  MonitorSettings settings;
  settings.upload_lease = lease;
  return settings;
}

struct Uploads : TestMonitor {
  explicit Uploads(MonitorSettings settings = with_lease(8s)) : TestMonitor(std::move(settings)) {
    join_all(2);
  }

  BlockVerdict judge(const BlockName& block, NodeId asker = 1) {
    const auto reply = ask(JudgeBlocks{asker, {block}});
    REQUIRE_MESSAGE(reply.ok(), reply.error().text);
    REQUIRE(reply->verdicts.size() == 1);
    return reply->verdicts[0];
  }
  Verdict verdict(ObjectId object, NodeId asker = 1) {
    return judge({object, 0, 0}, asker).verdict;
  }
  std::vector<ObjectId> renew(const std::vector<ObjectId>& objects) {
    const auto reply = ask(RenewUploads{objects});
    REQUIRE_MESSAGE(reply.ok(), reply.error().text);
    CHECK(reply->lease_ms == settings.upload_lease / 1ms);
    return reply->lost;
  }
};

}  // namespace

TEST_SUITE_BEGIN("monitor");

TEST_CASE("an upload lives as long as it is renewed, and is declared dead when it is not") {
  Uploads test;
  const auto reply = test.ask(plan_of("/f", 1));
  REQUIRE(reply.ok());
  CHECK(reply->lease_ms == 8000);
  for (int i = 0; i < 10; ++i) {
    test.pass(3s);
    CHECK(test.renew({reply->object}).empty());
    CHECK(test.verdict(reply->object) == Verdict::pending);
  }
  test.pass(12s);
  CHECK(test.verdict(reply->object) == Verdict::pending);  // this one declares it dead
  CHECK(test.verdict(reply->object) == Verdict::dead);
  CHECK(test.renew({reply->object}) == std::vector<ObjectId>{reply->object});
  CHECK(test.ask(commit_of(plan_of("/f", 1), *reply)).code() == Code::expired);
}

TEST_CASE("who only looks declares nothing dead") {
  Uploads test(with_lease(60s));
  const auto first = test.ask(plan_of("/f", 1));
  const auto second = test.ask(plan_of("/f", 1));
  test.pass(65s);
  CHECK(test.renew({first->object}).empty());  // so that the second stays unsettled
  test.pass(10s);
  for (int i = 0; i < 3; ++i) CHECK(test.verdict(second->object, 0) == Verdict::pending);
  CHECK(test.renew({second->object}).empty());
}

TEST_CASE("a leader declares no object dead before it has led for a lease time") {
  Uploads test;
  const auto reply = test.ask(plan_of("/f", 1));
  REQUIRE(reply.ok());
  test.restart();
  test.pass(7s);
  CHECK(test.verdict(reply->object) == Verdict::pending);
  CHECK(test.verdict(reply->object) == Verdict::pending);
  CHECK(test.renew({reply->object}).empty());  // it is taken in
  test.pass(7s);
  for (int i = 0; i < 3; ++i) CHECK(test.verdict(reply->object) == Verdict::pending);
  CHECK(test.ask(commit_of(plan_of("/f", 1), *reply)).ok());
  CHECK(test.renew({reply->object}).empty());  // it is content
}

TEST_CASE("a time in which the monitor stood still takes no lease away") {
  Uploads test;
  const auto reply = test.ask(plan_of("/f", 1));
  REQUIRE(reply.ok());
  test.pass(2s);
  test.bus.stall(1h);
  test.bus.advance(500ms);
  for (int i = 0; i < 3; ++i) CHECK(test.verdict(reply->object) == Verdict::pending);
  CHECK(test.renew({reply->object}).empty());
}

TEST_CASE("ids that nobody handed out yet are not judged, nor renewed") {
  Uploads test;
  const auto reply = test.ask(plan_of("/f", 1));
  test.pass(20s);
  for (int i = 0; i < 3; ++i) {
    CHECK(test.verdict(reply->object + 1) == Verdict::pending);  // the next upload's
    CHECK(test.verdict(reply->object + 1'000'000) == Verdict::pending);
    CHECK(test.verdict(0) == Verdict::pending);
  }
  CHECK(test.renew({reply->object + 1'000'000}).size() == 1);
  CHECK(test.renew({0}).size() == 1);
  const auto next = test.ask(plan_of("/g", 1));
  CHECK(next->object == reply->object + 1);
  CHECK(test.ask(commit_of(plan_of("/g", 1), *next)).ok());
}

TEST_CASE(
    "blocks of content are live at home, strays elsewhere, and past the end nothing certain") {
  Uploads test;
  const PlanFile plan = plan_of("/f", 3);
  const auto reply = test.ask(plan);
  REQUIRE(reply.ok());
  CommitFile commit = commit_of(plan, *reply);
  const GroupId home = commit.layout.group_of(1);
  const GroupId away = commit.layout.group_of(2) == 63 ? 62 : 63;
  commit.layout.overrides = {{2, away}};
  commit.writes.push_back({away, test.map().groups[away].epoch, {1, 2}});
  REQUIRE(test.ask(commit).ok());
  CHECK(test.judge({reply->object, 1, home}).verdict == Verdict::live);
  CHECK(test.judge({reply->object, 2, away}).verdict == Verdict::live);
  const BlockVerdict stray =
      test.judge({reply->object, 2, commit.layout.groups[2 % commit.layout.groups.size()]});
  CHECK(stray.verdict == Verdict::stray);
  CHECK(stray.home == away);
  CHECK(test.judge({reply->object, 3, home}).verdict == Verdict::pending);
  CHECK(test.judge({reply->object, UINT32_MAX, home}).verdict == Verdict::pending);
}

TEST_CASE("removed files die when their history does, and what died is forgotten in the end") {
  MonitorSettings settings = with_lease(8s);
  settings.history_retention = 60s;
  settings.object_retention = 120s;
  Uploads test(settings);
  const PlanFile plan = plan_of("/f", 1);
  const auto reply = test.ask(plan);
  const CommitFile commit = commit_of(plan, *reply);
  REQUIRE(test.ask(commit).ok());
  CHECK(test.ask(GetStatus())->content.live == 1);
  REQUIRE(test.ask(Remove{"/f", false}).ok());
  const BlockName block{reply->object, 0, commit.layout.group_of(0)};
  test.pass(50s);
  CHECK(test.judge(block).verdict == Verdict::live);
  test.pass(30s);
  CHECK(test.judge(block).verdict == Verdict::dead);
  ClusterStatus status = *test.ask(GetStatus());
  CHECK(status.content.live == 0);
  CHECK(status.content.dead == 1);
  CHECK(status.content.dead_bytes == kBlockBytesMin);
  test.pass(150s);
  status = *test.ask(GetStatus());
  CHECK(status.content.dead == 0);
  CHECK(test.judge(block).verdict == Verdict::dead);
  CHECK(test.ask(commit).code() == Code::expired);
  // Nothing is left to do, so nothing more is logged.
  const LogIndex applied = test.ask(GetStatus())->applied;
  test.pass(120s);
  CHECK(test.ask(GetStatus())->applied == applied);
}

TEST_CASE("uploads that were given up are settled all at once, without a row for each") {
  Uploads test;
  const auto lost = test.ask(plan_of("/f", 1));
  test.pass(30s);
  CHECK(test.verdict(lost->object, 0) == Verdict::dead);
  CHECK(test.ask(GetStatus())->content.dead == 0);
  CHECK(test.ask(commit_of(plan_of("/f", 1), *lost)).code() == Code::expired);
}

TEST_SUITE_END();
