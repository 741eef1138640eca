// Disk in memory, for the simulator and for tests of what a crash leaves behind. Deterministic: all
// chance comes from the caller. One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "actors/disk.h"

namespace dfs::sim {

class SimDisk : public Disk {
 public:
  enum class Operation {
    open,
    read,
    write,
    sync,
    allocate,
    punch,
    truncate,
    create,
    remove,
    remove_directory,
    rename,
    make_directories,
    sync_directory,
  };
  using Chance = std::function<uint64_t()>;      // uniform over all 64 bits
  static constexpr uint64_t kSectorBytes = 512;  // written whole or not at all

  explicit SimDisk(uint64_t capacity_bytes = 1ull << 40);
  ~SimDisk() override;

  // The process died: its files and locks are gone, nothing that was written is.
  void restart();
  // The machine died: of what was not synced, a random part is there, torn at sectors. Creations,
  // removals and renames that were not synced are kept up to a random one. Restarts as well.
  void crash(const Chance& random);

  // Asked before each operation; an error is the operation's outcome, and it has no effect.
  std::function<Result<void>(Operation, const std::string& path)> fault;
  // After so many more changes every operation fails without effect, until restart() or crash().
  void halt_after(uint64_t changes) { changes_left_ = changes; }
  bool halted() const { return changes_left_ && *changes_left_ == 0; }
  // Flips the bits of `mask` in a stored byte, as a decaying medium does.
  void flip(const std::string& path, uint64_t offset, uint8_t mask = 1);
  // Overwrites stored bytes behind everybody's back, as a write does that went to a wrong place.
  void overwrite(const std::string& path, uint64_t offset, std::string_view bytes);
  // Makes the range unreadable, until it is written anew, punched or removed.
  void spoil(const std::string& path, uint64_t offset, uint64_t size);
  // What is stored in a range, whatever fails; nothing when it cannot be read there for good.
  std::optional<std::string> peek(const std::string& path, uint64_t offset, uint64_t size) const;
  // A whole directory is gone, with all below it, as when its medium died. Nobody may use it.
  void lose(const std::string& directory);

  bool holds(const std::string& path) const { return names_.contains(path); }
  uint64_t changes() const { return changes_; }  // operations that change something, so far
  uint64_t syncs() const { return syncs_; }      // of files
  uint64_t memory_bytes() const;                 // of stored contents; zeros cost nothing
  uint64_t used_bytes() const;                   // as df would say
  uint64_t capacity_bytes;                       // may be changed at any time
  double slow_factor = 1;                        // for whoever decides how long an operation takes

  Result<std::unique_ptr<File>> open(const std::string& path, OpenOptions options) override;
  Result<bool> exists(const std::string& path) override;
  Result<std::vector<std::string>> list(const std::string& directory) override;
  Result<void> make_directories(const std::string& path) override;
  Result<void> remove(const std::string& path) override;
  Result<void> remove_tree(const std::string& path) override;
  Result<void> rename(const std::string& from, const std::string& to) override;
  Result<void> sync_directory(const std::string& directory) override;
  Result<DiskSpace> space(const std::string& path) override;
  Result<std::unique_ptr<DiskLock>> lock(const std::string& path) override;

 private:
  class SimFile;
  class SimLock;
  class Contents;
  using Names = std::map<std::string, std::shared_ptr<Contents>>;
  // An entry of a directory that came, went or moved, and is not synced.
  struct Entry {
    Operation operation;
    std::string path;
    std::string to;
    std::shared_ptr<Contents> contents;
  };
  static void apply(Names& names, const Entry& entry);
  void add_directory(std::string path);  // with those it is in
  Result<void> enter(Operation operation, const std::string& path);
  Result<void> change(Entry entry);
  Result<void> reserve(const Contents& contents, uint64_t offset, uint64_t size,
                       const std::string& path) const;

  Names names_;    // as processes see them
  Names durable_;  // as a crash would leave them at worst
  std::vector<Entry> unsynced_;
  std::set<std::string> directories_;
  std::set<std::string> locked_;
  uint64_t generation_ = 0;  // files opened in an earlier one are dead
  uint64_t changes_ = 0;
  uint64_t syncs_ = 0;
  std::optional<uint64_t> changes_left_;
};

}  // namespace dfs::sim
