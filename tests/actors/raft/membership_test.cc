// Changes of the members, learners and the transfer of leadership, sentence by sentence: Ongaro's
// thesis, chapters 3 and 4.
#include <doctest/doctest.h>

#include <algorithm>

#include "tests/actors/raft/group.h"

namespace dfs::raft {
namespace {

std::vector<Member> voters(std::initializer_list<MemberId> ids) {
  std::vector<Member> members;
  for (const MemberId id : ids) members.push_back(make_member(id));
  return members;
}

std::vector<Member> with_learner(std::vector<Member> members, MemberId id) {
  members.push_back(make_member(id, Standing::learner));
  return members;
}

struct Led : Group {
  explicit Led(size_t count, size_t spare = 0) {
    found(count);
    for (MemberId id = count + 1; id <= count + spare; ++id) add(id);
    elect(1);
  }
  // All messages between these arrive and all their disks are done.
  void settle_among(std::initializer_list<MemberId> ids) {
    for (int rounds = 0; rounds < 30; ++rounds) {
      tick(1, 10ms);
      for (const MemberId from : ids) {
        save(from);
        fetch(from);
        for (const MemberId to : ids) deliver(from, to);
      }
    }
  }
};

}  // namespace

TEST_SUITE("raft") {
  // 4.3: "Agreement (for elections and entry commitment) requires majorities from both the old and
  // new configurations."
  TEST_CASE("entries of a joint configuration need a majority of the old and one of the new") {
    for (const bool old_first : {true, false}) {
      CAPTURE(old_first);
      Led joint(3, 2);
      const auto index = joint.change(1, voters({1, 4, 5}));
      REQUIRE(index);
      REQUIRE(joint.core(1).quorum().joint());
      // {1, 2} are a majority of the old three, {1, 4} of the new.
      if (old_first) {
        joint.settle_among({1, 2, 3});
      } else {
        joint.settle_among({1, 4, 5});
      }
      CHECK(joint.core(1).known_commit() < *index);
      joint.settle_among({1, 2, 4});
      CHECK(joint.core(1).known_commit() > *index);
    }
  }

  TEST_CASE("in a joint configuration an election needs both majorities as well") {
    // Old: 1 2 3. New: 1 4 5. All have the joint configuration, and nobody leads.
    ChangeMembers joint = joint_members(make_members(3), voters({1, 4, 5}));
    Disk disk = make_disk(3, {1, 1});
    LogEntry change = *disk.entries[1];
    change.type = ChangeMembers::kType;
    change.body = encode(joint);
    disk.entries[1] = std::make_shared<const LogEntry>(change);
    for (const bool old_half : {true, false}) {
      CAPTURE(old_half);
      Group group;
      for (MemberId id = 1; id <= 5; ++id) group.add(id, disk);
      for (const MemberId id : {2, 3}) {
        if (!old_half) group.isolate(id);
      }
      for (const MemberId id : {4, 5}) {
        if (old_half) group.isolate(id);
      }
      group.run(5s);
      CHECK(group.leader() == 0);
      group.heal();
      group.run(5s);
      CHECK(group.leader() != 0);
    }
  }

  // 4.1: "The new configuration takes effect on each server as soon as it is added to that server's
  // log: […] a server always uses the latest configuration in its log, regardless of whether the
  // entry is committed."
  TEST_CASE(
      "a configuration holds from the moment it is in the log, and goes when it is replaced") {
    Led group(3);
    group.isolate(1);
    REQUIRE(group.change(1, voters({1})));
    CHECK(group.core(1).quorum().joint());
    group.settle();
    CHECK(group.core(1).members_index() == 3);
    group.pass(group.settings.election_max);
    REQUIRE(group.run_until([&] { return group.leader() == 2 || group.leader() == 3; }, 5s));
    group.heal();
    group.run(2s);
    CHECK_FALSE(group.core(1).quorum().joint());
    CHECK(group.core(1).members_index() == 1);
    CHECK(group.core(1).members().members.size() == 3);
  }

  // 4.3: "Once C_old,new has been committed […] It is now safe for the leader to create a log entry
  // describing C_new and replicate it."
  TEST_CASE("the final configuration follows by itself once the joint one is committed") {
    Led group(3, 2);
    REQUIRE(group.change(1, voters({1, 4, 5})));
    group.run(1s);
    for (const MemberId id : {1, 4, 5}) {
      CAPTURE(id);
      CHECK_FALSE(group.core(id).quorum().joint());
      CHECK(group.core(id).members().members.size() == 3);
      CHECK(group.core(id).members_index() == 4);
      CHECK(group.core(id).known_commit() >= 4);
    }
    // The old members that are gone are not needed any more.
    group.crash(2);
    group.crash(3);
    REQUIRE(group.propose(1, "x"));
    group.run(1s);
    CHECK(group[5].table.applied == 5);
  }

  TEST_CASE("a new leader finishes the change that its predecessor began") {
    Led group(3, 2);
    REQUIRE(group.change(1, voters({2, 3, 4})));
    group.settle_among({1, 2});
    REQUIRE(group.core(2).members_index() == 3);
    group.crash(1);
    group.run(5s);
    const MemberId leader = group.leader();
    REQUIRE(leader != 0);
    CHECK_FALSE(group.core(leader).quorum().joint());
    CHECK(group.core(leader).members().members.size() == 3);
    CHECK(group[4].table.applied == group[leader].table.applied);
  }

  // 4.2.2: "a leader that is removed from the configuration steps down once the C_new entry is
  // committed."
  TEST_CASE("a leader that is not in the new configuration steps down once that is committed") {
    Led group(3);
    group.isolate(3);
    const auto joint = group.change(1, voters({2, 3}));
    REQUIRE(joint);
    group.settle_among({1, 2});
    CHECK_MESSAGE(group.core(1).role() == Role::leader, "it manages a group it is no part of");
    CHECK(group.core(1).known_commit() < *joint + 1);
    group.heal();
    group.run(200ms);
    CHECK(group.core(1).role() == Role::follower);
    CHECK(group.core(1).known_commit() == *joint + 1);
    group.run(2s);
    CHECK(group.leader() > 1);
    CHECK_MESSAGE(group.core(1).term() == 2, "and it stands for no election any more");
  }

  TEST_CASE("a leader does not count itself for a configuration that it is not in") {
    Led alone(1, 1);
    REQUIRE(alone.change(1, voters({2})));
    alone.save(1);
    alone.save(1);
    CHECK_MESSAGE(alone.core(1).known_commit() == 2, "its own disk is not enough");
  }

  // 4.2.2: "a server that is not part of its own latest configuration should still start new
  // elections, as it might still be needed until the C_new entry is committed."
  TEST_CASE("a member that is left out stands until that is committed, and only until then") {
    // Member 2 is behind: what 1 has after the joint configuration was lost on the way.
    Led cut(1, 1);
    REQUIRE(cut.change(1, voters({2})));
    for (int steps = 0; steps < 40 && cut.core(1).members_index() == 3; ++steps) {
      cut.tick(1, 10ms);
      cut.fetch(1);
      cut.save(1);
      cut.deliver(1, 2);
      cut.save(2);
      cut.deliver(2, 1);
    }
    REQUIRE(cut.core(1).members_index() == 4);
    cut.save(1);
    cut.wire.clear();
    REQUIRE(cut.core(2).log().last() == 3);
    cut.core(1).step_down(cut[1].now);
    cut.acted(1);
    REQUIRE(cut.run_until([&] { return cut.leader() == 2; }, 20s));
    CHECK(cut.core(2).quorum().alone(2));
    cut.run(5s);
    CHECK(cut.leader() == 2);
  }

  // 4.2.1: "The leader replicates log entries to it, but it is not yet counted towards majorities
  // for voting or commitment purposes."
  TEST_CASE("a learner gets the log and counts for nothing") {
    Led group(3, 1);
    REQUIRE(group.change(1, with_learner(voters({1, 2, 3}), 4)));
    group.run(500ms);
    CHECK(group[4].table.applied == group[1].table.applied);
    group.isolate(2);
    group.isolate(3);
    const auto index = group.propose(1, "x");
    REQUIRE(index);
    group.settle();
    CHECK(group.core(1).progress().at(4).match == *index);
    CHECK(group.core(1).known_commit() < *index);
    group.run(2s);
    CHECK_MESSAGE(group.core(1).role() != Role::leader, "nor does it keep a leader in office");
    CHECK(group.core(4).role() == Role::follower);
  }

  TEST_CASE("a learner becomes a voter") {
    Led group(1, 1);
    REQUIRE(group.change(1, with_learner(voters({1}), 2)));
    group.run(500ms);
    REQUIRE(group.change(1, voters({1, 2})));
    group.run(500ms);
    CHECK_FALSE(group.core(1).quorum().joint());
    CHECK(group.core(2).quorum().contains(2));
    group.crash(2);
    const auto index = group.propose(1, "x");
    REQUIRE(index);
    group.settle();
    CHECK_MESSAGE(group.core(1).known_commit() < *index, "one of two is no majority");
  }

  TEST_CASE("one change at a time, and none before the leader's first entry is committed") {
    Led group(3, 2);
    REQUIRE(group.change(1, voters({1, 2, 4})));
    CHECK(group.change(1, voters({1, 2, 3, 4})).code() == Code::busy);
    group.run(1s);
    CHECK(group.change(1, voters({1, 2, 3, 4})).ok());
    CHECK(group.change(2, voters({1, 2, 3})).code() == Code::not_leader);

    Group fresh;
    fresh.found(3);
    fresh.pass(fresh.settings.election_min);
    fresh.wake(1);
    for (int rounds = 0; rounds < 2; ++rounds) {
      fresh.save(1);
      fresh.deliver(1, 2);
      fresh.save(2);
      fresh.deliver(2, 1);
    }
    fresh.save(1);
    REQUIRE(fresh.core(1).role() == Role::leader);
    REQUIRE_FALSE(fresh.core(1).established());
    CHECK(fresh.change(1, voters({1, 2})).code() == Code::busy);
  }

  TEST_CASE("a change that would leave no voter, or make a learner of one, is refused") {
    Led group(3);
    CHECK(group.change(1, {}).code() == Code::invalid);
    CHECK(group.change(1, with_learner({}, 4)).code() == Code::invalid);
    CHECK(group.change(1, with_learner(voters({1, 2}), 3)).code() == Code::invalid);
    CHECK(group.core(1).members_index() == 1);
  }

  // 4.2.3: "servers that are not in C_new […] can disrupt the cluster" — unless nobody listens.
  TEST_CASE("a removed member that does not know it disturbs nobody") {
    Led group(3);
    group.isolate(3);
    REQUIRE(group.change(1, voters({1, 2})));
    group.run(3s);
    REQUIRE(group.core(1).members().members.size() == 2);
    group.heal();
    group.run(20s);
    CHECK(group.leader() == 1);
    CHECK(group.core(1).term() == 2);
  }

  TEST_CASE("a member that comes back learns from a snapshot who the members are") {
    Led group(3, 1);
    group.crash(3);
    REQUIRE(group.change(1, voters({1, 2, 3, 4})));
    group.run(1s);
    for (const MemberId id : {1, 2, 4}) {
      group.flush_table(id);
      group.compact(id, 100);
    }
    group.start(3);
    group.run(1s);
    CHECK(group.core(3).members().members.size() == 4);
    CHECK(group.core(3).log().first() > 4);
    CHECK(group[3].table.hash == group[1].table.hash);
    group.restart(3);
    CHECK(group.core(3).members().members.size() == 4);
  }

  // 3.10: "The prior leader stops accepting new client requests. The prior leader fully updates the
  // target server's log to match its own […]. The prior leader sends a TimeoutNow request to the
  // target server. This request has the same effect as the target server's election timer firing."
  TEST_CASE("leadership goes to another at once, with all that was proposed before") {
    Led group(3);
    REQUIRE(group.propose(1, "a"));
    group.settle();
    REQUIRE(group.transfer(1, 3));
    CHECK(group.core(1).transferring());
    CHECK(group.propose(1, "b").code() == Code::busy);
    group.settle();
    CHECK(group.core(3).role() == Role::leader);
    CHECK(group.core(1).role() == Role::follower);
    CHECK(group.core(3).term() == 3);
    CHECK(group[3].now == group[1].now);
    CHECK(group.propose(3, "b").ok());
  }

  TEST_CASE("the target is brought up to date before it is told to stand") {
    Led group(3);
    REQUIRE(group.propose(1, "a"));
    group.drop(1, 3);
    REQUIRE(group.transfer(1, 3));
    CHECK(group.on_wire<TimeoutNow>(1, 3).empty());
    group.tick(1, group.settings.heartbeat);
    group.settle();
    CHECK(group.core(3).role() == Role::leader);
    CHECK(group.core(3).commit() >= 3);
  }

  // 3.10: "If leadership transfer does not complete after about an election timeout, the prior
  // leader aborts the transfer and resumes accepting client requests."
  TEST_CASE("a transfer that does not succeed is given up") {
    Led group(3);
    REQUIRE(group.transfer(1, 3));
    group.crash(3);
    group.run(group.settings.election_max + 2 * group.settings.heartbeat);
    CHECK(group.core(1).role() == Role::leader);
    CHECK_FALSE(group.core(1).transferring());
    CHECK(group.propose(1, "x").ok());
  }

  TEST_CASE("leadership goes to no learner, no stranger and nobody out of contact") {
    Led group(3, 1);
    REQUIRE(group.change(1, with_learner(voters({1, 2, 3}), 4)));
    group.run(500ms);
    CHECK(group.transfer(1, 4).code() == Code::invalid);
    CHECK(group.transfer(1, 9).code() == Code::not_found);
    CHECK(group.transfer(2, 1).code() == Code::not_leader);
    CHECK(group.transfer(1, 1).ok());
    CHECK_FALSE(group.core(1).transferring());
    group.crash(3);
    group.run(group.settings.election_max);
    CHECK(group.transfer(1, 3).code() == Code::invalid);
    group.crash(2);
    group.pass(group.settings.election_max);
    CHECK(group.transfer(1, 0).code() == Code::invalid);
  }

  TEST_CASE("when it may choose, a leader hands over to who lacks least") {
    Led group(3);
    group.cut(1, 2);
    REQUIRE(group.propose(1, "a"));
    group.settle();
    REQUIRE(group.transfer(1, 0));
    group.settle();
    CHECK(group.core(3).role() == Role::leader);
  }

  TEST_CASE("only the leader's own word makes a member stand") {
    Led group(3);
    TimeoutNow message;
    message.from = 3;
    message.to = 2;
    message.term = 2;
    group.receive(message);
    message.from = 1;
    message.term = 1;
    group.receive(message);
    CHECK(group.core(2).role() == Role::follower);
    message.term = 2;
    group.receive(message);
    CHECK(group.core(2).role() == Role::candidate);
  }
}

}  // namespace dfs::raft
