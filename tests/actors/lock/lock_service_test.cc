// What is answered about locks, by an actor that keeps nothing else.
#include <doctest/doctest.h>

#include <memory>
#include <optional>

#include "actors/mem_table.h"
#include "messages/events.h"
#include "messages/fence_proof.h"
#include "messages/heads.h"
#include "tests/actors/lock/lock_host.h"
#include "tests/sim/sim_disk.h"

using namespace dfs;
using namespace dfs::lock;

namespace {

constexpr const char* kPeer = "peer/1";

struct ServiceBench {
  ServiceBench() { start(); }

  void start() {
    ReplicaSettings settings;
    settings.directory = "/lock";
    settings.group = "lock";
    host = std::make_unique<LockHost>(bus, disk, table, settings);
    Identity self;
    self.cluster = std::string(32, 'c');
    self.member = 1;
    self.uuid = std::string(32, '1');
    bus.set_address("lock/1");
    host->replica.open(self, "tcp://head-1:7004", "tcp://head-1:7000", true, [this](auto outcome) {
      REQUIRE(outcome.ok());
      host->opened = true;
    });
    for (int i = 0; i < 60 && !host->leading; ++i) {
      bus.advance(50ms);
      settle();
    }
    REQUIRE(host->leading);
  }
  // As after kill -9.
  void restart() {
    host.reset();
    table.crash();
    disk.restart();
    start();
  }
  void settle() {
    for (int i = 0; i < 20; ++i) bus.advance();
  }
  void pass(Duration time) {
    for (const Instant end = bus.now() + time; bus.now() < end;) {
      bus.advance(std::min<Duration>(50ms, end - bus.now()));
      settle();
    }
  }

  template <Request R>
  uint64_t tell(const std::string& from, const R& request, uint64_t id = 0) {
    Envelope envelope = envelope_of(request, "lock");
    envelope.header.from = from;
    envelope.header.request = id != 0 ? id : ++last_request;
    envelope.link = kPeer;
    const uint64_t number = envelope.header.request;
    host->receive(envelope);
    return number;
  }
  // The answer to that request, if there is one by now.
  template <Request R>
  std::optional<Result<typename R::Reply>> answer(uint64_t number) {
    settle();
    for (const auto& sent : bus.take_sent()) {
      if (sent.link == kPeer) answers.emplace(sent.envelope.header.request, sent.envelope);
    }
    const auto found = answers.find(number);
    if (found == answers.end()) return std::nullopt;
    Envelope envelope = found->second;
    answers.erase(found);
    return reply_as<typename R::Reply>(envelope);
  }
  template <Request R>
  Result<typename R::Reply> ask(const std::string& from, const R& request, uint64_t id = 0) {
    auto reply = answer<R>(tell(from, request, id));
    REQUIRE(reply);
    return std::move(*reply);
  }
  static AcquireLock wish(const std::string& path, uint32_t wait_ms = 60'000) {
    AcquireLock request;
    request.target.path = path;
    request.wait_ms = wait_ms;
    return request;
  }
  bool renew(const std::string& owner) { return ask(owner, RenewLocks{}).ok(); }
  std::vector<LockView> listed() { return ask("client/9", ListLocks{})->locks; }
  std::vector<Event> published(const std::string& topic) {
    std::vector<Event> found;
    for (const auto& one : bus.published) {
      if (one.topic == "event/" + topic) found.push_back(*decode<Event>(one.envelope.body));
    }
    return found;
  }

  FakeBus bus{"lock"};
  sim::SimDisk disk;
  MemTable table;
  std::unique_ptr<LockHost> host;
  std::map<uint64_t, Envelope> answers;
  uint64_t last_request = 0;
};

}  // namespace

TEST_SUITE_BEGIN("locks");

TEST_CASE("a lock is granted to the sender, with a lease, and published") {
  ServiceBench bench;
  const auto held = bench.ask("client/1", bench.wish("/x"));
  REQUIRE(held.ok());
  CHECK(held->state == LockState::granted);
  CHECK(held->lease_ms == 8000);
  CHECK(held->receipt.index == held->lock);
  const auto list = bench.listed();
  REQUIRE(list.size() == 1);
  CHECK(list[0].owner == "client/1");
  CHECK(list[0].user == "ada");
  const auto events = bench.published("lock-granted");
  REQUIRE(events.size() == 1);
  CHECK(events[0].fields.at("path") == "/x");
  CHECK(events[0].index == 0);
}

TEST_CASE("who waits is told for whom, and at once when it is granted") {
  ServiceBench bench;
  const LockId first = bench.ask("client/1", bench.wish("/x"))->lock;
  const auto second = bench.ask("client/2", bench.wish("/x"));
  REQUIRE(second->state == LockState::waiting);
  REQUIRE(second->blockers.size() == 1);
  CHECK(second->blockers[0].owner == "client/1");
  CHECK(second->ahead == 1);
  const uint64_t waiting = bench.tell("client/2", AwaitLock{second->lock, {}});
  CHECK_FALSE(bench.answer<AwaitLock>(waiting));
  CHECK(bench.ask("client/1", ReleaseLock{first, {}}).ok());
  const auto granted = bench.answer<AwaitLock>(waiting);
  REQUIRE(granted);
  REQUIRE(granted->ok());
  CHECK((*granted)->state == LockState::granted);
  CHECK((*granted)->fence > second->lock);
}

TEST_CASE("a wait is answered again and again, so that a silent leader is noticed") {
  ServiceBench bench;
  bench.ask("client/1", bench.wish("/x")).ok();
  const LockId lock = bench.ask("client/2", bench.wish("/x"))->lock;
  const uint64_t waiting = bench.tell("client/2", AwaitLock{lock, {}});
  bench.pass(450ms);
  CHECK_FALSE(bench.answer<AwaitLock>(waiting));
  // The same request through another broker is no second one.
  bench.tell("client/2", AwaitLock{lock, {}}, waiting);
  bench.pass(100ms);
  const auto still = bench.answer<AwaitLock>(waiting);
  REQUIRE(still);
  CHECK((*still)->state == LockState::waiting);
  CHECK((*still)->blockers.size() == 1);
}

TEST_CASE("a wait ends by itself, and says that others still hold the lock") {
  ServiceBench bench;
  bench.ask("client/1", bench.wish("/x")).ok();
  const LockId lock = bench.ask("client/2", bench.wish("/x", 200))->lock;
  const uint64_t waiting = bench.tell("client/2", AwaitLock{lock, {}});
  bench.pass(300ms);
  const auto over = bench.answer<AwaitLock>(waiting);
  REQUIRE(over);
  CHECK(over->code() == Code::locked);
  CHECK(bench.ask("client/2", AwaitLock{lock, {}}).code() == Code::locked);
  CHECK(bench.listed().size() == 1);
}

TEST_CASE("an owner that is not heard for a lease loses all, one that renews keeps it") {
  ServiceBench bench;
  bench.pass(2 * kLease);  // it has led for longer than a lease
  bench.ask("client/1", bench.wish("/x")).ok();
  const LockId second = bench.ask("client/2", bench.wish("/y"))->lock;
  const LockId third = bench.ask("client/2", bench.wish("/x"))->lock;
  for (int i = 0; i < 4; ++i) {
    bench.pass(kLease / 2);
    CHECK(bench.renew("client/2"));
  }
  const auto list = bench.listed();
  REQUIRE(list.size() == 2);
  CHECK(list[0].lock == second);
  CHECK(list[1].lock == third);
  CHECK(list[1].state == LockState::granted);
  const auto renewed = bench.ask("client/1", RenewLocks{{}, {1, second}});
  CHECK(renewed->ended == std::vector<LockId>{1, second});
}

TEST_CASE("the lease is not over before its time") {
  ServiceBench bench;
  bench.pass(2 * kLease);
  bench.ask("client/1", bench.wish("/x")).ok();
  bench.pass(kLease - 100ms);
  CHECK(bench.listed().size() == 1);
  bench.pass(kLease / 4 + 200ms);
  CHECK(bench.listed().empty());
}

TEST_CASE("a new leader lets nothing expire before it has led for a lease") {
  ServiceBench bench;
  bench.pass(2 * kLease);
  bench.ask("client/1", bench.wish("/x")).ok();
  bench.pass(kLease - 1s);
  bench.restart();
  bench.pass(kLease - 1s);
  CHECK(bench.listed().size() == 1);
  bench.pass(kLease / 2);
  CHECK(bench.listed().empty());
}

TEST_CASE("locks outlive their leader, and so does who waits for them") {
  ServiceBench bench;
  const auto held = bench.ask("client/1", bench.wish("/x"), 77);
  const LockId waits = bench.ask("client/2", bench.wish("/x"))->lock;
  bench.restart();
  // A repetition is answered like the first.
  const auto again = bench.ask("client/1", bench.wish("/x"), 77);
  CHECK(again->lock == held->lock);
  CHECK(again->fence == held->fence);
  CHECK(bench.ask("client/1", ReleaseLock{held->lock, {}}).ok());
  CHECK(bench.ask("client/2", AwaitLock{waits, {}})->state == LockState::granted);
}

TEST_CASE("what ended is told with the reason") {
  ServiceBench bench;
  const LockId lock = bench.ask("client/1", bench.wish("/x"))->lock;
  CHECK(bench.ask("client/2", BreakLock{lock}).ok());
  const auto gone = bench.ask("client/1", AwaitLock{lock, {}});
  REQUIRE(gone.code() == Code::not_found);
  CHECK(gone.error().cause.at("reason") == "broken");
}

TEST_CASE("who is granted a lock can prove its fence, and who waits can prove nothing") {
  ServiceBench bench;
  const auto proves = [](const Result<LockReply>& reply, const FenceClaim& claim) {
    return check_fence_proof(kFenceKey, claim, reply->fence_proof).ok();
  };
  AcquireLock tree = bench.wish("/x");
  tree.target.subtree = true;
  const auto held = bench.ask("client/1", tree);
  REQUIRE(held.ok());
  CHECK(proves(held, {"/x", true, held->fence, "ada"}));
  CHECK_FALSE(proves(held, {"/x", true, held->fence + 1, "ada"}));
  CHECK_FALSE(proves(held, {"/x", true, held->fence, "bob"}));
  const auto waits = bench.ask("client/2", bench.wish("/x/y"));
  REQUIRE(waits->state == LockState::waiting);
  CHECK(waits->fence_proof.bytes.empty());
  CHECK(bench.ask("client/1", ReleaseLock{held->lock, {}}).ok());
  const auto granted = bench.ask("client/2", AwaitLock{waits->lock, {}});
  CHECK(proves(granted, {"/x/y", false, granted->fence, "ada"}));
  // Whoever asks whether it is free gets a fence too; a part of a file has none.
  AcquireLock question = bench.wish("/z");
  question.ask_only = true;
  const auto free = bench.ask("client/1", question);
  CHECK(proves(free, {"/z", false, free->fence, "ada"}));
  AcquireLock part = bench.wish("/z");
  part.target.until = 10;
  CHECK(bench.ask("client/1", part)->fence_proof.bytes.empty());
}

TEST_CASE("to ask whether a path is free takes nothing and logs nothing") {
  ServiceBench bench;
  AcquireLock question = bench.wish("/x");
  question.ask_only = true;
  const LogIndex before = bench.host->replica.applied();
  const auto free = bench.ask("client/1", question);
  REQUIRE(free.ok());
  CHECK(free->lock == 0);
  CHECK(free->fence == before);
  CHECK(bench.host->replica.applied() == before);
  bench.ask("client/2", bench.wish("/x")).ok();
  CHECK(bench.ask("client/1", question).code() == Code::locked);
  CHECK(bench.ask("client/2", question).ok());
}

TEST_CASE("users end their own locks, administrators anybody's") {
  ServiceBench bench;
  const LockId lock = bench.ask("client/1", bench.wish("/x"))->lock;
  bench.host->asker = {"grace", false};
  CHECK(bench.ask("client/1", BreakLock{lock}).code() == Code::denied);
  CHECK(bench.ask("client/1", ReleaseLock{lock, {}}).code() == Code::denied);
  AcquireLock as_other = bench.wish("/x/y");
  as_other.owner = "client/1";
  CHECK(bench.ask("client/2", as_other).code() == Code::denied);
  CHECK(bench.ask("client/2", AwaitLock{lock, "client/1"}).code() == Code::denied);
  CHECK(bench.ask("client/2", RenewLocks{"client/1", {lock}}).code() == Code::denied);
  const std::string of_end = "grace: the end of a lock of ada";
  const std::string as_owner = "grace: locks of ada";
  CHECK(bench.host->denied == std::vector{of_end, of_end, as_owner, as_owner, as_owner});
  CHECK(bench.listed().empty());
  bench.host->asker = {"root", true};
  // What is given back is not told of, so administrators break it instead.
  const auto given_back = bench.ask("client/2", ReleaseLock{lock, "client/1"});
  CHECK(given_back.code() == Code::denied);
  CHECK(given_back.error().text.find("lock break " + std::to_string(lock)) != std::string::npos);
  CHECK(bench.host->denied.back() == "root: the end of a lock of ada");
  CHECK(bench.ask("client/2", BreakLock{lock}).ok());
  CHECK(bench.listed().empty());
}

TEST_CASE("whoever waits when a leader steps down is sent to the next") {
  ServiceBench bench;
  bench.ask("client/1", bench.wish("/x")).ok();
  const LockId lock = bench.ask("client/2", bench.wish("/x"))->lock;
  const uint64_t waiting = bench.tell("client/2", AwaitLock{lock, {}});
  bench.host->follow();
  const auto refused = bench.answer<AwaitLock>(waiting);
  REQUIRE(refused);
  CHECK(is_retryable(refused->code()));
}

TEST_SUITE_END();
