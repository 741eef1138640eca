// Processes, as actors see them: beside Bus, Disk and Table the fourth seam, for those who start
// storage nodes. There is no way to end a process here: nobody who uses this needs to. Calls take a
// moment and are made on the pool (Bus::run). PosixLauncher is the real one.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "messages/result.h"

namespace dfs {

// A pid is given out anew when its process is gone; with the time of its start it is not.
struct ProcessId {
  int64_t pid = 0;       // 0: none
  uint64_t started = 0;  // by the machine's own count
  bool operator==(const ProcessId&) const = default;
};

struct LaunchPlan {
  std::string program;
  std::vector<std::string> arguments;              // without the program's name
  std::map<std::string, std::string> environment;  // besides that of this process
  std::string output;                              // what it prints is appended to this file
};

struct ProcessView {
  bool running = false;
  // How it ended, as a shell says it (128 and the signal's number), where that can be known: of a
  // process started by this one, and told once.
  std::optional<int> status;
};

class Launcher {
 public:
  virtual ~Launcher() = default;
  // Starts a program in a session of its own: it goes on when this process ends. Settings of this
  // process in its environment (DFS_…) are not handed on. Fails when it cannot be executed.
  virtual Result<ProcessId> start(const LaunchPlan& plan) = 0;
  // A process of this user whose arguments begin with these, if there is one.
  virtual Result<std::optional<ProcessId>> find(const std::vector<std::string>& arguments) = 0;
  virtual ProcessView look(const ProcessId& process) = 0;
};

}  // namespace dfs
