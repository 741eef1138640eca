// One member among others that are only messages: what it says it has promised, and a crash must
// not make it forget.
#include <doctest/doctest.h>

#include "actors/raft/raft.h"
#include "actors/replica/log_record.h"
#include "messages/dispatch.h"
#include "tests/actors/replica/members.h"

namespace dfs {

namespace {

struct Lone : Head {
  Lone() {
    REQUIRE(start(false).ok());
    told_to_others();
  }

  template <Message M>
  void hear(M message, MemberId from, uint64_t term, Payload payload = {}) {
    message.group = std::string(kCluster) + "/monitor";
    message.from = from;
    message.to = 1;
    message.term = term;
    Envelope envelope = envelope_of(message, {}, std::move(payload));
    envelope.link = "peer/" + std::to_string(from);
    replica->receive(envelope);
  }
  // Entries of these terms and bodies, after the entry `prev`.
  void append(uint64_t term, LogIndex prev, uint64_t prev_term, LogIndex commit,
              const std::vector<std::pair<uint64_t, std::string>>& entries) {
    AppendEntries message;
    message.prev_index = prev;
    message.prev_term = prev_term;
    message.commit = commit;
    LogEntries made;
    for (const auto& [entry_term, body] : entries) {
      LogEntry entry;
      entry.index = ++prev;
      entry.term = entry_term;
      entry.time_ms = 1000;
      entry.type = Type::MakeDir;
      entry.body = body;
      entry.client = "client/1";
      entry.request = body.size();  // the same body is the same request
      made.push_back(std::make_shared<const LogEntry>(std::move(entry)));
    }
    hear(message, 2, term, Payload::of(encode_entries(made)));
  }
  // What was sent of this kind since it was asked last.
  template <Message M>
  std::vector<M> said() {
    std::vector<M> found;
    for (const FakeBus::Sent& sent : bus.take_sent()) {
      if (sent.envelope.header.type != M::kType) continue;
      found.push_back(decode<M>(sent.envelope.body).value());
    }
    return found;
  }
  void told_to_others() { (void)bus.take_sent(); }
  void crash_and_start() {
    std::mt19937_64 random(7);
    crash(random);
    REQUIRE(start(false).ok());
    // Until then it supports nobody: it might have answered a leader.
    bus.advance(settings.election_min);
    bus.advance();
    told_to_others();
  }
};

}  // namespace

TEST_SUITE("replica") {
  TEST_CASE("a vote is on disk before anyone hears of it, and is not given again") {
    Lone member;
    RequestVote ask;
    ask.last_index = 10;
    ask.last_term = 4;
    member.hear(ask, 2, 5);
    CHECK(member.said<RequestVoteReply>().empty());
    member.bus.advance();
    auto replies = member.said<RequestVoteReply>();
    REQUIRE(replies.size() == 1);
    CHECK(replies[0].granted);

    member.crash_and_start();
    CHECK(member.replica->term() == 5);
    member.hear(ask, 3, 5);
    member.bus.advance();
    replies = member.said<RequestVoteReply>();
    REQUIRE(replies.size() == 1);
    CHECK_FALSE(replies[0].granted);
    member.hear(ask, 2, 5);
    member.bus.advance();
    replies = member.said<RequestVoteReply>();
    REQUIRE(replies.size() == 1);
    CHECK(replies[0].granted);
  }

  TEST_CASE("entries are on disk before they are acknowledged") {
    Lone member;
    member.append(2, 0, 0, 0, {{1, "a"}, {2, "bb"}});
    CHECK(member.said<AppendEntriesReply>().empty());
    member.bus.advance();
    const auto replies = member.said<AppendEntriesReply>();
    REQUIRE(replies.size() == 1);
    CHECK(replies[0].accepted);
    CHECK(replies[0].index == 2);

    member.crash_and_start();
    CHECK(member.replica->core()->log().last() == 2);
    CHECK(member.replica->term() == 2);
    CHECK_MESSAGE(member.entries().empty(), "nobody said that they are committed");
  }

  TEST_CASE("entries that gave way to others do not come back") {
    Lone member;
    member.append(2, 0, 0, 0, {{1, "a"}, {2, "old"}, {2, "older"}, {2, "oldest"}});
    member.bus.advance();
    member.append(3, 1, 1, 0, {{3, "new"}});
    member.bus.advance();
    member.crash_and_start();
    CHECK(member.replica->core()->log().last() == 2);
    CHECK(member.replica->core()->log().term_at(2) == 3u);
    member.append(3, 2, 3, 2, {});
    member.bus.advance();
    CHECK(member.entries() == Names{"a", "new"});
  }

  TEST_CASE("a request that is in the log twice is applied once, on every member and at a replay") {
    Lone member;
    member.append(2, 0, 0, 4, {{1, "a"}, {2, "again"}, {2, "again"}, {2, "others"}});
    member.bus.advance();
    member.bus.advance();
    CHECK(member.replica->applied() == 4);
    const Names once = {"a", "again", "others"};
    CHECK(member.entries() == once);
    CHECK(member.journal.seen == Names{"a", "again", "others"});
    member.crash_and_start();
    member.append(2, 4, 2, 4, {});
    member.bus.advance();
    CHECK(member.entries() == once);
  }

  TEST_CASE("a snapshot is offered with the members that it knows, not with those of today") {
    Members group(3, [](ReplicaSettings& settings) {
      settings.segment_bytes = 4096;
      settings.log_bytes_kept = 16 << 10;
    });
    group.start(1, true);
    REQUIRE(group.join(2).ok());
    REQUIRE(group.run_until([&] { return group.voters() == 2; }));
    for (uint64_t i = 1; i <= 200; ++i) group.ask(std::to_string(i) + std::string(500, 'x'), i);
    // The third learns that there is a snapshot, and cannot fetch it.
    LogIndex changed = 0;
    size_t early = 0;
    group.pass = [&](MemberId, MemberId, Envelope& envelope) {
      if (envelope.header.type != Type::InstallSnapshot) {
        return envelope.header.type != Type::ReadSnapshot;
      }
      const auto offer = decode<InstallSnapshot>(envelope.body).value();
      const bool known = std::any_of(offer.members.members.begin(), offer.members.members.end(),
                                     [](const Member& member) { return member.id == 9; });
      CHECK(known == (changed != 0 && offer.index >= changed));
      if (changed != 0 && offer.index < changed) ++early;
      return true;
    };
    REQUIRE(group.join(3).ok());
    group.run(2s);
    const LogIndex before = group.leader()->replica->applied();
    group.leader()->replica->add_member({9, "tcp://nowhere", "", std::string(32, '9'), {}},
                                        [](Result<MemberId>) {});
    REQUIRE(group.run_until([&] { return group.leader()->replica->applied() > before; }));
    changed = group.leader()->replica->applied();
    group.run(2s);
    CHECK(early > 0);
  }
}

}  // namespace dfs
