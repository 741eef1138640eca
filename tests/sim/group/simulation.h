// One run of a simulated group: a time in which anything may fail, then one in which nothing does.
#pragma once

#include <cstdint>
#include <string>

#include "tests/sim/findings.h"
#include "tests/sim/group/options.h"

namespace dfs::sim {

struct GroupReport {
  GroupOptions options;
  Findings findings;
  uint64_t trace_hash = 0;
  uint64_t events = 0;
  uint64_t harms = 0;
  uint64_t leaders = 0;    // terms that had one
  uint64_t entries = 0;    // committed
  uint64_t snapshots = 0;  // offered
  uint64_t undecided = 0;  // registers whose history took too long to check
  Duration simulated{0};
};

GroupReport simulate_group(const GroupOptions& options, bool verbose = false);
inline GroupReport simulate_group(uint64_t seed, bool verbose = false) {
  return simulate_group(draw_group_options(seed), verbose);
}

}  // namespace dfs::sim
