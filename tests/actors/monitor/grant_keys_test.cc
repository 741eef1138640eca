// How the key of grants changes: because an administrator asks for it, and because a node that
// knows it was removed.
#include "messages/grant_keys.h"

#include "messages/reclaim.h"
#include "messages/tasks.h"
#include "tests/actors/monitor/guarded_monitor.h"

namespace dfs {

TEST_SUITE("monitor") {
  TEST_CASE("the key of grants changes step by step, and no grant fails meanwhile") {
    GuardedMonitor monitor;
    monitor.settings.make_grant_key = [] { return std::string(kGrantKeyBytes, 'n'); };
    monitor.restart();
    monitor.publish_keys();
    monitor.open_root();
    monitor.join_nodes(2);
    const std::string first = monitor.grant_key;
    const auto keys_now = [&] {
      monitor.from = "storage/1";
      const auto told = monitor.as_nobody().ask(GetGrantKeys());
      monitor.from = "client/1";
      REQUIRE(told.ok());
      return told->keys.bytes;
    };
    const auto plan_as_ada = [&](const char* path) {
      const auto planned = monitor.as_ada().ask(plan_of(path, 1));
      REQUIRE(planned.ok());
      return *planned;
    };
    CHECK(monitor.as_ada().code(RotateGrantKey()) == Code::denied);
    CHECK(keys_now() == first);
    const auto before = plan_as_ada("/before");

    const int64_t asked_ms = monitor.bus.wall_ms();
    const auto rotated = monitor.as_admin().ask(RotateGrantKey());
    REQUIRE(rotated.ok());
    CHECK(rotated->from_ms == asked_ms + 15'000);
    CHECK(monitor.as_admin().code(RotateGrantKey()) == Code::exists);
    const std::string second(kGrantKeyBytes, 'n');
    CHECK(keys_now() == first + second);
    CHECK(open_grant(plan_as_ada("/told").grant.bytes, first).ok());
    monitor.pass(16s);
    CHECK(keys_now() == second + first);
    const auto after = plan_as_ada("/after");
    CHECK(open_grant(after.grant.bytes, second).ok());
    CHECK_FALSE(open_grant(after.grant.bytes, first));
    // What was granted before is good as long as it lasts.
    CHECK(monitor.code(RenewUploads{{before.object}, {before.grant}}) == Code::ok);
    monitor.pass(Duration(std::chrono::milliseconds(rotated->until_ms - rotated->from_ms)));
    CHECK(keys_now() == second);
    CHECK(monitor.as_admin().code(RotateGrantKey()) == Code::ok);
  }

  TEST_CASE("a node that is removed takes no key of grants along that is good for long") {
    GuardedMonitor monitor;
    char next = 'a';
    monitor.settings.make_grant_key = [&] { return std::string(kGrantKeyBytes, next++); };
    monitor.settings.grant_lasts = 60s;
    monitor.restart();
    monitor.publish_keys();
    monitor.open_root();
    monitor.join_nodes(3);
    const std::string first = monitor.grant_key;
    const auto keys_now = [&] {
      monitor.from = "storage/1";
      const auto told = monitor.as_nobody().ask(GetGrantKeys());
      monitor.from = "client/1";
      REQUIRE(told.ok());
      return told->keys.bytes;
    };
    // One change goes on: the node hears of its key too.
    REQUIRE(monitor.as_admin().ask(RotateGrantKey()).ok());
    const std::string second(kGrantKeyBytes, 'a');
    REQUIRE(keys_now() == first + second);
    REQUIRE(monitor.as_admin().ask(ChangeNode{3, NodeAction::remove}).ok());
    monitor.nodes.erase(3);
    monitor.pass(16s);
    CHECK(keys_now() == second + first);
    monitor.restart();  // another leader knows of it
    monitor.publish_keys();

    const auto planned = monitor.as_ada().ask(plan_of("/f", 1));
    REQUIRE(planned.ok());
    const auto with_key = [&](const std::string& key) {
      Grant forged;
      forged.object = planned->object;
      forged.right = BlockRight::write;
      forged.uid = 1;
      forged.expires_ms = monitor.bus.wall_ms() + 60'000;
      PlanFile again = plan_of("/f", 1);
      again.object = planned->object;
      again.grant.bytes = sign_grant(forged, key);
      return monitor.as_ada().code(again);
    };
    CHECK(with_key(first) == Code::ok);
    const auto lasts = 15s + 60s + 2 * std::chrono::milliseconds(TicketJudge::kClockSkewMs);
    monitor.pass(lasts - 10s);  // the first change is over, the second begins
    const std::string third(kGrantKeyBytes, 'b');
    CHECK(keys_now() == second + third);
    CHECK(with_key(first) == Code::denied);
    CHECK(with_key(second) == Code::ok);
    monitor.pass(lasts + 2s);
    CHECK(keys_now() == third);
    CHECK(with_key(second) == Code::denied);
    CHECK(with_key(third) == Code::ok);
    const auto added = monitor.events("grant-key-added");
    REQUIRE(added.size() == 2);
    CHECK(added[1].fields.contains("reason"));
    monitor.pass(lasts);
    CHECK(keys_now() == third);
  }
}

}  // namespace dfs
