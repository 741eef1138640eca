// One client of a simulated group at work. All that it sees goes into the history.
#pragma once

#include <optional>
#include <string>

#include "tests/sim/findings.h"
#include "tests/sim/group/group.h"
#include "tests/sim/linearizability.h"

namespace dfs::sim {

class GroupWorker {
 public:
  GroupWorker(World& world, const Group& group, Process& process, const GroupOptions& options,
              Random random, History& history, Findings& findings);

  // Gives it so many operations to do, one after the other.
  void assign(uint32_t operations) { left_ += operations; }
  // To be called again and again: notices that the client died, goes to work when it runs.
  void poll();
  bool done() const { return left_ == 0 && !busy_; }
  bool strict = false;  // from now on every operation must have its outcome

  // Reads every register once more.
  void assign_reads() { reads_ = options_.registers; }
  bool reads_done() const { return reads_ == 0 && !busy_; }

 private:
  Task<void> work(Caller* caller);
  Task<void> operate(Caller* caller);
  Task<void> change(Caller* caller, ChangeRegister change);
  Task<void> read(Caller* caller, std::string name);
  Task<void> read_stale(Caller* caller, std::string name);
  void failed(const std::string& what, const Error& error);
  std::string some_register();

  World& world_;
  const Group& group_;
  Process& process_;
  const GroupOptions& options_;
  Random random_;
  History& history_;
  Findings& findings_;
  // One who only reads stays with a leader that was deposed and does not know.
  const double reads_share_;
  uint64_t incarnation_ = 0;  // of the client that is at work
  uint64_t values_ = 0;       // written so far; each only once
  uint64_t last_seen_ = 0;    // by any read
  uint32_t left_ = 0;
  uint32_t reads_ = 0;
  bool busy_ = false;
};

}  // namespace dfs::sim
