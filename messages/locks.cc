#include "messages/locks.h"

#include <string_view>

namespace dfs {

namespace {

bool is_below(std::string_view path, std::string_view directory) {
  if (directory == "/") return path != "/";
  return path.size() > directory.size() && path.starts_with(directory) &&
         path[directory.size()] == '/';
}

}  // namespace

bool overlap(const LockTarget& a, const LockTarget& b) {
  if (a.path == b.path) return a.from < b.until && b.from < a.until;
  return (a.subtree && is_below(b.path, a.path)) || (b.subtree && is_below(a.path, b.path));
}

bool covers(const LockTarget& outer, const LockTarget& inner) {
  if (outer.subtree) return outer.path == inner.path || is_below(inner.path, outer.path);
  return !inner.subtree && outer.path == inner.path && outer.from <= inner.from &&
         inner.until <= outer.until;
}

const char* AcquireLock::invalid() const {
  if (const char* why = target.invalid()) return why;
  if (mode != LockMode::shared && mode != LockMode::exclusive) return "mode is not known";
  if (wait_ms > kLockWaitMsMax) return "wait_ms is over 24 hours";
  if (owner.size() > kOwnerBytesMax) return "owner is longer than 255 bytes";
  if (label.size() > kOwnerBytesMax) return "label is longer than 255 bytes";
  return nullptr;
}

}  // namespace dfs
