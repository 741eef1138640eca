// What clients saw of locks, and what must be true of it whatever happened: the answers are those
// of one table of locks; nobody is sure of a lock that another is sure of; who came first is served
// first; and the monitor takes no change under a lock after one under a later lock.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "actors/client/locks.h"
#include "tests/sim/findings.h"
#include "tests/sim/locks/table_model.h"
#include "tests/sim/random.h"

namespace dfs::sim {

class LockChecker {
 public:
  using Id = size_t;

  explicit LockChecker(Findings& findings) : findings_(findings), model_(wanted_) {}

  // A lock below `root`: paths below different roots have nothing to do with each other.
  Id asked(const std::string& root, Wanted wanted, std::weak_ptr<LockOwner> owner);
  void waits(Id id, LockId lock);
  void granted(Id id, const LockReply& reply);
  void refused(Id id, Code code);
  void release_asked(Id id);
  void released(Id id);
  // An administrator is about to break it: from now on its owner is sure of nothing.
  void breaks(LockId lock);
  bool broken(Id id) const { return records_[id].broken; }
  const Wanted& wanted(Id id) const { return wanted_[id]; }
  LockId some_lock(Random& random) const;  // that is held, or waited for; 0: none

  // Somebody looks whether it could be had.
  History::Id looks(const std::string& root, const Wanted& wanted);
  void found(History::Id id, const Wanted& wanted, bool free);

  // The monitor changed what is at `path` by this entry of its log, under this lock.
  void changed(const std::string& path, LogIndex index, Fence fence, const std::string& what);
  // The monitor was shown this lock by this entry. Locks that go together are shown in any order.
  void shown(const std::string& path, LogIndex index, Fence fence);

  void check();
  uint64_t grants() const;
  uint64_t undecided() const { return undecided_; }

 private:
  enum class Stage { asked, queued, held, releasing, over };
  struct Record {
    std::string root;
    std::weak_ptr<LockOwner> owner;
    Stage stage = Stage::asked;
    LockId lock = 0;
    Fence fence = 0;
    bool broken = false;
    bool sure = false;  // when it was to be released
    bool take_known = false;
    History::Id take = 0;
    History::Id hold = 0;
    History::Id end = 0;
    History::Id release = 0;
  };
  struct Changed {
    Fence fence = 0;
    std::string what;
    bool shown = false;  // and not changed
  };
  void took(Record& record, Id id);
  bool relied_on(const Record& record) const;
  std::string name(Id id) const;
  void check_order();
  void check_changes();

  Findings& findings_;
  std::vector<Wanted> wanted_;
  TableModel model_;
  std::vector<Record> records_;  // as many
  History history_;
  std::map<std::string, std::map<LogIndex, Changed>> changes_;  // by path
  uint64_t undecided_ = 0;
};

}  // namespace dfs::sim
