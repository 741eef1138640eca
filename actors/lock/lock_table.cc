#include "actors/lock/lock_table.h"

#include <algorithm>
#include <iterator>

#include "actors/table.h"
#include "messages/codec.h"

namespace dfs::lock {

const char* name_of(LockEnd end) {
  switch (end) {
    case LockEnd::released:
      return "released";
    case LockEnd::broken:
      return "broken";
    case LockEnd::lease_expired:
      return "lease_expired";
    case LockEnd::wait_over:
      return "wait_over";
  }
  return "unknown";
}

namespace keys {

std::string lock(LockId lock) {
  std::string key(1, kLock);
  append_u64(key, lock);
  return key;
}

}  // namespace keys

namespace {

LockRow row_of(const TakeLock& request) {
  LockRow row;
  row.target = request.target;
  row.mode = request.mode;
  row.owner = request.owner;
  row.user = request.user;
  row.label = request.label;
  return row;
}

Error refusal(Code code, const LockRow& row, const std::string& why) {
  return Error{code,
               "the lock on " + json_quote(row.target.path) + " was not taken: " + why,
               {{"path", row.target.path}},
               code == Code::busy ? 1000u : 0u};
}

}  // namespace

// Whether `a` blocks `b` or the other way round, whichever came first.
bool LockTable::conflict(const LockRow& a, const LockRow& b) {
  return a.owner != b.owner && (a.mode == LockMode::exclusive || b.mode == LockMode::exclusive) &&
         overlap(a.target, b.target);
}

void LockTable::each_conflict(const LockRow& row, const Visit& visit) const {
  index_.visit(row.target, row.mode, [&](LockId id) {
    const Lock& lock = locks_.find(id)->second;
    return !conflict(row, lock.row) || visit(id, lock);
  });
}

void LockTable::each_blocker(LockId lock, const LockRow& row, const Visit& visit) const {
  each_conflict(row, [&](LockId id, const Lock& other) {
    const bool blocks = other.row.state == LockState::granted || id < lock;
    return !blocks || visit(id, other);
  });
}

// What an owner holds already, nobody else can hold.
bool LockTable::is_covered(const LockRow& row) const {
  const auto own = owners_.find(row.owner);
  if (own == owners_.end()) return false;
  return std::any_of(own->second.begin(), own->second.end(), [&](LockId id) {
    const LockRow& held = locks_.find(id)->second.row;
    return held.state == LockState::granted &&
           (held.mode == LockMode::exclusive || row.mode == LockMode::shared) &&
           covers(held.target, row.target);
  });
}

void LockTable::load(LockId lock, LockRow row) {
  insert(lock, std::move(row), 0);
}

void LockTable::loaded() {
  for (const auto& [expires_ms, id] : expiries_) {
    Lock& waiting = locks_.find(id)->second;
    waiting.blocked_by = 0;
    each_blocker(id, waiting.row, [&](LockId, const Lock&) {
      ++waiting.blocked_by;
      return true;
    });
  }
}

void LockTable::insert(LockId lock, LockRow row, uint32_t blocked_by) {
  index_.add(lock, row.target, row.mode, row.state);
  owners_[row.owner].insert(lock);
  ++of_users_[row.user];
  if (row.state == LockState::waiting) expiries_.emplace(row.expires_ms, lock);
  locks_.emplace(lock, Lock{std::move(row), blocked_by});
}

void LockTable::erase(LockId lock) {
  const auto found = locks_.find(lock);
  const LockRow& row = found->second.row;
  index_.remove(lock, row.target, row.mode, row.state);
  const auto own = owners_.find(row.owner);
  own->second.erase(lock);
  if (own->second.empty()) owners_.erase(own);
  const auto of_user = of_users_.find(row.user);
  if (--of_user->second == 0) of_users_.erase(of_user);
  if (row.state == LockState::waiting) expiries_.erase({row.expires_ms, lock});
  locks_.erase(found);
}

Result<void> LockTable::check_room(const LockRow& row) const {
  if (locks_.size() >= limits_.locks) {
    return refusal(Code::no_space, row,
                   "there are " + std::to_string(limits_.locks) +
                       " locks already; see who holds them with: dfsctl lock list");
  }
  if (locks_of(row.owner) >= limits_.per_owner) {
    return refusal(
        Code::no_space, row,
        row.owner + " has " + std::to_string(limits_.per_owner) + " locks already; release some");
  }
  const auto of_user = of_users_.find(row.user);
  if (!row.user.empty() && of_user != of_users_.end() && of_user->second >= limits_.per_user) {
    return refusal(Code::no_space, row,
                   "user " + row.user + " has " + std::to_string(limits_.per_user) +
                       " locks already, held and waited for; release some, see: dfsctl lock list");
  }
  if (index_.count_below(row.target, limits_.below + 1) > limits_.below) {
    return refusal(Code::busy, row,
                   "there are more than " + std::to_string(limits_.below) +
                       " locks below it; try again later, or lock what is below it");
  }
  return {};
}

Result<void> LockTable::check_wait(const TakeLock& request, const LockRow& row,
                                   LockId blocker) const {
  if (request.wait_ms == 0) return locked(row, blocker);
  DFS_CHECK(check_queue(row));
  return check_deadlock(row);
}

Result<void> LockTable::check_queue(const LockRow& row) const {
  if (index_.waiting(row.target) < limits_.waiters && expiries_.size() < limits_.waiting) return {};
  return refusal(Code::busy, row, "too many wait already; try again");
}

Result<void> LockTable::check_room_now(const TakeLock& request) const {
  const LockRow row = row_of(request);
  DFS_CHECK(check_room(row));
  const Result<void> queue = check_queue(row);
  return queue || request.wait_ms == 0 || would_grant(request) ? Result<void>() : queue;
}

Error LockTable::locked(const LockRow& row, LockId blocker) const {
  const LockRow& other = locks_.find(blocker)->second.row;
  const bool held = other.state == LockState::granted;
  Error error{Code::locked,
              json_quote(row.target.path) + " is locked: " + other.owner +
                  (other.label.empty() ? "" : " (" + other.label + ")") +
                  (held ? " holds " : " waits for ") + json_quote(other.target.path) +
                  "; wait for it, or see: dfsctl lock list",
              {{"path", row.target.path},
               {"holder", other.owner},
               {"lock", std::to_string(blocker)},
               {"since_ms", std::to_string(other.since_ms)}},
              0};
  return error;
}

Result<void> LockTable::acquire(const TakeLock& request, LogIndex index, int64_t now_ms,
                                LockNews& news) {
  LockRow row = row_of(request);
  row.since_ms = now_ms;
  DFS_CHECK(check_room(row));
  const bool covered = is_covered(row);
  uint32_t blocked_by = 0;
  LockId blocker = 0;
  if (!covered) {
    each_conflict(row, [&](LockId id, const Lock& other) {
      const bool better = blocker == 0 || other.row.state == LockState::granted;
      if (better) blocker = id;
      ++blocked_by;
      return true;
    });
  }
  if (blocked_by > 0) {
    DFS_CHECK(check_wait(request, row, blocker));
    row.state = LockState::waiting;
    row.expires_ms = now_ms + request.wait_ms;
  } else {
    row.fence = index;
    news.granted.push_back(index);
  }
  if (covered) {
    each_conflict(row, [&](LockId id, const Lock&) {
      ++locks_.find(id)->second.blocked_by;
      return true;
    });
  }
  news.added = index;
  insert(index, std::move(row), blocked_by);
  return {};
}

Result<void> LockTable::would_grant(const TakeLock& request) const {
  const LockRow row = row_of(request);
  if (is_covered(row)) return {};
  LockId blocker = 0;
  each_conflict(row, [&](LockId id, const Lock&) {
    blocker = id;
    return false;
  });
  if (blocker == 0) return {};
  return locked(row, blocker);
}

void LockTable::end(const std::vector<LockId>& locks, LockEnd why, LogIndex index, int64_t now_ms,
                    LockNews& news) {
  const std::set<LockId> all(locks.begin(), locks.end());
  std::vector<EndedLock> ended;
  for (const LockId id : all) {
    const auto found = locks_.find(id);
    if (found == locks_.end()) continue;
    ended.push_back({id, found->second.row, why});
    erase(id);
  }
  std::set<LockId> free;
  for (const EndedLock& gone : ended) {
    const bool held = gone.row.state == LockState::granted;
    each_conflict(gone.row, [&](LockId id, const Lock& other) {
      if (other.row.state != LockState::waiting || (!held && gone.lock > id)) return true;
      Lock& waiting = locks_.find(id)->second;
      if (--waiting.blocked_by == 0) free.insert(id);
      return true;
    });
  }
  for (const LockId id : free) grant(id, index, now_ms, news);
  std::move(ended.begin(), ended.end(), std::back_inserter(news.ended));
}

void LockTable::grant(LockId lock, LogIndex index, int64_t now_ms, LockNews& news) {
  LockRow& row = locks_.find(lock)->second.row;
  expiries_.erase({row.expires_ms, lock});
  index_.granted(row.target);
  row.state = LockState::granted;
  row.fence = index;
  row.since_ms = now_ms;
  row.expires_ms = 0;
  news.granted.push_back(lock);
}

void LockTable::end_owners(const std::vector<std::string>& owners, LogIndex index, int64_t now_ms,
                           LockNews& news) {
  std::vector<LockId> locks;
  for (const std::string& owner : owners) {
    const auto own = owners_.find(owner);
    if (own == owners_.end()) continue;
    locks.insert(locks.end(), own->second.begin(), own->second.end());
  }
  end(locks, LockEnd::lease_expired, index, now_ms, news);
}

void LockTable::expire(LogIndex index, int64_t now_ms, LockNews& news) {
  std::vector<LockId> over;
  for (const auto& [expires_ms, id] : expiries_) {
    if (expires_ms > now_ms) break;
    over.push_back(id);
  }
  if (!over.empty()) end(over, LockEnd::wait_over, index, now_ms, news);
}

const LockRow* LockTable::find(LockId lock) const {
  const auto found = locks_.find(lock);
  return found == locks_.end() ? nullptr : &found->second.row;
}

std::vector<std::string> LockTable::owners() const {
  std::vector<std::string> all;
  for (const auto& [owner, locks] : owners_) all.push_back(owner);
  return all;
}

size_t LockTable::locks_of(const std::string& owner) const {
  const auto own = owners_.find(owner);
  return own == owners_.end() ? 0 : own->second.size();
}

const std::string* LockTable::user_of(const std::string& owner) const {
  const auto own = owners_.find(owner);
  return own == owners_.end() ? nullptr : &locks_.find(*own->second.begin())->second.row.user;
}

std::optional<int64_t> LockTable::next_expiry_ms() const {
  if (expiries_.empty()) return std::nullopt;
  return expiries_.begin()->first;
}

std::vector<LockId> LockTable::blockers(LockId lock, size_t most, uint32_t* ahead) const {
  std::vector<LockId> holders;
  std::vector<LockId> waiting;
  const auto found = locks_.find(lock);
  if (found != locks_.end() && found->second.row.state == LockState::waiting) {
    each_blocker(lock, found->second.row, [&](LockId id, const Lock& other) {
      (other.row.state == LockState::granted ? holders : waiting).push_back(id);
      return true;
    });
  }
  if (ahead != nullptr) *ahead = static_cast<uint32_t>(holders.size() + waiting.size());
  std::sort(holders.begin(), holders.end());
  std::sort(waiting.begin(), waiting.end());
  holders.insert(holders.end(), waiting.begin(), waiting.end());
  if (holders.size() > most) holders.resize(most);
  return holders;
}

std::vector<LockId> LockTable::list(const std::string& below, const std::string* user, LockId after,
                                    size_t limit, LockId* next) const {
  std::vector<LockId> found;
  *next = 0;
  const LockTarget all{below.empty() ? "/" : below, true, 0, UINT64_MAX};
  size_t looked_at = 0;
  for (auto at = locks_.upper_bound(after); at != locks_.end(); ++at) {
    if (found.size() == limit || looked_at++ == kListLooksMax) {
      *next = std::prev(at)->first;
      break;
    }
    const LockRow& row = at->second.row;
    if (user != nullptr && row.user != *user) continue;
    if (covers(all, LockTarget{row.target.path, false, 0, UINT64_MAX})) found.push_back(at->first);
  }
  return found;
}

}  // namespace dfs::lock
