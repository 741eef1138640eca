#include "actors/raft/log.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "tests/sim/random.h"

namespace dfs::raft {
namespace {

std::shared_ptr<const LogEntry> entry_at(LogIndex index, uint64_t term, size_t bytes = 10) {
  LogEntry entry;
  entry.index = index;
  entry.term = term;
  entry.body.assign(bytes, 'x');
  return std::make_shared<const LogEntry>(std::move(entry));
}

// The terms of all entries kept, with the one before them.
struct Terms {
  LogIndex base = 0;
  std::vector<uint64_t> terms{0};

  LogIndex last() const { return base + terms.size() - 1; }
  uint64_t at(LogIndex index) const { return terms[index - base]; }
  void truncate_from(LogIndex index) { terms.resize(std::min<size_t>(terms.size(), index - base)); }
};

// A log, what it should be, and a disk that does what it is told, one write at a time.
struct Trial {
  explicit Trial(uint64_t seed) : random(seed), log(make_log()) {}

  Log make_log() {
    const LogIndex base = random.chance(0.5) ? 0 : random.below(100);
    std::vector<TermRun> runs;
    model.base = base;
    model.terms = {base == 0 ? 0 : random.between(uint64_t{1}, 5)};
    const uint64_t base_term = model.terms[0];
    for (uint64_t left = random.below(20); left > 0; --left) {
      const uint64_t term = std::max<uint64_t>(1, model.terms.back() + random.below(2));
      if (runs.empty() || runs.back().term != term) runs.push_back({model.last() + 1, term});
      model.terms.push_back(term);
    }
    disk = model;
    return Log(base, base_term, runs, model.last());
  }

  void append() {
    const uint64_t term = std::max<uint64_t>(1, model.terms.back() + random.below(2));
    log.append(entry_at(model.last() + 1, term, random.below(100)));
    model.terms.push_back(term);
  }
  void truncate() {
    // What is applied is not truncated, and so not what was compacted either.
    const LogIndex from = random.between(std::max(applied, model.base) + 1, model.last() + 2);
    log.truncate_from(from);
    model.truncate_from(from);
    intact = std::min(intact, from - 1);
  }
  void take() {
    if (writing) return;
    const bool unsaved = log.has_unsaved();
    auto [truncate_from, entries] = log.take_unsaved();
    REQUIRE(unsaved == (truncate_from != 0 || !entries.empty()));
    REQUIRE_FALSE(log.has_unsaved());
    if (truncate_from != 0) {
      REQUIRE(truncate_from > disk.base);
      disk.truncate_from(truncate_from);
    }
    for (const auto& entry : entries) {
      REQUIRE(entry->index == disk.last() + 1);
      disk.terms.push_back(entry->term);
    }
    // With this write the disk has the log as it is now.
    REQUIRE(disk.terms == model.terms);
    intact = model.last();
    writing = true;
  }
  void finish() {
    if (!writing) return;
    writing = false;
    log.saved();
    // On disk is what was taken, up to where the log has been changed since.
    REQUIRE(log.stable() == intact);
  }
  void compact() {
    applied = std::max(applied, random.between(model.base, log.stable()));
    const LogIndex first = random.between(model.base + 1, applied + 1);
    log.compact(first);
    for (Terms* terms : {&model, &disk}) {
      if (terms->base >= first - 1) continue;
      terms->terms.erase(terms->terms.begin(),
                         terms->terms.begin() + static_cast<ptrdiff_t>(first - 1 - terms->base));
      terms->base = first - 1;
    }
  }
  void restart() {
    if (writing) return;
    const LogIndex index = model.last() + random.below(50);
    const uint64_t term = std::max<uint64_t>(1, model.terms.back());
    log.restart_after(index, term);
    model.base = applied = index;
    model.terms = {term};
    disk = model;
  }

  void check() {
    REQUIRE(log.first() == model.base + 1);
    REQUIRE(log.last() == model.last());
    REQUIRE(log.last_term() == model.terms.back());
    REQUIRE(log.stable() <= log.last());
    REQUIRE((log.unstable_bytes() == 0) == (log.stable() == log.last()));
    if (model.base > 0) REQUIRE_FALSE(log.term_at(model.base - 1));
    REQUIRE_FALSE(log.term_at(model.last() + 1));
    for (LogIndex index = model.base; index <= model.last(); ++index) {
      REQUIRE(log.term_at(index) == model.at(index));
    }
    const LogIndex asked = random.between(model.base, model.last() + 3);
    const uint64_t term = random.below(model.terms.back() + 2);
    LogIndex wanted = std::min(asked, model.last());
    while (wanted > model.base && model.at(wanted) > term) --wanted;
    REQUIRE(log.last_at_most(asked, term) == wanted);
    check_entries();
  }
  void check_entries() {
    if (model.last() == model.base) return;
    const LogIndex from = random.between(model.base + 1, model.last());
    for (LogIndex index = log.stable() + 1; index <= log.last(); ++index) {
      REQUIRE_MESSAGE(log.cached(index), "what is not on disk must be in memory");
    }
    const auto entries = log.entries(from, random.below(2000));
    REQUIRE(entries.has_value() == log.cached(from));
    if (!entries) return;
    REQUIRE_FALSE(entries->empty());
    for (size_t i = 0; i < entries->size(); ++i) {
      REQUIRE((*entries)[i]->index == from + i);
      REQUIRE((*entries)[i]->term == model.at(from + i));
    }
    REQUIRE(log.entries(from, SIZE_MAX)->back()->index == model.last());
    REQUIRE(log.entries(from, 0)->size() == 1);
  }

  void step() {
    const uint64_t chance = random.below(100);
    if (chance < 45) {
      append();
    } else if (chance < 55) {
      truncate();
    } else if (chance < 72) {
      take();
    } else if (chance < 88) {
      finish();
    } else if (chance < 93) {
      compact();
    } else if (chance < 99) {
      log.trim_cache(random.between(model.base, model.last() + 1), random.below(4000));
    } else {
      restart();
    }
    check();
  }

  sim::Random random;
  Terms model;
  Terms disk;
  bool writing = false;
  LogIndex intact = 0;  // what was taken last is still the log's up to here
  LogIndex applied = 0;
  Log log;
};

}  // namespace

TEST_SUITE("raft") {
  TEST_CASE("a log is what a plain list of entries would be, through any operations") {
    for (uint64_t seed = 1; seed <= 300; ++seed) {
      CAPTURE(seed);
      Trial trial(seed);
      for (int steps = 0; steps < 300; ++steps) trial.step();
      trial.finish();
      trial.take();
      trial.finish();
      REQUIRE(trial.disk.terms == trial.model.terms);
    }
  }

  TEST_CASE("an empty log is at its base") {
    const Log log(41, 7, {}, 41);
    CHECK(log.first() == 42);
    CHECK(log.last() == 41);
    CHECK(log.last_term() == 7);
    CHECK(log.stable() == 41);
    CHECK(log.term_at(41) == 7u);
    CHECK_FALSE(log.term_at(40));
    CHECK_FALSE(log.term_at(42));
    CHECK(log.last_at_most(50, 3) == 41);
    CHECK_FALSE(log.has_unsaved());
  }

  TEST_CASE("entries that were truncated while they were written are not stable when they are") {
    Log log(0, 0, {}, 0);
    for (LogIndex index = 1; index <= 5; ++index) log.append(entry_at(index, 1));
    CHECK(log.take_unsaved().second.size() == 5);
    log.truncate_from(3);
    log.append(entry_at(3, 2));
    log.saved();
    CHECK(log.stable() == 2);
    const auto [truncate_from, entries] = log.take_unsaved();
    CHECK(truncate_from == 3);
    REQUIRE(entries.size() == 1);
    CHECK(entries[0]->term == 2);
    log.saved();
    CHECK(log.stable() == 3);
  }

  TEST_CASE("the deepest of several truncations is what the disk is told") {
    Log log(0, 0, {{1, 1}}, 10);
    log.truncate_from(8);
    log.append(entry_at(8, 2));
    log.truncate_from(4);
    log.append(entry_at(4, 3));
    log.append(entry_at(5, 3));
    log.truncate_from(5);
    const auto [truncate_from, entries] = log.take_unsaved();
    CHECK(truncate_from == 4);
    REQUIRE(entries.size() == 1);
    CHECK(entries[0]->index == 4);
    CHECK(log.stable() == 3);
  }

  TEST_CASE("entries that never reached the disk are forgotten without telling it") {
    Log log(0, 0, {{1, 1}}, 2);
    log.append(entry_at(3, 1));
    log.append(entry_at(4, 1));
    log.truncate_from(3);
    CHECK_FALSE(log.has_unsaved());
    CHECK(log.unstable_bytes() == 0);
    CHECK(log.stable() == 2);
  }

  TEST_CASE("where logs may agree is found a whole term at a time") {
    // 1 1 1 4 4 5 5 6 6 6: the leader's log in figure 7 of the paper.
    const Log log(0, 0, {{1, 1}, {4, 4}, {6, 5}, {8, 6}}, 10);
    CHECK(log.last_at_most(10, 6) == 10);
    CHECK(log.last_at_most(10, 5) == 7);
    CHECK(log.last_at_most(10, 3) == 3);
    CHECK(log.last_at_most(6, 4) == 5);
    CHECK(log.last_at_most(2, 4) == 2);
    CHECK(log.last_at_most(99, 6) == 10);
    CHECK(log.last_at_most(10, 0) == 0);
  }

  TEST_CASE("memory is given back oldest first, and never what the disk lacks") {
    Log log(0, 0, {}, 0);
    for (LogIndex index = 1; index <= 4; ++index) log.append(entry_at(index, 1, 1000));
    static_cast<void>(log.take_unsaved());
    log.saved();
    log.append(entry_at(5, 1, 1000));
    log.trim_cache(2, 0);
    CHECK_FALSE(log.cached(2));
    CHECK(log.cached(3));
    log.trim_cache(5, 0);
    CHECK_FALSE(log.cached(4));
    CHECK(log.cached(5));
    CHECK_FALSE(log.entries(4, 1000).has_value());
    // What still fits stays, however old.
    log.append(entry_at(6, 1, 1000));
    static_cast<void>(log.take_unsaved());
    log.saved();
    log.trim_cache(6, 1 << 20);
    CHECK(log.cached(5));
  }

  TEST_CASE("an entry that is larger than a message may be goes alone") {
    Log log(0, 0, {}, 0);
    log.append(entry_at(1, 1, 5000));
    log.append(entry_at(2, 1, 10));
    CHECK(log.entries(1, 100)->size() == 1);
    CHECK(log.entries(2, 100)->size() == 1);
    CHECK(log.entries(1, 100'000)->size() == 2);
  }
}

}  // namespace dfs::raft
