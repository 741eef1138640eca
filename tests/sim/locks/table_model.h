// What a lock service must answer: a table of locks as simple as can be, for the search of
// linearizability. A state is the locks there are, in the order in which they were asked for, each
// held or waiting.
#pragma once

#include <cstddef>
#include <vector>

#include "messages/locks.h"
#include "tests/sim/linearizability.h"

namespace dfs::sim {

// What somebody wanted. All of the flows have owners of their own.
struct Wanted {
  LockTarget target;
  LockMode mode = LockMode::exclusive;
  bool waits = true;  // in a queue, if need be
};

// Whether one of two owners has to wait for the other.
bool collide(const Wanted& a, const Wanted& b);

// Effects on the table; `number` is the place of the request in `all`, which must outlive them.
class TableModel {
 public:
  explicit TableModel(const std::vector<Wanted>& all) : all_(all) {}

  // Of the request itself: with an unknown outcome, or as it was answered.
  Effect may_take(size_t number) const;
  Effect takes(size_t number) const;    // held or waiting, nobody knows which it was first
  Effect queues(size_t number) const;   // it had to wait
  Effect refused(size_t number) const;  // it would have had to wait
  // It is held at this moment.
  Effect holds(size_t number) const;
  // The end of it: by whatever cause, if it still is there; and only as a lock that is held, or as
  // one that still waits.
  Effect may_end(size_t number) const;
  Effect ends_held(size_t number) const;
  Effect ends_waiting(size_t number) const;
  // Somebody only looks.
  Effect finds(Wanted wanted, bool free) const;

 private:
  struct Entry {
    size_t number = 0;
    bool held = false;
  };
  using Table = std::vector<Entry>;
  static Table read(const State& state);
  static State write(const Table& table);
  bool blocked(const Table& table, const Wanted& wanted) const;
  State with(const State& state, size_t number) const;
  std::optional<State> without(const State& state, size_t number, bool must, bool held) const;

  const std::vector<Wanted>& all_;
};

}  // namespace dfs::sim
