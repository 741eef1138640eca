#include "actors/posix_disk.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <filesystem>

namespace dfs {

namespace {

Error error_of(int number, const char* action, const std::string& path) {
  const std::string what =
      std::string("cannot ") + action + " " + path + ": " + std::strerror(number);
  switch (number) {
    case ENOENT:
    case ENOTDIR:
      return {Code::not_found, what + "; check that the path is right", {}, 0};
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
      return {Code::no_space, what + "; free space there or give it a larger disk", {}, 0};
    case EACCES:
    case EPERM:
      return {Code::io_error, what + "; give the user of this process the right to do so", {}, 0};
    case EROFS:
      return {Code::io_error,
              what + "; look for disk errors in the kernel's log, then remount it",
              {{"read_only", "1"}},
              0};
    case EMFILE:
    case ENFILE:
      return {Code::io_error, what + "; raise the limit on open files (ulimit -n)", {}, 0};
    default:
      return {Code::io_error, what + "; look for disk errors in the kernel's log (dmesg)", {}, 0};
  }
}

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  int get() const { return number_; }
  bool good() const { return number_ >= 0; }

 private:
  int number_;
};

Descriptor open_descriptor(const std::string& path, int flags) {
  int number;
  do {
    number = ::open(path.c_str(), flags | O_CLOEXEC, 0644);
  } while (number < 0 && errno == EINTR);
  return Descriptor(number);
}

Result<void> sync_path(const std::string& directory) {
  const Descriptor descriptor = open_descriptor(directory, O_RDONLY | O_DIRECTORY);
  if (!descriptor.good()) return error_of(errno, "open", directory);
  if (::fsync(descriptor.get()) != 0) return error_of(errno, "sync", directory);
  return {};
}

bool aligned(uint64_t offset, const void* data, size_t size) {
  return (offset | reinterpret_cast<uintptr_t>(data) | size) % kDiskAlignment == 0;
}

class PosixFile : public File {
 public:
  PosixFile(Descriptor descriptor, std::string path, bool asked_direct, bool direct)
      : descriptor_(std::move(descriptor)),
        path_(std::move(path)),
        asked_direct_(asked_direct),
        direct_(direct) {}

  Result<size_t> read_at(uint64_t offset, void* out, size_t size) override {
    DFS_ASSERT(!asked_direct_ || aligned(offset, out, size));
    auto* bytes = static_cast<uint8_t*>(out);
    size_t done = 0;
    while (done < size) {
      const ssize_t got =
          ::pread(number(), bytes + done, size - done, static_cast<off_t>(offset + done));
      if (got == 0) break;
      if (got < 0) {
        if (errno == EINTR || (errno == EINVAL && fall_back())) continue;
        return error_of(errno, "read", path_);
      }
      done += static_cast<size_t>(got);
      // A direct read may not go on from the odd place where the file ends.
      if (asked_direct_ && done % kDiskAlignment != 0) break;
    }
    return done;
  }

  Result<void> write_at(uint64_t offset, const void* data, size_t size) override {
    DFS_ASSERT(!asked_direct_ || aligned(offset, data, size));
    const auto* bytes = static_cast<const uint8_t*>(data);
    size_t done = 0;
    while (done < size) {
      const ssize_t put =
          ::pwrite(number(), bytes + done, size - done, static_cast<off_t>(offset + done));
      if (put < 0) {
        if (errno == EINTR || (errno == EINVAL && fall_back())) continue;
        return error_of(errno, "write", path_);
      }
      if (put == 0) return error_of(EIO, "write", path_);
      done += static_cast<size_t>(put);
    }
    return {};
  }

  Result<void> sync() override {
    // No second try after a failure: the kernel has dropped the dirty pages and would say yes.
    if (::fdatasync(number()) != 0) return error_of(errno, "sync", path_);
    return {};
  }

  Result<void> allocate(uint64_t offset, uint64_t size) override {
    if (size == 0) return {};
    const int failure = change_extents(0, offset, size);
    if (failure == 0) return {};
    if (failure != EOPNOTSUPP) return error_of(failure, "allocate space in", path_);
    const auto end = this->size();
    if (!end) return end.error();
    // Old bytes keep their value and zeros claim the rest. A hole inside the file stays unclaimed,
    // so it is filled too, byte for byte as it reads.
    return rewrite(offset, offset + size, *end);
  }

  Result<void> punch(uint64_t offset, uint64_t size) override {
    if (size == 0) return {};
    const int failure = change_extents(FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, size);
    if (failure == 0) return {};
    if (failure != EOPNOTSUPP) return error_of(failure, "free space in", path_);
    const auto end = this->size();
    if (!end) return end.error();
    if (offset >= *end) return {};
    return rewrite(offset, std::min(*end, offset + size), 0);
  }

  Result<void> truncate(uint64_t size) override {
    int result;
    do {
      result = ::ftruncate(number(), static_cast<off_t>(size));
    } while (result != 0 && errno == EINTR);
    if (result != 0) return error_of(errno, "set the size of", path_);
    return {};
  }

  Result<uint64_t> size() override {
    struct stat status;
    if (::fstat(number(), &status) != 0) return error_of(errno, "look at", path_);
    return static_cast<uint64_t>(status.st_size);
  }

  bool direct() const override { return direct_.load(std::memory_order_relaxed); }

 private:
  int number() const { return descriptor_.get(); }

  int change_extents(int mode, uint64_t offset, uint64_t size) {
    int result;
    do {
      result = ::fallocate(number(), mode, static_cast<off_t>(offset), static_cast<off_t>(size));
    } while (result != 0 && errno == EINTR);
    return result == 0 ? 0 : errno;
  }

  // Some file systems accept O_DIRECT and refuse the first transfer. True: try again without.
  bool fall_back() {
    if (!direct_.exchange(false)) return false;
    const int flags = ::fcntl(number(), F_GETFL);
    return flags >= 0 && ::fcntl(number(), F_SETFL, flags & ~O_DIRECT) == 0;
  }

  // Writes [from, until): what the file holds, if it ends at `keep_until`, and zeros behind that.
  Result<void> rewrite(uint64_t from, uint64_t until, uint64_t keep_until) {
    constexpr size_t kChunk = 1 << 20;
    AlignedBuffer buffer(kChunk);
    for (uint64_t at = from; at < until;) {
      // Chunks are aligned within the file, so that only the first and the last are odd.
      const uint64_t chunk = std::min<uint64_t>(kChunk - at % kChunk, until - at);
      std::memset(buffer.data(), 0, chunk);
      if (at < keep_until) {
        const auto got = read_at(at, buffer.data(), chunk);
        if (!got) return got.error();
      }
      DFS_CHECK(write_at(at, buffer.data(), chunk));
      at += chunk;
    }
    return {};
  }

  const Descriptor descriptor_;
  const std::string path_;
  const bool asked_direct_;
  std::atomic<bool> direct_;
};

class PosixLock : public DiskLock {
 public:
  explicit PosixLock(Descriptor descriptor) : descriptor_(std::move(descriptor)) {}

 private:
  Descriptor descriptor_;
};

class PosixDisk : public Disk {
 public:
  Result<std::unique_ptr<File>> open(const std::string& path, OpenOptions options) override {
    int flags = options.read_only ? O_RDONLY : O_RDWR;
    if (options.create) flags |= O_CREAT;
    bool direct = options.direct;
    Descriptor descriptor = open_descriptor(path, flags | (direct ? O_DIRECT : 0));
    if (!descriptor.good() && direct && errno == EINVAL) {
      direct = false;
      return finish(open_descriptor(path, flags), path, options.direct, direct);
    }
    return finish(std::move(descriptor), path, options.direct, direct);
  }

  Result<bool> exists(const std::string& path) override {
    struct stat status;
    if (::stat(path.c_str(), &status) == 0) return true;
    if (errno == ENOENT || errno == ENOTDIR) return false;
    return error_of(errno, "look at", path);
  }

  Result<std::vector<std::string>> list(const std::string& directory) override {
    DIR* stream = ::opendir(directory.c_str());
    if (stream == nullptr) return error_of(errno, "list", directory);
    std::vector<std::string> names;
    errno = 0;
    while (const dirent* entry = ::readdir(stream)) {
      const std::string name = entry->d_name;
      if (name != "." && name != "..") names.push_back(name);
      errno = 0;
    }
    const int failure = errno;
    ::closedir(stream);
    if (failure != 0) return error_of(failure, "list", directory);
    std::sort(names.begin(), names.end());
    return names;
  }

  Result<void> make_directories(const std::string& path) override {
    for (size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
      const std::string ancestor = path.substr(0, end);
      if (::mkdir(ancestor.c_str(), 0755) == 0) {
        const size_t slash = ancestor.rfind('/');
        const std::string parent = slash == std::string::npos ? "."
                                   : slash == 0               ? "/"
                                                              : ancestor.substr(0, slash);
        DFS_CHECK(sync_path(parent));
      } else if (errno != EEXIST) {
        return error_of(errno, "make the directory", ancestor);
      }
      if (end == std::string::npos) break;
    }
    struct stat status;
    if (::stat(path.c_str(), &status) != 0) return error_of(errno, "look at", path);
    if (!S_ISDIR(status.st_mode)) {
      return {Code::io_error, path + " is a file where a directory is needed; move it away"};
    }
    return {};
  }

  Result<void> remove(const std::string& path) override {
    if (::unlink(path.c_str()) != 0) return error_of(errno, "remove", path);
    return {};
  }

  Result<void> remove_tree(const std::string& path) override {
    std::error_code failure;
    std::filesystem::remove_all(path, failure);
    if (failure) return error_of(failure.value(), "remove", path);
    return {};
  }

  Result<void> rename(const std::string& from, const std::string& to) override {
    if (::rename(from.c_str(), to.c_str()) != 0) return error_of(errno, "rename", from);
    return {};
  }

  Result<void> sync_directory(const std::string& directory) override {
    return sync_path(directory);
  }

  Result<DiskSpace> space(const std::string& path) override {
    struct statvfs status;
    if (::statvfs(path.c_str(), &status) != 0) return error_of(errno, "look at", path);
    DiskSpace space;
    space.total_bytes = static_cast<uint64_t>(status.f_blocks) * status.f_frsize;
    space.free_bytes = static_cast<uint64_t>(status.f_bavail) * status.f_frsize;
    return space;
  }

  Result<std::unique_ptr<DiskLock>> lock(const std::string& path) override {
    Descriptor descriptor = open_descriptor(path, O_RDWR | O_CREAT);
    if (!descriptor.good()) return error_of(errno, "open", path);
    if (::flock(descriptor.get(), LOCK_EX | LOCK_NB) != 0) {
      if (errno != EWOULDBLOCK) return error_of(errno, "lock", path);
      return {Code::busy, "another process holds " + path +
                              "; stop it, or give this one a directory of its own"};
    }
    return std::unique_ptr<DiskLock>(std::make_unique<PosixLock>(std::move(descriptor)));
  }

 private:
  static Result<std::unique_ptr<File>> finish(Descriptor descriptor, const std::string& path,
                                              bool asked_direct, bool direct) {
    if (!descriptor.good()) return error_of(errno, "open", path);
    return std::unique_ptr<File>(
        std::make_unique<PosixFile>(std::move(descriptor), path, asked_direct, direct));
  }
};

}  // namespace

std::unique_ptr<Disk> make_posix_disk() {
  return std::make_unique<PosixDisk>();
}

}  // namespace dfs
