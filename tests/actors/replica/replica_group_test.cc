// Several replicas of a group: elections, replication, and what clients see of a change of leader.
#include <doctest/doctest.h>

#include "actors/raft/raft.h"
#include "tests/actors/replica/members.h"

namespace dfs {

namespace {

bool has(const Names& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

TEST_SUITE("replica") {
  TEST_CASE("what the leader acknowledges is on a majority, and comes to all") {
    Members members(3);
    members.gather();
    CHECK(members.leader() == &members.at(1));
    uint64_t on_disk = 0;
    const auto answer = members.at(1).propose("a");
    members.run_until([&] { return answer->calls > 0; });
    CHECK(answer->outcome->body == "a is number 0");
    for (MemberId id = 1; id <= 3; ++id) {
      on_disk += members.at(id).replica->core()->log().stable() >= members.at(1).replica->applied();
    }
    CHECK(on_disk >= 2);
    CHECK(members.run_until([&] { return members.equal(); }));
    for (MemberId id = 1; id <= 3; ++id) CHECK(members.at(id).entries() == Names{"a"});
    CHECK(members.at(3).journal.seen == Names{"a"});
    CHECK(members.at(1).replica->state_hash() != 0);
  }

  TEST_CASE("without a majority nothing is acknowledged, and the leader steps down") {
    Members members(3);
    members.gather();
    members.pass = members.isolating(1);
    const auto answer = members.at(1).propose("a", 7);
    Result<void> read(Code::timeout, "not answered");
    members.run(50ms);
    CHECK(answer->calls == 0);
    members.run_until([&] { return answer->calls > 0; });
    CHECK(answer->outcome.code() == Code::not_leader);
    CHECK(has(members.at(1).told, "following"));
    CHECK(!members.at(1).replica->leading());
    CHECK(members.at(1).entries().empty());
    members.at(1).replica->read([&](Result<void> outcome) { read = std::move(outcome); });
    CHECK(read.code() == Code::not_leader);
    CHECK(members.at(1).propose("b")->outcome.code() == Code::not_leader);
  }

  TEST_CASE("when the leader dies another follows, and a request that comes again happens once") {
    for (uint64_t seed = 0; seed < 20; ++seed) {
      CAPTURE(seed);
      std::mt19937_64 random(seed);
      Members members(3);
      members.gather();
      members.ask("before", 1);
      const auto lost = members.at(1).propose("a", 7, "client/1");
      // Perhaps it reached the others by now, perhaps not.
      members.pass = [&](MemberId, MemberId, Envelope&) { return random() % 2 == 0; };
      members.run(Duration(1ms) * static_cast<int64_t>(random() % 3));
      members.pass = nullptr;
      members.at(1).crash(random);
      CHECK(members.ask("a", 7).starts_with("a is number"));
      CHECK(members.leader() != &members.at(1));
      members.ask("b", 8);
      members.start(1);
      CHECK(members.run_until([&] { return members.equal(); }));
      CHECK(members.at(1).entries() == Names{"before", "a", "b"});
      CHECK(members.ask("a", 7) == "a is number 1");
      CHECK(lost->calls <= 1);
    }
  }

  TEST_CASE("an old leader's proposals are answered not_leader, with the address of the new") {
    Members members(3);
    members.gather();
    Head& old = members.at(1);
    members.pass = members.isolating(1);
    const auto lost = old.propose("lost", 7);
    REQUIRE(members.run_until([&] {
      Head* leader = members.leader();
      return leader != nullptr && leader != &old;
    }));
    members.run_until([&] { return lost->calls > 0; });
    CHECK(lost->outcome.code() == Code::not_leader);
    CHECK(members.ask("b", 8) == "b is number 0");
    members.pass = nullptr;
    members.run_until([&] { return members.equal(); });
    CHECK(old.entries() == Names{"b"});
    const auto refused = old.propose("c");
    REQUIRE(refused->outcome.code() == Code::not_leader);
    CHECK(refused->outcome.error().cause.at("leader") == old.replica->leader_address());
    CHECK(refused->outcome.error().cause.at("group") == std::string(Head::kCluster) + "/monitor");
    CHECK(old.replica->leader() == members.leader()->identity.member);
    // Its own attempt was never applied, so asking again does it now, once.
    CHECK(members.ask("lost", 7) == "lost is number 1");
  }

  TEST_CASE("many proposals share the syncs of every member") {
    Members members(3);
    members.gather();
    members.run_until([&] { return members.equal(); });
    std::vector<uint64_t> before;
    for (MemberId id = 1; id <= 3; ++id) before.push_back(members.at(id).disk.syncs());
    std::vector<std::shared_ptr<Head::Answer>> answers;
    for (int i = 0; i < 200; ++i) answers.push_back(members.at(1).propose("x", 0));
    members.run(10ms);
    for (const auto& answer : answers) CHECK(answer->outcome.ok());
    for (MemberId id = 1; id <= 3; ++id) {
      CAPTURE(id);
      CHECK(members.at(id).disk.syncs() - before[id - 1] <= 4);
    }
    const HeadList status = members.at(1).replica->status();
    CHECK(status.log_entries >= 200);
    CHECK(status.log_syncs > 0);
    CHECK(status.log_syncs < 100);
  }

  TEST_CASE("what is proposed while a batch is on its way shares the next, but waits no longer") {
    Members members(3);
    members.gather();
    members.run_until([&] { return members.equal(); });
    const auto appends = [](Envelope& envelope) {
      return envelope.header.type == Type::AppendEntries && !envelope.payload.empty();
    };
    size_t batches = 0;
    bool held = true;
    members.pass = [&](MemberId, MemberId to, Envelope& envelope) {
      if (to == 2 && appends(envelope)) ++batches;
      return !held || envelope.header.type != Type::AppendEntriesReply;
    };
    const auto first = members.at(1).propose("first", 0);
    members.run(1ms);
    REQUIRE(batches == 1);
    std::vector<std::shared_ptr<Head::Answer>> answers;
    for (int i = 0; i < 10; ++i) answers.push_back(members.at(1).propose("x", 0));
    // The answers to the first are lost; the others are sent all the same, together.
    members.run(3ms);
    CHECK(batches == 2);
    CHECK(first->calls == 0);
    held = false;
    REQUIRE(members.run_until([&] { return answers.back()->calls > 0; }));
    CHECK(first->outcome.ok());
    for (const auto& answer : answers) CHECK(answer->outcome.ok());
  }

  TEST_CASE(
      "the first entry of a leader tells when it began, not when something was proposed last") {
    Members members(3);
    members.gather();
    CHECK(members.ask("one", 1) == "one is number 0");
    members.run(10s);
    Head& old = *members.leader();
    const int64_t later = old.bus.wall_ms();
    old.kill();
    REQUIRE(members.run_until([&] { return members.leader() != nullptr; }));
    CHECK(members.leader()->journal.led_ms >= later);
  }

  TEST_CASE("reads wait until they are linearizable, and stale ones say how stale they are") {
    Members members(3);
    members.gather();
    members.ask("a");
    int served = 0;
    members.leader()->replica->read([&](Result<void> outcome) { served += outcome.ok(); });
    CHECK(served == 1);  // at once, with the lease
    CHECK(members.leader()->replica->staleness() == Duration::zero());
    members.run(1s);
    REQUIRE(members.at(2).replica->staleness());
    CHECK(*members.at(2).replica->staleness() <= 200ms);
    members.pass = members.isolating(2);
    members.run(3s);
    CHECK(*members.at(2).replica->staleness() >= 2900ms);
    // A leader whose lease ran out asks a majority, in vain, and gives up.
    Head& leader = *members.leader();
    members.pass = [](MemberId, MemberId, Envelope&) { return false; };
    members.run(600ms);
    Result<void> read(Code::timeout, "not answered");
    leader.replica->read([&](Result<void> outcome) { read = std::move(outcome); });
    CHECK(read.code() == Code::timeout);
    members.run(3s);
    CHECK(read.code() == Code::not_leader);
  }

  TEST_CASE("reads above the limit are refused as busy") {
    Members members(3, [](ReplicaSettings& settings) { settings.proposals_max = 2; });
    members.gather();
    members.pass = [](MemberId, MemberId, Envelope&) { return false; };
    members.run(600ms);
    REQUIRE(members.at(1).replica->leading());
    std::vector<Code> codes;
    for (int i = 0; i < 3; ++i) {
      members.at(1).replica->read([&](Result<void> outcome) { codes.push_back(outcome.code()); });
    }
    CHECK(codes == std::vector<Code>{Code::busy});
    CHECK(members.at(1).replica->waiting() == 2);
  }

  TEST_CASE("a leader whose disk fails is silent, and another leads") {
    Members members(3);
    members.gather();
    Head& broken = members.at(1);
    broken.disk.fault = [](SimDisk::Operation operation, const std::string&) {
      return operation == SimDisk::Operation::sync ? Result<void>(Code::io_error, "bad sector")
                                                   : Result<void>();
    };
    const auto lost = broken.propose("a", 7);
    members.run_until([&] { return lost->calls > 0; });
    CHECK(lost->outcome.code() == Code::io_error);
    CHECK(has(broken.told, "following"));
    CHECK(broken.replica->core() == nullptr);
    bool spoke = false;
    members.pass = [&](MemberId from, MemberId, Envelope&) {
      spoke |= from == 1;
      return true;
    };
    CHECK(members.ask("a", 7).starts_with("a is number"));
    CHECK(!spoke);
    CHECK(members.leader() != &broken);
    CHECK(members.leader()->entries() == Names{"a"});
  }

  TEST_CASE("a leader without space hands over, and follows on when there is room") {
    Members members(3, [](ReplicaSettings& settings) { settings.segment_bytes = 8192; });
    members.gather();
    Head& full = members.at(1);
    full.disk.capacity_bytes = full.disk.used_bytes();
    uint64_t request = 0;
    while (members.leader() == &full && request < 100) {
      members.at(1).propose(std::string(1000, 'x'), ++request);
      members.run(5ms);
      members.run_until([&] { return members.leader() != nullptr; });
    }
    CHECK(members.leader() != &full);
    CHECK(members.ask("a", 1000) != "no_space");
    full.disk.capacity_bytes *= 4;
    CHECK(members.run_until([&] { return members.equal(); }));
  }

  TEST_CASE("a follower far behind is fed from the log on disk") {
    Members members(3);
    members.gather();
    members.pass = members.isolating(3);
    // More than the core keeps in memory.
    for (int i = 0; i < 40; ++i) members.ask(std::string(1 << 19, 'x'));
    members.pass = nullptr;
    CHECK(members.run_until([&] { return members.equal(); }));
    CHECK(!has(members.at(3).told, "restored"));
    CHECK(members.at(3).entries().size() == 40);
  }

  TEST_CASE("all that are restarted together find their log again and lead") {
    Members members(3);
    members.gather();
    for (int i = 0; i < 600; ++i) members.leader()->propose("x", 0);
    members.run_until([&] { return members.leader()->replica->waiting() == 0; });
    const Names entries = members.leader()->entries();
    std::mt19937_64 random(1);
    for (MemberId id = 1; id <= 3; ++id) members.at(id).crash(random);
    for (MemberId id = 1; id <= 3; ++id) members.start(id, id == 1);
    REQUIRE(members.run_until([&] { return members.leader() != nullptr; }));
    CHECK(members.leader()->entries() == entries);
    CHECK(members.run_until([&] { return members.equal(); }));
  }

  TEST_CASE("one that was started alone tells by the clock how stale it is") {
    Members members(3);
    members.gather();
    members.ask("a");
    members.run(1s);
    for (MemberId id = 1; id <= 3; ++id) members.at(id).kill();
    members.run(5s);
    members.start(2);
    members.run(3s);
    CHECK(!members.at(2).replica->leading());
    CHECK(members.at(2).entries() == Names{"a"});
    REQUIRE(members.at(2).replica->staleness());
    CHECK(*members.at(2).replica->staleness() >= 9s);
    CHECK(*members.at(2).replica->staleness() < 10s);
  }

  TEST_CASE("messages of another group are not its own") {
    Members members(1);
    members.gather();
    Head& head = members.at(1);
    Envelope foreign = envelope_of(AppendEntries{});
    AppendEntries append;
    append.group = std::string(32, 'f') + "/monitor";
    append.from = 2;
    append.to = 1;
    append.term = 100;
    foreign = envelope_of(append);
    CHECK(!head.replica->receive(foreign));
    ReadSnapshot read{append.group, 1, "rows", 0, 10};
    CHECK(!head.replica->receive(envelope_of(read)));
    Envelope garbage = foreign;
    garbage.body = "garbage";
    CHECK(!head.replica->receive(garbage));
    CHECK(!head.replica->receive(envelope_of(ErrorReply{203, "", {}, 0})));
    members.run(2s);
    CHECK(head.replica->leading());
    CHECK(head.replica->term() < 100);
    // The same message in its own group is listened to.
    append.group = std::string(Head::kCluster) + "/monitor";
    CHECK(head.replica->receive(envelope_of(append)));
    CHECK(head.replica->term() == 100);
    // Entries that do not check out are as if they had not come.
    append.term = 200;
    CHECK(!head.replica->receive(envelope_of(append, {}, Payload::of("garbage"))));
    CHECK(head.replica->term() == 100);
  }

  TEST_CASE("two groups in one process do not meet") {
    Head one, other;
    MemTable table;
    Journal journal;
    ReplicaSettings settings = one.settings;
    settings.directory = "/other";
    settings.group = "users";
    REQUIRE(one.start().ok());
    Replica second(one.bus, one.disk, table, journal, settings);
    Result<void> opened(Code::timeout, "");
    second.open(one.identity, one.endpoint, "", true, [&](Result<void> r) { opened = r; });
    one.bus.advance();
    REQUIRE(opened.ok());
    REQUIRE(second.leading());
    CHECK(one.ask("a", 7) == "a is number 0");
    Command command;
    command.body = "b";
    std::string answer;
    second.propose(command, [&](Result<Outcome> outcome) { answer = outcome->body; });
    one.bus.advance();
    CHECK(answer == "b is number 0");
    CHECK(one.entries() == Names{"a"});
    AppendEntries append;
    append.group = std::string(Head::kCluster) + "/users";
    append.from = 2;
    append.to = 1;
    append.term = 50;
    CHECK(!one.replica->receive(envelope_of(append)));
    CHECK(second.receive(envelope_of(append)));
  }

  TEST_CASE("closing a leader hands leadership over first") {
    Members members(3);
    members.gather();
    const auto last = members.at(1).propose("a", 7);
    bool closed = false;
    const auto begun = members.at(1).bus.now();
    members.at(1).replica->close([&] { closed = true; });
    CHECK(members.at(1).propose("b")->outcome.code() == Code::stopping);
    REQUIRE(members.run_until([&] { return closed; }));
    CHECK(last->calls == 1);
    CHECK(members.run_until([&] { return members.leader() != nullptr; }, 100ms));
    CHECK(members.at(1).bus.now() - begun < 300ms);
    CHECK(members.ask("a", 7) == "a is number 0");
  }

  TEST_CASE("closing a follower does not wait for a busy leader to pause") {
    Members members(3);
    members.gather();
    members.at(2).bus.run_mode = FakeBus::RunMode::queued;
    bool closed = false;
    members.at(1).propose("x", 0);
    members.run(1ms);
    REQUIRE(members.at(2).bus.jobs.size() == 1);
    members.at(2).replica->close([&] { closed = true; });
    for (int i = 0; i < 3; ++i) {
      members.at(1).propose("x", 0);
      members.run(1ms);
      if (!members.at(2).bus.jobs.empty()) members.at(2).bus.run_job();
    }
    CHECK(closed);
  }

  TEST_CASE("closing a leader that nobody hears takes a second and no longer") {
    Members members(3);
    members.gather();
    members.pass = members.isolating(1);
    const auto last = members.at(1).propose("a", 7);
    bool closed = false;
    members.at(1).replica->close([&] { closed = true; });
    members.run(1100ms);
    CHECK(closed);
    CHECK(last->calls == 1);
    CHECK(!last->outcome.ok());
  }
}

}  // namespace dfs
