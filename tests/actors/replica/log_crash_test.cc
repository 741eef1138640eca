// What a LogStore is after a crash at any step of any change.
#include <doctest/doctest.h>

#include <random>

#include "tests/actors/replica/log_fixture.h"

namespace dfs {
namespace {

using sim::SimDisk;

constexpr uint64_t kSegmentBytes = 4096;

// What a log should be.
struct Model {
  raft::HardState state;
  LogIndex base = 0;
  uint64_t base_term = 0;
  std::vector<LogEntry> entries;

  LogIndex first() const { return base + 1; }
  LogIndex last() const { return base + entries.size(); }
  const LogEntry& at(LogIndex index) const { return entries.at(index - first()); }
  uint64_t last_term() const { return entries.empty() ? base_term : entries.back().term; }
  void drop_to(LogIndex index) {
    if (index == base) return;
    base_term = at(index).term;
    entries.erase(entries.begin(), entries.begin() + static_cast<ptrdiff_t>(index - base));
    base = index;
  }
};

struct Change {
  enum Kind { save_state, append, truncate, drop, restart };
  Kind kind = append;
  LogIndex index = 0;  // of the first entry, the first one to go, the first one to stay, the base
  uint64_t term = 1;
  size_t count = 0;  // of entries, or the vote
};

LogEntry entry_of(LogIndex index, uint64_t term) {
  return (index + term) % 9 == 0 ? change_entry(index, term) : entry(index, 300, term);
}

// What the log is when the change is made; of a drop, when it goes as far as it may.
Model after(Model model, const Change& change) {
  switch (change.kind) {
    case Change::save_state:
      model.state = {change.term, change.count};
      break;
    case Change::append:
      for (size_t i = 0; i < change.count; ++i) {
        model.entries.push_back(entry_of(change.index + i, change.term));
      }
      break;
    case Change::truncate:
      model.entries.resize(change.index - model.first());
      break;
    case Change::drop:
      model.drop_to(change.index - 1);
      break;
    case Change::restart:
      model.base = change.index;
      model.base_term = change.term;
      model.entries.clear();
  }
  return model;
}

Result<void> make(LogStore& log, const Change& change) {
  LogEntries batch;
  switch (change.kind) {
    case Change::save_state:
      return log.save_state({change.term, change.count});
    case Change::append:
      for (size_t i = 0; i < change.count; ++i) {
        batch.push_back(std::make_shared<const LogEntry>(entry_of(change.index + i, change.term)));
      }
      return log.append(batch);
    case Change::truncate:
      return log.truncate_from(change.index);
    case Change::drop:
      return log.drop_before(change.index);
    default:
      return log.restart_after(change.index, change.term);
  }
}

// The log is exactly this one.
void check_same(SimDisk& disk, LogStore& log, const Model& model) {
  CHECK(segment_files(disk) == log.segments());
  CHECK(log.state() == model.state);
  REQUIRE(log.base() == model.base);
  CHECK(log.base_term() == model.base_term);
  check_log(log, model.first(), model.last(), [&](LogIndex index) { return model.at(index); });
  const auto changes = log.changes_after(model.base + 2);
  auto change = changes.begin();
  for (LogIndex index = model.base + 3; index <= model.last(); ++index) {
    if (model.at(index).type != Type::ChangeMembers) continue;
    REQUIRE(change != changes.end());
    CHECK(change->first == index);
    CHECK(encode((change++)->second) == model.at(index).body);
  }
  CHECK(change == changes.end());
}

// The log is what a change from `before` to `after` may leave when it is not finished; which one is
// returned.
Model check_between(SimDisk& disk, LogStore& log, const Model& before, const Model& after,
                    Change::Kind kind) {
  const bool restarted = kind == Change::restart && log.base() == after.base &&
                         log.base_term() == after.base_term && log.last() == log.base();
  Model now = restarted || before.entries.size() < after.entries.size() ? after : before;
  now.state = log.state();
  CHECK((now.state == before.state || now.state == after.state));
  if (kind != Change::restart) {
    REQUIRE(log.base() >= before.base);
    REQUIRE(log.base() <= after.base);
    now.drop_to(log.base());
    REQUIRE(log.last() >= std::min(before.last(), after.last()));
    REQUIRE(log.last() <= now.last());
    now.entries.resize(log.last() - log.base());
  }
  check_same(disk, log, now);
  return now;
}

// Who has the log: makes changes, dies somewhere, and comes back.
class Owner {
 public:
  // True when all changes were made. A drop goes as far as whole segments allow.
  bool run(const std::vector<Change>& changes) {
    auto log = LogStore::open(disk, {"/log", kSegmentBytes, 42});
    if (!log) return false;
    if (!disk.halted()) check_same(disk, **log, model);
    for (const Change& change : changes) {
      intended = after(model, change);
      kind = change.kind;
      if (!make(**log, change)) return false;
      if (kind == Change::drop) {
        model.drop_to((*log)->base());
      } else {
        model = intended;
      }
      intended = model;
      if (!disk.halted()) check_same(disk, **log, model);
    }
    return true;
  }

  void come_back() {
    auto log = open_log(disk, kSegmentBytes);
    model = intended = check_between(disk, *log, model, intended, kind);
  }

  SimDisk disk;
  Model model;     // as far as it was told
  Model intended;  // by the change that it was not told the end of
  Change::Kind kind = Change::append;
};

// Everything that a replica does to its log: what a leader appends, a follower that had other
// entries than its leader, snapshots, also behind an index where a segment begins already.
const std::vector<Change> kHistory = {
    {Change::save_state, 0, 1, 1},
    {Change::append, 1, 1, 5},
    {Change::append, 6, 1, 11},
    {Change::append, 17, 1, 9},
    {Change::save_state, 0, 2},
    {Change::truncate, 20},
    {Change::append, 20, 2, 3},
    {Change::append, 23, 2, 2},
    {Change::save_state, 0, 3, 2},
    {Change::truncate, 4},
    {Change::append, 4, 3, 6},
    {Change::append, 10, 3, 30},
    {Change::drop, 25},
    {Change::truncate, 35},
    {Change::append, 35, 4, 9},
    {Change::restart, 38, 4},
    {Change::append, 39, 4, 4},
    {Change::append, 43, 5, 20},
    {Change::restart, 90, 6},
    {Change::append, 91, 6, 3},
    {Change::save_state, 0, 7, 3},
    {Change::truncate, 91},
    {Change::append, 91, 7, 2},
    {Change::restart, 90, 8},
    {Change::append, 91, 8, 25},
    {Change::restart, 115, 8},
    {Change::save_state, 0, 9, 1},
    {Change::append, 116, 9, 1},
};

Change random_change(const Model& model, std::mt19937_64& random) {
  const uint64_t term = std::max(model.last_term(), model.state.term) + random() % 2;
  switch (random() % 16) {
    case 0:
      return {Change::save_state, 0, model.state.term + random() % 2, random() % 4};
    case 1:
    case 2:
      return {Change::truncate, model.last() + 1 - random() % (1 + model.entries.size() / 2)};
    case 3:
      if (model.entries.empty()) break;
      return {Change::drop, model.first() + random() % model.entries.size()};
    case 4:
      if (random() % 4 != 0) break;
      return {Change::restart, model.base + random() % (2 + 2 * model.entries.size()), term};
    default:
      break;
  }
  return {Change::append, model.last() + 1, std::max<uint64_t>(term, 1), 1 + random() % 6};
}

}  // namespace

TEST_SUITE("replica") {
  TEST_CASE("whatever a log is told, a death at any step leaves what was before or what is after") {
    for (uint64_t seed = 0; seed < 8; ++seed) {
      bool finished = false;
      for (uint64_t steps = 0; !finished; ++steps) {
        CAPTURE(seed);
        CAPTURE(steps);
        std::mt19937_64 random(seed * 1000 + steps);
        Owner owner;
        owner.disk.halt_after(steps);
        finished = owner.run(kHistory);
        if (seed == 0) {
          owner.disk.restart();  // the process alone died
        } else {
          owner.disk.crash([&] { return random(); });
        }
        owner.come_back();
        // It goes on, with entries of another term than those that may have been lost.
        REQUIRE(owner.run({{Change::append, owner.model.last() + 1, 20, 2}}));
        owner.disk.crash([&] { return random(); });
        REQUIRE(owner.run({}));
      }
    }
  }

  TEST_CASE("a log outlives any number of crashes in any order of changes") {
    for (uint64_t seed = 0; seed < 1000; ++seed) {
      CAPTURE(seed);
      std::mt19937_64 random(seed);
      Owner owner;
      for (int life = 0; life < 4; ++life) {
        owner.disk.halt_after(random() % 120);
        while (owner.run({random_change(owner.model, random)})) {
          std::vector<Change> changes;
          Model model = owner.model;
          for (size_t i = 0; i < 10; ++i) {
            changes.push_back(random_change(model, random));
            if (changes.back().kind == Change::drop) break;  // how far is not known before
            model = after(std::move(model), changes.back());
          }
          if (!owner.run(changes)) break;
        }
        owner.disk.crash([&] { return random(); });
        owner.come_back();
      }
    }
  }
}

}  // namespace dfs
