#include <doctest/doctest.h>

#include <algorithm>
#include <set>

#include "tests/actors/raft/group.h"
#include "tests/sim/random.h"

namespace dfs::raft {
namespace {

// Up to `count` members of any standing.
ChangeMembers random_members(sim::Random& random, size_t count) {
  ChangeMembers members;
  for (MemberId id = 1; id <= count; ++id) {
    const auto standing = static_cast<Standing>(random.between(1, 4));
    if (random.chance(0.8)) members.members.push_back(make_member(id, standing));
  }
  members.last_id = count;
  return members;
}

Standing standing_of(const ChangeMembers& members, MemberId id) {
  for (const Member& member : members.members) {
    if (member.id == id) return member.standing;
  }
  return Standing{};
}

}  // namespace

TEST_SUITE("raft") {
  TEST_CASE("a majority is more than half of the voters, and learners are not asked") {
    ChangeMembers members = make_members(4);
    members.members.push_back(make_member(5, Standing::learner));
    members.members.push_back(make_member(6, Standing::learner));
    const Quorum quorum(members.members);
    std::set<MemberId> yes;
    const auto won = [&] { return quorum.won([&](MemberId id) { return yes.contains(id); }); };
    CHECK_FALSE(won());
    yes = {1, 2};
    CHECK_FALSE(won());
    yes = {1, 2, 5, 6};
    CHECK_FALSE(won());
    yes = {1, 2, 4};
    CHECK(won());
    CHECK_FALSE(quorum.contains(5));
    CHECK(quorum.contains(4));
    CHECK_FALSE(quorum.joint());
  }

  TEST_CASE("nobody wins in a group without voters, and nothing is reached") {
    const auto always = [](MemberId) { return true; };
    const auto far = [](MemberId) -> uint64_t { return 100; };
    CHECK_FALSE(Quorum().won(always));
    CHECK(Quorum().reached(far) == 0);
    const Quorum learners({make_member(1, Standing::learner)});
    CHECK_FALSE(learners.won(always));
    CHECK(learners.reached(far) == 0);
    // All voters leave: the new half is empty, and an empty half never agrees.
    const Quorum leaving({make_member(1, Standing::leaving)});
    CHECK_FALSE(leaving.won(always));
    CHECK(leaving.reached(far) == 0);
  }

  TEST_CASE("the only voter is alone, unless another is joining or leaving") {
    CHECK(Quorum(make_members(1).members).alone(1));
    CHECK_FALSE(Quorum(make_members(1).members).alone(2));
    CHECK_FALSE(Quorum(make_members(2).members).alone(1));
    const Member learner = make_member(2, Standing::learner);
    CHECK(Quorum({make_member(1), learner}).alone(1));
    CHECK_FALSE(Quorum({make_member(1), make_member(2, Standing::joining)}).alone(1));
    CHECK_FALSE(Quorum({make_member(1), make_member(2, Standing::leaving)}).alone(1));
  }

  // Thesis 4.3: "Agreement (for elections and entry commitment) requires majorities from both the
  // old and new configurations."
  TEST_CASE("in joint consensus both halves must agree") {
    // Old: 1 2 3. New: 3 4 5.
    const Quorum quorum({make_member(1, Standing::leaving), make_member(2, Standing::leaving),
                         make_member(3), make_member(4, Standing::joining),
                         make_member(5, Standing::joining)});
    CHECK(quorum.joint());
    const auto won = [&](std::set<MemberId> yes) {
      return quorum.won([&](MemberId id) { return yes.contains(id); });
    };
    CHECK_FALSE(won({1, 2}));
    CHECK_FALSE(won({4, 5}));
    CHECK_FALSE(won({1, 2, 4}));
    CHECK(won({1, 3, 4}));
    CHECK(won({1, 2, 4, 5}));
    const auto reached = [&](std::map<MemberId, uint64_t> at) {
      return quorum.reached([&](MemberId id) { return at[id]; });
    };
    CHECK(reached({{1, 9}, {2, 9}, {3, 9}, {4, 2}, {5, 1}}) == 2);
    CHECK(reached({{1, 3}, {2, 1}, {3, 9}, {4, 9}, {5, 9}}) == 3);
  }

  TEST_CASE("majorities are those that one finds by counting, whatever the members") {
    for (uint64_t seed = 1; seed <= 2000; ++seed) {
      CAPTURE(seed);
      sim::Random random(seed);
      const ChangeMembers members = random_members(random, random.between(0, 9));
      const Quorum quorum(members.members);
      std::map<MemberId, uint64_t> at;
      for (MemberId id = 1; id <= 9; ++id) at[id] = random.below(6);
      const auto value = [&](MemberId id) { return at.at(id); };
      for (uint64_t bound = 1; bound <= 6; ++bound) {
        const auto yes = [&](MemberId id) { return at.at(id) >= bound; };
        const bool agreed = is_majority(members, yes);
        REQUIRE(quorum.won(yes) == agreed);
        REQUIRE((quorum.reached(value) >= bound) == agreed);
      }
      for (MemberId id = 1; id <= 9; ++id) {
        const Standing standing = standing_of(members, id);
        const bool votes = standing != Standing{} && standing != Standing::learner;
        REQUIRE(quorum.contains(id) == votes);
      }
    }
  }

  TEST_CASE("a change of members goes through a joint configuration to what was wanted") {
    for (uint64_t seed = 1; seed <= 2000; ++seed) {
      CAPTURE(seed);
      sim::Random random(seed);
      ChangeMembers current;
      std::vector<Member> wanted;
      for (MemberId id = 1; id <= 8; ++id) {
        const Standing either = random.chance(0.3) ? Standing::learner : Standing::voter;
        if (random.chance(0.6)) current.members.push_back(make_member(id, either));
        // A voter stays one or goes; everybody else may be given any standing.
        const bool voted = standing_of(current, id) == Standing::voter;
        if (random.chance(0.6)) {
          const bool learns = !voted && random.chance(0.3);
          wanted.push_back(make_member(id, learns ? Standing::learner : Standing::voter));
        }
      }
      current.last_id = 5;
      const ChangeMembers joint = joint_members(current, wanted);
      const ChangeMembers done = final_members(joint);

      const auto agreed = [](const ChangeMembers& members, uint64_t bits) {
        return Quorum(members.members).won([&](MemberId id) { return (bits >> id & 1) != 0; });
      };
      for (int tries = 0; tries < 50; ++tries) {
        const uint64_t bits = random.next();
        ChangeMembers target;
        target.members = wanted;
        REQUIRE(agreed(joint, bits) == (agreed(current, bits) && agreed(target, bits)));
        REQUIRE(agreed(done, bits) == agreed(target, bits));
      }
      REQUIRE(done.members.size() == wanted.size());
      for (const Member& member : wanted) {
        REQUIRE(standing_of(done, member.id) == member.standing);
        REQUIRE(done.last_id >= member.id);
      }
      REQUIRE(done.last_id >= current.last_id);
      REQUIRE(same(final_members(done), done));
    }
  }

  TEST_CASE("a change that only touches learners is no joint configuration") {
    const ChangeMembers current = make_members(3);
    std::vector<Member> wanted = current.members;
    wanted.push_back(make_member(4, Standing::learner));
    const ChangeMembers added = joint_members(current, wanted);
    CHECK_FALSE(Quorum(added.members).joint());
    CHECK(added.last_id == 4);
    const ChangeMembers removed = joint_members(added, current.members);
    CHECK_FALSE(Quorum(removed.members).joint());
    CHECK(removed.members.size() == 3);
    CHECK_MESSAGE(removed.last_id == 4, "a number that was given is never given again");
  }

  TEST_CASE("a member that moved keeps its vote and is known at its new endpoint") {
    const ChangeMembers current = make_members(3);
    std::vector<Member> wanted = current.members;
    wanted[1].endpoint = "tcp://10.0.0.2:5000";
    const ChangeMembers moved = joint_members(current, wanted);
    CHECK_FALSE(Quorum(moved.members).joint());
    CHECK(moved.members[1].endpoint == "tcp://10.0.0.2:5000");
    CHECK(moved.members[1].standing == Standing::voter);
  }
}

}  // namespace dfs::raft
