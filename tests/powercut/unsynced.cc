// A library to be preloaded into dfsd (LD_PRELOAD), so that a test can cut the power of real
// processes: it notes, for everything the process changes below a folder, what was there before,
// until the process has synced it. When the process is killed, power_cut.py takes back what was
// noted and not synced, wholly or in part, as a disk with a volatile cache might.
//
//   DFS_UNSYNCED_ROOT   the folder; files elsewhere are left alone
//   DFS_UNSYNCED_NOTES  where the notes go, one file per process life, best in /dev/shm
//
// It sees what goes through libc: open, write, pwrite, ftruncate, fallocate, rename, unlink, link,
// fsync, fdatasync. Shrinking a file and punching holes count as done at once, and so do new
// directories. Everything else is lost unless it was synced: the content and growth of a file by
// fsync or fdatasync of the file, a name by fsync of its directory.
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

namespace {

enum class Note : uint8_t {
  data = 1,       // file, offset, length, size before; then the bytes before, up to that size
  sync = 2,       // file, offset: of the notes, up to which this file's are settled
  create = 3,     // directory, file; then the name
  rename = 4,     // directory from, directory to; then both names and the trash's, '\n' between
  unlink = 5,     // directory, file; then the name and the trash's
  sync_names = 6  // directory, offset of the notes
};

// All notes have this head; `bytes` more follow. power_cut.py reads them: "<BxxxIQQQQ".
struct Head {
  Note note;
  uint8_t zeros = 0;  // of data: the bytes before were all zero and are left out
  uint8_t unused[2] = {};
  uint32_t bytes = 0;
  uint64_t a = 0;
  uint64_t b = 0;
  uint64_t c = 0;
  uint64_t d = 0;
};
static_assert(sizeof(Head) == 40);

template <class F>
F next(const char* name) {
  return reinterpret_cast<F>(dlsym(RTLD_NEXT, name));
}

constexpr size_t kFilesMax = 65536;

// What an open descriptor is: its inode number, with the top bit for a directory.
constexpr uint64_t kDirectory = 1ull << 63;
std::atomic<uint64_t> opened[kFilesMax];

// Pointers, because the constructor below runs before those of objects would.
const std::string* root = nullptr;
const std::string* trash = nullptr;
int notes = -1;
std::atomic<uint64_t> notes_end{0};
std::atomic<uint64_t> trash_count{0};
pthread_mutex_t notes_mutex = PTHREAD_MUTEX_INITIALIZER;
// Held shared from the note of a change until the change is made. A sync takes it alone for a
// moment, so that the notes before its begin are of changes that were made.
pthread_rwlock_t changing = PTHREAD_RWLOCK_INITIALIZER;

class Changing {
 public:
  Changing() { pthread_rwlock_rdlock(&changing); }
  ~Changing() { pthread_rwlock_unlock(&changing); }
  Changing(const Changing&) = delete;
  Changing& operator=(const Changing&) = delete;
};

[[noreturn]] void give_up(const char* what) {
  fprintf(stderr, "unsynced: %s: %s\n", what, strerror(errno));
  _exit(99);
}

__attribute__((constructor)) void begin() {
  const char* folder = getenv("DFS_UNSYNCED_ROOT");
  const char* where = getenv("DFS_UNSYNCED_NOTES");
  if (folder == nullptr || where == nullptr) return;
  if (strcmp(program_invocation_short_name, "dfsd") != 0) return;
  char real[PATH_MAX];
  if (realpath(folder, real) == nullptr) give_up(folder);
  root = new std::string(std::string(real) + "/");
  const std::string name = std::string(where) + "/" + std::to_string(getpid());
  trash = new std::string(*root + "unsynced-trash-" + std::to_string(getpid()) + ".");
  notes = next<int (*)(const char*, int, ...)>("open")(
      name.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC | O_APPEND, 0600);
  if (notes < 0) give_up(name.c_str());
}

void put(Head head, const std::string& bytes) {
  static const auto real_write = next<ssize_t (*)(int, const void*, size_t)>("write");
  head.bytes = static_cast<uint32_t>(bytes.size());
  std::string record(reinterpret_cast<const char*>(&head), sizeof head);
  record += bytes;
  pthread_mutex_lock(&notes_mutex);
  if (real_write(notes, record.data(), record.size()) != static_cast<ssize_t>(record.size())) {
    give_up("notes");
  }
  notes_end += record.size();
  pthread_mutex_unlock(&notes_mutex);
}

// What `fd` is, or 0. A stream may have closed a descriptor unseen and somebody else got its
// number.
uint64_t file_of(int fd) {
  if (notes < 0 || fd < 0 || fd >= static_cast<int>(kFilesMax)) return 0;
  const uint64_t file = opened[fd].load();
  if (file == 0) return 0;
  struct stat about;
  const bool same = fstat(fd, &about) == 0 && about.st_ino == (file & ~kDirectory) &&
                    (S_ISREG(about.st_mode) || S_ISDIR(about.st_mode));
  return same ? file : 0;
}

int forget(int fd) {
  if (fd >= 0 && fd < static_cast<int>(kFilesMax)) opened[fd] = 0;
  return fd;
}

// The absolute path without symbolic links in its directory, when it is below the root.
std::string tracked(const char* path) {
  if (notes < 0) return {};
  std::string text(path);
  const size_t slash = text.rfind('/');
  const std::string directory = slash == std::string::npos ? "." : text.substr(0, slash + 1);
  char real[PATH_MAX];
  if (realpath(directory.c_str(), real) == nullptr) return {};
  const std::string name = slash == std::string::npos ? text : text.substr(slash + 1);
  std::string whole = std::string(real) + "/" + name;
  return (whole + "/").rfind(*root, 0) == 0 ? whole : std::string();
}

uint64_t inode_of(const std::string& path) {
  struct stat about;
  return lstat(path.c_str(), &about) == 0 ? about.st_ino : 0;
}
uint64_t directory_of(const std::string& path) {
  return inode_of(path.substr(0, path.rfind('/')));
}
std::string name_in(const std::string& path) {
  return path.substr(path.rfind('/') + 1);
}

void note_data(int fd, uint64_t file, uint64_t offset, uint64_t length) {
  static const auto real_pread = next<ssize_t (*)(int, void*, size_t, off_t)>("pread");
  struct stat about;
  if (fstat(fd, &about) != 0) give_up("fstat");
  const uint64_t size = static_cast<uint64_t>(about.st_size);
  std::string before;
  if (offset < size && length > 0) {
    const uint64_t there = std::min(length, size - offset);
    // Direct descriptors want aligned memory and may be write-only: read through another one.
    const std::string path = "/proc/self/fd/" + std::to_string(fd);
    static const auto real_open = next<int (*)(const char*, int, ...)>("open");
    const int reader = real_open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (reader < 0) give_up(path.c_str());
    before.resize(there);
    uint64_t got = 0;
    while (got < there) {
      const ssize_t some =
          real_pread(reader, before.data() + got, there - got, static_cast<off_t>(offset + got));
      if (some <= 0) break;
      got += static_cast<uint64_t>(some);
    }
    next<int (*)(int)>("close")(reader);
    before.resize(got);
  }
  Head head{Note::data};
  head.a = file;
  head.b = offset;
  head.c = length;
  head.d = size;
  if (before.find_first_not_of('\0') == std::string::npos) {
    head.zeros = 1;
    before.clear();
  }
  put(head, before);
}

int synced(int fd, const char* name) {
  const uint64_t file = file_of(fd);
  const auto real = next<int (*)(int)>(name);
  if (file == 0) return real(fd);
  pthread_rwlock_wrlock(&changing);
  const uint64_t begun = notes_end.load();
  pthread_rwlock_unlock(&changing);
  const int outcome = real(fd);
  if (outcome == 0) {
    Head head{(file & kDirectory) != 0 ? Note::sync_names : Note::sync};
    head.a = file & ~kDirectory;
    head.b = begun;
    put(head, {});
  }
  return outcome;
}

}  // namespace

extern "C" {

int open(const char* path, int flags, ...) {
  static const auto real = next<int (*)(const char*, int, ...)>("open");
  mode_t mode = 0;
  if ((flags & (O_CREAT | O_TMPFILE)) != 0) {
    va_list more;
    va_start(more, flags);
    mode = va_arg(more, mode_t);
    va_end(more);
  }
  const std::string whole = tracked(path);
  if (whole.empty()) return forget(real(path, flags, mode));
  const Changing held;
  const bool creates = (flags & O_CREAT) != 0 && inode_of(whole) == 0;
  const int fd = real(path, flags & ~O_TRUNC, mode);
  if (fd < 0) return fd;
  forget(fd);
  struct stat about;
  if (fstat(fd, &about) != 0 || fd >= static_cast<int>(kFilesMax)) give_up(path);
  if (S_ISREG(about.st_mode)) opened[fd] = about.st_ino;
  if (S_ISDIR(about.st_mode)) opened[fd] = about.st_ino | kDirectory;
  if (creates) {
    Head head{Note::create};
    head.a = directory_of(whole);
    head.b = about.st_ino;
    put(head, name_in(whole));
  }
  if ((flags & O_TRUNC) != 0 && next<int (*)(int, off_t)>("ftruncate")(fd, 0) != 0) give_up(path);
  return fd;
}

int open64(const char* path, int flags, ...) __attribute__((alias("open")));

int close(int fd) {
  static const auto real = next<int (*)(int)>("close");
  return real(forget(fd));
}

ssize_t write(int fd, const void* data, size_t size) {
  static const auto real = next<ssize_t (*)(int, const void*, size_t)>("write");
  const uint64_t file = file_of(fd);
  if (file == 0) return real(fd, data, size);
  const Changing held;
  const bool appends = (fcntl(fd, F_GETFL) & O_APPEND) != 0;
  const off_t place = lseek(fd, 0, appends ? SEEK_END : SEEK_CUR);
  if (place < 0) give_up("lseek");
  note_data(fd, file, static_cast<uint64_t>(place), size);
  return real(fd, data, size);
}

ssize_t pwrite(int fd, const void* data, size_t size, off_t offset) {
  static const auto real = next<ssize_t (*)(int, const void*, size_t, off_t)>("pwrite");
  const uint64_t file = file_of(fd);
  if (file == 0) return real(fd, data, size, offset);
  const Changing held;
  note_data(fd, file, static_cast<uint64_t>(offset), size);
  return real(fd, data, size, offset);
}

ssize_t pwrite64(int fd, const void* data, size_t size, off_t offset)
    __attribute__((alias("pwrite")));

int ftruncate(int fd, off_t size) {
  static const auto real = next<int (*)(int, off_t)>("ftruncate");
  const uint64_t file = file_of(fd);
  if (file == 0) return real(fd, size);
  const Changing held;
  note_data(fd, file, static_cast<uint64_t>(size), 0);
  return real(fd, size);
}

int fallocate(int fd, int mode, off_t offset, off_t length) {
  static const auto real = next<int (*)(int, int, off_t, off_t)>("fallocate");
  const uint64_t file = file_of(fd);
  if (file == 0) return real(fd, mode, offset, length);
  const Changing held;
  note_data(fd, file, static_cast<uint64_t>(offset + length), 0);
  return real(fd, mode, offset, length);
}

int posix_fallocate(int fd, off_t offset, off_t length) {
  static const auto real = next<int (*)(int, off_t, off_t)>("posix_fallocate");
  const uint64_t file = file_of(fd);
  if (file == 0) return real(fd, offset, length);
  const Changing held;
  note_data(fd, file, static_cast<uint64_t>(offset + length), 0);
  return real(fd, offset, length);
}

int fsync(int fd) {
  return synced(fd, "fsync");
}
int fdatasync(int fd) {
  return synced(fd, "fdatasync");
}

// A second name under which a file that loses its own can be found again.
static std::string keep(const std::string& path) {
  const std::string name = *trash + std::to_string(++trash_count);
  if (next<int (*)(const char*, const char*)>("link")(path.c_str(), name.c_str()) != 0) return {};
  return name.substr(root->size());
}

int rename(const char* from, const char* to) {
  static const auto real = next<int (*)(const char*, const char*)>("rename");
  const std::string old_path = tracked(from);
  const std::string new_path = tracked(to);
  if (old_path.empty() || new_path.empty()) return real(from, to);
  const Changing held;
  Head head{Note::rename};
  head.a = directory_of(old_path);
  head.b = directory_of(new_path);
  const std::string replaced = inode_of(new_path) != 0 ? keep(new_path) : std::string();
  put(head, name_in(old_path) + "\n" + name_in(new_path) + "\n" + replaced);
  return real(from, to);
}

int unlink(const char* path) {
  static const auto real = next<int (*)(const char*)>("unlink");
  const std::string whole = tracked(path);
  if (whole.empty()) return real(path);
  const Changing held;
  Head head{Note::unlink};
  head.a = directory_of(whole);
  head.b = inode_of(whole);
  if (head.b != 0) put(head, name_in(whole) + "\n" + keep(whole));
  return real(path);
}

int link(const char* from, const char* to) {
  static const auto real = next<int (*)(const char*, const char*)>("link");
  const std::string whole = tracked(to);
  if (whole.empty()) return real(from, to);
  const Changing held;
  const int outcome = real(from, to);
  if (outcome == 0) {
    Head head{Note::create};
    head.a = directory_of(whole);
    head.b = inode_of(whole);
    put(head, name_in(whole));
  }
  return outcome;
}

}  // extern "C"
