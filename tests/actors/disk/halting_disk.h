// The real disk, until it stops: for what only real files can show.
#pragma once

#include <optional>

#include "actors/posix_disk.h"

namespace dfs {

class HaltingDisk : public Disk {
 public:
  // After so many more changes, syncs included, every operation fails without effect.
  void halt_after(uint64_t changes) { changes_left_ = changes; }
  bool halted() const { return changes_left_ && *changes_left_ == 0; }

  Result<std::unique_ptr<File>> open(const std::string& path, OpenOptions options) override {
    DFS_CHECK(enter(options.create));
    auto file = disk_->open(path, options);
    if (!file) return std::move(file).error();
    return std::unique_ptr<File>(std::make_unique<HaltingFile>(*this, std::move(*file)));
  }
  Result<bool> exists(const std::string& path) override {
    DFS_CHECK(enter(false));
    return disk_->exists(path);
  }
  Result<std::vector<std::string>> list(const std::string& directory) override {
    DFS_CHECK(enter(false));
    return disk_->list(directory);
  }
  Result<void> make_directories(const std::string& path) override {
    DFS_CHECK(enter(true));
    return disk_->make_directories(path);
  }
  Result<void> remove(const std::string& path) override {
    DFS_CHECK(enter(true));
    return disk_->remove(path);
  }
  Result<void> remove_tree(const std::string& path) override {
    DFS_CHECK(enter(true));
    return disk_->remove_tree(path);
  }
  Result<void> rename(const std::string& from, const std::string& to) override {
    DFS_CHECK(enter(true));
    return disk_->rename(from, to);
  }
  Result<void> sync_directory(const std::string& directory) override {
    DFS_CHECK(enter(true));
    return disk_->sync_directory(directory);
  }
  Result<DiskSpace> space(const std::string& path) override { return disk_->space(path); }
  Result<std::unique_ptr<DiskLock>> lock(const std::string& path) override {
    return disk_->lock(path);
  }

 private:
  class HaltingFile : public File {
   public:
    HaltingFile(HaltingDisk& disk, std::unique_ptr<File> file)
        : disk_(disk), file_(std::move(file)) {}
    Result<size_t> read_at(uint64_t offset, void* out, size_t size) override {
      DFS_CHECK(disk_.enter(false));
      return file_->read_at(offset, out, size);
    }
    Result<void> write_at(uint64_t offset, const void* data, size_t size) override {
      DFS_CHECK(disk_.enter(true));
      return file_->write_at(offset, data, size);
    }
    Result<void> sync() override {
      DFS_CHECK(disk_.enter(true));
      return file_->sync();
    }
    Result<void> allocate(uint64_t offset, uint64_t size) override {
      DFS_CHECK(disk_.enter(true));
      return file_->allocate(offset, size);
    }
    Result<void> punch(uint64_t offset, uint64_t size) override {
      DFS_CHECK(disk_.enter(true));
      return file_->punch(offset, size);
    }
    Result<void> truncate(uint64_t size) override {
      DFS_CHECK(disk_.enter(true));
      return file_->truncate(size);
    }
    Result<uint64_t> size() override { return file_->size(); }
    bool direct() const override { return file_->direct(); }

   private:
    HaltingDisk& disk_;
    const std::unique_ptr<File> file_;
  };

  Result<void> enter(bool change) {
    if (halted()) return {Code::io_error, "the disk has stopped"};
    if (change && changes_left_) --*changes_left_;
    return {};
  }

  const std::unique_ptr<Disk> disk_ = make_posix_disk();
  std::optional<uint64_t> changes_left_;
};

}  // namespace dfs
