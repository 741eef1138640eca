// Which locks are at a path, above it and below it: finds those that overlap with a target, without
// looking at others.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>

#include "messages/locks.h"

namespace dfs::lock {

class LockIndex {
 public:
  void add(LockId lock, const LockTarget& target, LockMode mode, LockState state);
  void remove(LockId lock, const LockTarget& target, LockMode mode, LockState state);
  // A waiting one was granted.
  void granted(const LockTarget& target);

  // Calls `visit` for the locks that overlap with `target` by their paths (their ranges of bytes
  // are not looked at) and of which one must be exclusive, when `mode` is shared; in an order that
  // depends on nothing but what is in the index. Stops when `visit` returns false.
  using Visit = std::function<bool(LockId)>;
  void visit(const LockTarget& target, LockMode mode, const Visit& visit) const;
  // Locks on paths below that of `target`, no more than `most` counted; 0 unless it is a subtree.
  size_t count_below(const LockTarget& target, size_t most) const;
  // How many wait for this path, or for a subtree that it is in.
  size_t waiting(const LockTarget& target) const;

 private:
  struct Bucket {
    std::set<LockId> shared;
    std::set<LockId> exclusive;
    size_t waiting = 0;
  };
  // By path, '/' written as NUL: all that is below a path follows it.
  using Buckets = std::map<std::string, Bucket, std::less<>>;

  Buckets& buckets(const LockTarget& target) { return target.subtree ? subtrees_ : paths_; }
  template <class Take>
  void each_above(const std::string& key, Take take) const;

  Buckets paths_;
  Buckets subtrees_;
};

}  // namespace dfs::lock
