#include "cli/data_directory.h"

#include <sys/stat.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>

#include "actors/posix_disk.h"
#include "actors/rocks_table.h"

namespace dfs::cli {

namespace {

Error about(const std::string& path, Error error, const std::string& advice) {
  error.text = "data directory " + path + ": " + error.text + advice;
  return error;
}

// A directory belongs to one role for ever; mixing them up would show only much later.
Result<void> check_role(Disk& disk, const std::string& path, const std::string& role) {
  const std::string file = path + "/role";
  auto found = read_file(disk, file);
  if (found.code() == Code::not_found) return write_file_atomically(disk, file, role + "\n");
  if (!found) return std::move(found).error();
  const std::string owner = found->substr(0, found->find('\n'));
  if (owner == role) return {};
  return Result<void>(Code::invalid, "it holds the data of a " + owner + "; give this " + role +
                                         " a directory of its own");
}

// What is in it is secret, all the more on a head. A directory of an older version, or made by
// hand, may be open to everybody.
Result<void> close_to_others(const std::string& path) {
  struct stat found = {};
  const bool open = ::stat(path.c_str(), &found) != 0 || (found.st_mode & 077) != 0;
  if (!open || ::chmod(path.c_str(), 0700) == 0) return {};
  return Result<void>(Code::io_error, "others may look into it, and it cannot be closed to them (" +
                                          std::string(std::strerror(errno)) +
                                          "); make it this user's own, with mode 700");
}

// A process that was killed holds its files until the last of its threads has ended, which may be a
// moment after it is seen to be gone: who starts it again waits for that.
constexpr int kLockAttempts = 40;
constexpr auto kBetweenAttempts = std::chrono::milliseconds(50);

Result<std::unique_ptr<DiskLock>> lock_directory(Disk& disk, const std::string& path) {
  auto lock = disk.lock(path + "/process.lock");
  for (int attempt = 1; lock.code() == Code::busy && attempt < kLockAttempts; ++attempt) {
    std::this_thread::sleep_for(kBetweenAttempts);
    lock = disk.lock(path + "/process.lock");
  }
  return lock;
}

}  // namespace

Result<DataDirectory> take_directory(const std::string& path, const std::string& role) {
  DataDirectory data;
  data.disk = make_posix_disk();
  if (auto made = data.disk->make_directories(path); !made) return about(path, made.error(), "");
  if (auto closed = close_to_others(path); !closed) return about(path, closed.error(), "");
  auto lock = lock_directory(*data.disk, path);
  if (lock.code() == Code::busy) {
    return about(path, Error{Code::busy, "another process uses it", {}, 0},
                 "; stop that one, or use another directory");
  }
  if (!lock) return about(path, lock.error(), "");
  data.lock = std::move(*lock);
  if (auto good = check_role(*data.disk, path, role); !good) return about(path, good.error(), "");
  return data;
}

Result<DataDirectory> open_data_directory(const std::string& path, const std::string& role) {
  auto taken = take_directory(path, role);
  if (!taken) return taken;
  DataDirectory& data = *taken;
  RocksTableSettings settings;
  settings.directory = path + "/table";
  // The monitor replays its own log. A storage node could scan its segments for what its table
  // lost, but with a write-ahead log a killed process loses no rows and starts at once.
  settings.write_ahead_log = role == "storage";
  auto table = open_rocks_table(settings);
  if (!table) return about(path, table.error(), "");
  data.table = std::move(*table);
  return taken;
}

}  // namespace dfs::cli
