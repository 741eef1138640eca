#include "actors/lock/throttle.h"

#include <algorithm>
#include <utility>

namespace dfs::lock {

Duration Throttle::wait(const std::string& key, Instant now) {
  const auto found = entries_.find(key);
  if (found == entries_.end()) return Duration::zero();
  if (now - found->second.last >= kForget) {
    forget(key);
    return Duration::zero();
  }
  return std::max(found->second.next - now, Duration::zero());
}

void Throttle::attempt(const std::string& key, Instant now) {
  auto found = entries_.find(key);
  if (found == entries_.end()) {
    if (entries_.size() >= kKeysMax) {
      const std::string oldest = ages_.front();
      forget(oldest);
    }
    found = entries_.emplace(key, Entry{0, now, now, now, ages_.insert(ages_.end(), key)}).first;
  }
  Entry& entry = found->second;
  ages_.splice(ages_.end(), ages_, entry.age);
  entry.before = std::exchange(entry.last, now);
  if (++entry.attempts < kFree) return;
  const uint32_t doublings = std::min<uint32_t>(entry.attempts - kFree, 20);
  entry.next = now + std::min<Duration>(kFirstWait * (1u << doublings), wait_max_);
}

void Throttle::succeeded(const std::string& key) {
  forget(key);
}

void Throttle::give_back(const std::string& key, Instant began) {
  const auto found = entries_.find(key);
  if (found == entries_.end()) return;
  Entry& entry = found->second;
  if (--entry.attempts == 0) return forget(key);
  // When it began nothing was to be waited for. Another one that began later has its own wait.
  if (entry.last != began) return;
  entry.last = entry.before;
  entry.next = began;
}

void Throttle::forget(const std::string& key) {
  const auto found = entries_.find(key);
  if (found == entries_.end()) return;
  ages_.erase(found->second.age);
  entries_.erase(found);
}

}  // namespace dfs::lock
