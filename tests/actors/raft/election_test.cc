// Elections, sentence by sentence: the Raft paper (Ongaro, Ousterhout: In Search of an
// Understandable Consensus Algorithm, extended version) and Ongaro's thesis.
#include <doctest/doctest.h>

#include <set>

#include "tests/actors/raft/group.h"

namespace dfs::raft {
namespace {

RequestVote ask(MemberId from, MemberId to, uint64_t term, LogIndex last, uint64_t last_term) {
  RequestVote message;
  message.from = from;
  message.to = to;
  message.term = term;
  message.last_index = last;
  message.last_term = last_term;
  return message;
}

AppendEntries heartbeat(MemberId from, MemberId to, uint64_t term) {
  AppendEntries message;
  message.from = from;
  message.to = to;
  message.term = term;
  return message;
}

// A group whose members have been up for long enough to vote.
struct Voters : Group {
  explicit Voters(size_t count) {
    found(count);
    pass(settings.election_min);
  }
};

}  // namespace

TEST_SUITE("raft") {
  // 5.2: "a candidate wins an election if it receives votes from a majority of the servers in the
  // full cluster for the same term."
  TEST_CASE("a majority of votes makes a leader, half of them does not") {
    Voters group(4);
    group.wake(1);
    group.deliver(1, 2);
    group.deliver(1, 3);
    group.deliver(2, 1);
    CHECK(group.core(1).role() == Role::pre_candidate);
    group.deliver(3, 1);
    group.save(1);
    REQUIRE(group.core(1).role() == Role::candidate);
    group.deliver(1, 2);
    group.save(2);
    group.deliver(2, 1);
    CHECK(group.core(1).role() == Role::candidate);
    group.deliver(1, 3);
    group.save(3);
    group.deliver(3, 1);
    CHECK(group.core(1).role() == Role::leader);
    CHECK(group.core(1).term() == 2);
  }

  // 5.2: "Each server will vote for at most one candidate in a given term, on a first-come-first-
  // served basis."
  TEST_CASE("the second candidate of a term is denied, and the first may ask again") {
    Voters group(3);
    group.receive(ask(2, 1, 5, 1, 1));
    group.receive(ask(3, 1, 5, 9, 4));
    group.receive(ask(2, 1, 5, 1, 1));
    group.save(1);
    group.save(1);
    const auto to_first = group.on_wire<RequestVoteReply>(1, 2);
    REQUIRE(to_first.size() == 2);
    CHECK(to_first[0].granted);
    CHECK(to_first[1].granted);
    const auto to_second = group.on_wire<RequestVoteReply>(1, 3);
    REQUIRE(to_second.size() == 1);
    CHECK_FALSE(to_second[0].granted);
  }

  // Figure 2: "Persistent state on all servers: (Updated on stable storage before responding to
  // RPCs) currentTerm, votedFor, log[]".
  TEST_CASE("a vote leaves only when it is on disk, and is kept through a restart") {
    Voters group(3);
    group.receive(ask(2, 1, 5, 1, 1));
    CHECK(group.on_wire<RequestVoteReply>(1, 2).empty());
    REQUIRE(group[1].saving.has_value());
    CHECK(group[1].saving->hard == HardState{5, 2});
    group.save(1);
    REQUIRE(group.on_wire<RequestVoteReply>(1, 2).size() == 1);
    CHECK(group.on_wire<RequestVoteReply>(1, 2)[0].granted);

    group.restart(1);
    group.pass(group.settings.election_min);
    CHECK(group.core(1).term() == 5);
    group.receive(ask(3, 1, 5, 9, 4));
    group.save(1);
    REQUIRE(group.on_wire<RequestVoteReply>(1, 3).size() == 1);
    CHECK_FALSE(group.on_wire<RequestVoteReply>(1, 3)[0].granted);
  }

  TEST_CASE("a vote that a crash prevented was not given, and may go to another") {
    Voters group(3);
    group.receive(ask(2, 1, 5, 1, 1));
    group.restart(1);
    group.pass(group.settings.election_min);
    group.receive(ask(3, 1, 5, 9, 4));
    group.save(1);
    CHECK(group.on_wire<RequestVoteReply>(1, 2).empty());
    REQUIRE(group.on_wire<RequestVoteReply>(1, 3).size() == 1);
    CHECK(group.on_wire<RequestVoteReply>(1, 3)[0].granted);
  }

  TEST_CASE("a candidate asks for votes when its own is on disk, and counts it only then") {
    Voters group(3);
    group.wake(1);
    group.deliver(1, 2);
    group.deliver(2, 1);
    REQUIRE(group.core(1).role() == Role::candidate);
    CHECK(group.on_wire<RequestVote>(1, 2).empty());
    group.save(1);
    CHECK(group.on_wire<RequestVote>(1, 2).size() == 1);

    Voters single(1);
    single.wake(1);
    CHECK(single.core(1).role() == Role::candidate);
    single.save(1);
    CHECK(single.core(1).role() == Role::leader);
  }

  // 5.4.1: "If the logs have last entries with different terms, then the log with the later term is
  // more up-to-date. If the logs end with the same term, then whichever log is longer is more
  // up-to-date."
  TEST_CASE("a voter denies its vote if its own log is more up-to-date") {
    struct Case {
      LogIndex last;
      uint64_t last_term;
      bool granted;
    };
    // The voter's log ends with entry 4 of term 3.
    for (const Case& c : {Case{4, 3, true}, Case{5, 3, true}, Case{1, 4, true}, Case{3, 3, false},
                          Case{9, 2, false}, Case{0, 0, false}}) {
      for (const bool pre : {false, true}) {
        CAPTURE(c.last);
        CAPTURE(c.last_term);
        CAPTURE(pre);
        Group group;
        group.add(1, make_disk(3, {1, 1, 2, 3}));
        group.pass(group.settings.election_min);
        auto request = ask(2, 1, 7, c.last, c.last_term);
        request.pre = pre;
        group.receive(request);
        group.save(1);
        const auto replies = group.on_wire<RequestVoteReply>(1, 2);
        REQUIRE(replies.size() == 1);
        CHECK(replies[0].granted == c.granted);
        CHECK(group.core(1).term() == (pre ? 3 : 7));
      }
    }
  }

  // 5.1: "If a candidate or leader discovers that its term is out of date, it immediately reverts
  // to follower state."
  TEST_CASE("a leader that hears of a later term follows") {
    Voters group(3);
    group.elect(1);
    AppendEntriesReply reply;
    reply.from = 2;
    reply.to = 1;
    reply.term = 9;
    group.receive(reply);
    CHECK(group.core(1).role() == Role::follower);
    CHECK(group.core(1).term() == 9);
    CHECK(group.core(1).leader() == 0);
  }

  // 5.1: "If a server receives a request with a stale term number, it rejects the request."
  TEST_CASE("a leader of an old term is told of the new one") {
    Voters group(3);
    group.elect(1);
    group.receive(heartbeat(3, 2, 1));
    const auto replies = group.on_wire<AppendEntriesReply>(2, 3);
    REQUIRE(replies.size() == 1);
    CHECK(replies[0].term == 2);
    CHECK_FALSE(replies[0].accepted);
    CHECK(group.core(2).leader() == 1);
  }

  // 5.2: "If the leader's term […] is at least as large as the candidate's current term, then the
  // candidate recognizes the leader as legitimate and returns to follower state."
  TEST_CASE("a candidate gives way to the leader of its term, and not to one of an earlier") {
    Voters group(3);
    group.wake(1);
    group.deliver(1, 2);
    group.deliver(2, 1);
    group.save(1);
    REQUIRE(group.core(1).role() == Role::candidate);
    group.receive(heartbeat(3, 1, 1));
    CHECK(group.core(1).role() == Role::candidate);
    group.receive(heartbeat(3, 1, 2));
    CHECK(group.core(1).role() == Role::follower);
    CHECK(group.core(1).leader() == 3);
  }

  // 5.2: "Raft uses randomized election timeouts to ensure that split votes are rare and that they
  // are resolved quickly. […] election timeouts are chosen randomly from a fixed interval."
  TEST_CASE("election timeouts are spread over their whole interval") {
    Group group;
    const Settings& settings = group.settings;
    std::set<Time> drawn;
    Time least = Time::max();
    Time most{};
    group.found(3);
    for (int draws = 0; draws < 300; ++draws) {
      group.receive(heartbeat(2, 1, 1));
      const Time timeout = group.core(1).wake_at() - group[1].now;
      drawn.insert(timeout);
      least = std::min(least, timeout);
      most = std::max(most, timeout);
      CHECK(timeout >= settings.election_min);
      CHECK(timeout <= settings.election_max);
    }
    CHECK(drawn.size() > 250);
    CHECK(least < settings.election_min + 50ms);
    CHECK(most > settings.election_max - 50ms);
  }

  TEST_CASE("members that start at the same moment elect a leader soon, whatever the seed") {
    for (uint64_t seed = 1; seed <= 100; ++seed) {
      CAPTURE(seed);
      Group group(seed);
      group.found(5);
      const auto led = [&] { return group.leader() != 0; };
      REQUIRE(group.run_until(led, 3 * group.settings.election_max, 1ms));
    }
  }

  // Thesis 9.6: "In the Pre-Vote algorithm, a candidate only increments its term if it first learns
  // from a majority of the cluster that they would be willing to grant the candidate their votes."
  TEST_CASE("a member that was cut off comes back without a later term") {
    Voters group(3);
    group.elect(1);
    group.isolate(3);
    group.run(10s);
    CHECK(group.core(3).role() == Role::pre_candidate);
    CHECK(group.core(3).term() == 2);
    CHECK_MESSAGE(group[3].disk.hard.term == 2, "and it wrote nothing");
    group.heal();
    group.run(2s);
    CHECK(group.leader() == 1);
    CHECK(group.core(1).term() == 2);
    CHECK(group.core(3).leader() == 1);
  }

  TEST_CASE("a pre-vote changes neither the term nor the vote of who is asked") {
    Voters group(3);
    auto request = ask(2, 1, 2, 1, 1);
    request.pre = true;
    group.receive(request);
    CHECK_FALSE(group[1].saving.has_value());
    auto replies = group.on_wire<RequestVoteReply>(1, 2);
    REQUIRE(replies.size() == 1);
    CHECK(replies[0].granted);
    CHECK(replies[0].term == 2);
    CHECK(group.core(1).term() == 1);
    request.from = 3;
    group.receive(request);
    REQUIRE(group.on_wire<RequestVoteReply>(1, 3).size() == 1);
    CHECK_MESSAGE(group.on_wire<RequestVoteReply>(1, 3)[0].granted, "it has promised nothing");
  }

  // Thesis 4.2.3: "if a server receives a RequestVote request within the minimum election timeout
  // of hearing from a current leader, it does not update its term or grant its vote."
  TEST_CASE("who follows a live leader does not listen to candidates") {
    Voters group(3);
    group.elect(1);
    for (const bool pre : {true, false}) {
      auto request = ask(3, 2, 7, 100, 6);
      request.pre = pre;
      group.receive(request);
      request.to = 1;
      group.receive(request);
    }
    CHECK(group.wire.empty());
    CHECK(group.core(2).term() == 2);
    CHECK_MESSAGE(group.core(1).role() == Role::leader, "nor does the leader itself");

    group.pass(group.settings.election_min - 1ns);
    group.receive(ask(3, 2, 7, 100, 6));
    CHECK(group.core(2).term() == 2);
    group.pass(1ns);
    group.receive(ask(3, 2, 7, 100, 6));
    CHECK(group.core(2).term() == 7);
  }

  TEST_CASE("hearing of a later term does not free a member from the leader that it follows") {
    Voters group(3);
    group.elect(1);
    RequestVoteReply denial;
    denial.from = 3;
    denial.to = 2;
    denial.term = 7;
    denial.pre = true;
    group.receive(denial);
    CHECK(group.core(2).term() == 7);
    group.save(2);
    group.receive(ask(3, 2, 7, 100, 6));
    group.receive(ask(3, 2, 8, 100, 6));
    group.save(2);
    CHECK(group.on_wire<RequestVoteReply>(2, 3).empty());
  }

  TEST_CASE("who is asked by a member that lacks entries stands in its place, soon") {
    const auto asked_by_shorter = [](Time silence) {
      Group group;
      group.add(1, make_disk(3, {1, 1, 2, 3}));
      group.pass(silence);
      auto request = ask(2, 1, 7, 3, 3);
      request.pre = true;
      group.receive(request);
      const Time asked = group[1].now;
      group.wake(1);
      CHECK(group.core(1).role() == Role::pre_candidate);
      return group[1].now - asked;
    };
    const Settings settings;
    CHECK(asked_by_shorter(settings.election_min) < settings.heartbeat);
    CHECK_MESSAGE(
        asked_by_shorter(settings.election_min - settings.heartbeat) >= settings.heartbeat,
        "but not when it has heard a leader just now");
  }

  TEST_CASE("a member that was not heard asks again before long, and nobody's term grows by it") {
    Voters group(3);
    group.wake(1);
    for (int i = 0; i < 5; ++i) {
      REQUIRE(group.core(1).role() == Role::pre_candidate);
      const Time asked = group[1].now;
      group.wake(1);
      const Time pause = group[1].now - asked;
      CHECK(pause >= group.settings.heartbeat);
      CHECK(pause < 2 * group.settings.heartbeat);
    }
    CHECK(group.on_wire<RequestVote>(1, 2).size() == 6);
    CHECK(group.core(1).term() == 1);
  }

  // Thesis 6.4.1 rests the lease on it; a restart must not make a member forget what it told a
  // leader with its last answer.
  TEST_CASE("a restarted member supports nobody for election_min, a new one may at once") {
    Group group;
    group.add(1, make_disk(3, {1, 1}));
    group.add(2);
    for (const MemberId id : {1, 2}) {
      group.receive(ask(3, id, 7, 100, 6));
      group.save(id);
    }
    CHECK(group.on_wire<RequestVoteReply>(1, 3).empty());
    CHECK(group.on_wire<RequestVoteReply>(2, 3).size() == 1);
    group.pass(group.settings.election_min);
    group.receive(ask(3, 1, 7, 100, 6));
    group.save(1);
    CHECK(group.on_wire<RequestVoteReply>(1, 3).size() == 1);
  }

  // Thesis 6.2: "a leader in Raft steps down if an election timeout elapses without a successful
  // round of heartbeats to a majority of its cluster."
  TEST_CASE("a leader that has lost the majority steps down, one that keeps it does not") {
    Voters group(5);
    group.elect(1);
    group.crash(4);
    group.crash(5);
    group.run(5s);
    CHECK(group.core(1).role() == Role::leader);
    group.crash(3);
    group.run(group.settings.election_max + 200ms);
    CHECK(group.core(1).role() != Role::leader);
    CHECK(group.core(1).leader() == 0);
  }

  TEST_CASE(
      "a leader does not take its own word for that of another, nor an old answer for a new") {
    Voters group(3);
    group.elect(1);
    group.cut(2, 1);
    group.cut(3, 1);  // it is heard, and hears nobody
    group.run(group.settings.election_max + 200ms);
    CHECK(group.core(1).role() != Role::leader);
  }

  TEST_CASE("a learner stands for no election, however long it hears nothing") {
    Voters group(1);
    group.elect(1);
    group.add(2);
    auto wanted = make_members(1).members;
    wanted.push_back(make_member(2, Standing::learner));
    REQUIRE(group.change(1, wanted));
    group.run(1s);
    REQUIRE(group.core(2).leader() == 1);
    group.crash(1);
    group.run(10s);
    CHECK(group.core(2).role() == Role::follower);
    CHECK(group.core(2).term() == 2);
    CHECK(group.core(2).leader() == 0);
  }

  TEST_CASE("messages for another member, or from oneself, mean nothing") {
    Voters group(3);
    Raft& core = group.core(1);
    core.step(group[1].now, ask(2, 3, 9, 9, 9));
    core.step(group[1].now, ask(1, 1, 9, 9, 9));
    group.acted(1);
    CHECK(core.term() == 1);
    CHECK(group.wire.empty());
  }

  TEST_CASE("a leader that steps down of its own lets the others go first") {
    Voters group(3);
    group.elect(1);
    group.core(1).step_down(group[1].now);
    group.acted(1);
    CHECK(group.core(1).role() == Role::follower);
    REQUIRE(group.run_until([&] { return group.leader() != 0; }, 5s));
    CHECK(group.leader() != 1);
  }
}

}  // namespace dfs::raft
