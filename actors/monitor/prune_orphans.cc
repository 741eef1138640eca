#include <deque>

#include "actors/monitor/operations.h"

namespace dfs {

namespace {

struct Orphan {
  Ino ino = 0;
  OrphanRow row;
};

struct Child {
  std::string name;
  EntryRow entry;
};

// Removes rows of orphaned directories until the limit is reached. A directory below one becomes an
// orphan of its own, so no command recurses, however deep the tree.
class Pruning {
 public:
  Pruning(VersionedRows& rows, uint32_t limit) : rows_(rows), limit_(limit) {}

  Result<Pruned> run() {
    DFS_CHECK(collect());
    while (!orphans_.empty() && pruned_ < limit_) {
      const Orphan orphan = orphans_.front();
      orphans_.pop_front();
      DFS_CHECK(prune(orphan));
    }
    DFS_CHECK(count(rows_, -static_cast<int64_t>(files_), -static_cast<int64_t>(directories_)));
    return Pruned{pruned_, more_ || !orphans_.empty()};
  }

 private:
  Result<void> collect() {
    std::optional<Error> failed;
    const std::string prefix(1, keys::kOrphan);
    DFS_CHECK(rows_.scan(prefix, after_prefix(prefix), [&](auto key, auto value) {
      if (orphans_.size() == limit_) {
        more_ = true;
        return false;
      }
      auto row = decode<OrphanRow>(value);
      if (!row) failed = row.error();
      if (row) orphans_.push_back({read_u64(key, 1), *row});
      return row.ok();
    }));
    if (failed) return *failed;
    return {};
  }

  Result<void> prune(const Orphan& orphan) {
    std::vector<Child> children;
    DFS_CHECK(children_of(orphan.ino, children));
    for (const Child& child : children) {
      if (pruned_ >= limit_) {
        more_ = true;
        return {};
      }
      drop(orphan, child);
    }
    rows_.erase_as_of<InodeRow>(keys::inode(orphan.ino), orphan.row.ended, orphan.row.ended_ms);
    rows_.erase<OrphanRow>(keys::orphan(orphan.ino));
    ++directories_;
    ++pruned_;
    return {};
  }

  void drop(const Orphan& orphan, const Child& child) {
    const auto [ended, ended_ms] = orphan.row;
    rows_.erase_as_of<EntryRow>(keys::entry(orphan.ino, child.name), ended, ended_ms);
    ++pruned_;
    if (child.entry.type == FileType::directory) {
      rows_.put(keys::orphan(child.entry.ino), orphan.row);
      orphans_.push_back({child.entry.ino, orphan.row});
      return;
    }
    rows_.erase_as_of<InodeRow>(keys::inode(child.entry.ino), ended, ended_ms);
    ++files_;
  }

  // As many as may still be pruned, and one more to know that there are more.
  Result<void> children_of(Ino ino, std::vector<Child>& children) {
    std::optional<Error> failed;
    const std::string prefix = keys::entries(ino);
    DFS_CHECK(rows_.scan(prefix, after_prefix(prefix), [&](auto key, auto value) {
      auto entry = decode<EntryRow>(value);
      if (!entry) failed = entry.error();
      if (entry) children.push_back({std::string(key.substr(prefix.size())), *entry});
      return entry.ok() && children.size() <= limit_;
    }));
    if (failed) return *failed;
    return {};
  }

  VersionedRows& rows_;
  const uint32_t limit_;
  std::deque<Orphan> orphans_;
  bool more_ = false;
  uint32_t pruned_ = 0;
  uint64_t files_ = 0;
  uint64_t directories_ = 0;
};

}  // namespace

Result<Pruned> prune_orphans(VersionedRows& rows, const PruneOrphans& request) {
  return Pruning(rows, request.limit).run();
}

}  // namespace dfs
