#include "tests/sim/locks/table_model.h"

#include <algorithm>
#include <cstdlib>

namespace dfs::sim {

namespace {

bool is_at_or_below(const std::string& path, const std::string& top) {
  return path == top || path.starts_with(top + "/");
}

}  // namespace

bool collide(const Wanted& a, const Wanted& b) {
  if (a.mode == LockMode::shared && b.mode == LockMode::shared) return false;
  const LockTarget& one = a.target;
  const LockTarget& other = b.target;
  if (one.path == other.path) return one.from < other.until && other.from < one.until;
  return (one.subtree && is_at_or_below(other.path, one.path)) ||
         (other.subtree && is_at_or_below(one.path, other.path));
}

// "3+7-": request 3 holds, request 7 waits.
TableModel::Table TableModel::read(const State& state) {
  Table table;
  const char* at = state.c_str();
  while (*at != '\0') {
    char* end = nullptr;
    const size_t number = std::strtoull(at, &end, 10);
    table.push_back({number, *end == '+'});
    at = end + 1;
  }
  return table;
}

State TableModel::write(const Table& table) {
  State state;
  for (const Entry& entry : table) {
    state += std::to_string(entry.number) + (entry.held ? '+' : '-');
  }
  return state;
}

bool TableModel::blocked(const Table& table, const Wanted& wanted) const {
  return std::any_of(table.begin(), table.end(),
                     [&](const Entry& entry) { return collide(all_[entry.number], wanted); });
}

State TableModel::with(const State& state, size_t number) const {
  Table table = read(state);
  const bool held = !blocked(table, all_[number]);
  table.push_back({number, held});
  return write(table);
}

// Whoever waits for nothing that came before is next.
std::optional<State> TableModel::without(const State& state, size_t number, bool must,
                                         bool held) const {
  Table table = read(state);
  const auto found = std::find_if(table.begin(), table.end(),
                                  [&](const Entry& entry) { return entry.number == number; });
  if (found == table.end()) return must ? std::nullopt : std::optional<State>(state);
  if (must && found->held != held) return std::nullopt;
  table.erase(found);
  Table before;
  for (Entry& entry : table) {
    entry.held = entry.held || !blocked(before, all_[entry.number]);
    before.push_back(entry);
  }
  return write(table);
}

Effect TableModel::may_take(size_t number) const {
  return [this, number](const State& state) -> std::optional<State> {
    if (!all_[number].waits && blocked(read(state), all_[number])) return state;
    return with(state, number);
  };
}

Effect TableModel::takes(size_t number) const {
  return [this, number](const State& state) -> std::optional<State> {
    if (!all_[number].waits && blocked(read(state), all_[number])) return std::nullopt;
    return with(state, number);
  };
}

Effect TableModel::queues(size_t number) const {
  return [this, number](const State& state) -> std::optional<State> {
    if (!blocked(read(state), all_[number])) return std::nullopt;
    return with(state, number);
  };
}

Effect TableModel::refused(size_t number) const {
  return [this, number](const State& state) -> std::optional<State> {
    return blocked(read(state), all_[number]) ? std::optional<State>(state) : std::nullopt;
  };
}

Effect TableModel::holds(size_t number) const {
  return [number](const State& state) -> std::optional<State> {
    for (const Entry& entry : read(state)) {
      if (entry.number == number && entry.held) return state;
    }
    return std::nullopt;
  };
}

Effect TableModel::may_end(size_t number) const {
  return [this, number](const State& state) { return without(state, number, false, false); };
}

Effect TableModel::ends_held(size_t number) const {
  return [this, number](const State& state) { return without(state, number, true, true); };
}

Effect TableModel::ends_waiting(size_t number) const {
  return [this, number](const State& state) { return without(state, number, true, false); };
}

Effect TableModel::finds(Wanted wanted, bool free) const {
  return [this, wanted = std::move(wanted), free](const State& state) -> std::optional<State> {
    return blocked(read(state), wanted) != free ? std::optional<State>(state) : std::nullopt;
  };
}

}  // namespace dfs::sim
