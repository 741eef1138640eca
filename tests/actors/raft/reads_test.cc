// Reads without log entries, sentence by sentence: Ongaro's thesis, section 6.4.
#include <doctest/doctest.h>

#include "tests/actors/raft/group.h"

namespace dfs::raft {
namespace {

struct Led : Group {
  explicit Led(size_t count) {
    found(count);
    elect(1);
  }
  Time lease() const {
    const double share = 1.0 - settings.clock_drift_max;
    return Time(static_cast<Time::rep>(static_cast<double>(settings.election_min.count()) * share));
  }
  // The leader has heard from nobody since this moment.
  void lease_runs_out() { pass(settings.election_min); }
};

// Member 1 leads and its first entry is not committed.
void begin_to_lead(Group& group) {
  group.pass(group.settings.election_min);
  group.wake(1);
  for (int rounds = 0; rounds < 2; ++rounds) {
    group.save(1);
    group.deliver(1, 2);
    group.save(2);
    group.deliver(2, 1);
  }
  REQUIRE(group.core(1).role() == Role::leader);
  REQUIRE_FALSE(group.core(1).established());
}

}  // namespace

TEST_SUITE("raft") {
  // 6.4: "It issues a new round of heartbeats and waits for their acknowledgments from a majority
  // of the cluster. Once these acknowledgments are received, the leader knows that there could not
  // have existed a leader for a greater term at the moment it sent the heartbeats."
  TEST_CASE("a read waits for a majority that has answered a round begun after it") {
    Led group(5);
    group.tick(1, group.settings.heartbeat);
    for (const MemberId id : {2, 3, 4, 5}) group.deliver(1, id);
    // The answers to the earlier round are still on their way.
    REQUIRE(group.read(1));
    for (const MemberId id : {2, 3, 4, 5}) {
      group.deliver(id, 1);
      CHECK(group[1].reads.empty());
    }
    group.deliver(1, 2);
    group.deliver(2, 1);
    CHECK_MESSAGE(group[1].reads.empty(), "two of five are no majority");
    group.deliver(1, 3);
    group.deliver(3, 1);
    REQUIRE(group[1].reads.size() == 1);
    CHECK(group[1].reads[0].confirmed);
    CHECK(group[1].reads[0].index >= 2);
  }

  TEST_CASE("reads that come while a round is under way share the next one") {
    Led group(3);
    REQUIRE(group.read(1));
    const size_t first = group.wire.size();
    for (int i = 0; i < 10; ++i) REQUIRE(group.read(1));
    CHECK_MESSAGE(group.wire.size() == first, "nothing more is sent");
    group.deliver(1, 2);
    group.deliver(2, 1);
    CHECK(group[1].reads.size() == 1);
    group.deliver(1, 2);
    group.deliver(2, 1);
    CHECK(group[1].reads.size() == 11);
  }

  // 6.4: "If the leader has not yet marked an entry from its current term committed, it waits until
  // it has done so. The Leader Completeness Property guarantees that a leader has all committed
  // entries, but at the start of its term, it may not know which those are."
  TEST_CASE("no read is served before the leader's first entry is committed") {
    Group group;
    group.found(3);
    begin_to_lead(group);
    REQUIRE(group.read(1));
    for (int rounds = 0; rounds < 3; ++rounds) {
      group.tick(1, group.settings.heartbeat);
      for (const MemberId id : {2, 3}) {
        group.deliver(1, id);
        group.deliver(id, 1);
      }
    }
    CHECK(group[1].reads.empty());
    CHECK_FALSE(group.core(1).lease_read(group[1].now));
    group.settle();
    REQUIRE(group[1].reads.size() == 1);
    CHECK(group[1].reads[0].index >= 2);
    CHECK(group.core(1).lease_read(group[1].now));
  }

  TEST_CASE("the reads of a leader that was deposed fail, and others are refused") {
    Led group(3);
    group.isolate(1);
    REQUIRE(group.read(1));
    group.run(group.settings.election_max + 200ms);
    REQUIRE(group[1].reads.size() == 1);
    CHECK_FALSE(group[1].reads[0].confirmed);
    CHECK(group.read(1).code() == Code::not_leader);
    CHECK_FALSE(group.core(1).lease_read(group[1].now));
  }

  // 6.4.1: "Once the leader's heartbeats were acknowledged by a majority of the cluster, the leader
  // would extend its lease to start + election timeout / clock drift bound, where start is the time
  // the leader sent the heartbeats."
  TEST_CASE(
      "the lease runs from the moment the heartbeats were sent, and is shorter than a timeout") {
    Led group(3);
    group.lease_runs_out();
    REQUIRE_FALSE(group.core(1).lease_read(group[1].now));
    group.tick(1);
    group.pass(100ms);  // the heartbeats take their time
    group.deliver(1, 2);
    group.pass(100ms);
    group.deliver(2, 1);
    REQUIRE(group.core(1).lease_read(group[1].now));
    group.pass(group.lease() - 200ms - 1ns);
    CHECK(group.core(1).lease_read(group[1].now));
    group.pass(1ns);
    CHECK_FALSE(group.core(1).lease_read(group[1].now));
  }

  TEST_CASE("it takes a majority to extend the lease, and answers to this round") {
    Led group(5);
    group.lease_runs_out();
    group.tick(1);
    group.deliver(1, 2);
    group.deliver(2, 1);
    CHECK_FALSE(group.core(1).lease_read(group[1].now));
    group.deliver(1, 3);
    group.deliver(3, 1);
    CHECK(group.core(1).lease_read(group[1].now));
  }

  TEST_CASE("learners extend no lease and confirm no read") {
    Led group(3);
    group.add(4);
    group.add(5);
    auto wanted = make_members(3).members;
    for (const MemberId id : {4, 5}) wanted.push_back(make_member(id, Standing::learner));
    REQUIRE(group.change(1, wanted));
    group.run(500ms);
    group.isolate(2);
    group.isolate(3);
    group.lease_runs_out();
    REQUIRE(group.read(1));
    group.settle();
    REQUIRE(group.core(1).role() == Role::leader);
    CHECK(group[1].reads.empty());
    CHECK_FALSE(group.core(1).lease_read(group[1].now));
  }

  // The target of a transfer is elected without regard to the lease.
  TEST_CASE("a leader that has offered its place to another has no lease any more") {
    Led group(3);
    REQUIRE(group.core(1).lease_read(group[1].now));
    REQUIRE(group.transfer(1, 3));
    CHECK_FALSE(group.core(1).lease_read(group[1].now));
    group.drop(1, 3);
    group.run(group.settings.election_max + 200ms);
    REQUIRE(group.core(1).role() == Role::leader);
    REQUIRE_FALSE(group.core(1).transferring());
    CHECK_MESSAGE(!group.core(1).lease_read(group[1].now), "the offer may still be on its way");
    REQUIRE(group.read(1));
    group.settle();
    CHECK(group[1].reads.size() == 1);
  }

  TEST_CASE("who is alone needs nobody to read") {
    Led group(1);
    group.pass(10s);
    CHECK(group.core(1).lease_read(group[1].now) == 2u);
    REQUIRE(group.read(1));
    CHECK(group[1].reads.size() == 1);
  }

  // 6.4.1: "The lease approach assumes a bound on clock drift across servers (over a given time
  // period, no server's clock increases more than this bound times any other)."
  TEST_CASE("with clocks as far apart as they may be nobody else leads before the lease is over") {
    for (uint64_t seed = 1; seed <= 100; ++seed) {
      CAPTURE(seed);
      Group group(seed);
      group.found(3);
      for (const MemberId id : {2, 3}) {
        group[id].clock_rate = 1.0 + group.settings.clock_drift_max / 2;
      }
      group.elect(1);
      group.isolate(1);
      // The checker compares every lease with what others have answered.
      const auto other = [&] { return group.leader() > 1 && group.propose(group.leader(), "x"); };
      REQUIRE(group.run_until(other, 10s, 1ms));
    }
  }

  TEST_CASE("with clocks that are further apart the lease is worth nothing") {
    size_t broken = 0;
    for (uint64_t seed = 1; seed <= 20; ++seed) {
      Group group(seed);
      group.found(3);
      group[1].clock_rate = 0.2;
      group.elect(1);
      group.isolate(1);
      try {
        group.run(2s, 1ms);
      } catch (const Violation&) {
        ++broken;
      }
    }
    CHECK(broken > 0);
  }
}

}  // namespace dfs::raft
