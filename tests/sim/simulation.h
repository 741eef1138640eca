// One run: a cluster drawn from a seed lives through a time in which anything may fail, then
// through one in which nothing does, and then everything is checked.
#pragma once

#include <cstdint>
#include <string>

#include "tests/sim/options.h"
#include "tests/sim/workload.h"

namespace dfs::sim {

struct Report {
  Options options;
  Findings findings;
  uint64_t trace_hash = 0;
  uint64_t events = 0;
  uint64_t messages = 0;
  uint64_t harms = 0;
  uint64_t copies_harmed = 0;
  uint64_t copies_deleted = 0;
  uint64_t holders_dropped = 0;  // out of groups
  uint64_t leaders = 0;          // terms that had one
  uint64_t snapshots = 0;        // offered to heads
  uint64_t undecided = 0;        // files and locks whose history took too long to check
  uint64_t locks = 0;            // granted to clients
  uint64_t lock_leaders = 0;     // as `leaders`
  Duration simulated{0};
};

Report simulate(const Options& options, bool verbose = false);
inline Report simulate(uint64_t seed, bool verbose = false) {
  return simulate(draw_options(seed), verbose);
}

}  // namespace dfs::sim
