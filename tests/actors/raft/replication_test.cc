// Replication, sentence by sentence: the Raft paper, and Ongaro's thesis.
#include <doctest/doctest.h>

#include "tests/actors/raft/group.h"

namespace dfs::raft {
namespace {

using Terms = std::vector<uint64_t>;

std::shared_ptr<const LogEntry> entry_at(LogIndex index, uint64_t term) {
  LogEntry entry = make_entry("x");
  entry.index = index;
  entry.term = term;
  return std::make_shared<const LogEntry>(std::move(entry));
}

AppendEntries append(uint64_t term, LogIndex prev_index, uint64_t prev_term, const Terms& terms) {
  AppendEntries message;
  message.from = 2;
  message.to = 1;
  message.term = term;
  message.prev_index = prev_index;
  message.prev_term = prev_term;
  for (const uint64_t entry_term : terms) {
    message.entries.push_back(entry_at(++prev_index, entry_term));
  }
  return message;
}

AppendEntriesReply last_reply(const Group& group) {
  const auto replies = group.on_wire<AppendEntriesReply>(1, 2);
  REQUIRE_FALSE(replies.empty());
  return replies.back();
}

struct Led : Group {
  explicit Led(size_t count, Settings with = {}) : Group(1, with) {
    found(count);
    elect(1);
  }
};

}  // namespace

TEST_SUITE("raft") {
  // Figure 2, AppendEntries: "Reply false if log doesn't contain an entry at prevLogIndex whose
  // term matches prevLogTerm."
  TEST_CASE("entries that do not follow from the own log are refused") {
    Group group;
    group.add(1, make_disk(3, {1, 1, 2}));
    group.receive(append(5, 4, 2, {5}));
    group.save(1);
    CHECK_FALSE(last_reply(group).accepted);
    CHECK(last_reply(group).index == 3);
    group.receive(append(5, 3, 1, {5}));
    CHECK_FALSE(last_reply(group).accepted);
    group.receive(append(5, 3, 2, {5}));
    group.save(1);
    CHECK(last_reply(group).accepted);
    CHECK(last_reply(group).index == 4);
    CHECK(terms_of(group.core(1).log()) == Terms{1, 1, 2, 5});
  }

  // Figure 2: "If an existing entry conflicts with a new one (same index but different terms),
  // delete the existing entry and all that follow it. Append any new entries not already in the
  // log."
  TEST_CASE("conflicting entries are replaced, and entries that agree are not touched") {
    Group group;
    group.add(1, make_disk(3, {1, 2, 2, 2}));
    group.receive(append(5, 1, 1, {2, 2}));
    group.save(1);
    // An old message says nothing of what follows its entries.
    CHECK(terms_of(group.core(1).log()) == Terms{1, 2, 2, 2});
    CHECK(last_reply(group).index == 3);
    group.receive(append(5, 2, 2, {3, 3}));
    CHECK(terms_of(group.core(1).log()) == Terms{1, 2, 3, 3});
    group.save(1);
    CHECK(last_reply(group).index == 4);
    group.restart(1);
    CHECK(terms_of(group.core(1).log()) == Terms{1, 2, 3, 3});
  }

  // Figure 2: "If leaderCommit > commitIndex, set commitIndex = min(leaderCommit, index of last new
  // entry)."
  TEST_CASE("only what is known to agree with the leader's log is taken for committed") {
    Group group;
    group.add(1, make_disk(3, {1, 1}));
    group.add(2, make_disk(3, {1, 4, 4}));
    group.add(3, make_disk(3, {1, 4, 4}));
    group.isolate(1);
    group.elect(2);
    REQUIRE(group.core(2).known_commit() == 4);
    // A heartbeat after entry 1 tells that 4 entries are committed; of these, member 1 has one.
    auto message = append(group.core(2).term(), 1, 1, {});
    message.commit = 4;
    group.receive(message);
    CHECK(group.core(1).known_commit() == 1);
    group.heal();
    group.run(1s);
    CHECK(group[1].table.applied == 4);
  }

  // Figure 2: "Persistent state on all servers: (Updated on stable storage before responding to
  // RPCs) currentTerm, votedFor, log[]".
  TEST_CASE("entries are acknowledged when they are on disk, and not if they never get there") {
    Led group(3);
    REQUIRE(group.propose(1, "a"));
    group.deliver(1, 2);
    CHECK(group.on_wire<AppendEntriesReply>(2, 1).empty());
    group.crash(2);
    group.save(1);
    CHECK(group.core(1).commit() == 2);
    group.start(2);
    group.deliver(1, 3);
    group.save(3);
    group.deliver(3, 1);
    CHECK(group.core(1).commit() == 3);
  }

  TEST_CASE("a heartbeat is answered at once, with what is on disk by then") {
    Led group(3);
    REQUIRE(group.propose(1, "a"));
    group.deliver(1, 2);
    group.tick(1, group.settings.heartbeat);
    group.deliver(1, 2);
    const auto replies = group.on_wire<AppendEntriesReply>(2, 1);
    REQUIRE(replies.size() == 1);
    CHECK(replies[0].index == 2);
  }

  // Thesis 10.2.1: "the leader may even commit an entry before it has been written to its own disk,
  // if a majority of followers have written it to their disks."
  TEST_CASE("the leader's own disk counts when it has written, and is waited for before applying") {
    Led group(3);
    REQUIRE(group.propose(1, "a"));
    group.deliver(1, 2);
    group.save(2);
    group.deliver(2, 1);
    CHECK_MESSAGE(group.core(1).known_commit() == 2, "one follower is no majority");
    group.deliver(1, 3);
    group.save(3);
    group.deliver(3, 1);
    CHECK(group.core(1).known_commit() == 3);
    CHECK_MESSAGE(group.core(1).commit() == 2, "its own disk does not have it");
    group.save(1);
    CHECK(group.core(1).commit() == 3);
  }

  // 5.3, figure 7: "When the leader at the top comes to power, it is possible that any of scenarios
  // (a–f) could occur in follower logs." "The leader handles inconsistencies by forcing the
  // followers' logs to duplicate its own."
  TEST_CASE("every log of figure 7 becomes the leader's") {
    const std::vector<Terms> logs = {
        {1, 1, 1, 4, 4, 5, 5, 6, 6, 6},        // the leader
        {1, 1, 1, 4, 4, 5, 5, 6, 6},           // a
        {1, 1, 1, 4},                          // b
        {1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6},     // c
        {1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7},  // d
        {1, 1, 1, 4, 4, 4, 4},                 // e
        {1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3},     // f
    };
    Group group;
    for (MemberId id = 1; id <= logs.size(); ++id) {
      Disk disk = make_disk(logs.size(), logs[id - 1]);
      disk.hard.term = 7;
      group.add(id, disk);
    }
    group.elect(1);  // with the votes of a, b, e and f: "d" and "c" have more
    CHECK(group.core(1).term() == 8);
    group.run(1s);
    Terms wanted = logs[0];
    wanted.push_back(8);
    for (const auto& [id, node] : group.nodes()) {
      CAPTURE(id);
      CHECK(terms_of(node.core->log()) == wanted);
      CHECK(node.table.applied == 11);
    }
  }

  // 5.3: "the protocol can be optimized to reduce the number of rejected AppendEntries RPCs […] one
  // AppendEntries RPC will be required for each term with conflicting entries, rather than one RPC
  // per entry."
  TEST_CASE("a long wrong end costs one refusal for each of its terms at most") {
    Terms leaders(400, 2);
    Terms others(400, 2);
    leaders[0] = others[0] = 1;
    leaders.insert(leaders.end(), 100, 9);
    for (const uint64_t term : {3, 4, 5}) others.insert(others.end(), 200, term);
    Group group;
    group.add(1, make_disk(3, leaders));
    group.add(2, make_disk(3, leaders));
    group.add(3, make_disk(3, others));
    size_t refused = 0;
    group.observer.sent = [&](const Message& message) {
      const auto* reply = std::get_if<AppendEntriesReply>(&message);
      if (reply != nullptr && reply->term == group.core(1).term() && !reply->accepted) ++refused;
    };
    group.elect(1);
    group.run(1s);
    CHECK(terms_of(group.core(3).log()) == terms_of(group.core(1).log()));
    CHECK(refused >= 1);
    CHECK(refused <= 4);
  }

  // 5.4.2: "Only log entries from the leader's current term are committed by counting replicas."
  // Figure 8: "At this point, the log entry from term 2 has been replicated on a majority of the
  // servers, but it is not committed."
  TEST_CASE("an old entry on a majority of disks is not committed, and may be lost (figure 8)") {
    Settings settings;
    settings.append_bytes_max = 0;  // one entry a message
    Group group(1, settings);
    group.add(1, make_disk(5, {1, 2}));
    group.add(2, make_disk(5, {1, 2}));
    group.add(3, make_disk(5, {1}));
    group.add(4, make_disk(5, {1}));
    Disk fifth = make_disk(5, {1, 3});
    group.add(5, fifth);
    for (const MemberId id : {1, 2, 3, 4}) group[id].disk.hard.term = 3;
    for (const MemberId id : {1, 2, 3, 4}) group.restart(id);
    // (c): S1 is elected in term 4 and sends entry 2 to S3, but no more than that.
    group.crash(5);
    group.pass(settings.election_min);
    group.wake(1);
    for (int rounds = 0; rounds < 2; ++rounds) {
      for (const MemberId id : {2, 3, 4}) group.deliver(1, id);
      for (const MemberId id : {2, 3, 4}) group.save(id);
      for (const MemberId id : {2, 3, 4}) group.deliver(id, 1);
      group.save(1);
    }
    REQUIRE(group.core(1).role() == Role::leader);
    REQUIRE(group.core(1).term() == 4);
    for (int steps = 0; steps < 20 && group.core(3).log().last() < 2; ++steps) {
      if (group.on_wire<AppendEntries>(1, 3).empty()) group.tick(1, settings.heartbeat);
      group.fetch(1);
      group.deliver_one(1, 3);
      group.save(3);
      group.deliver(3, 1);
    }
    group.drop(1, 3);
    group.save(1);
    REQUIRE(terms_of(group.core(3).log()) == Terms{1, 2});
    REQUIRE(group.core(1).progress().at(3).match == 2);
    // S2 says that it has entry 2 as well: that makes three of five.
    AppendEntriesReply reply;
    reply.from = 2;
    reply.to = 1;
    reply.term = 4;
    reply.accepted = true;
    reply.prev_index = reply.index = 2;
    group.receive(reply);
    REQUIRE(group.core(1).progress().at(2).match == 2);
    CHECK(group.core(1).known_commit() == 0);
    // (d): S1 crashes, S5 is elected and its entry of term 3 replaces that of term 2 everywhere.
    group.crash(1);
    group.wire.clear();
    group.start(5);
    group.pass(settings.election_max);
    for (int tries = 0; tries < 10 && group.leader() != 5; ++tries) {
      group.wake(5);
      group.settle();
    }
    REQUIRE(group.leader() == 5);
    group.run(1s);
    for (const MemberId id : {2, 3, 4, 5}) {
      CHECK(group.core(id).log().term_at(2) == 3u);
      CHECK(group.core(id).known_commit() >= 3);
    }
  }

  TEST_CASE("an old entry is committed together with the first of the leader's own term") {
    Group group;
    group.add(1, make_disk(3, {1, 2}));
    group.add(2, make_disk(3, {1, 2}));
    group.add(3, make_disk(3, {1}));
    group.elect(1);
    CHECK(group.core(1).established());
    CHECK(group.core(1).commit() == 3);
    CHECK(group[3].table.applied == 3);
  }

  // 5.3: "If followers crash or run slowly, or if network packets are lost, the leader retries
  // AppendEntries RPCs indefinitely."
  TEST_CASE("what was lost on the way is made up for after the next heartbeat") {
    Led group(3);
    REQUIRE(group.propose(1, "a"));
    REQUIRE(group.propose(1, "b"));
    group.drop(1, 2);
    group.drop(1, 3);
    group.settle();
    CHECK(group.core(1).commit() == 2);
    group.run(2 * group.settings.heartbeat);
    CHECK(group[2].table.applied == 4);
    CHECK(group[3].table.applied == 4);
  }

  // Thesis 10.2.2: "AppendEntries RPCs [are pipelined]: the leader […] updates nextIndex […] and
  // need not wait."
  TEST_CASE("appends follow each other without an answer, up to a number of them and of bytes") {
    Settings settings;
    settings.flights_max = 3;
    Led few(3, settings);
    for (int i = 0; i < 10; ++i) REQUIRE(few.propose(1, "x"));
    CHECK(few.on_wire<AppendEntries>(1, 2).size() == 3);
    few.settle();
    CHECK(few[2].disk.last() == 12);

    settings.flights_max = 64;
    settings.flying_bytes_max = 1000;
    Led small(3, settings);
    for (int i = 0; i < 10; ++i) REQUIRE(small.propose(1, std::string(400, 'x')));
    CHECK(small.on_wire<AppendEntries>(1, 2).size() == 3);
    small.settle();
    CHECK(small[2].disk.last() == 12);
  }

  TEST_CASE("a message carries no more than it may, but always one entry") {
    Settings settings;
    settings.append_bytes_max = 2000;
    Led group(2, settings);
    group.crash(2);
    for (const size_t bytes : {100, 100, 5000, 100}) {
      REQUIRE(group.propose(1, std::string(bytes, 'x')));
    }
    group.wire.clear();
    group.start(2);
    std::vector<size_t> counts;
    group.observer.sent = [&](const Message& message) {
      const auto* m = std::get_if<AppendEntries>(&message);
      if (m != nullptr && !m->entries.empty()) counts.push_back(m->entries.size());
    };
    group.run(500ms);
    CHECK(group[2].disk.last() == 6);
    CHECK(std::count(counts.begin(), counts.end(), 1) >= 1);
    CHECK_FALSE(std::count(counts.begin(), counts.end(), 4) > 0);
  }

  TEST_CASE("proposals are refused by who does not lead and by who has too much to write") {
    Settings settings;
    settings.unstable_bytes_max = 3000;
    Led group(3, settings);
    const auto refused = group.propose(2, "x");
    REQUIRE_FALSE(refused);
    CHECK(refused.code() == Code::not_leader);
    size_t taken = 0;
    while (taken < 100 && group.propose(1, std::string(1000, 'x'))) ++taken;
    CHECK(taken >= 2);
    CHECK(taken <= 4);
    CHECK(group.propose(1, "x").code() == Code::busy);
    group.settle();
    CHECK(group.propose(1, "x").ok());
  }

  TEST_CASE("entries with a gap, of falling terms or of terms to come are not taken") {
    Group group;
    group.add(1, make_disk(3, {1, 1}));
    auto gap = append(5, 2, 1, {5});
    gap.entries.push_back(entry_at(5, 5));
    group.receive(gap);
    group.receive(append(5, 2, 1, {5, 4}));
    group.receive(append(5, 2, 1, {6}));
    group.save(1);
    CHECK(group.core(1).log().last() == 2);
    CHECK(group.on_wire<AppendEntriesReply>(1, 2).empty());
  }

  // What expires by the time of the log must not come to life again under a leader whose clock is
  // behind.
  TEST_CASE("a new leader's entries are not older than those of the leader before") {
    Led group(3);
    LogEntry late = make_entry("late");
    late.time_ms = 9000;
    const auto proposed = group.core(1).propose(group[1].now, std::move(late));
    REQUIRE(proposed);
    group.core(1).flush();
    group.acted(1);
    group.settle();
    group.core(2).tell_time(1000);
    group.elect(2);
    REQUIRE(group.propose(2, "next"));
    group.settle();
    const auto entries = group.core(2).log().entries(*proposed, 1 << 20);
    REQUIRE(entries);
    REQUIRE(entries->size() == 3);  // that one, the leader's first, the next
    for (const auto& entry : *entries) CHECK(entry->time_ms == 9000);
  }

  TEST_CASE("a member far behind is served from the disk, again after the disk has failed") {
    Settings settings;
    settings.cache_bytes_max = 0;
    Led group(3, settings);
    group.crash(3);
    for (int i = 0; i < 20; ++i) REQUIRE(group.propose(1, "x"));
    group.settle();
    group.start(3);
    // The first read fails: the answer has nothing in it.
    group.tick(1, settings.heartbeat);
    for (int steps = 0; steps < 10 && group[1].fetching.empty(); ++steps) {
      group.deliver(1, 3);
      group.save(3);
      group.deliver(3, 1);
    }
    REQUIRE_FALSE(group[1].fetching.empty());
    const Fetch fetch = group[1].fetching.front();
    group[1].fetching.clear();
    group.core(1).fetched(group[1].now, fetch.member, fetch.from, {});
    group.acted(1);
    group.run(1s);
    CHECK(group[3].table.applied == 22);
  }

  TEST_CASE("what a disk read brings too late is not sent") {
    Settings settings;
    settings.cache_bytes_max = 0;
    Led group(3, settings);
    group.crash(3);
    for (int i = 0; i < 20; ++i) REQUIRE(group.propose(1, "x"));
    group.settle();
    LogEntries stale = {entry_at(5, 1)};  // not the entry that this leader has
    group.wire.clear();
    group.core(1).fetched(group[1].now, 3, 5, stale);
    group.core(1).fetched(group[1].now, 3, 100, {entry_at(100, 2)});
    group.core(1).fetched(group[1].now, 9, 5, stale);
    for (const auto& message : group.on_wire<AppendEntries>(1, 3)) CHECK(message.entries.empty());
    group.acted(1);
  }
}

}  // namespace dfs::raft
