#include "actors/lock/lock_index.h"

#include <algorithm>

#include "messages/result.h"

namespace dfs::lock {

namespace {

// A name holds neither '/' nor NUL, so nothing comes between a path and what is below it.
std::string key_of(const std::string& path) {
  if (path == "/") return {};
  std::string key = path;
  std::replace(key.begin(), key.end(), '/', '\0');
  return key;
}

}  // namespace

void LockIndex::add(LockId lock, const LockTarget& target, LockMode mode, LockState state) {
  Bucket& bucket = buckets(target)[key_of(target.path)];
  (mode == LockMode::shared ? bucket.shared : bucket.exclusive).insert(lock);
  if (state == LockState::waiting) ++bucket.waiting;
}

void LockIndex::remove(LockId lock, const LockTarget& target, LockMode mode, LockState state) {
  Buckets& all = buckets(target);
  const auto found = all.find(key_of(target.path));
  DFS_ASSERT(found != all.end());
  Bucket& bucket = found->second;
  (mode == LockMode::shared ? bucket.shared : bucket.exclusive).erase(lock);
  if (state == LockState::waiting) --bucket.waiting;
  if (bucket.shared.empty() && bucket.exclusive.empty()) all.erase(found);
}

void LockIndex::granted(const LockTarget& target) {
  --buckets(target).find(key_of(target.path))->second.waiting;
}

// The subtrees that `key` is in, from the root down to its own; until `take` returns false.
template <class Take>
void LockIndex::each_above(const std::string& key, Take take) const {
  if (subtrees_.empty()) return;
  const std::string_view all(key);
  size_t end = 0;
  while (true) {
    const auto found = subtrees_.find(all.substr(0, end));
    if (found != subtrees_.end() && !take(found->second)) return;
    if (end == all.size()) return;
    end = std::min(all.find('\0', end + 1), all.size());
  }
}

void LockIndex::visit(const LockTarget& target, LockMode mode, const Visit& visit) const {
  const std::string key = key_of(target.path);
  bool going = true;
  const auto take = [&](const Bucket& bucket) {
    for (auto at = bucket.exclusive.begin(); going && at != bucket.exclusive.end(); ++at) {
      going = visit(*at);
    }
    if (mode == LockMode::shared) return going;
    for (auto at = bucket.shared.begin(); going && at != bucket.shared.end(); ++at) {
      going = visit(*at);
    }
    return going;
  };
  each_above(key, take);
  if (!going) return;
  const auto own = paths_.find(key);
  if (own != paths_.end() && !take(own->second)) return;
  if (!target.subtree) return;
  const std::string after = key + '\1';
  for (const Buckets* all : {&subtrees_, &paths_}) {
    for (auto at = all->upper_bound(key); at != all->end() && at->first < after; ++at) {
      if (!take(at->second)) return;
    }
  }
}

size_t LockIndex::count_below(const LockTarget& target, size_t most) const {
  if (!target.subtree) return 0;
  const std::string key = key_of(target.path);
  const std::string after = key + '\1';
  size_t count = 0;
  for (const Buckets* all : {&subtrees_, &paths_}) {
    for (auto at = all->upper_bound(key); at != all->end() && at->first < after; ++at) {
      count += at->second.shared.size() + at->second.exclusive.size();
      if (count >= most) return most;
    }
  }
  return count;
}

size_t LockIndex::waiting(const LockTarget& target) const {
  const std::string key = key_of(target.path);
  size_t count = 0;
  each_above(key, [&](const Bucket& bucket) {
    count += bucket.waiting;
    return true;
  });
  const auto own = paths_.find(key);
  return own == paths_.end() ? count : count + own->second.waiting;
}

}  // namespace dfs::lock
