// Files, as actors see them. Every call blocks and is made on the pool (Bus::run) or while an actor
// starts, never in a handler. An `io_error` of a file system that became read-only has the cause
// `read_only`. PosixDisk is the real one; SimDisk (tests/sim) loses what was not
// synced, tears writes, fills up and fails on demand.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "messages/result.h"

namespace dfs {

inline constexpr size_t kDiskAlignment = 4096;

// Memory that direct I/O accepts. Movable; contents start undefined.
class AlignedBuffer {
 public:
  AlignedBuffer() = default;
  explicit AlignedBuffer(size_t size)
      : data_(static_cast<uint8_t*>(std::aligned_alloc(
            kDiskAlignment, (size + kDiskAlignment - 1) & ~(kDiskAlignment - 1)))),
        size_(size) {
    DFS_ASSERT(data_ != nullptr);
  }
  uint8_t* data() { return data_.get(); }
  const uint8_t* data() const { return data_.get(); }
  size_t size() const { return size_; }

 private:
  struct Free {
    void operator()(uint8_t* p) const { std::free(p); }
  };
  std::unique_ptr<uint8_t, Free> data_;
  size_t size_ = 0;
};

// An open file. read_at and write_at may be called from several threads at once.
class File {
 public:
  virtual ~File() = default;
  // Bytes read; fewer than `size` only at the end of the file.
  virtual Result<size_t> read_at(uint64_t offset, void* out, size_t size) = 0;
  // All of it or an error. Survives the death of the process; of the machine only after sync().
  // Direct: offset, size and `data` must be multiples of kDiskAlignment, for read_at too.
  virtual Result<void> write_at(uint64_t offset, const void* data, size_t size) = 0;
  // Returns once everything written before is on stable storage (fdatasync). After an error nothing
  // written since the last good sync may be trusted; the file must not be written again.
  virtual Result<void> sync() = 0;
  // Reserves space so that writes inside cannot fail for want of it: `no_space` when it is not
  // there. What was not written reads as zeros; a shorter file grows to offset + size.
  virtual Result<void> allocate(uint64_t offset, uint64_t size) = 0;
  // Gives the space back; reads as zeros afterwards. The size stays. Whole blocks of the file
  // system are given back; where it cannot punch, zeros are written instead.
  virtual Result<void> punch(uint64_t offset, uint64_t size) = 0;
  virtual Result<void> truncate(uint64_t size) = 0;
  virtual Result<uint64_t> size() = 0;
  virtual bool direct() const = 0;  // false where direct I/O was asked for and refused
};

struct OpenOptions {
  bool create = false;
  bool read_only = false;
  bool direct = false;  // bypass the page cache if the file system can; see File::direct()
};

struct DiskSpace {
  uint64_t total_bytes = 0;
  uint64_t free_bytes = 0;
};

// Held while this object lives.
class DiskLock {
 public:
  virtual ~DiskLock() = default;
};

class Disk {
 public:
  virtual ~Disk() = default;
  // `not_found` when it does not exist and options.create is off; else `io_error`, `no_space`.
  virtual Result<std::unique_ptr<File>> open(const std::string& path, OpenOptions options) = 0;
  virtual Result<bool> exists(const std::string& path) = 0;
  virtual Result<std::vector<std::string>> list(const std::string& directory) = 0;  // sorted names
  virtual Result<void> make_directories(const std::string& path) = 0;  // durable on return
  virtual Result<void> remove(const std::string& path) = 0;            // a file; `not_found`
  // A directory with all that is in it, or nothing when it is not there. A crash in the middle
  // leaves some of it.
  virtual Result<void> remove_tree(const std::string& path) = 0;
  virtual Result<void> rename(const std::string& from, const std::string& to) = 0;  // atomic
  // Makes creations, removals and renames in `directory` durable.
  virtual Result<void> sync_directory(const std::string& directory) = 0;
  virtual Result<DiskSpace> space(const std::string& path) = 0;
  // Keeps a second process out; `busy` when one is in.
  virtual Result<std::unique_ptr<DiskLock>> lock(const std::string& path) = 0;
};

// Small files that must be whole or absent: written beside, synced, renamed, directory synced.
Result<void> write_file_atomically(Disk& disk, const std::string& path, const std::string& bytes);
// `too_large` over `bytes_max`.
Result<std::string> read_file(Disk& disk, const std::string& path, size_t bytes_max = 1 << 20);

}  // namespace dfs
