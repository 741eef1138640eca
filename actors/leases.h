// Who is known to be alive, as a leader keeps it: in memory only. Whoever has a lease renews it in
// time; after a change of leader the renewals tell the new one. So nothing is to be ended for want
// of a lease before this leader has led for longer than one: only then has everybody who lives told
// it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

namespace dfs {

// Time is counted in ticks of the owner's timer, kLeaseTicks to a lease: while a leader stands
// still it hears no renewals, and nothing expires.
inline constexpr uint32_t kLeaseTicks = 8;
inline constexpr size_t kLeasesMax = 256 * 1024;

template <class Key>
class Leases {
 public:
  explicit Leases(size_t most = kLeasesMax) : most_(most) {}

  // Opens or renews. False when there are too many to take another in.
  bool renew(const Key& key) {
    // The tick under way has begun already and does not count.
    const uint32_t until = ticks_ + kLeaseTicks + 1;
    const auto known = leases_.find(key);
    if (known != leases_.end()) {
      known->second = until;
      return true;
    }
    if (leases_.size() >= most_) return false;
    leases_.emplace(key, until);
    return true;
  }
  // It needs none any more.
  void end(const Key& key) { leases_.erase(key); }
  bool holds(const Key& key) const { return leases_.contains(key); }
  bool empty() const { return leases_.empty(); }
  // A part of the lease time has passed. Returns whose lease is over.
  std::vector<Key> tick() {
    ++ticks_;
    std::vector<Key> over;
    std::erase_if(leases_, [&](const auto& lease) {
      if (lease.second > ticks_) return false;
      over.push_back(lease.first);
      return true;
    });
    return over;
  }
  // Whether whoever lives has said so.
  bool complete() const { return ticks_ > kLeaseTicks; }
  // So many ticks ago, at most, it was renewed; since the beginning when it never was.
  uint32_t silent_ticks(const Key& key) const {
    const auto known = leases_.find(key);
    return known == leases_.end() ? ticks_ : ticks_ + kLeaseTicks + 1 - known->second;
  }
  // The smallest that has one.
  std::optional<Key> first() const {
    if (leases_.empty()) return std::nullopt;
    return leases_.begin()->first;
  }

 private:
  size_t most_;
  std::map<Key, uint32_t> leases_;  // until which tick
  uint32_t ticks_ = 0;              // since the reign began
};

}  // namespace dfs
