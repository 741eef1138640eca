// What a run of the simulator found out.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace dfs::sim {

// The first fault ends the run.
struct Findings {
  std::vector<std::string> faults;
  uint64_t operations = 0;
  uint64_t refused = 0;  // rightly
  uint64_t unknown = 0;  // failed, so that nobody knows whether they took effect
  uint64_t bytes_written = 0;
  uint64_t bytes_read = 0;
  uint64_t files_checked = 0;
  uint64_t blocks_checked = 0;

  bool good() const { return faults.empty(); }
  void fault(std::string what) { faults.push_back(std::move(what)); }
};

}  // namespace dfs::sim
