// The client and several heads: what may be stale, events across changes of the leader, the survey.
#include <doctest/doctest.h>

#include <functional>
#include <optional>

#include "actors/client/client.h"
#include "actors/client/memory_files.h"
#include "messages/heads.h"
#include "tests/broker/fake_bus.h"

namespace dfs {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// Heads behind one broker, in virtual time: `serve` answers, or leaves a request unanswered.
struct FakeHeads {
  using Serve = std::function<std::optional<Envelope>(const FakeBus::Sent&)>;

  FakeHeads() {
    bus.on_sent = [this](const FakeBus::Sent& sent) {
      asked.push_back(sent.envelope.header.to);
      bus.after(milliseconds(1), [this, sent] {
        if (auto reply = serve(sent)) client.receive(std::move(*reply));
      });
    };
  }

  template <class T>
  static Task<void> keep(Task<T> task, std::optional<T>* outcome) {
    T result = co_await task;
    outcome->emplace(std::move(result));
  }
  template <class T>
  T run(Task<T> task) {
    std::optional<T> outcome;
    client.scope().spawn(keep(std::move(task), &outcome));
    for (int i = 0; i < 100'000 && !outcome; ++i) bus.advance(milliseconds(1));
    REQUIRE(outcome.has_value());
    return std::move(*outcome);
  }

  FakeBus bus{"client/1"};
  Serve serve;
  std::vector<std::string> asked;  // whom
  Client client{bus, ClientSettings{}};
};

Event event_at(LogIndex index, const std::string& topic = "file-committed") {
  Event event;
  event.topic = topic;
  event.index = index;
  event.actor = kLogActor;
  return event;
}

// A log of events, told in pages of at most two entries.
struct EventLog {
  std::vector<Event> events;
  LogIndex first_kept = 1;
  LogIndex applied = 0;

  void add(const Event& event) {
    events.push_back(event);
    applied = std::max(applied, event.index);
  }
  std::optional<Envelope> answer(const FakeBus::Sent& sent) const {
    const auto query = decode<ReadEvents>(sent.envelope.body);
    REQUIRE(query.ok());
    if (query->since != 0 && query->since + 1 < first_kept) {
      return FakeBus::answer(sent, Error{Code::expired, "those are gone", {}, 0});
    }
    ReadEventsReply reply;
    reply.first_kept = first_kept;
    reply.next = std::max(applied, query->since);
    size_t entries = 0;
    for (const Event& event : events) {
      if (event.index <= query->since) continue;
      const bool same = !reply.events.empty() && reply.events.back().index == event.index;
      if (!same && ++entries > 2) {
        reply.more = true;
        reply.next = reply.events.back().index;
        break;
      }
      reply.events.push_back(event);
    }
    return FakeBus::answer(sent, reply);
  }
  void publish(FakeHeads& heads, LogIndex index) const {
    heads.client.observe("event/file-committed",
                         envelope_of(event_at(index), std::string("anyone")));
  }
};

// A follower in the background, and what it heard.
struct Follower {
  std::vector<LogIndex> heard;
  LogIndex next = 0;
  std::optional<Result<void>> end;

  void begin(FakeHeads& heads, LogIndex since) {
    ReadEvents query;
    query.since = since;
    heads.client.scope().spawn(
        FakeHeads::keep(heads.client.follow(query,
                                            [this](const ReadEventsReply& page) {
                                              for (const Event& event : page.events) {
                                                heard.push_back(event.index);
                                              }
                                              next = page.next;
                                              return true;
                                            }),
                        &end));
  }
};

const Error kNoLeader{Code::not_leader, "an election is under way", {}, 0};

TEST_SUITE("client") {
  TEST_CASE("what may be stale is asked of any head, all else of the one that leads") {
    FakeHeads heads;
    heads.serve = [](const FakeBus::Sent& sent) -> std::optional<Envelope> {
      switch (sent.envelope.header.type) {
        case Type::Stat:
          return FakeBus::answer(sent, StatReply{{}, {true, 700, 12}});
        case Type::List:
          return FakeBus::answer(sent, ListReply{});
        case Type::OpenFile:
          return FakeBus::answer(sent, OpenFileReply{{}, {}, {}, {}, {true, 900, 13}});
        case Type::GetStatus:
          return FakeBus::answer(sent, ClusterStatus{});
        default:
          return std::nullopt;
      }
    };
    const auto stale = heads.run(heads.client.stat(Stat{"/a", true}));
    REQUIRE(stale.ok());
    CHECK(stale->freshness.stale_ms == 700);
    CHECK(stale->freshness.applied == 12);
    REQUIRE(heads.run(heads.client.list(List{"/", "", 10, true})).ok());
    REQUIRE(heads.run(heads.client.status(true)).ok());
    TransferOptions options;
    options.stale = true;
    const auto got = heads.run(heads.client.get("/a", std::make_shared<MemorySink>(), options));
    REQUIRE(got.ok());
    CHECK(got->freshness.stale_ms == 900);
    CHECK(heads.asked == std::vector<std::string>(4, "monitor-replica"));
    heads.asked.clear();
    REQUIRE(heads.run(heads.client.stat("/a")).ok());
    REQUIRE(heads.run(heads.client.list("/", "", 10)).ok());
    REQUIRE(heads.run(heads.client.status()).ok());
    REQUIRE(heads.run(heads.client.get("/a", std::make_shared<MemorySink>(), {})).ok());
    CHECK(heads.asked == std::vector<std::string>(4, "monitor"));
  }

  TEST_CASE("events are read page after page, then as they are published") {
    FakeHeads heads;
    EventLog log;
    for (const LogIndex index : {3, 3, 4, 7, 9, 9}) log.add(event_at(index));
    heads.serve = [&](const FakeBus::Sent& sent) { return log.answer(sent); };
    Follower follower;
    follower.begin(heads, 0);
    heads.bus.advance(milliseconds(100));
    CHECK(follower.heard == std::vector<LogIndex>{3, 3, 4, 7, 9, 9});
    CHECK(follower.next == 9);
    log.add(event_at(12));
    log.publish(heads, 12);
    heads.bus.advance(milliseconds(5));
    CHECK(follower.heard.back() == 12);
    // Publications may be lost, and may come twice.
    log.add(event_at(13));
    heads.bus.advance(seconds(2));
    log.publish(heads, 13);
    heads.bus.advance(seconds(2));
    CHECK(follower.heard == std::vector<LogIndex>{3, 3, 4, 7, 9, 9, 12, 13});
    CHECK_FALSE(follower.end.has_value());
  }

  TEST_CASE("while no head leads the follower waits, and goes on where it was") {
    FakeHeads heads;
    EventLog log;
    log.add(event_at(1));
    bool leaderless = false;
    heads.serve = [&](const FakeBus::Sent& sent) {
      return leaderless ? FakeBus::answer(sent, kNoLeader) : log.answer(sent);
    };
    Follower follower;
    follower.begin(heads, 0);
    for (LogIndex index = 2; index < 12; ++index) {
      heads.bus.advance(seconds(3));
      leaderless = true;
      log.add(event_at(index));
      log.publish(heads, index);
      heads.bus.advance(index == 5 ? seconds(200) : seconds(1));  // longer than any deadline
      leaderless = false;
    }
    heads.bus.advance(seconds(5));
    CHECK(follower.heard == std::vector<LogIndex>{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11});
    CHECK_FALSE(follower.end.has_value());
    CHECK(std::count_if(heads.bus.logged.begin(), heads.bus.logged.end(), [](const auto& line) {
            return line.event == "no head tells of events, waiting for one";
          }) == 1);
  }

  TEST_CASE("a head that is behind neither repeats events nor is asked in a rush") {
    FakeHeads heads;
    EventLog behind;
    behind.add(event_at(1));
    EventLog ahead = behind;
    for (const LogIndex index : {2, 3}) ahead.add(event_at(index));
    bool at_front = true;
    heads.serve = [&](const FakeBus::Sent& sent) {
      if (at_front) return ahead.answer(sent);
      // It does not even know of the entries that were asked about.
      ReadEventsReply reply;
      reply.next = behind.applied;
      return std::optional(FakeBus::answer(sent, reply));
    };
    Follower follower;
    follower.begin(heads, 0);
    heads.bus.advance(milliseconds(100));
    at_front = false;
    ahead.add(event_at(4));
    ahead.publish(heads, 4);
    heads.asked.clear();
    heads.bus.advance(seconds(1));
    CHECK(heads.asked.size() > 10);
    CHECK(heads.asked.size() < 100);
    at_front = true;
    heads.bus.advance(seconds(1));
    CHECK(follower.heard == std::vector<LogIndex>{1, 2, 3, 4});
  }

  TEST_CASE("a follower says when what it wants is gone, or when nobody answers at first") {
    FakeHeads heads;
    EventLog log;
    log.first_kept = 100;
    log.add(event_at(120));
    heads.serve = [&](const FakeBus::Sent& sent) { return log.answer(sent); };
    Follower late;
    late.begin(heads, 50);
    heads.bus.advance(milliseconds(100));
    REQUIRE(late.end.has_value());
    CHECK(late.end->code() == Code::expired);
    heads.serve = [](const FakeBus::Sent& sent) { return FakeBus::answer(sent, kNoLeader); };
    Follower alone;
    alone.begin(heads, 0);
    heads.bus.advance(seconds(60));
    REQUIRE(alone.end.has_value());
    CHECK(is_retryable(alone.end->code()));
    CHECK(alone.heard.empty());
  }

  TEST_CASE("a head that repeats events or leads nowhere is not followed") {
    FakeHeads heads;
    ReadEventsReply reply;
    heads.serve = [&](const FakeBus::Sent& sent) { return FakeBus::answer(sent, reply); };
    reply.next = 9;
    reply.events = {event_at(5)};
    Follower repeating;
    repeating.begin(heads, 5);
    heads.bus.advance(milliseconds(100));
    REQUIRE(repeating.end.has_value());
    CHECK(repeating.end->code() == Code::malformed);
    reply.next = 5;
    reply.events.clear();
    reply.more = true;
    Follower going_nowhere;
    going_nowhere.begin(heads, 5);
    heads.bus.advance(milliseconds(100));
    REQUIRE(going_nowhere.end.has_value());
    CHECK(going_nowhere.end->code() == Code::malformed);
  }

  TEST_CASE("each head is asked by itself, and only those count that answer for themselves") {
    FakeHeads heads;
    heads.serve = [](const FakeBus::Sent& sent) -> std::optional<Envelope> {
      HeadList list;
      if (sent.link == "tcp://head-1") list.from = 1;
      if (sent.link == "tcp://head-3") list.from = 2;  // another one lives there now
      if (sent.link == "tcp://head-4") list.from = 4;
      if (list.from == 0) return std::nullopt;
      return FakeBus::answer(sent, list);
    };
    std::vector<HeadStatus> known(4);
    for (MemberId head = 1; head <= 4; ++head) {
      known[head - 1].head = head;
      known[head - 1].broker = "tcp://head-" + std::to_string(head);
    }
    const auto answers = heads.run(heads.client.ask_heads(known, seconds(1)));
    REQUIRE(answers.ok());
    REQUIRE(answers->size() == 2);
    CHECK(answers->at(0).from == 1);
    CHECK(answers->at(1).from == 4);
    CHECK(heads.asked ==
          std::vector<std::string>{"monitor/1", "monitor/2", "monitor/3", "monitor/4"});
    CHECK(heads.run(heads.client.ask_heads({}, seconds(1)))->empty());
  }
}

}  // namespace
}  // namespace dfs
