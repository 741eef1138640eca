#include "tests/actors/lock/lock_bench.h"

using namespace dfs;
using namespace dfs::lock;

TEST_SUITE_BEGIN("locks");

TEST_CASE("what nobody holds is granted at once, with the number of its entry as fence") {
  LockBench bench;
  const auto first = bench.write("a", "/x");
  REQUIRE(first.ok());
  CHECK(first->state == LockState::granted);
  CHECK(first->lock == bench.index);
  CHECK(first->fence == bench.index);
  CHECK(first->receipt.index == bench.index);
  CHECK(first->receipt.replicas == 3);
  CHECK(bench.write("b", "/y")->state == LockState::granted);
}

TEST_CASE("an exclusive lock makes others wait, and goes to the first of them when it ends") {
  LockBench bench;
  const LockId held = bench.write("a", "/x")->lock;
  const LockId second = bench.write("b", "/x")->lock;
  const LockId third = bench.write("c", "/x")->lock;
  CHECK(bench.waiting(second));
  CHECK(bench.waiting(third));
  CHECK(bench.release(held, "a").ok());
  CHECK(bench.granted(second));
  CHECK(bench.waiting(third));
  CHECK(bench.locks.find(second)->fence == bench.index);
  CHECK(bench.locks.find(second)->since_ms == bench.time_ms);
  CHECK(bench.work.news.granted == std::vector<LockId>{second});
  CHECK(bench.release(second, "b").ok());
  CHECK(bench.granted(third));
}

TEST_CASE("shared locks go together, and a writer among readers does not starve") {
  LockBench bench;
  const LockId one = bench.read("a", "/x")->lock;
  const LockId two = bench.read("b", "/x")->lock;
  CHECK(bench.granted(two));
  const LockId writer = bench.write("w", "/x")->lock;
  CHECK(bench.waiting(writer));
  const LockId late = bench.read("c", "/x")->lock;
  CHECK(bench.waiting(late));  // behind the writer
  bench.release(one, "a").ok();
  CHECK(bench.waiting(writer));
  bench.release(two, "b").ok();
  CHECK(bench.granted(writer));
  CHECK(bench.waiting(late));
  bench.release(writer, "w").ok();
  CHECK(bench.granted(late));
}

TEST_CASE("readers that wait for one writer are granted together") {
  LockBench bench;
  const LockId writer = bench.write("w", "/x")->lock;
  const LockId one = bench.read("a", "/x")->lock;
  const LockId two = bench.read("b", "/x")->lock;
  bench.release(writer, "w").ok();
  CHECK(bench.granted(one));
  CHECK(bench.granted(two));
  CHECK(bench.work.news.granted == std::vector<LockId>{one, two});
}

TEST_CASE("a subtree conflicts with what is in it, and with subtrees it is in") {
  LockBench bench;
  const LockId file = bench.write("a", "/d/e/f")->lock;
  const LockId tree = bench.write_tree("b", "/d")->lock;
  CHECK(bench.waiting(tree));
  CHECK(bench.waiting(bench.write("c", "/d/g")->lock));  // behind the subtree
  CHECK(bench.waiting(bench.write_tree("d", "/d/e")->lock));
  CHECK(bench.waiting(bench.write("e", "/d")->lock));
  CHECK(bench.granted(bench.write("f", "/dd")->lock));
  CHECK(bench.granted(bench.write("g", "/")->lock));
  CHECK(bench.waiting(bench.write_tree("h", "/")->lock));
  bench.release(file, "a").ok();
  CHECK(bench.granted(tree));
}

TEST_CASE("names that sort between a directory and its entries are not in its subtree") {
  LockBench bench;
  CHECK(bench.granted(bench.write("a", "/d/x")->lock));
  CHECK(bench.granted(bench.write("b", "/d!")->lock));
  CHECK(bench.granted(bench.write("c", "/d\x01")->lock));
  CHECK(bench.granted(bench.write("d", "/d0/x")->lock));
  const auto tree = bench.write_tree("e", "/d");
  std::vector<LockId> blockers = bench.locks.blockers(tree->lock, 10);
  REQUIRE(blockers.size() == 1);
  CHECK(bench.locks.find(blockers[0])->target.path == "/d/x");
}

TEST_CASE("ranges of bytes conflict where they overlap") {
  LockBench bench;
  const LockId low = bench.range("a", "/x", 0, 10)->lock;
  CHECK(bench.granted(bench.range("b", "/x", 10, 20)->lock));
  const LockId middle = bench.range("c", "/x", 9, 11)->lock;
  CHECK(bench.waiting(middle));
  CHECK(bench.waiting(bench.write("d", "/x")->lock));
  CHECK(bench.granted(bench.range("b", "/y", 0, 10)->lock));
  bench.release(low, "a").ok();
  CHECK(bench.waiting(middle));
}

TEST_CASE("an owner is never in its own way") {
  LockBench bench;
  CHECK(bench.granted(bench.write("a", "/x")->lock));
  CHECK(bench.granted(bench.read("a", "/x")->lock));
  CHECK(bench.granted(bench.write_tree("a", "/")->lock));
}

TEST_CASE("what an owner's lock covers is granted past those who wait for that lock") {
  LockBench bench;
  const LockId tree = bench.write_tree("a", "/d")->lock;
  const LockId waits = bench.write("b", "/d/x")->lock;
  const LockId inner = bench.write("a", "/d/x")->lock;
  CHECK(bench.granted(inner));
  bench.release(tree, "a").ok();
  CHECK(bench.waiting(waits));  // for the inner one still
  bench.release(inner, "a").ok();
  CHECK(bench.granted(waits));
}

TEST_CASE("a shared lock covers no exclusive request, nor a part the whole") {
  LockBench bench;
  CHECK(bench.granted(bench.read("a", "/x")->lock));
  CHECK(bench.granted(bench.read("b", "/x")->lock));
  CHECK(bench.waiting(bench.write("a", "/x")->lock));
  CHECK(bench.granted(bench.range("c", "/y", 0, 10)->lock));
  CHECK(bench.waiting(bench.write("b", "/y")->lock));
  CHECK(bench.granted(bench.range("c", "/y", 2, 5)->lock));
  CHECK(bench.write("c", "/y").code() == Code::deadlock);
}

TEST_CASE("a request that may not wait is refused and says who is in the way since when") {
  LockBench bench;
  const LockId held = bench.write("a", "/x")->lock;
  const int64_t since_ms = bench.time_ms;
  const auto refused = bench.write("b", "/x", 0);
  REQUIRE(refused.code() == Code::locked);
  CHECK(refused.error().cause.at("holder") == "a");
  CHECK(refused.error().cause.at("since_ms") == std::to_string(since_ms));
  CHECK(refused.error().cause.at("lock") == std::to_string(held));
  CHECK(bench.locks.size() == 1);
}

TEST_CASE("to ask whether a lock would be granted takes none") {
  LockBench bench;
  CHECK(bench.locks.would_grant(bench.request("b", "/x", LockMode::exclusive)).ok());
  bench.read("a", "/x").ok();
  CHECK(bench.locks.would_grant(bench.request("b", "/x", LockMode::shared)).ok());
  CHECK(bench.locks.would_grant(bench.request("a", "/x", LockMode::exclusive)).ok());
  CHECK(bench.locks.would_grant(bench.request("b", "/x", LockMode::exclusive)).code() ==
        Code::locked);
  bench.write("w", "/x").ok();  // waits; who comes later is behind it
  CHECK(bench.locks.would_grant(bench.request("b", "/x", LockMode::shared)).code() == Code::locked);
  CHECK(bench.locks.size() == 2);
}

TEST_CASE("a wait ends by the logged time, with whatever command comes next") {
  LockBench bench;
  bench.read("a", "/x").ok();
  const LockId writer = bench.write("w", "/x", 1000)->lock;
  const LockId reader = bench.read("b", "/x")->lock;
  CHECK(bench.waiting(reader));
  bench.apply(ExpireWaits{}, 998);
  CHECK(bench.waiting(writer));
  CHECK(bench.write("c", "/x", 0).code() == Code::locked);  // at the time it is over
  CHECK(bench.locks.find(writer) == nullptr);
  CHECK(bench.granted(reader));
  REQUIRE(bench.work.news.ended.size() == 1);
  CHECK(bench.work.news.ended[0].lock == writer);
  CHECK(bench.work.news.ended[0].end == LockEnd::wait_over);
  CHECK(bench.all_of(bench.reloaded()) == bench.all_of(bench.locks));
}

TEST_CASE("the end of an owner ends what it holds and what it waits for") {
  LockBench bench;
  const LockId held = bench.write("a", "/x")->lock;
  bench.write("b", "/y").ok();
  const LockId waits = bench.write("a", "/y")->lock;
  const LockId next = bench.write("c", "/x")->lock;
  bench.apply(EndOwners{{"a", "nobody"}});
  CHECK(bench.locks.find(held) == nullptr);
  CHECK(bench.locks.find(waits) == nullptr);
  CHECK(bench.granted(next));
  CHECK_FALSE(bench.locks.has_owner("a"));
  REQUIRE(bench.work.events.size() == 2);
  CHECK(bench.work.events[0].topic == "lease-expired");
  CHECK(bench.work.events[0].fields.at("owner") == "a");
}

TEST_CASE("of two owners that end together none is given the other's lock") {
  LockBench bench;
  bench.write("a", "/x").ok();
  const LockId second = bench.write("b", "/x")->lock;
  const LockId third = bench.write("c", "/x")->lock;
  bench.apply(EndOwners{{"a", "b"}});
  CHECK(bench.work.news.granted == std::vector<LockId>{third});
  CHECK(bench.locks.find(second) == nullptr);
}

TEST_CASE("only its owner releases a lock, and to release it twice is no error") {
  LockBench bench;
  const LockId held = bench.write("a", "/x")->lock;
  CHECK(bench.release(held, "b").code() == Code::denied);
  CHECK(bench.granted(held));
  CHECK(bench.release(held, "a").ok());
  CHECK(bench.release(held, "a").ok());
}

TEST_CASE("who waits may leave the queue") {
  LockBench bench;
  bench.read("a", "/x").ok();
  const LockId writer = bench.write("w", "/x")->lock;
  const LockId reader = bench.read("b", "/x")->lock;
  bench.release(writer, "w").ok();
  CHECK(bench.granted(reader));
}

TEST_CASE("a lock that is broken ends, and that is an event of the log") {
  LockBench bench;
  const LockId held = bench.write("a", "/x")->lock;
  const LockId next = bench.write("b", "/x")->lock;
  const Outcome outcome = bench.apply(EndLock{held, LockEnd::broken, {}, "admin"});
  CHECK(outcome.type == Type::ReleaseLockReply);
  CHECK(bench.granted(next));
  REQUIRE(bench.work.events.size() == 1);
  CHECK(bench.work.events[0].topic == "lock-broken");
  CHECK(bench.work.events[0].fields.at("by") == "admin");
  CHECK(bench.work.events[0].fields.at("path") == "/x");
  const auto again =
      bench.reply<ReleaseLockReply>(bench.apply(EndLock{held, LockEnd::broken, {}, "admin"}));
  CHECK(again.code() == Code::not_found);
}

TEST_CASE("a wait that would close a cycle is refused with the cycle") {
  LockBench bench;
  bench.write("a", "/x").ok();
  bench.write("b", "/y").ok();
  bench.write("c", "/z").ok();
  CHECK(bench.write("a", "/y")->state == LockState::waiting);
  CHECK(bench.write("b", "/z")->state == LockState::waiting);
  const auto refused = bench.write("c", "/x");
  REQUIRE(refused.code() == Code::deadlock);
  CHECK(refused.error().cause.at("cycle") ==
        "c waits for \"/x\" held by a; a waits for \"/y\" held by b; b waits for \"/z\" held by c");
  CHECK(bench.locks.size() == 5);
  CHECK(bench.write("d", "/x")->state == LockState::waiting);
}

TEST_CASE("two readers that both want to write are a deadlock") {
  LockBench bench;
  bench.read("a", "/x").ok();
  bench.read("b", "/x").ok();
  CHECK(bench.write("a", "/x")->state == LockState::waiting);
  CHECK(bench.write("b", "/x").code() == Code::deadlock);
}

TEST_CASE("a cycle through somebody who is merely ahead in the queue is found") {
  LockBench bench;
  bench.read("r", "/x").ok();
  bench.write("b", "/y").ok();
  CHECK(bench.write("w", "/x")->state == LockState::waiting);  // behind r
  CHECK(bench.read("b", "/x")->state == LockState::waiting);   // behind w
  const auto refused = bench.write("r", "/y");
  REQUIRE(refused.code() == Code::deadlock);
  CHECK(refused.error().cause.at("cycle") ==
        "r waits for \"/y\" held by b; b waits for \"/x\" asked for earlier by w; w waits for "
        "\"/x\" held by r");
}

TEST_CASE("the search for a cycle is bounded") {
  LockLimits limits;
  limits.deadlock_steps = 2;
  LockBench bench(limits);
  bench.write("a", "/x").ok();
  bench.write("b", "/y").ok();
  bench.write("c", "/z").ok();
  bench.write("a", "/y").ok();
  bench.write("b", "/z").ok();
  // Not found: the wait ends with its time.
  CHECK(bench.write("c", "/x", 100)->state == LockState::waiting);
  bench.apply(ExpireWaits{}, 100);
  CHECK(bench.locks.size() == 5);
}

TEST_CASE("there is an end to locks, to those of one owner, to those that wait") {
  LockLimits limits;
  limits.locks = 8;
  limits.per_owner = 3;
  limits.waiters = 2;
  LockBench bench(limits);
  for (const char* path : {"/1", "/2", "/3"}) CHECK(bench.write("a", path).ok());
  CHECK(bench.write("a", "/4").code() == Code::no_space);
  CHECK(bench.write("b", "/1").ok());
  CHECK(bench.write("c", "/1").ok());
  CHECK(bench.locks.check_room_now(bench.request("d", "/1", LockMode::exclusive)).code() ==
        Code::busy);
  CHECK(bench.locks.check_room_now(bench.request("d", "/2", LockMode::exclusive)).ok());
  const auto busy = bench.write("d", "/1");
  CHECK(busy.code() == Code::busy);
  CHECK(busy.error().retry_after_ms > 0);
  CHECK(bench.write("d", "/2").ok());
  CHECK(bench.write("e", "/2").ok());
  CHECK(bench.write("f", "/3").ok());
  CHECK(bench.write("f", "/9").code() == Code::no_space);
  CHECK(bench.locks.size() == 8);
}

TEST_CASE("a user who names ever more owners has no more locks for that") {
  LockLimits limits;
  limits.per_user = 4;
  LockBench bench(limits);
  const auto take = [&bench](const std::string& user, const std::string& owner,
                             const std::string& path) {
    TakeLock take = bench.request(owner, path, LockMode::exclusive);
    take.user = user;
    return bench.take(take);
  };
  const LockId first = take("eve", "eve 1", "/1")->lock;
  REQUIRE(take("eve", "eve 2", "/2").ok());
  REQUIRE(take("ada", "ada", "/3").ok());
  REQUIRE(take("eve", "eve 3", "/3")->state == LockState::waiting);
  REQUIRE(take("eve", "eve 4", "/4").ok());
  const auto full = take("eve", "eve 5", "/5");
  REQUIRE(full.code() == Code::no_space);
  CHECK(full.error().text.find("user eve has 4 locks") != std::string::npos);
  CHECK(take("ada", "ada", "/5").ok());
  // A head that starts counts the same.
  bench.locks = bench.reloaded();
  CHECK(take("eve", "eve 5", "/6").code() == Code::no_space);
  REQUIRE(bench.release(first, "eve 1").ok());
  CHECK(take("eve", "eve 5", "/6").ok());
  CHECK(take("eve", "eve 6", "/7").code() == Code::no_space);
  // Nobody is a user where nobody logs in.
  for (int i = 0; i < 6; ++i) {
    CHECK(take("", "client/" + std::to_string(i), "/n" + std::to_string(i)).ok());
  }
}

TEST_CASE("those that wait for a subtree above count among those of a path") {
  LockLimits limits;
  limits.waiters = 2;
  LockBench bench(limits);
  bench.write("a", "/d/x").ok();
  CHECK(bench.write_tree("b", "/d").ok());
  CHECK(bench.write("c", "/d/x").ok());
  CHECK(bench.write("d", "/d/x").code() == Code::busy);
  CHECK(bench.write("d", "/d/y").ok());
}

TEST_CASE("all that wait together are bounded") {
  LockLimits limits;
  limits.waiting = 2;
  LockBench bench(limits);
  bench.write("a", "/x").ok();
  bench.write("a", "/y").ok();
  bench.write("b", "/x").ok();
  CHECK(bench.write("b", "/y").ok());
  CHECK(bench.write("c", "/y").code() == Code::busy);
  CHECK(bench.write("c", "/z").ok());
}

TEST_CASE("a subtree with too many locks below is not locked") {
  LockLimits limits;
  limits.below = 2;
  LockBench bench(limits);
  bench.write("a", "/d/1").ok();
  bench.write("a", "/d/2").ok();
  bench.write("a", "/e").ok();
  CHECK(bench.write_tree("b", "/d")->state == LockState::waiting);
  CHECK(bench.write_tree("b", "/").code() == Code::busy);
}

TEST_CASE("the same rows make the same table") {
  LockBench bench;
  bench.write_tree("a", "/d").ok();
  bench.write("b", "/d/x").ok();
  bench.write("a", "/d/x").ok();
  bench.read("c", "/d/x").ok();
  bench.range("d", "/z", 5, 10).ok();
  LockTable other = bench.reloaded();
  CHECK(bench.all_of(other) == bench.all_of(bench.locks));
  LockNews news;
  other.end_owners({"a"}, 1000, 2'000'000, news);
  REQUIRE(news.granted.size() == 1);
  CHECK(other.find(news.granted[0])->owner == "b");
}

TEST_CASE("locks are listed by number, below a path, page after page") {
  LockBench bench;
  for (const char* path : {"/d", "/d/1", "/e", "/d/2", "/d2"}) bench.write("a", path).ok();
  LockId next = 1;
  CHECK(bench.locks.list("", nullptr, 0, 10, &next) ==
        std::vector<LockId>{101, 102, 103, 104, 105});
  CHECK(next == 0);
  CHECK(bench.locks.list("/d", nullptr, 0, 2, &next) == std::vector<LockId>{101, 102});
  CHECK(next == 102);
  CHECK(bench.locks.list("/d", nullptr, 102, 2, &next) == std::vector<LockId>{104});
  CHECK(next == 0);
}

TEST_CASE("a list looks at so many locks, and says where it stopped") {
  LockBench bench;
  for (size_t i = 0; i < LockTable::kListLooksMax; ++i) {
    bench.write("a" + std::to_string(i / 4000), "/e/" + std::to_string(i)).ok();
  }
  const LockId last = bench.write("a", "/d")->lock;
  LockId next = 0;
  CHECK(bench.locks.list("/d", nullptr, 0, 10, &next).empty());
  CHECK(next == last - 1);
  CHECK(bench.locks.list("/d", nullptr, next, 10, &next) == std::vector<LockId>{last});
  CHECK(next == 0);
}

TEST_CASE("a user may be shown their own locks alone") {
  LockBench bench;
  bench.write("a", "/d").ok();
  const std::string a = "user of a";
  const std::string b = "user of b";
  LockId next = 0;
  CHECK(bench.locks.list("", &a, 0, 10, &next).size() == 1);
  CHECK(bench.locks.list("", &b, 0, 10, &next).empty());
}

TEST_CASE("an answer names those in the way, holders first, and how many come before") {
  LockBench bench;
  bench.read("a", "/x").ok();
  bench.write("b", "/x").ok();
  bench.read("c", "/y").ok();
  const LockReply reply = reply_of(bench.locks, bench.read("d", "/x")->lock);
  CHECK(reply.state == LockState::waiting);
  CHECK(reply.ahead == 1);
  REQUIRE(reply.blockers.size() == 1);
  CHECK(reply.blockers[0].owner == "b");
  const LockReply write = reply_of(bench.locks, bench.write("e", "/x")->lock);
  CHECK(write.ahead == 3);
  CHECK(write.blockers[0].owner == "a");
  CHECK(reply_of(bench.locks, 4711).state == LockState::ended);
}

TEST_SUITE_END();
