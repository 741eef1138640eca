// Locks as flows of a client hold them, against a lock service that says what the case wants.
#include "actors/client/locks.h"

#include <doctest/doctest.h>

#include <memory>

#include "tests/broker/fake_bus.h"

using namespace dfs;
using namespace std::chrono_literals;

namespace {

constexpr uint32_t kLeaseMs = 9000;

struct ClientBench {
  ClientBench() {
    bus.on_sent = [this](const FakeBus::Sent& sent) {
      bus.after(delay, [this, sent] { serve(sent); });
    };
  }
  ~ClientBench() { bus.on_sent = nullptr; }

  template <Message M>
  void reply(const FakeBus::Sent& sent, const M& message) {
    Envelope envelope = FakeBus::answer(sent, message);
    (void)calls.receive(envelope);
  }
  void refuse(const FakeBus::Sent& sent, Code code, const std::string& text) {
    Envelope envelope = FakeBus::answer(sent, Error{code, text, {}, 0});
    (void)calls.receive(envelope);
  }
  void serve(const FakeBus::Sent& sent) {
    const Type type = sent.envelope.header.type;
    const std::string& to = sent.envelope.header.to;
    ++asked[type];
    if (absent && to.starts_with("lock")) return refuse(sent, Code::unavailable, "nobody");
    if (type == Type::AcquireLock) {
      last_owner = decode<AcquireLock>(sent.envelope.body)->owner;
      if (refusal) return refuse(sent, *refusal, "no");
      return reply(sent, answer);
    }
    if (type == Type::AwaitLock) return reply(sent, await);
    if (type == Type::RenewLocks) {
      renewed = decode<RenewLocks>(sent.envelope.body)->locks;
      RenewLocksReply all;
      all.ended = ended;
      all.lease_ms = kLeaseMs;
      return reply(sent, all);
    }
    if (type == Type::ShowFence) {
      shown = *decode<ShowFence>(sent.envelope.body);
      if (show_refusal) return refuse(sent, *show_refusal, "no");
      return reply(sent, ShowFenceReply{seen, {}});
    }
    if (type == Type::ReleaseLock) {
      released.push_back(decode<ReleaseLock>(sent.envelope.body)->lock);
      return reply(sent, ReleaseLockReply{});
    }
  }
  static LockReply granted(LockId lock) {
    LockReply reply;
    reply.lock = lock;
    reply.fence = lock + 1;
    reply.lease_ms = kLeaseMs;
    return reply;
  }
  static LockReply waiting(LockId lock, const std::string& blocker) {
    LockReply reply = granted(lock);
    reply.state = LockState::waiting;
    reply.fence = 0;
    LockView view;
    view.lock = lock - 1;
    view.owner = blocker;
    reply.blockers = {view};
    return reply;
  }
  static Task<void> keep(Task<Result<LockReply>> flow, std::optional<Result<LockReply>>* out) {
    Result<LockReply> result = co_await flow;
    out->emplace(std::move(result));
  }
  static LockWish wish() {
    LockWish wish;
    wish.target.path = "/x";
    return wish;
  }
  std::optional<Result<LockReply>> acquire(LockOwner& owner, LockWish wish, Duration time) {
    std::optional<Result<LockReply>> result;
    TaskScope scope;
    scope.spawn(keep(owner.acquire(std::move(wish)), &result));
    pass(time);
    return result;
  }
  void pass(Duration time) {
    for (const Instant end = bus.now() + time; bus.now() < end;) bus.advance(1ms);
  }

  FakeBus bus{"client/1"};
  Duration delay = 1ms;  // of answers
  Calls calls{bus};
  Locks locks{bus, calls, 30s};
  LockReply answer = granted(10);
  LockReply await = granted(10);
  std::optional<Code> refusal;
  bool absent = false;
  std::vector<LockId> ended;
  std::vector<LockId> renewed;
  std::vector<LockId> released;
  ShowFence shown;
  uint64_t seen = 0;
  std::optional<Code> show_refusal;
  std::string last_owner;
  std::map<Type, int> asked;
};

}  // namespace

TEST_SUITE_BEGIN("client");

TEST_CASE("a flow is an owner of its own, and gives its lock back when it ends") {
  ClientBench bench;
  {
    LockOwner owner(bench.locks);
    const auto held = bench.acquire(owner, bench.wish(), 10ms);
    REQUIRE(held);
    REQUIRE(held->ok());
    CHECK((*held)->fence == 11);
    CHECK(bench.last_owner == "client/1#1");
    CHECK(bench.released.empty());
  }
  bench.pass(10ms);
  CHECK(bench.released == std::vector<LockId>{10});
  LockOwner second(bench.locks);
  CHECK(second.name() == "client/1#2");
  LockOwner named(bench.locks, "client/7#3");
  CHECK(named.name() == "client/7#3");
}

TEST_CASE("a lock is shown to the monitor before it is said to be held") {
  ClientBench bench;
  bench.answer = ClientBench::granted(7);
  bench.answer.fence_proof.bytes = "proof";
  LockOwner owner(bench.locks);
  REQUIRE(bench.acquire(owner, ClientBench::wish(), 100ms)->ok());
  CHECK(bench.asked[Type::ShowFence] == 0);  // unless that is wanted
  LockWish wish = ClientBench::wish();
  wish.target.subtree = true;
  wish.show = true;
  REQUIRE(bench.acquire(owner, wish, 100ms)->ok());
  CHECK(bench.asked[Type::ShowFence] == 1);
  CHECK(bench.shown.path == "/x");
  CHECK(bench.shown.subtree);
  CHECK(bench.shown.fence == 8);
  CHECK(bench.shown.fence_proof.bytes == "proof");
  CHECK(bench.released.empty());
}

TEST_CASE("a lock that cannot be shown is given back, and so is one that was lost") {
  ClientBench bench;
  bench.answer = ClientBench::granted(7);
  LockOwner owner(bench.locks);
  LockWish wish = ClientBench::wish();
  wish.show = true;
  bench.show_refusal = Code::denied;
  CHECK(bench.acquire(owner, wish, 100ms)->code() == Code::denied);
  CHECK(bench.released == std::vector<LockId>{7});
  bench.show_refusal.reset();
  bench.seen = 9;  // somebody was granted it later
  CHECK(bench.acquire(owner, wish, 100ms)->code() == Code::fenced);
  CHECK(bench.released == std::vector<LockId>{7, 7});
  wish.mode = LockMode::shared;  // others may hold it too
  CHECK(bench.acquire(owner, wish, 100ms)->ok());
  CHECK(bench.released.size() == 2);
}

TEST_CASE("a lock is kept alive while it is held, three times in each lease") {
  ClientBench bench;
  LockOwner owner(bench.locks);
  REQUIRE(bench.acquire(owner, bench.wish(), 10ms));
  bench.pass(9s);
  CHECK(bench.asked[Type::RenewLocks] >= 2);
  CHECK(bench.renewed == std::vector<LockId>{10});
  CHECK_FALSE(owner.lost());
}

TEST_CASE("a lock that ended meanwhile is told") {
  ClientBench bench;
  LockOwner owner(bench.locks);
  REQUIRE(bench.acquire(owner, bench.wish(), 10ms));
  bench.ended = {10};
  bench.pass(4s);
  REQUIRE(owner.lost());
  CHECK(owner.lost()->code == Code::fenced);
}

TEST_CASE("a service that is silent for a lease makes the lock doubtful") {
  ClientBench bench;
  LockOwner owner(bench.locks);
  REQUIRE(bench.acquire(owner, bench.wish(), 10ms));
  bench.bus.on_sent = nullptr;
  bench.pass(5s);
  CHECK_FALSE(owner.lost());
  bench.pass(3s);
  CHECK(owner.lost());
}

TEST_CASE("who waits asks again and is told whom it waits for, once for each") {
  ClientBench bench;
  bench.answer = bench.waiting(10, "client/2");
  bench.await = bench.waiting(10, "client/2");
  LockOwner owner(bench.locks);
  std::vector<std::string> told;
  LockWish wish = bench.wish();
  wish.waiting = [&](const LockReply& reply) { told.push_back(reply.blockers.at(0).owner); };
  std::optional<Result<LockReply>> result;
  TaskScope scope;
  scope.spawn(ClientBench::keep(owner.acquire(wish), &result));
  bench.pass(50ms);
  CHECK_FALSE(result);
  CHECK(told == std::vector<std::string>{"client/2"});
  CHECK(bench.asked[Type::AwaitLock] > 1);
  bench.await = bench.granted(10);
  bench.pass(10ms);
  REQUIRE(result);
  CHECK((*result)->state == LockState::granted);
  scope.clear();
}

TEST_CASE("who gives up waiting leaves the queue") {
  ClientBench bench;
  bench.answer = bench.waiting(10, "client/2");
  bench.await = bench.waiting(10, "client/2");
  {
    LockOwner owner(bench.locks);
    CHECK_FALSE(bench.acquire(owner, bench.wish(), 20ms));
  }
  bench.pass(10ms);
  CHECK(bench.released == std::vector<LockId>{10});
}

TEST_CASE("a refusal is told and leaves nothing to give back") {
  ClientBench bench;
  bench.refusal = Code::deadlock;
  {
    LockOwner owner(bench.locks);
    const auto refused = bench.acquire(owner, bench.wish(), 10ms);
    REQUIRE(refused);
    CHECK(refused->code() == Code::deadlock);
  }
  bench.pass(10ms);
  CHECK(bench.released.empty());
}

TEST_CASE("who asks before anybody serves locks waits for them") {
  ClientBench bench;
  bench.absent = true;
  LockOwner owner(bench.locks);
  std::optional<Result<LockReply>> result;
  TaskScope scope;
  scope.spawn(ClientBench::keep(owner.acquire(bench.wish()), &result));
  bench.pass(20s);
  CHECK_FALSE(result);
  bench.absent = false;
  bench.pass(3s);
  REQUIRE(result);
  CHECK(result->ok());
  scope.clear();
}

TEST_CASE("without anybody who serves locks none is granted") {
  ClientBench bench;
  bench.absent = true;
  LockOwner owner(bench.locks);
  const auto none = bench.acquire(owner, bench.wish(), 31s);
  REQUIRE(none);
  CHECK(none->code() == Code::unavailable);
}

TEST_CASE("a client relies on less than its lease, from when it asked") {
  ClientBench bench;
  LockOwner owner(bench.locks);
  CHECK_FALSE(owner.sure());
  REQUIRE(bench.acquire(owner, bench.wish(), 10ms));
  CHECK(owner.sure());
  bench.bus.on_sent = nullptr;
  bench.pass(7860ms);
  CHECK(owner.sure());
  bench.pass(10ms);
  CHECK_FALSE(owner.sure());
  bench.pass(20ms);
  CHECK(owner.lost());
}

TEST_CASE("an answer that was long on its way is worth so much less") {
  ClientBench bench;
  bench.delay = 300ms;
  LockOwner owner(bench.locks);
  REQUIRE(bench.acquire(owner, bench.wish(), 310ms));
  CHECK(owner.sure());
  bench.bus.on_sent = nullptr;
  bench.pass(7560ms);
  CHECK(owner.sure());
  bench.pass(10ms);
  CHECK_FALSE(owner.sure());
}

TEST_CASE("a client that ends waits for its releases, and not for ever") {
  ClientBench bench;
  bool finished = false;
  {
    LockOwner owner(bench.locks);
    REQUIRE(bench.acquire(owner, bench.wish(), 10ms));
  }
  bench.locks.finish([&] { finished = true; });
  CHECK_FALSE(finished);
  bench.pass(10ms);
  CHECK(finished);
  finished = false;
  {
    LockOwner owner(bench.locks);
    REQUIRE(bench.acquire(owner, bench.wish(), 10ms));
    bench.bus.on_sent = nullptr;
  }
  bench.locks.finish([&] { finished = true; });
  bench.pass(900ms);
  CHECK_FALSE(finished);
  bench.pass(200ms);
  CHECK(finished);
}

TEST_SUITE_END();
