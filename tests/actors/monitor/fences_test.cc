// Fences of locks: what was done under a lock that somebody else has had since is refused.
#include "actors/monitor/fences.h"

#include "tests/actors/monitor/machine.h"

using namespace dfs;

namespace {

struct FenceBench : TestMachine {
  Code put(const std::string& path, uint64_t fence) {
    CommitFile commit;
    commit.path = path;
    commit.content.bytes = "x";
    commit.size = 1;
    commit.fence = fence;
    return ask(commit).code();
  }
  Code remove_under(const std::string& path, uint64_t fence, bool recursive = false) {
    return ask(Remove{path, recursive, fence}).code();
  }
  Code rename_under(const std::string& from, const std::string& to, uint64_t fence,
                    uint64_t to_fence) {
    return ask(Rename{from, to, true, fence, to_fence}).code();
  }
  uint64_t show(const std::string& path, uint64_t fence, bool subtree = false) {
    const auto shown = ask(ShowFence{path, subtree, fence});
    REQUIRE(shown.ok());
    return shown->seen;
  }
  // Forgets all history up to now.
  uint32_t expire() {
    time_ms += kFencesKeptMs;
    const auto pruned = tell<Pruned>(ExpireHistory{time_ms + 1000, 1000});
    REQUIRE(pruned.ok());
    return pruned->rows;
  }
};

}  // namespace

TEST_SUITE_BEGIN("monitor");

TEST_CASE("a put under a lock that was lost is refused, and says so") {
  FenceBench bench;
  REQUIRE(bench.put("/f", 20) == Code::ok);
  CommitFile late;
  late.path = "/f";
  late.fence = 19;
  const auto refused = bench.ask(late);
  REQUIRE(refused.code() == Code::fenced);
  CHECK(refused.error().cause.at("fence") == "19");
  CHECK(refused.error().cause.at("seen") == "20");
  CHECK(bench.stat("/f")->version == 1);
  CHECK(bench.put("/f", 20) == Code::ok);  // the same lock
  CHECK(bench.put("/f", 21) == Code::ok);
  CHECK(bench.put("/f", 20) == Code::fenced);
}

TEST_CASE("who names no fence is let pass, and lowers none") {
  FenceBench bench;
  REQUIRE(bench.put("/f", 20) == Code::ok);
  CHECK(bench.put("/f", 0) == Code::ok);
  CHECK(bench.put("/f", 19) == Code::fenced);
  CHECK(bench.remove_under("/f", 0) == Code::ok);
  CHECK(bench.put("/f", 19) == Code::fenced);
}

TEST_CASE("a lock that was shown holds against earlier ones, though nothing was changed") {
  FenceBench bench;
  REQUIRE(bench.put("/f", 20) == Code::ok);
  CHECK(bench.show("/f", 30) == 30);
  CHECK(bench.put("/f", 29) == Code::fenced);
  CHECK(bench.remove_under("/f", 29) == Code::fenced);
  CHECK(bench.rename_under("/f", "/g", 29, 29) == Code::fenced);
  CHECK(bench.put("/f", 30) == Code::ok);
  CHECK(bench.put("/g", 1) == Code::ok);
  // Who comes too late is told so, and takes nothing back.
  CHECK(bench.show("/f", 25) == 30);
  CHECK(bench.put("/f", 29) == Code::fenced);
  // What does not exist can be locked as well.
  CHECK(bench.show("/new", 40) == 40);
  CHECK(bench.put("/new", 39) == Code::fenced);
}

TEST_CASE("the lock of a tree that was shown holds for all in it") {
  FenceBench bench;
  REQUIRE(bench.ask(MakeDir{"/d"}).ok());
  CHECK(bench.show("/d", 20) == 20);
  CHECK(bench.put("/d/f", 19) == Code::ok);  // of the directory alone
  CHECK(bench.show("/d", 30, true) == 30);
  CHECK(bench.put("/d/f", 29) == Code::fenced);
  CHECK(bench.show("/d/f", 29) == 30);
  CHECK(bench.put("/d/f", 30) == Code::ok);
  CHECK(bench.put("/e", 1) == Code::ok);
  CHECK(bench.expire() > 0);
}

TEST_CASE("fences outlive a history that is not kept") {
  FenceBench bench;
  REQUIRE(bench.show("/f", 30) == 30);
  bench.time_ms += kFencesKeptMs - 1000;
  REQUIRE(bench.tell<Pruned>(ExpireHistory{bench.time_ms, 1000}).ok());
  CHECK(bench.put("/f", 29) == Code::fenced);
  bench.time_ms += 2000;
  REQUIRE(bench.tell<Pruned>(ExpireHistory{bench.time_ms, 1000}).ok());
  CHECK(bench.put("/f", 29) == Code::ok);
}

TEST_CASE("the fence of a file outlives it, until history is forgotten") {
  FenceBench bench;
  REQUIRE(bench.put("/f", 20) == Code::ok);
  REQUIRE(bench.remove_under("/f", 30) == Code::ok);
  CHECK(bench.put("/f", 20) == Code::fenced);
  CHECK(bench.put("/f", 29) == Code::fenced);
  CHECK(bench.expire() > 0);
  CHECK(bench.put("/f", 29) == Code::ok);
}

TEST_CASE("a removal under a lock that was lost is refused") {
  FenceBench bench;
  REQUIRE(bench.put("/f", 20) == Code::ok);
  CHECK(bench.remove_under("/f", 19) == Code::fenced);
  CHECK(bench.stat("/f").ok());
  CHECK(bench.remove_under("/f", 20) == Code::ok);
}

TEST_CASE("a tree that was removed cannot be put into by who held a lock below it before") {
  FenceBench bench;
  REQUIRE(bench.ask(MakeDir{"/d/e", true}).ok());
  REQUIRE(bench.remove_under("/d", 30, true) == Code::ok);
  REQUIRE(bench.ask(MakeDir{"/d/e", true}).ok());
  CHECK(bench.put("/d/e/f", 29) == Code::fenced);
  CHECK(bench.put("/d/e/f", 31) == Code::ok);
  CHECK(bench.put("/dd", 5) == Code::ok);
}

TEST_CASE("a tree is neither removed nor moved by who lost the lock on it") {
  FenceBench bench;
  REQUIRE(bench.ask(MakeDir{"/d/e", true}).ok());
  REQUIRE(bench.put("/d/e/f", 20) == Code::ok);
  CHECK(bench.remove_under("/d", 19, true) == Code::fenced);
  CHECK(bench.rename_under("/d", "/g", 19, 19) == Code::fenced);
  CHECK(bench.stat("/d/e/f").ok());
  REQUIRE(bench.remove_under("/d/e/f", 20) == Code::ok);
  CHECK(bench.remove_under("/d", 19, true) == Code::fenced);  // what was removed counts too
  CHECK(bench.remove_under("/d", 0, true) == Code::ok);
}

TEST_CASE("of a tree that is removed a bounded number of fences is looked at") {
  FenceBench bench;
  REQUIRE(bench.ask(MakeDir{"/d"}).ok());
  for (size_t i = 0; i < kFencesBelowMax; ++i) {
    REQUIRE(bench.put("/d/" + std::to_string(100'000 + i), 5) == Code::ok);
  }
  REQUIRE(bench.put("/d/z", 20) == Code::ok);
  CHECK(bench.remove_under("/d", 10, true) == Code::ok);
}

TEST_CASE("a rename leaves its fences at both names, and those of what was there") {
  FenceBench bench;
  REQUIRE(bench.put("/a", 10) == Code::ok);
  REQUIRE(bench.put("/b", 15) == Code::ok);
  CHECK(bench.rename_under("/a", "/b", 9, 20) == Code::fenced);
  CHECK(bench.rename_under("/a", "/b", 11, 14) == Code::fenced);
  REQUIRE(bench.rename_under("/a", "/b", 11, 16) == Code::ok);
  CHECK(bench.put("/a", 10) == Code::fenced);
  CHECK(bench.put("/b", 15) == Code::fenced);
  CHECK(bench.put("/b", 16) == Code::ok);
  CHECK(bench.put("/a", 11) == Code::ok);
}

TEST_CASE("a rename without locks keeps the fences that were seen") {
  FenceBench bench;
  REQUIRE(bench.put("/a", 10) == Code::ok);
  REQUIRE(bench.put("/b", 15) == Code::ok);
  REQUIRE(bench.rename_under("/a", "/b", 0, 0) == Code::ok);
  CHECK(bench.put("/a", 9) == Code::fenced);
  CHECK(bench.put("/b", 14) == Code::fenced);
}

TEST_CASE("fences are forgotten a bounded number at a time") {
  FenceBench bench;
  for (int i = 0; i < 5; ++i) {
    const std::string path = "/f" + std::to_string(i);
    REQUIRE(bench.put(path, 20) == Code::ok);
    REQUIRE(bench.remove_under(path, 20) == Code::ok);
  }
  REQUIRE(bench.expire() > 5);
  for (int i = 0; i < 5; ++i) {
    REQUIRE(bench.remove_under("/g", 0) == Code::not_found);
  }
  for (int i = 0; i < 5; ++i) {
    const std::string path = "/h" + std::to_string(i);
    REQUIRE(bench.put(path, 20) == Code::ok);
    REQUIRE(bench.remove_under(path, 20) == Code::ok);
  }
  bool more = true;
  uint32_t batches = 0;
  bench.time_ms += 2 * kFencesKeptMs;
  while (more && batches < 100) {
    const auto pruned = bench.tell<Pruned>(ExpireHistory{bench.time_ms + 1000, 3});
    REQUIRE(pruned.ok());
    CHECK(pruned->rows <= 3);
    more = pruned->more;
    ++batches;
  }
  CHECK(batches > 2);
  CHECK_FALSE(more);
  for (int i = 0; i < 5; ++i) CHECK(bench.put("/h" + std::to_string(i), 1) == Code::ok);
}

TEST_SUITE_END();
