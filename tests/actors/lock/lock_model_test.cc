// The lock table against one that looks at everything again after each command.
#include <algorithm>
#include <map>
#include <random>
#include <set>

#include "tests/actors/lock/lock_bench.h"

using namespace dfs;
using namespace dfs::lock;

namespace {

std::string as_directory(const std::string& path) {
  return path == "/" ? path : path + "/";
}

bool begins_with(const std::string& path, const std::string& directory) {
  return as_directory(path).starts_with(as_directory(directory));
}

bool touch(const LockTarget& a, const LockTarget& b) {
  if (a.path == b.path) return std::max(a.from, b.from) < std::min(a.until, b.until);
  return (a.subtree && begins_with(b.path, a.path)) || (b.subtree && begins_with(a.path, b.path));
}

bool is_within(const LockTarget& inner, const LockTarget& outer) {
  if (outer.subtree) return begins_with(inner.path, outer.path);
  return !inner.subtree && inner.path == outer.path && inner.from >= outer.from &&
         inner.until <= outer.until;
}

struct Model {
  std::map<LockId, LockRow> locks;

  static bool against(const LockRow& a, const LockRow& b) {
    const bool writes = a.mode == LockMode::exclusive || b.mode == LockMode::exclusive;
    return writes && a.owner != b.owner && touch(a.target, b.target);
  }
  bool blocked(LockId id, const LockRow& row) const {
    return std::any_of(locks.begin(), locks.end(), [&](const auto& other) {
      const bool before = other.first < id || other.second.state == LockState::granted;
      return before && other.first != id && against(row, other.second);
    });
  }
  std::set<std::string> waits_for(const std::string& owner) const {
    std::set<std::string> owners;
    for (const auto& [id, row] : locks) {
      if (row.owner != owner || row.state != LockState::waiting) continue;
      for (const auto& [other, its] : locks) {
        const bool before = other < id || its.state == LockState::granted;
        if (before && against(row, its)) owners.insert(its.owner);
      }
    }
    return owners;
  }
  bool waits_for_itself(const std::string& owner) const {
    std::set<std::string> seen;
    std::vector<std::string> next{owner};
    while (!next.empty()) {
      const std::string at = next.back();
      next.pop_back();
      for (const std::string& other : waits_for(at)) {
        if (other == owner) return true;
        if (seen.insert(other).second) next.push_back(other);
      }
    }
    return false;
  }
  void settle(LogIndex index, int64_t now_ms) {
    for (auto& [id, row] : locks) {
      if (row.state != LockState::waiting || blocked(id, row)) continue;
      row.state = LockState::granted;
      row.fence = index;
      row.since_ms = now_ms;
      row.expires_ms = 0;
    }
  }
  template <class Condition>
  void end_if(LogIndex index, int64_t now_ms, Condition condition) {
    std::erase_if(locks, condition);
    settle(index, now_ms);
  }
  void expire(LogIndex index, int64_t now_ms) {
    end_if(index, now_ms, [&](const auto& lock) {
      return lock.second.state == LockState::waiting && lock.second.expires_ms <= now_ms;
    });
  }
  Code take(const TakeLock& request, LogIndex index, int64_t now_ms) {
    expire(index, now_ms);
    LockRow row{request.target, request.mode, LockState::granted, index,
                request.owner,  request.user, request.label,      now_ms};
    const bool covered = std::any_of(locks.begin(), locks.end(), [&](const auto& lock) {
      const LockRow& own = lock.second;
      return own.owner == row.owner && own.state == LockState::granted &&
             (own.mode == LockMode::exclusive || row.mode == LockMode::shared) &&
             is_within(row.target, own.target);
    });
    if (!covered && blocked(index, row)) {
      if (request.wait_ms == 0) return Code::locked;
      row.state = LockState::waiting;
      row.fence = 0;
      row.expires_ms = now_ms + request.wait_ms;
      locks.emplace(index, row);
      if (!waits_for_itself(row.owner)) return Code::ok;
      locks.erase(index);
      return Code::deadlock;
    }
    locks.emplace(index, row);
    return Code::ok;
  }
};

// A small world, so that nearly everything meets.
struct Chance {
  explicit Chance(uint64_t seed) : random(seed) {}
  uint64_t below(uint64_t end) { return random() % end; }
  std::string owner() { return std::string(1, static_cast<char>('a' + below(5))); }
  TakeLock request() {
    static const std::vector<std::string> paths{"/",      "/d",   "/d/e", "/d/e/f",
                                                "/d/e/g", "/d/h", "/d!",  "/i"};
    TakeLock take;
    take.target.path = paths[below(paths.size())];
    take.mode = below(2) == 0 ? LockMode::shared : LockMode::exclusive;
    take.owner = owner();
    take.wait_ms = below(4) == 0 ? 0 : static_cast<uint32_t>(1 + below(30));
    const uint64_t kind = below(4);
    if (kind == 0) take.target.subtree = true;
    if (kind == 1) {
      take.target.from = below(4);
      take.target.until = take.target.from + 1 + below(4);
    }
    return take;
  }
  std::mt19937_64 random;
};

struct Pair {
  LockBench bench;
  Model model;
  LogIndex next() const { return bench.index + 1; }

  void step(Chance& chance) {
    const auto later_ms = static_cast<int64_t>(chance.below(4));
    const int64_t now_ms = bench.time_ms + later_ms;
    const uint64_t kind = chance.below(10);
    if (kind < 6) {
      const TakeLock request = chance.request();
      const Code expected = model.take(request, next(), now_ms);
      const Code actual = bench.take(request, later_ms).code();
      REQUIRE(name_of(actual) == name_of(expected));
    } else if (kind < 9) {
      if (bench.locks.size() == 0) return;
      auto at = model.locks.begin();
      std::advance(at, chance.below(model.locks.size()));
      const LockId lock = at->first;
      const std::string owner = at->second.owner;
      model.expire(next(), now_ms);
      model.end_if(next(), now_ms, [&](const auto& its) { return its.first == lock; });
      bench.apply(EndLock{lock, kind == 8 ? LockEnd::broken : LockEnd::released, owner, {}},
                  later_ms);
    } else {
      const std::vector<std::string> owners{chance.owner(), chance.owner()};
      model.expire(next(), now_ms);
      model.end_if(next(), now_ms, [&](const auto& its) {
        return its.second.owner == owners[0] || its.second.owner == owners[1];
      });
      bench.apply(EndOwners{owners}, later_ms);
    }
  }

  void compare() {
    REQUIRE(bench.locks.size() == model.locks.size());
    for (const auto& [id, row] : model.locks) {
      CAPTURE(id);
      const LockRow* const actual = bench.locks.find(id);
      REQUIRE(actual != nullptr);
      if (!same(*actual, row)) REQUIRE(to_json(*actual) == to_json(row));
    }
  }

  // What a lock is there for.
  void check_exclusion() {
    for (const auto& [id, row] : model.locks) {
      const LockRow& actual = *bench.locks.find(id);
      if (actual.state != LockState::granted) continue;
      for (const auto& [other, its] : model.locks) {
        if (bench.locks.find(other)->state != LockState::granted) continue;
        REQUIRE_FALSE((other < id && Model::against(actual, *bench.locks.find(other))));
      }
    }
  }
};

}  // namespace

TEST_SUITE_BEGIN("locks");

TEST_CASE("thousands of short histories agree with a table that looks at everything") {
  for (uint64_t seed = 1; seed <= 2500; ++seed) {
    CAPTURE(seed);
    Chance chance(seed);
    Pair pair;
    for (int i = 0; i < 25; ++i) {
      CAPTURE(i);
      pair.step(chance);
      pair.compare();
      pair.check_exclusion();
    }
    REQUIRE(pair.bench.all_of(pair.bench.reloaded()) == pair.bench.all_of(pair.bench.locks));
  }
}

TEST_CASE("a long history agrees too, and a table that is loaded again goes on the same way") {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    CAPTURE(seed);
    Chance chance(seed * 7919);
    Pair pair;
    for (int i = 0; i < 500; ++i) {
      pair.step(chance);
      if (i % 10 == 0) pair.compare();
      if (i % 100 != 0) continue;
      LockTable again = pair.bench.reloaded();
      REQUIRE(pair.bench.all_of(again) == pair.bench.all_of(pair.bench.locks));
    }
  }
}

TEST_SUITE_END();
