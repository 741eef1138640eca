#include "messages/locks.h"

namespace dfs {

namespace {

// Whether `path` is `above` or below it.
bool is_at_or_below(const std::string& path, const std::string& above) {
  if (above == "/") return true;
  if (!path.starts_with(above)) return false;
  return path.size() == above.size() || path[above.size()] == '/';
}

}  // namespace

bool overlap(const LockTarget& a, const LockTarget& b) {
  if (a.path == b.path) return a.from < b.until && b.from < a.until;
  if (a.subtree && is_at_or_below(b.path, a.path)) return true;
  return b.subtree && is_at_or_below(a.path, b.path);
}

const char* AcquireLock::invalid() const {
  if (const char* why = target.invalid()) return why;
  if (mode != LockMode::shared && mode != LockMode::exclusive) return "the mode is not known";
  if (wait_ms > kLockWaitMsMax) return "it would wait for more than a day";
  if (owner.size() > kOwnerBytesMax) return "the owner is longer than 255 bytes";
  if (label.size() > kNameBytesMax) return "the label is longer than 255 bytes";
  return nullptr;
}

}  // namespace dfs
