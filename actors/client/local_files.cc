#include "actors/client/local_files.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace dfs {

namespace {

Error local_error(const std::string& what, const std::string& name, int number) {
  return Error{Code::local_io,
               what + " " + name + ": " + std::strerror(number),
               {{"file", name}, {"errno", std::to_string(number)}},
               0};
}

class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

bool same_times(const timespec& a, const timespec& b) {
  return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

class FileSource : public Source {
 public:
  FileSource(Descriptor fd, std::string path, const struct stat& at_open)
      : fd_(std::move(fd)), path_(std::move(path)), at_open_(at_open) {}

  uint64_t size() const override { return static_cast<uint64_t>(at_open_.st_size); }
  bool seekable() const override { return true; }

  Result<size_t> read(uint64_t offset, void* out, size_t size) override {
    size_t done = 0;
    while (done < size) {
      const ssize_t got = ::pread(fd_.get(), static_cast<char*>(out) + done, size - done,
                                  static_cast<off_t>(offset + done));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return local_error("cannot read", path_, errno);
      if (got == 0) break;
      done += static_cast<size_t>(got);
    }
    return done;
  }

  Result<void> unchanged() override {
    struct stat now {};
    if (::fstat(fd_.get(), &now) != 0) return local_error("cannot stat", path_, errno);
    if (now.st_size == at_open_.st_size && same_times(now.st_mtim, at_open_.st_mtim)) return {};
    return {Code::local_changed,
            path_ + " was changed while it was read; nothing was stored, put it again"};
  }

 private:
  Descriptor fd_;
  std::string path_;
  struct stat at_open_;
};

class StreamSource : public Source {
 public:
  StreamSource(int fd, std::string name) : fd_(fd), name_(std::move(name)) {}
  StreamSource(Descriptor owned, std::string name)
      : owned_(std::move(owned)), fd_(owned_.get()), name_(std::move(name)) {}

  uint64_t size() const override { return kUnknownSize; }
  bool seekable() const override { return false; }

  Result<size_t> read(uint64_t, void* out, size_t size) override {
    size_t done = 0;
    while (done < size) {
      const ssize_t got = ::read(fd_, static_cast<char*>(out) + done, size - done);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return local_error("cannot read", name_, errno);
      if (got == 0) break;
      done += static_cast<size_t>(got);
    }
    return done;
  }

 private:
  Descriptor owned_;
  int fd_;
  std::string name_;
};

Result<void> write_all(int fd, const std::string& name, const void* data, size_t size,
                       const uint64_t* offset) {
  const char* bytes = static_cast<const char*>(data);
  size_t done = 0;
  while (done < size) {
    const ssize_t put = offset != nullptr ? ::pwrite(fd, bytes + done, size - done,
                                                     static_cast<off_t>(*offset + done))
                                          : ::write(fd, bytes + done, size - done);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return local_error("cannot write", name, errno);
    done += static_cast<size_t>(put);
  }
  return {};
}

class StreamSink : public Sink {
 public:
  StreamSink(int fd, std::string name) : fd_(fd), name_(std::move(name)) {}
  bool seekable() const override { return false; }
  Result<void> prepare(uint64_t) override { return {}; }
  Result<void> write(uint64_t, const void* data, size_t size) override {
    return write_all(fd_, name_, data, size, nullptr);
  }
  Result<void> finish() override { return {}; }

 private:
  int fd_;
  std::string name_;
};

class FileSink : public Sink {
 public:
  FileSink(std::string path, FileSinkOptions options) : path_(std::move(path)), options_(options) {}

  ~FileSink() override {
    if (!part_.empty()) ::unlink(part_.c_str());
  }

  bool seekable() const override { return true; }

  Result<void> prepare(uint64_t size) override {
    struct stat target {};
    if (::stat(path_.c_str(), &target) == 0 && S_ISDIR(target.st_mode)) {
      return local_error("cannot write", path_, EISDIR);
    }
    DFS_CHECK(open_part());
    // Space is asked for at once: better refused now than after most of the file has come.
    if (size > 0 && ::fallocate(fd_.get(), 0, 0, static_cast<off_t>(size)) != 0 &&
        (errno == ENOSPC || errno == EFBIG)) {
      return local_error("cannot make room for", path_, errno);
    }
    if (::ftruncate(fd_.get(), static_cast<off_t>(size)) != 0) {
      return local_error("cannot write", part_, errno);
    }
    return {};
  }

  Result<void> write(uint64_t offset, const void* data, size_t size) override {
    return write_all(fd_.get(), part_, data, size, &offset);
  }

  Result<void> finish() override {
    if (options_.sync && ::fsync(fd_.get()) != 0) return local_error("cannot sync", part_, errno);
    if (::rename(part_.c_str(), path_.c_str()) != 0) {
      return local_error("cannot rename " + part_ + " to", path_, errno);
    }
    part_.clear();
    return options_.sync ? sync_directory() : Result<void>();
  }

 private:
  // NAME.part, or NAME.part-1, … while others hold those. The lock tells a writer at work from what
  // a dead one left.
  Result<void> open_part() {
    constexpr int kWritersMax = 100;
    for (int i = 0; i < kWritersMax; ++i) {
      const std::string name = part_name(i);
      Descriptor fd(::open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666));
      if (fd.get() < 0) return local_error("cannot create", name, errno);
      if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) continue;
      // The other may have renamed or removed it between our open and our lock.
      struct stat ours {
      }, there{};
      if (::fstat(fd.get(), &ours) != 0 || ::stat(name.c_str(), &there) != 0 ||
          ours.st_ino != there.st_ino || ours.st_dev != there.st_dev) {
        continue;
      }
      part_ = name;
      fd_ = std::move(fd);
      if (::ftruncate(fd_.get(), 0) != 0) return local_error("cannot write", part_, errno);
      return {};
    }
    return {Code::local_io, "cannot write " + path_ + ": too many others write it at once"};
  }

  std::string part_name(int i) const {
    const std::string suffix = i == 0 ? ".part" : ".part-" + std::to_string(i);
    const size_t slash = path_.rfind('/');
    const size_t begin = slash == std::string::npos ? 0 : slash + 1;
    constexpr size_t kNameMax = 255;  // of the local file system
    return path_.substr(0, begin) + path_.substr(begin, kNameMax - suffix.size()) + suffix;
  }

  Result<void> sync_directory() const {
    const size_t slash = path_.rfind('/');
    const std::string directory = slash == std::string::npos ? "." : path_.substr(0, slash + 1);
    Descriptor fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (fd.get() < 0 || ::fsync(fd.get()) != 0) return local_error("cannot sync", directory, errno);
    return {};
  }

  std::string path_;
  FileSinkOptions options_;
  std::string part_;  // empty: nothing to remove
  Descriptor fd_;
};

}  // namespace

Result<std::shared_ptr<Source>> open_source(const std::string& path) {
  Descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (fd.get() < 0) return local_error("cannot open", path, errno);
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) return local_error("cannot stat", path, errno);
  if (S_ISDIR(info.st_mode)) return local_error("cannot read", path, EISDIR);
  std::shared_ptr<Source> source;
  if (S_ISREG(info.st_mode)) {
    source = std::make_shared<FileSource>(std::move(fd), path, info);
  } else {
    source = std::make_shared<StreamSource>(std::move(fd), path);
  }
  return source;
}

std::shared_ptr<Source> stream_source(int fd, std::string name) {
  return std::make_shared<StreamSource>(fd, std::move(name));
}

std::shared_ptr<Sink> file_sink(std::string path, FileSinkOptions options) {
  return std::make_shared<FileSink>(std::move(path), options);
}

std::shared_ptr<Sink> stream_sink(int fd, std::string name) {
  return std::make_shared<StreamSink>(fd, std::move(name));
}

}  // namespace dfs
