#include "cli/sync_plan.h"

#include <algorithm>
#include <set>

#include "cli/paths.h"

namespace dfs::cli {

namespace {

using Entries = std::vector<SyncEntry>;

std::string below(const std::string& directory, const std::string& name) {
  return directory.empty() ? name : join_path(directory, name);
}

class Planner {
 public:
  using Failed = std::function<bool(const std::string& path, const Error& error)>;

  Planner(SyncSide& source, SyncSide& target, const SyncRules& rules, const Failed& failed)
      : source_(source), target_(target), rules_(rules), failed_(failed) {}

  SyncPlan plan(bool target_exists) {
    compare("", target_exists);
    drop_idle_directories();
    return std::move(plan_);
  }

 private:
  // False when it cannot be listed.
  bool list(SyncSide& side, const std::string& directory, Entries& entries) {
    auto listed = side.list(directory);
    if (!listed) return fail(directory, listed.error());
    entries = std::move(*listed);
    std::erase_if(entries, [&](const SyncEntry& entry) {
      return !rules_.filter.takes(below(directory, entry.name), entry.directory());
    });
    std::sort(entries.begin(), entries.end(),
              [](const SyncEntry& a, const SyncEntry& b) { return a.name < b.name; });
    return true;
  }

  bool fail(const std::string& path, const Error& error) {
    ended_ |= !failed_(path, error);
    return false;
  }

  void compare(const std::string& directory, bool in_target) {
    Entries ours;
    Entries theirs;
    if (ended_ || !list(source_, directory, ours)) return;
    if (in_target && !list(target_, directory, theirs)) return;
    auto there = theirs.begin();
    for (const SyncEntry& entry : ours) {
      for (; there != theirs.end() && there->name < entry.name; ++there) remove(directory, *there);
      const bool found = there != theirs.end() && there->name == entry.name;
      take(below(directory, entry.name), entry, found ? &*there : nullptr);
      if (found) ++there;
      if (ended_) return;
    }
    for (; there != theirs.end(); ++there) remove(directory, *there);
  }

  void take(const std::string& path, const SyncEntry& entry, const SyncEntry* there) {
    if (entry.kind == SyncEntry::Kind::other) return plan_.others.push_back(path);
    const bool is_other = there != nullptr && there->kind == SyncEntry::Kind::other;
    if (there != nullptr && entry.kind != there->kind && (entry.directory() || !is_other)) {
      fail(path,
           Error{entry.directory() ? Code::not_directory : Code::is_directory,
                 std::string("the source has a ") + (entry.directory() ? "directory" : "file") +
                     " of this name and the target does not; remove it there first",
                 {},
                 0});
      return;
    }
    if (entry.directory()) {
      if (there == nullptr) plan_.directories.push_back({path, "new"});
      return compare(path, there != nullptr);
    }
    auto why = difference(path, entry, is_other ? nullptr : there);
    if (!why) {
      fail(path, why.error());
    } else if (why->empty()) {
      ++plan_.unchanged;
    } else {
      plan_.copies.push_back({path, *why, entry.size});
    }
  }

  Result<std::string> difference(const std::string& path, const SyncEntry& entry,
                                 const SyncEntry* there) {
    if (there == nullptr) return std::string("new");
    if (entry.size != there->size) return std::string("size");
    if (!rules_.by_checksum) {
      return std::string(entry.modified_ms > there->modified_ms ? "newer" : "");
    }
    auto ours = entry.crc32c ? Result<uint32_t>(*entry.crc32c) : source_.crc32c(path);
    if (ours.code() == Code::unsupported) return std::string("content");
    if (!ours) return ours.error();
    auto theirs = there->crc32c ? Result<uint32_t>(*there->crc32c) : target_.crc32c(path);
    if (theirs.code() == Code::unsupported) return std::string("content");
    if (!theirs) return theirs.error();
    return std::string(*ours == *theirs ? "" : "content");
  }

  // True when nothing of it stays.
  bool remove(const std::string& directory, const SyncEntry& entry) {
    if (!rules_.remove || ended_) return false;
    const std::string path = below(directory, entry.name);
    if (!entry.directory()) {
      plan_.removals.push_back({path, {}, entry.size});
      return true;
    }
    // Without a filter nothing in it is to stay.
    if (rules_.filter.empty()) {
      plan_.removals.push_back({path, {}, 0, true, true});
      return true;
    }
    auto listed = target_.list(path);
    if (!listed) return fail(path, listed.error());
    bool all = true;
    for (const SyncEntry& inside : *listed) {
      const bool takes = rules_.filter.takes(below(path, inside.name), inside.directory());
      const bool removed = takes && remove(path, inside);
      all &= removed;
    }
    if (all) plan_.removals.push_back({path, {}, 0, true, false});
    return all;
  }

  // Files that --include asks for bring just the directories that they are in.
  void drop_idle_directories() {
    if (rules_.filter.include.empty()) return;
    std::set<std::string> busy;
    for (const SyncStep& copy : plan_.copies) {
      for (size_t at = copy.path.find('/'); at != std::string::npos;
           at = copy.path.find('/', at + 1)) {
        busy.insert(copy.path.substr(0, at));
      }
    }
    std::erase_if(plan_.directories,
                  [&](const SyncStep& step) { return !busy.contains(step.path); });
  }

  SyncSide& source_;
  SyncSide& target_;
  const SyncRules& rules_;
  const Failed& failed_;
  SyncPlan plan_;
  bool ended_ = false;
};

}  // namespace

SyncPlan plan_sync(SyncSide& source, SyncSide& target, bool target_exists, const SyncRules& rules,
                   const std::function<bool(const std::string&, const Error&)>& failed) {
  return Planner(source, target, rules, failed).plan(target_exists);
}

}  // namespace dfs::cli
