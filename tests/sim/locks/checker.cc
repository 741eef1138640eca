#include "tests/sim/locks/checker.h"

#include <algorithm>

namespace dfs::sim {

namespace {

constexpr uint64_t kStepsMax = 1'000'000;  // of the search through the history of one root

}  // namespace

LockChecker::Id LockChecker::asked(const std::string& root, Wanted wanted,
                                   std::weak_ptr<LockOwner> owner) {
  const Id id = records_.size();
  wanted_.push_back(std::move(wanted));
  Record& record = records_.emplace_back();
  record.root = root;
  record.owner = std::move(owner);
  record.take = history_.begin(root, "take " + name(id), model_.may_take(id));
  record.hold = history_.begin(root, "hold " + name(id), nullptr);
  // It may end at any time, by its lease.
  record.end = history_.begin(root, "end of " + name(id), model_.may_end(id));
  return id;
}

std::string LockChecker::name(Id id) const {
  const LockTarget& target = wanted_[id].target;
  std::string text = std::to_string(id);
  text += wanted_[id].mode == LockMode::shared ? " s " : " x ";
  text += target.path + (target.subtree ? "/**" : "");
  if (target.until != UINT64_MAX) {
    text += "[" + std::to_string(target.from) + "," + std::to_string(target.until) + ")";
  }
  return text;
}

void LockChecker::waits(Id id, LockId lock) {
  Record& record = records_[id];
  record.lock = lock;
  record.stage = Stage::queued;
  if (record.take_known) return;
  record.take_known = true;
  history_.end(record.take, "waits as lock " + std::to_string(lock), model_.queues(id));
}

void LockChecker::took(Record& record, Id id) {
  if (!std::exchange(record.take_known, true)) history_.end(record.take, "taken", model_.takes(id));
}

bool LockChecker::relied_on(const Record& record) const {
  const auto owner = record.owner.lock();
  return record.stage == Stage::held && !record.broken && owner && owner->sure();
}

void LockChecker::granted(Id id, const LockReply& reply) {
  Record& record = records_[id];
  took(record, id);
  history_.end(record.hold, "held with fence " + std::to_string(reply.fence), model_.holds(id));
  record.stage = Stage::held;
  record.lock = reply.lock;
  record.fence = reply.fence;
  if (!relied_on(record)) return;
  for (Id other = 0; other < records_.size(); ++other) {
    if (other == id || records_[other].root != record.root) continue;
    if (!relied_on(records_[other]) || !collide(wanted_[id], wanted_[other])) continue;
    findings_.fault("two are sure of what only one may hold: " + name(id) + " and " + name(other));
  }
}

void LockChecker::refused(Id id, Code code) {
  Record& record = records_[id];
  record.stage = Stage::over;
  const bool never_taken = code == Code::deadlock || code == Code::busy || code == Code::no_space;
  if (code == Code::locked && !wanted_[id].waits) {
    history_.end(record.take, "locked", model_.refused(id));
    history_.forget(record.end);
  } else if (code == Code::locked) {
    took(record, id);
    history_.end(record.end, "the wait is over", model_.ends_waiting(id));
  } else if (code == Code::not_found) {
    took(record, id);
    history_.end(record.end, "it is gone", model_.may_end(id));
  } else if (never_taken && !record.take_known) {
    history_.forget(record.take);
    history_.forget(record.end);
  }
}

void LockChecker::release_asked(Id id) {
  Record& record = records_[id];
  record.sure = relied_on(record);
  record.stage = Stage::releasing;
  if (record.sure) {
    record.release = history_.begin(record.root, "release " + name(id), model_.may_end(id));
  }
}

void LockChecker::released(Id id) {
  Record& record = records_[id];
  record.stage = Stage::over;
  if (record.sure && !record.broken) {
    history_.end(record.release, "done", model_.ends_held(id));
    history_.forget(record.end);
  } else {
    if (record.sure) history_.forget(record.release);
    history_.end(record.end, "released", model_.may_end(id));
  }
}

void LockChecker::breaks(LockId lock) {
  for (Record& record : records_) {
    if (record.lock == lock) record.broken = true;
  }
}

LockId LockChecker::some_lock(Random& random) const {
  std::vector<LockId> locks;
  for (const Record& record : records_) {
    if (record.stage == Stage::held || record.stage == Stage::queued) locks.push_back(record.lock);
  }
  return locks.empty() ? 0 : random.pick(locks);
}

History::Id LockChecker::looks(const std::string& root, const Wanted& wanted) {
  return history_.begin(root, "look for " + wanted.target.path, nullptr);
}

void LockChecker::found(History::Id id, const Wanted& wanted, bool free) {
  history_.end(id, free ? "free" : "locked", model_.finds(wanted, free));
}

void LockChecker::changed(const std::string& path, LogIndex index, Fence fence,
                          const std::string& what) {
  changes_[path][index] = {fence, what};
}

void LockChecker::shown(const std::string& path, LogIndex index, Fence fence) {
  changes_[path][index] = {fence, "shown", true};
}

uint64_t LockChecker::grants() const {
  return static_cast<uint64_t>(std::count_if(
      records_.begin(), records_.end(), [](const Record& record) { return record.fence != 0; }));
}

void LockChecker::check() {
  check_order();
  check_changes();
  const History::Summary summary = history_.check({}, kStepsMax);
  for (const std::string& fault : summary.faults) findings_.fault(fault);
  undecided_ = summary.undecided;
}

// Numbers and fences are those of log entries, so they tell the order of all that happened.
void LockChecker::check_order() {
  for (Id a = 0; a < records_.size(); ++a) {
    for (Id b = 0; b < records_.size(); ++b) {
      const Record& first = records_[a];
      const Record& second = records_[b];
      const bool ordered = first.lock != 0 && first.lock < second.lock;
      if (!ordered || first.root != second.root || !collide(wanted_[a], wanted_[b])) continue;
      if (first.fence == 0 || second.fence == 0 || first.fence < second.fence) continue;
      findings_.fault(name(b) + " was granted before " + name(a) + ", which came first");
    }
  }
}

void LockChecker::check_changes() {
  for (const auto& [path, changes] : changes_) {
    const Changed* before = nullptr;  // of the highest fence
    for (const auto& [index, change] : changes) {
      const bool late = before != nullptr && change.fence < before->fence;
      if (late && change.shown) continue;
      if (late) {
        findings_.fault(path + " was changed (" + change.what + ") under fence " +
                        std::to_string(change.fence) + " after a change under fence " +
                        std::to_string(before->fence) + " (" + before->what + ")");
      }
      before = &change;
    }
  }
}

}  // namespace dfs::sim
