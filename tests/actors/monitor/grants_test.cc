// What grants a monitor gives, to whom, and how their key changes.
#include "messages/grant.h"

#include <doctest/doctest.h>

#include "messages/fence_proof.h"
#include "messages/grant_keys.h"
#include "messages/reclaim.h"
#include "messages/tasks.h"
#include "tests/actors/monitor/guarded_monitor.h"

namespace dfs {

TEST_SUITE("monitor") {
  TEST_CASE("grants are for the object that was planned or opened, for a while") {
    GuardedMonitor monitor;
    monitor.open_root();
    monitor.join_nodes(2);
    REQUIRE(monitor.grant_keys.size() == kVerifyKeyBytes);
    monitor.as_ada();
    const PlanFile plan = plan_of("/f", 1);
    const auto planned = monitor.ask(plan);
    REQUIRE(planned.ok());
    const auto grant = monitor.opened(planned->grant);
    REQUIRE(grant.ok());
    CHECK(grant->object == planned->object);
    CHECK(grant->right == BlockRight::write);
    CHECK(grant->uid == 1);
    CHECK(grant->expires_ms == monitor.bus.wall_ms() + 600'000);

    CommitFile commit = commit_of(plan, *planned);
    CHECK(monitor.code(commit) == Code::denied);  // nothing shows that it is hers
    commit.grant = planned->grant;
    CHECK(monitor.as_bob().code(commit) == Code::denied);
    CHECK(monitor.as_ada().code(commit) == Code::ok);
    const auto opened = monitor.ask(OpenFile{"/f"});
    REQUIRE(opened.ok());
    const auto reading = monitor.opened(opened->grant);
    REQUIRE(reading.ok());
    CHECK(reading->object == planned->object);
    CHECK(reading->right == BlockRight::read);
  }

  TEST_CASE("the key of grants changes step by step, and no grant fails meanwhile") {
    GuardedMonitor monitor;
    monitor.settings.make_grant_key = [] { return std::string(kGrantKeyBytes, 'n'); };
    monitor.restart();
    monitor.publish_keys();
    monitor.open_root();
    monitor.join_nodes(2);
    const std::string first = monitor.grant_keys;
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
    const std::string second = GrantSigner(std::string(kGrantKeyBytes, 'n')).verify_keys();
    CHECK(keys_now() == first + second);
    CHECK(monitor.opened(plan_as_ada("/told").grant, first).ok());
    monitor.pass(16s);
    CHECK(keys_now() == second + first);
    const auto after = plan_as_ada("/after");
    CHECK(monitor.opened(after.grant, second).ok());
    CHECK_FALSE(monitor.opened(after.grant, first));
    // What was granted before is good as long as it lasts.
    CHECK(monitor.code(RenewUploads{{before.object}, {before.grant}}) == Code::ok);
    monitor.pass(Duration(std::chrono::milliseconds(rotated->until_ms - rotated->from_ms)));
    CHECK(keys_now() == second);
    CHECK(monitor.as_admin().code(RotateGrantKey()) == Code::ok);
  }

  TEST_CASE("a node learns what verifies grants, and nothing to make one with") {
    GuardedMonitor monitor;
    const std::string secret(kGrantKeyBytes, 'n');
    monitor.settings.make_grant_key = [&] { return secret; };
    monitor.restart();
    monitor.publish_keys();
    monitor.open_root();
    monitor.join_nodes(2);
    REQUIRE(monitor.as_admin().ask(RotateGrantKey()).ok());
    const GrantSigner own(std::string(kGrantKeyBytes, 'o'));
    monitor.from = "storage/2";
    const auto told = monitor.as_nobody().ask(GetGrantKeys{{own.verify_keys()}});
    REQUIRE(told.ok());
    CHECK(encode(*told).find(secret) == std::string::npos);
    CHECK(told->keys.bytes.size() == 2 * kVerifyKeyBytes);

    // It signs for itself, as long as a head has said lately that it is a node.
    Grant grant;
    grant.object = 7;
    grant.expires_ms = monitor.bus.wall_ms() + 600'000;
    grant.warrant = told->warrant;
    const auto reading = monitor.opened({own.sign(grant)}, told->keys.bytes);
    REQUIRE(reading.ok());
    CHECK(reading->expires_ms == monitor.bus.wall_ms() + 60'000);
    grant.right = BlockRight::write;
    CHECK(monitor.opened({own.sign(grant)}, told->keys.bytes).code() == Code::denied);
    CHECK(monitor.ask(GetGrantKeys{})->warrant.bytes.empty());
    CHECK(monitor.code(GetGrantKeys{{"short"}}) == Code::malformed);
    for (const char* from : {"client/1", "storage", "storage/x", "storage/0", "monitor/2"}) {
      CAPTURE(from);
      monitor.from = from;
      CHECK(monitor.code(GetGrantKeys{{own.verify_keys()}}) == Code::denied);
    }
    monitor.from = "storage";
    const auto joined = monitor.join('3');
    REQUIRE(joined.ok());
    CHECK(joined->warrant.bytes.empty());  // it has shown no key
  }

  TEST_CASE("a fence counts only with the proof that it was granted") {
    GuardedMonitor monitor;
    monitor.settings.fence_key = fence_key_of("the secret of the heads");
    monitor.restart();
    monitor.publish_keys();
    monitor.open_root();
    monitor.as_ada();
    const auto proof = [&](const std::string& path, bool subtree, uint64_t fence) {
      return prove_fence(monitor.settings.fence_key, {path, subtree, fence, "ada"});
    };
    const auto put = [&](const std::string& path, uint64_t fence, Blob shown) {
      CommitFile commit;
      commit.path = path;
      commit.fence = fence;
      commit.fence_proof = std::move(shown);
      const auto committed = monitor.ask(commit);
      if (committed) return std::string("ok");
      const auto& cause = committed.error().cause;
      return cause.contains("reason") ? cause.at("reason") : committed.error().describe();
    };
    CHECK(put("/f", uint64_t{1} << 62, {}) == "fence");
    CHECK(put("/f", uint64_t{1} << 62, proof("/f", false, 5)) == "fence");
    CHECK(put("/f", 5, proof("/f", false, 5)) == "ok");
    CHECK(put("/g", 5, proof("/f", false, 5)) == "fence");
    CHECK(put("/g", 5, proof("/", true, 5)) == "ok");
    CHECK(put("/f", 0, {}) == "ok");
    const Blob both = proof("/", true, 6);
    CHECK(monitor.code(Rename{"/f", "/h", true, 6, 6, both, {}}) == Code::denied);
    CHECK(monitor.code(Rename{"/f", "/h", true, 6, 6, {}, both}) == Code::denied);
    CHECK(monitor.code(Rename{"/f", "/h", true, 6, 6, both, both}) == Code::ok);
    CHECK(monitor.code(ShowFence{"/h", true, 7, proof("/h", false, 7)}) == Code::denied);
    CHECK(monitor.code(ShowFence{"/h", false, 7, proof("/h", false, 7)}) == Code::ok);
    CHECK(monitor.code(Remove{"/h", false, 8, {}}) == Code::denied);
    CHECK(monitor.as_bob().code(Remove{"/h", false, 8, proof("/h", false, 8)}) == Code::denied);
    CHECK(monitor.as_ada().code(Remove{"/h", false, 8, proof("/h", false, 8)}) == Code::ok);
    Ticket narrow = monitor.ticket_of("ada", 1);
    narrow.below = "/only";
    CHECK(monitor.as(narrow).code(ShowFence{"/h", false, 9, proof("/h", false, 9)}) ==
          Code::denied);
  }

  TEST_CASE("nobody gets a grant for what another uploads, or for what is content") {
    GuardedMonitor monitor;
    monitor.open_root();
    monitor.join_nodes(2);
    monitor.as_ada();
    PlanFile plan = plan_of("/f", 1);
    const auto planned = monitor.ask(plan);
    REQUIRE(planned.ok());
    PlanFile again = plan;
    again.object = planned->object;
    CHECK(monitor.code(again) == Code::denied);
    again.grant = planned->grant;
    CHECK(monitor.as_bob().code(again) == Code::denied);
    CHECK(monitor.as_ada().code(again) == Code::ok);
    RenewUploads renew{{planned->object}, {planned->grant}};
    CHECK(monitor.as_bob().code(renew) == Code::denied);
    const auto renewed = monitor.as_ada().ask(renew);
    REQUIRE(renewed.ok());
    REQUIRE(renewed->grants.size() == 1);
    CHECK(monitor.opened(renewed->grants[0])->object == planned->object);
    CHECK(monitor.code(RenewUploads{{planned->object}, {}}) == Code::denied);
    CommitFile commit = commit_of(plan, *planned);
    commit.grant = planned->grant;
    REQUIRE(monitor.ask(commit).ok());
    CHECK(monitor.code(again) == Code::denied);
    const auto late = monitor.ask(renew);
    REQUIRE(late.ok());
    CHECK(late->grants[0].bytes.empty());
  }
}

}  // namespace dfs
