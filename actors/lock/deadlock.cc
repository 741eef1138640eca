// Deadlocks are found when a request begins to wait: only then does anybody wait for more than
// before, so the new request is part of every new cycle.
#include <deque>

#include "actors/lock/lock_table.h"

namespace dfs::lock {

namespace {

// How the search came to an owner: somebody waits for a lock of theirs.
struct Step {
  std::string waiter;
  LockId lock = 0;
};

}  // namespace

Result<void> LockTable::check_deadlock(const LockRow& row) const {
  std::map<std::string, Step, std::less<>> reached;
  std::deque<std::string> next;
  size_t steps = 0;
  bool closed = false;
  const auto reach = [&](const std::string& waiter, LockId lock, const LockRow& blocker) {
    closed = blocker.owner == row.owner;
    if (reached.try_emplace(blocker.owner, Step{waiter, lock}).second) {
      next.push_back(blocker.owner);
    }
    return !closed && ++steps < limits_.deadlock_steps;
  };
  each_conflict(row,
                [&](LockId id, const Lock& blocker) { return reach(row.owner, id, blocker.row); });
  while (!closed && !next.empty() && steps < limits_.deadlock_steps) {
    const std::string owner = std::move(next.front());
    next.pop_front();
    for (const LockId id : owners_.find(owner)->second) {
      const LockRow& own = locks_.find(id)->second.row;
      if (own.state != LockState::waiting) continue;
      each_blocker(id, own, [&](LockId other, const Lock& blocker) {
        return reach(owner, other, blocker.row);
      });
      if (closed) break;
    }
  }
  if (!closed) return {};
  std::string cycle;
  std::string at = row.owner;
  do {
    const Step& step = reached.find(at)->second;
    const LockRow& wanted = locks_.find(step.lock)->second.row;
    const bool held = wanted.state == LockState::granted;
    std::string link = step.waiter + " waits for " + json_quote(wanted.target.path) +
                       (held ? " held by " : " asked for earlier by ") + at;
    cycle = cycle.empty() ? std::move(link) : std::move(link) + "; " + cycle;
    at = step.waiter;
  } while (at != row.owner);
  return Error{Code::deadlock,
               "the lock on " + json_quote(row.target.path) +
                   " was not taken, for to wait for it would never end: " + cycle +
                   "; release what you hold and begin again",
               {{"path", row.target.path}, {"cycle", cycle}},
               0};
}

}  // namespace dfs::lock
