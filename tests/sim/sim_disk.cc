#include "tests/sim/sim_disk.h"

#include <algorithm>

#include "tests/sim/sim_disk_contents.h"

namespace dfs::sim {

namespace {

std::string without_slash(const std::string& path) {
  return path.size() > 1 && path.back() == '/' ? path.substr(0, path.size() - 1) : path;
}

std::string directory_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

class SimDisk::SimFile : public File {
 public:
  SimFile(SimDisk& disk, std::string path, std::shared_ptr<Contents> contents, OpenOptions options)
      : disk_(disk),
        path_(std::move(path)),
        contents_(std::move(contents)),
        options_(options),
        generation_(disk.generation_) {}

  Result<size_t> read_at(uint64_t offset, void* out, size_t size) override {
    check_alignment(offset, out, size);
    DFS_CHECK(enter(Operation::read));
    if (!contents_->readable(offset, size)) {
      return {Code::io_error,
              "input/output error at byte " + std::to_string(offset) + " of " + path_};
    }
    return contents_->read(offset, static_cast<uint8_t*>(out), size);
  }
  Result<void> write_at(uint64_t offset, const void* data, size_t size) override {
    check_alignment(offset, data, size);
    DFS_CHECK(enter(Operation::write));
    DFS_CHECK(disk_.reserve(*contents_, offset, size, path_));
    contents_->make(
        {Operation::write, offset, size, std::string(static_cast<const char*>(data), size)});
    return {};
  }
  Result<void> sync() override {
    DFS_CHECK(enter(Operation::sync));
    ++disk_.syncs_;
    contents_->sync();
    return {};
  }
  Result<void> allocate(uint64_t offset, uint64_t size) override {
    DFS_CHECK(enter(Operation::allocate));
    DFS_CHECK(disk_.reserve(*contents_, offset, size, path_));
    contents_->make({Operation::allocate, offset, size, {}});
    return {};
  }
  Result<void> punch(uint64_t offset, uint64_t size) override {
    DFS_CHECK(enter(Operation::punch));
    contents_->make({Operation::punch, offset, size, {}});
    return {};
  }
  Result<void> truncate(uint64_t size) override {
    DFS_CHECK(enter(Operation::truncate));
    contents_->make({Operation::truncate, 0, size, {}});
    return {};
  }
  Result<uint64_t> size() override { return contents_->size(); }
  bool direct() const override { return options_.direct; }

 private:
  Result<void> enter(Operation operation) {
    DFS_ASSERT(!options_.read_only || operation == Operation::read);
    if (generation_ != disk_.generation_) {
      return {Code::io_error, path_ + " was opened by a process that is gone"};
    }
    return disk_.enter(operation, path_);
  }
  void check_alignment(uint64_t offset, const void* data, size_t size) const {
    const uint64_t all = offset | reinterpret_cast<uintptr_t>(data) | size;
    DFS_ASSERT(!options_.direct || all % kDiskAlignment == 0);
  }

  SimDisk& disk_;
  const std::string path_;
  const std::shared_ptr<Contents> contents_;
  const OpenOptions options_;
  const uint64_t generation_;
};

class SimDisk::SimLock : public DiskLock {
 public:
  SimLock(SimDisk& disk, std::string path)
      : disk_(disk), path_(std::move(path)), generation_(disk.generation_) {}
  ~SimLock() override {
    if (generation_ == disk_.generation_) disk_.locked_.erase(path_);
  }

 private:
  SimDisk& disk_;
  const std::string path_;
  const uint64_t generation_;
};

SimDisk::SimDisk(uint64_t capacity) : capacity_bytes(capacity), directories_{".", "/"} {}
SimDisk::~SimDisk() = default;

void SimDisk::restart() {
  ++generation_;
  locked_.clear();
  changes_left_.reset();
}

void SimDisk::crash(const Chance& random) {
  const size_t kept = random() % (unsynced_.size() + 1);
  for (size_t i = kept; i < unsynced_.size(); ++i) {
    if (unsynced_[i].operation == Operation::remove_directory) add_directory(unsynced_[i].path);
  }
  unsynced_.resize(kept);
  for (const Entry& entry : unsynced_) apply(durable_, entry);
  unsynced_.clear();
  names_ = durable_;
  for (auto& [path, contents] : names_) contents->crash(random);
  restart();
}

void SimDisk::flip(const std::string& path, uint64_t offset, uint8_t mask) {
  names_.at(path)->flip(offset, mask);
}

void SimDisk::overwrite(const std::string& path, uint64_t offset, std::string_view bytes) {
  names_.at(path)->overwrite(offset, bytes);
}

void SimDisk::spoil(const std::string& path, uint64_t offset, uint64_t size) {
  names_.at(path)->spoil(offset, size);
}

std::optional<std::string> SimDisk::peek(const std::string& path, uint64_t offset,
                                         uint64_t size) const {
  const auto found = names_.find(path);
  if (found == names_.end() || !found->second->readable(offset, size)) return std::nullopt;
  std::string bytes(size, '\0');
  const size_t got = found->second->read(offset, reinterpret_cast<uint8_t*>(bytes.data()), size);
  if (got < size) return std::nullopt;
  return bytes;
}

void SimDisk::lose(const std::string& directory) {
  const std::string below = without_slash(directory) + "/";
  std::erase_if(names_, [&](const auto& entry) { return entry.first.starts_with(below); });
  std::erase_if(durable_, [&](const auto& entry) { return entry.first.starts_with(below); });
  std::erase_if(unsynced_, [&](const Entry& entry) { return entry.path.starts_with(below); });
  std::erase_if(directories_, [&](const std::string& at) { return at.starts_with(below); });
}

uint64_t SimDisk::memory_bytes() const {
  uint64_t pages = 0;
  for (const auto& [path, contents] : names_) pages += contents->stored_pages();
  return pages * kDiskPageBytes;
}

uint64_t SimDisk::used_bytes() const {
  uint64_t pages = 0;
  for (const auto& [path, contents] : names_) pages += contents->reserved().pages();
  return pages * kDiskPageBytes;
}

Result<void> SimDisk::enter(Operation operation, const std::string& path) {
  if (halted()) return {Code::io_error, "cannot reach " + path + ": the disk has stopped"};
  if (fault) DFS_CHECK(fault(operation, path));
  if (operation != Operation::open && operation != Operation::read) {
    ++changes_;
    if (changes_left_) --*changes_left_;
  }
  return {};
}

Result<void> SimDisk::reserve(const Contents& contents, uint64_t offset, uint64_t size,
                              const std::string& path) const {
  const uint64_t missing = contents.reserved().missing(
      offset / kDiskPageBytes, (offset + size + kDiskPageBytes - 1) / kDiskPageBytes);
  if (missing == 0 || used_bytes() + missing * kDiskPageBytes <= capacity_bytes) return {};
  return {Code::no_space, "cannot write " + path + ": the disk is full; free space there"};
}

void SimDisk::apply(Names& names, const Entry& entry) {
  if (entry.operation == Operation::remove_directory) return;
  if (entry.operation == Operation::create) {
    names[entry.path] = entry.contents;
    return;
  }
  names.erase(entry.path);
  if (entry.operation == Operation::rename) names[entry.to] = entry.contents;
}

Result<void> SimDisk::change(Entry entry) {
  DFS_CHECK(enter(entry.operation, entry.path));
  apply(names_, entry);
  unsynced_.push_back(std::move(entry));
  return {};
}

Result<std::unique_ptr<File>> SimDisk::open(const std::string& path, OpenOptions options) {
  DFS_CHECK(enter(Operation::open, path));
  auto found = names_.find(path);
  if (found == names_.end()) {
    if (!options.create || !directories_.contains(directory_of(path))) {
      return {Code::not_found, "cannot open " + path + ": no such file or directory"};
    }
    DFS_CHECK(change({Operation::create, path, {}, std::make_shared<Contents>()}));
    found = names_.find(path);
  }
  return std::unique_ptr<File>(std::make_unique<SimFile>(*this, path, found->second, options));
}

Result<bool> SimDisk::exists(const std::string& path) {
  DFS_CHECK(enter(Operation::read, path));
  return names_.contains(path) || directories_.contains(without_slash(path));
}

Result<std::vector<std::string>> SimDisk::list(const std::string& directory) {
  DFS_CHECK(enter(Operation::read, directory));
  const std::string parent = without_slash(directory);
  if (!directories_.contains(parent)) {
    return {Code::not_found, "cannot list " + directory + ": no such directory"};
  }
  std::vector<std::string> names;
  const auto add = [&](const std::string& path) {
    if (path != parent && path != "." && directory_of(path) == parent) {
      names.push_back(path.substr(path.rfind('/') + 1));
    }
  };
  for (const auto& [path, contents] : names_) add(path);
  for (const std::string& path : directories_) add(path);
  std::sort(names.begin(), names.end());
  return names;
}

Result<void> SimDisk::make_directories(const std::string& path) {
  DFS_CHECK(enter(Operation::make_directories, path));
  add_directory(without_slash(path));
  return {};
}

void SimDisk::add_directory(std::string path) {
  while (directories_.insert(path).second) path = directory_of(path);
}

Result<void> SimDisk::remove(const std::string& path) {
  if (!names_.contains(path)) return {Code::not_found, "cannot remove " + path + ": no such file"};
  return change({Operation::remove, path, {}, nullptr});
}

Result<void> SimDisk::remove_tree(const std::string& path) {
  const std::string top = without_slash(path);
  std::vector<std::string> files, directories;
  for (const auto& [at, contents] : names_) {
    if (at.starts_with(top + "/")) files.push_back(at);
  }
  for (const std::string& at : directories_) {
    if (at == top || at.starts_with(top + "/")) directories.push_back(at);
  }
  for (const std::string& at : files) DFS_CHECK(remove(at));
  // The innermost first: a directory must be empty to go.
  for (auto at = directories.rbegin(); at != directories.rend(); ++at) {
    DFS_CHECK(change({Operation::remove_directory, *at, {}, nullptr}));
    directories_.erase(*at);
  }
  return {};
}

Result<void> SimDisk::rename(const std::string& from, const std::string& to) {
  const auto found = names_.find(from);
  if (found == names_.end()) {
    return {Code::not_found, "cannot rename " + from + ": no such file"};
  }
  return change({Operation::rename, from, to, found->second});
}

Result<void> SimDisk::sync_directory(const std::string& directory) {
  DFS_CHECK(enter(Operation::sync_directory, directory));
  const std::string parent = without_slash(directory);
  // With a directory that is gone for good, so is what was in it.
  std::vector<std::string> gone;
  for (const Entry& entry : unsynced_) {
    if (entry.operation == Operation::remove_directory && directory_of(entry.path) == parent) {
      gone.push_back(entry.path + "/");
    }
  }
  std::erase_if(unsynced_, [&](const Entry& entry) {
    const std::string& path = entry.operation == Operation::rename ? entry.to : entry.path;
    const bool inside = std::any_of(gone.begin(), gone.end(), [&](const std::string& below) {
      return path.starts_with(below);
    });
    if (directory_of(path) != parent && !inside) return false;
    apply(durable_, entry);
    return true;
  });
  return {};
}

Result<DiskSpace> SimDisk::space(const std::string& path) {
  DFS_CHECK(enter(Operation::read, path));
  const uint64_t used = used_bytes();
  return DiskSpace{capacity_bytes, capacity_bytes > used ? capacity_bytes - used : 0};
}

Result<std::unique_ptr<DiskLock>> SimDisk::lock(const std::string& path) {
  DFS_CHECK(enter(Operation::open, path));
  if (!locked_.insert(path).second) {
    return {Code::busy, "another process holds " + path + "; stop it first"};
  }
  return std::unique_ptr<DiskLock>(std::make_unique<SimLock>(*this, path));
}

}  // namespace dfs::sim
