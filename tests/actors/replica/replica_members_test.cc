// Who belongs to a group, and who leads it.
#include <doctest/doctest.h>

#include "actors/raft/raft.h"
#include "tests/actors/replica/members.h"

namespace dfs {

namespace {

Member described(const Head& head) {
  return {0, head.endpoint, "tcp://broker-" + std::to_string(head.identity.member),
          head.identity.uuid, Standing::learner};
}

// The outcome of one change asked of `head`.
template <class T, class Ask>
Result<T> outcome_of(Members& members, Ask ask) {
  std::optional<Result<T>> outcome;
  ask([&](Result<T> result) { outcome = std::move(result); });
  members.run_until([&] { return outcome.has_value(); });
  REQUIRE(outcome);
  return *outcome;
}

Result<void> remove(Members& members, Head& head, MemberId id) {
  return outcome_of<void>(members,
                          [&](auto done) { head.replica->remove_member(id, std::move(done)); });
}
Result<MemberId> transfer(Members& members, Head& head, MemberId to) {
  return outcome_of<MemberId>(members,
                              [&](auto done) { head.replica->transfer(to, std::move(done)); });
}
Result<MemberId> add(Members& members, Head& head, Member wanted) {
  return outcome_of<MemberId>(
      members, [&](auto done) { head.replica->add_member(wanted, std::move(done)); });
}

std::vector<MemberId> ids(const Head& head) {
  std::vector<MemberId> found;
  for (const Member& member : head.replica->members().members) found.push_back(member.id);
  return found;
}

}  // namespace

TEST_SUITE("replica") {
  TEST_CASE("a new member learns first, and votes when it has caught up") {
    Members members(2);
    members.start(1, true);
    REQUIRE(members.run_until([&] { return members.leader() != nullptr; }));
    for (int i = 0; i < 100; ++i) members.ask("x");
    members.start(2);
    CHECK(members.at(2).replica->members().members.empty());
    members.pass = members.isolating(2);
    REQUIRE(add(members, members.at(1), described(members.at(2))).ok());
    members.run(2s);
    CHECK(members.voters() == 1);  // it is out of reach
    CHECK(members.at(1).replica->members().members.at(1).standing == Standing::learner);
    members.pass = nullptr;
    CHECK(members.run_until([&] { return members.voters() == 2; }));
    CHECK(members.run_until([&] { return members.equal(); }));
    CHECK(ids(members.at(2)) == std::vector<MemberId>{1, 2});
    CHECK(members.at(2).told.back() == "members");
  }

  TEST_CASE("adding a member again changes nothing, and a moved one is found at its new place") {
    Members members(3);
    members.gather();
    const LogIndex applied = members.at(1).replica->applied();
    CHECK(*add(members, members.at(1), described(members.at(2))) == 2);
    CHECK(members.at(1).replica->applied() == applied);
    Member foreign = described(members.at(2));
    foreign.uuid = std::string(32, 'f');
    CHECK(add(members, members.at(1), foreign).code() == Code::exists);
    CHECK(add(members, members.at(2), foreign).code() == Code::not_leader);
    Member moved = described(members.at(2));
    moved.endpoint = "tcp://elsewhere";
    CHECK(*add(members, members.at(1), moved) == 2);
    CHECK(members.at(1).replica->members().members.at(1).endpoint == "tcp://elsewhere");
    CHECK(members.at(1).replica->members().members.at(1).standing == Standing::voter);
    CHECK(members.voters() == 3);
  }

  TEST_CASE("a leader that starts with other addresses says so to the group") {
    Members members(1);
    members.gather();
    members.at(1).kill();
    members.at(1).endpoint = "tcp://elsewhere";
    members.start(1, true);
    CHECK(members.run_until([&] {
      return members.at(1).replica->members().members.at(0).endpoint == "tcp://elsewhere";
    }));
    CHECK(members.voters() == 1);
  }

  TEST_CASE("a removed member is gone for good, and its number is not given again") {
    Members members(4);
    members.start(1, true);
    for (MemberId id = 2; id <= 3; ++id) REQUIRE(members.join(id).ok());
    REQUIRE(members.run_until([&] { return members.voters() == 3; }));
    CHECK(remove(members, members.at(2), 3).code() == Code::not_leader);
    CHECK(remove(members, members.at(1), 9).code() == Code::not_found);
    CHECK(remove(members, members.at(1), 3).ok());
    CHECK(members.voters() == 2);
    CHECK(ids(members.at(1)) == std::vector<MemberId>{1, 2});
    CHECK(remove(members, members.at(1), 3).ok());  // as it was
    members.run(3s);
    CHECK(members.leader() == &members.at(1));  // the removed one disturbs nobody
    CHECK(*members.join(4) == 4);
  }

  TEST_CASE("a member is not removed when those left would have no majority in contact") {
    Members members(3);
    members.gather();
    members.pass = members.isolating(3);
    members.run(2s);
    CHECK(remove(members, members.at(1), 2).code() == Code::invalid);
    CHECK(remove(members, members.at(1), 3).ok());
    CHECK(remove(members, members.at(1), 2).ok());
    CHECK(remove(members, members.at(1), 1).code() == Code::invalid);
    CHECK(members.ask("a") == "a is number 0");
  }

  TEST_CASE("a leader that is to remove itself hands over, and its successor removes it") {
    Members members(3);
    members.gather();
    const auto refused = remove(members, members.at(1), 1);
    REQUIRE(refused.code() == Code::not_leader);
    REQUIRE(members.run_until([&] { return members.leader() != nullptr; }));
    Head& next = *members.leader();
    CHECK(refused.error().cause.at("leader") == next.bus.address());
    CHECK(remove(members, next, 1).ok());
    CHECK(members.voters() == 2);
    CHECK(members.ask("a") == "a is number 0");
  }

  TEST_CASE("leadership goes where it is sent, while changes go on") {
    Members members(3);
    members.gather();
    for (int i = 0; i < 50; ++i) members.at(1).propose("x", 0);
    CHECK(*transfer(members, members.at(1), 3) == 3);
    REQUIRE(members.run_until([&] { return members.leader() != nullptr; }));
    CHECK(members.leader() == &members.at(3));
    CHECK(members.ask("a", 7).starts_with("a is number"));
    CHECK(*transfer(members, members.at(3), 3) == 3);
    CHECK(transfer(members, members.at(1), 2).code() == Code::not_leader);
    CHECK(transfer(members, members.at(3), 9).code() == Code::not_found);
    CHECK(*transfer(members, members.at(3), 0) != 3);
  }

  TEST_CASE("a transfer to a member that does not answer times out") {
    Members members(3);
    members.gather();
    members.pass = members.isolating(3);
    CHECK(transfer(members, members.at(1), 3).code() == Code::timeout);
    members.run_until([&] { return members.leader() != nullptr; });
    CHECK(members.leader() == &members.at(1));
    CHECK(transfer(members, members.at(1), 3).code() == Code::invalid);
  }

  TEST_CASE("status tells of every member what the leader knows") {
    Members members(3);
    members.gather();
    members.ask("a");
    members.run(500ms);
    members.pass = members.isolating(3);
    for (int i = 0; i < 10; ++i) members.ask("x");
    members.run(1s);
    const HeadList list = members.at(1).replica->status();
    CHECK(list.leader == 1);
    CHECK(list.from == 1);
    REQUIRE(list.heads.size() == 3);
    CHECK(list.heads[0].role == HeadRole::leader);
    CHECK(list.heads[1].role == HeadRole::follower);
    CHECK(list.heads[1].lag == 0);
    CHECK(list.heads[1].match == list.heads[0].match);
    CHECK(list.heads[1].applied == members.at(2).replica->applied());
    CHECK(list.heads[1].silent_ms <= 100);
    CHECK(list.heads[2].lag == 10);
    CHECK(list.heads[2].silent_ms >= 900);
    const HeadList seen = members.at(2).replica->status();
    CHECK(seen.leader == 1);
    CHECK(seen.heads[0].role == HeadRole::leader);
    CHECK(seen.heads[1].role == HeadRole::follower);
    CHECK(seen.heads[2].role == HeadRole::unknown);
  }
}

}  // namespace dfs
