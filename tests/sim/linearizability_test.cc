#include "tests/sim/linearizability.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <numeric>

#include "tests/sim/random.h"

using namespace dfs::sim;

namespace {

using Kind = Verdict::Kind;

Effect sets(const std::string& value) {
  return [value](const State&) { return std::optional<State>(value); };
}
Effect finds(const std::string& value) {
  return [value](const State& state) {
    return state == value ? std::optional<State>(state) : std::nullopt;
  };
}
Effect swaps(const std::string& from, const std::string& to, bool done) {
  return [=](const State& state) -> std::optional<State> {
    if ((state == from) != done) return std::nullopt;
    return done ? to : state;
  };
}
Effect may_swap(const std::string& from, const std::string& to) {
  return [=](const State& state) -> std::optional<State> { return state == from ? to : state; };
}

Operation operation(const std::string& what, uint64_t begin, uint64_t end, Effect effect) {
  return {what, begin, end, std::move(effect), false};
}

Kind verdict(const std::vector<Operation>& operations) {
  return check_linearizable(operations, "", 1'000'000).kind;
}

// By trying every order of every subset that holds all operations with an answer.
bool by_force(const std::vector<Operation>& operations) {
  const size_t count = operations.size();
  for (size_t chosen = 0; chosen < size_t{1} << count; ++chosen) {
    std::vector<size_t> order;
    bool complete = true;
    for (size_t i = 0; i < count; ++i) {
      if ((chosen >> i & 1) != 0) {
        order.push_back(i);
      } else {
        complete = complete && operations[i].end == Operation::kNever;
      }
    }
    if (!complete) continue;
    do {
      State state;
      bool good = true;
      for (size_t i = 0; i < order.size() && good; ++i) {
        for (size_t j = i + 1; j < order.size(); ++j) {
          good = good && operations[order[j]].end > operations[order[i]].begin;
        }
        const auto after = good ? operations[order[i]].effect(state) : std::nullopt;
        good = after.has_value();
        if (good) state = *after;
      }
      if (good) return true;
    } while (std::next_permutation(order.begin(), order.end()));
  }
  return false;
}

// A few clients with a register of few values, so that about half of the histories are possible.
std::vector<Operation> random_history(Random& random) {
  std::vector<uint64_t> moments(12);
  std::iota(moments.begin(), moments.end(), 1);
  for (size_t i = moments.size() - 1; i > 0; --i) {
    std::swap(moments[i], moments[random.below(i + 1)]);
  }
  std::vector<Operation> operations;
  for (size_t i = 0; i < 6; ++i) {
    const auto [begin, end] = std::minmax(moments[2 * i], moments[2 * i + 1]);
    const std::string value(1, static_cast<char>('a' + random.below(3)));
    const std::string other(1, static_cast<char>('a' + random.below(3)));
    const bool unknown = random.chance(0.25);
    const uint64_t kind = random.below(3);
    if (kind == 0) {
      operations.push_back(
          operation("write", begin, unknown ? Operation::kNever : end, sets(value)));
      operations.back().blind = unknown;
    } else if (kind == 1) {
      operations.push_back(operation("read", begin, end, finds(value)));
    } else if (unknown) {
      operations.push_back(operation("swap", begin, Operation::kNever, may_swap(other, value)));
    } else {
      operations.push_back(operation("swap", begin, end, swaps(other, value, random.chance(0.5))));
    }
  }
  return operations;
}

}  // namespace

TEST_SUITE("sim_linearizability") {
  TEST_CASE("a history of nothing, and one client after the other, are linearizable") {
    CHECK(verdict({}) == Kind::linearizable);
    CHECK(verdict({operation("write a", 1, 2, sets("a")), operation("read a", 3, 4, finds("a")),
                   operation("write b", 5, 6, sets("b")), operation("read b", 7, 8, finds("b"))}) ==
          Kind::linearizable);
  }

  TEST_CASE("a read that misses a finished write is not linearizable") {
    const Verdict verdict = check_linearizable(
        {operation("write a", 1, 2, sets("a")), operation("write b", 3, 4, sets("b")),
         operation("read a", 5, 6, finds("a"))},
        "", 1000);
    CHECK(verdict.kind == Kind::impossible);
    CHECK(verdict.why == "[read a] does not follow [write a] [write b]");
  }

  TEST_CASE("a read during a write may find the old or the new value") {
    for (const char* value : {"a", "b"}) {
      CHECK(verdict({operation("write a", 1, 2, sets("a")), operation("write b", 3, 6, sets("b")),
                     operation("read", 4, 5, finds(value))}) == Kind::linearizable);
    }
  }

  TEST_CASE("once one reader found the new value nobody finds the old one") {
    CHECK(verdict({operation("write a", 1, 2, sets("a")), operation("write b", 3, 10, sets("b")),
                   operation("read b", 4, 5, finds("b")), operation("read a", 6, 7, finds("a"))}) ==
          Kind::impossible);
    CHECK(verdict({operation("write a", 1, 2, sets("a")), operation("write b", 3, 10, sets("b")),
                   operation("read b", 4, 7, finds("b")), operation("read a", 6, 8, finds("a"))}) ==
          Kind::linearizable);
  }

  TEST_CASE("two of the same compare-and-write cannot both succeed") {
    CHECK(verdict({operation("swap", 1, 3, swaps("", "a", true)),
                   operation("swap", 2, 4, swaps("", "b", true))}) == Kind::impossible);
    CHECK(verdict({operation("swap", 1, 3, swaps("", "a", true)),
                   operation("swap", 2, 4, swaps("", "b", false))}) == Kind::linearizable);
    // The one that failed was over before the one that is to blame began.
    CHECK(verdict({operation("swap", 3, 4, swaps("", "a", true)),
                   operation("swap", 1, 2, swaps("", "b", false))}) == Kind::impossible);
  }

  TEST_CASE("an operation of unknown outcome may take effect late, or never, but only once") {
    const uint64_t never = Operation::kNever;
    CHECK(verdict({operation("write a", 1, 2, sets("a")), operation("write b", 3, never, sets("b")),
                   operation("read a", 4, 5, finds("a")), operation("read b", 6, 7, finds("b"))}) ==
          Kind::linearizable);
    CHECK(verdict({operation("write a", 1, 2, sets("a")), operation("write b", 3, never, sets("b")),
                   operation("read a", 4, 5, finds("a"))}) == Kind::linearizable);
    CHECK(verdict({operation("write a", 1, 2, sets("a")), operation("write b", 3, never, sets("b")),
                   operation("read b", 4, 5, finds("b")), operation("write c", 6, 7, sets("c")),
                   operation("read b", 8, 9, finds("b"))}) == Kind::impossible);
    // Not before it was called.
    CHECK(verdict({operation("read b", 1, 2, finds("b")),
                   operation("write b", 3, never, sets("b"))}) == Kind::impossible);
  }

  TEST_CASE("the search agrees with trying every order") {
    Random random(7);
    int possible = 0;
    for (int i = 0; i < 2000; ++i) {
      const std::vector<Operation> operations = random_history(random);
      const bool expected = by_force(operations);
      possible += expected ? 1 : 0;
      CAPTURE(i);
      REQUIRE((verdict(operations) == Kind::linearizable) == expected);
    }
    CHECK(possible > 200);
    CHECK(possible < 1800);
  }

  TEST_CASE("long histories with many operations of unknown outcome are decided quickly") {
    std::vector<Operation> operations;
    uint64_t moment = 0;
    for (int i = 0; i < 20; ++i) {
      const std::string name = "lost " + std::to_string(i);
      operations.push_back(operation(name, ++moment, Operation::kNever, sets(name)));
      operations.back().blind = true;
    }
    for (int i = 0; i < 500; ++i) {
      const std::string value = std::to_string(i);
      const uint64_t begin = ++moment;
      operations.push_back(operation("write " + value, begin, ++moment, sets(value)));
      const uint64_t again = ++moment;
      operations.push_back(operation("read " + value, again, ++moment, finds(value)));
    }
    const Verdict verdict = check_linearizable(operations, "", 50'000);
    CHECK(verdict.kind == Kind::linearizable);
  }

  TEST_CASE("a search that takes too long says so") {
    std::vector<Operation> operations;
    for (uint64_t i = 0; i < 24; ++i) {
      const std::string name(1, static_cast<char>('a' + i));
      operations.push_back(operation("write " + name, i + 1, 100 + i, sets(name)));
    }
    operations.push_back(operation("read ?", 200, 201, finds("?")));
    CHECK(check_linearizable(operations, "", 1000).kind == Kind::undecided);
  }

  TEST_CASE("a recorded history is checked object by object") {
    History history;
    const auto write = [&](const std::string& object, const std::string& value) {
      const History::Id id = history.begin(object, "write " + value, sets(value));
      history.end(id, "ok", sets(value));
    };
    const auto read = [&](const std::string& object, const std::string& value) {
      const History::Id id = history.begin(object, "read", finds(value));
      history.end(id, value, finds(value));
    };
    write("x", "1");
    write("y", "2");
    read("x", "1");
    read("y", "2");
    const History::Id unknown = history.begin("x", "write 3", sets("3"));
    read("x", "3");
    CHECK(history.check("", 1000).faults.empty());
    CHECK(history.check("", 1000).operations == 6);
    read("y", "1");
    const auto faults = history.check("", 1000).faults;
    REQUIRE(faults.size() == 1);
    CHECK(faults[0] ==
          "what clients saw of y is not linearizable: [read: 1] does not follow "
          "[write 2: ok] [read: 2]");
    history.forget(unknown);
    CHECK(history.check("", 1000).faults.size() == 2);
  }
}
