#include "actors/posix_launcher.h"

#include <dirent.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstring>
#include <fstream>
#include <iterator>

namespace dfs {

namespace {

std::string read_all(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::string proc(int64_t pid, const char* what) {
  return "/proc/" + std::to_string(pid) + "/" + what;
}

// The start time of a live process. A zombie has ended.
std::optional<uint64_t> started_at(int64_t pid) {
  const std::string stat = read_all(proc(pid, "stat"));
  // "pid (name) state …": the name may hold anything, parentheses too.
  const size_t after_name = stat.rfind(')');
  if (after_name == std::string::npos || after_name + 2 >= stat.size()) return std::nullopt;
  const char state = stat[after_name + 2];
  if (state == 'Z' || state == 'X') return std::nullopt;
  constexpr int kFieldsBetween = 19;  // the state is field 3, the start time 22
  size_t at = after_name + 2;
  for (int i = 0; i < kFieldsBetween; ++i) {
    at = stat.find(' ', at);
    if (at == std::string::npos) return std::nullopt;
    ++at;
  }
  uint64_t started = 0;
  const auto [end, error] = std::from_chars(stat.data() + at, stat.data() + stat.size(), started);
  if (error != std::errc()) return std::nullopt;
  return started;
}

bool is_of_this_user(int64_t pid) {
  struct stat status {};
  const std::string folder = "/proc/" + std::to_string(pid);
  return ::stat(folder.c_str(), &status) == 0 && status.st_uid == ::geteuid();
}

std::vector<std::string> arguments_of(int64_t pid) {
  std::vector<std::string> words;
  const std::string line = read_all(proc(pid, "cmdline"));
  for (size_t at = 0; at < line.size();) {
    const size_t end = std::min(line.find('\0', at), line.size());
    words.push_back(line.substr(at, end - at));
    at = end + 1;
  }
  if (!words.empty()) words.erase(words.begin());
  return words;
}

// The environment of this process without its settings: those of the new one are its own.
std::vector<std::string> environment_with(const std::map<std::string, std::string>& more) {
  std::vector<std::string> out;
  for (char** each = environ; *each != nullptr; ++each) {
    const std::string_view text = *each;
    if (text.starts_with("DFS_") || text.starts_with("DFSD_")) continue;
    out.emplace_back(text);
  }
  for (const auto& [key, value] : more) out.push_back(key + "=" + value);
  return out;
}

std::vector<char*> pointers_to(std::vector<std::string>& words) {
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  return pointers;
}

// What a new process begins with, however its parent is set up: no blocked or ignored signals, no
// open files, a session of its own.
class SpawnSettings {
 public:
  explicit SpawnSettings(const std::string& output) {
    posix_spawnattr_init(&attributes_);
    posix_spawn_file_actions_init(&actions_);
    sigset_t none;
    sigset_t all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes_, &none);
    posix_spawnattr_setsigdefault(&attributes_, &all);
    posix_spawnattr_setflags(&attributes_,
                             POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    posix_spawn_file_actions_addopen(&actions_, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions_, STDOUT_FILENO, output.c_str(),
                                     O_WRONLY | O_CREAT | O_APPEND, 0644);
    posix_spawn_file_actions_adddup2(&actions_, STDOUT_FILENO, STDERR_FILENO);
    posix_spawn_file_actions_addclosefrom_np(&actions_, STDERR_FILENO + 1);
  }
  SpawnSettings(const SpawnSettings&) = delete;
  SpawnSettings& operator=(const SpawnSettings&) = delete;
  ~SpawnSettings() {
    posix_spawn_file_actions_destroy(&actions_);
    posix_spawnattr_destroy(&attributes_);
  }
  const posix_spawnattr_t* attributes() const { return &attributes_; }
  const posix_spawn_file_actions_t* actions() const { return &actions_; }

 private:
  posix_spawnattr_t attributes_;
  posix_spawn_file_actions_t actions_;
};

class PosixLauncher : public Launcher {
 public:
  Result<ProcessId> start(const LaunchPlan& plan) override {
    std::vector<std::string> words = {plan.program};
    words.insert(words.end(), plan.arguments.begin(), plan.arguments.end());
    std::vector<std::string> environment = environment_with(plan.environment);
    const SpawnSettings settings(plan.output);
    pid_t pid = 0;
    const int failure =
        ::posix_spawn(&pid, plan.program.c_str(), settings.actions(), settings.attributes(),
                      pointers_to(words).data(), pointers_to(environment).data());
    if (failure != 0) {
      return Error{Code::io_error,
                   "cannot start " + plan.program + " with its output in " + plan.output + ": " +
                       std::strerror(failure) + "; check that both are there and permitted",
                   {},
                   0};
    }
    // It is a child that nobody has waited for, so that its pid is its own, even if it has ended.
    return ProcessId{pid, started_at(pid).value_or(0)};
  }

  Result<std::optional<ProcessId>> find(const std::vector<std::string>& arguments) override {
    DIR* const all = ::opendir("/proc");
    if (all == nullptr) {
      return Error{
          Code::io_error, std::string("cannot list /proc: ") + std::strerror(errno), {}, 0};
    }
    std::optional<ProcessId> found;
    while (const dirent* const entry = ::readdir(all)) {
      const std::string_view name = entry->d_name;
      int64_t pid = 0;
      const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), pid);
      if (error != std::errc() || end != name.data() + name.size()) continue;
      if (!is_of_this_user(pid)) continue;
      const std::vector<std::string> has = arguments_of(pid);
      if (has.size() < arguments.size() ||
          !std::equal(arguments.begin(), arguments.end(), has.begin())) {
        continue;
      }
      const std::optional<uint64_t> started = started_at(pid);
      if (started) found = ProcessId{pid, *started};
      if (found) break;
    }
    ::closedir(all);
    return found;
  }

  ProcessView look(const ProcessId& process) override {
    if (process.pid <= 0) return {};
    siginfo_t ended{};
    const int waited = ::waitid(P_PID, static_cast<id_t>(process.pid), &ended, WEXITED | WNOHANG);
    if (waited == 0 && ended.si_pid == process.pid) {
      const bool exited = ended.si_code == CLD_EXITED;
      return {false, exited ? ended.si_status : 128 + ended.si_status};
    }
    return {started_at(process.pid) == process.started, std::nullopt};
  }
};

}  // namespace

std::unique_ptr<Launcher> make_posix_launcher() {
  return std::make_unique<PosixLauncher>();
}

Result<std::string> own_program() {
  std::array<char, 4096> path{};
  const ssize_t size = ::readlink("/proc/self/exe", path.data(), path.size());
  if (size <= 0 || static_cast<size_t>(size) == path.size()) {
    return Error{
        Code::io_error, std::string("cannot read /proc/self/exe: ") + std::strerror(errno), {}, 0};
  }
  return std::string(path.data(), static_cast<size_t>(size));
}

}  // namespace dfs
