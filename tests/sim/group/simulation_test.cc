// Whole histories of a group. Each seed that ever found a fault stays here, with what it found.
#include "tests/sim/group/simulation.h"

#include <doctest/doctest.h>

using namespace dfs;
using namespace dfs::sim;

namespace {

void check_seed(uint64_t seed) {
  const GroupOptions options = draw_group_options(seed);
  CAPTURE(seed);
  CAPTURE(options.describe());
  const GroupReport report = simulate_group(options);
  for (const std::string& fault : report.findings.faults) FAIL_CHECK(fault);
  CHECK(report.trace_hash == simulate_group(options).trace_hash);
  CHECK(report.findings.operations > 0);
  CHECK(report.undecided == 0);
}

}  // namespace

TEST_SUITE("sim_group") {
  TEST_CASE("a group in fair weather does all that its clients ask for") {
    for (const uint32_t members : {1, 3, 5}) {
      GroupOptions options;
      options.seed = members;
      options.members = members;
      options.replica.group = "registers";
      REQUIRE_FALSE(options.faulty());
      const GroupReport report = simulate_group(options);
      CAPTURE(members);
      for (const std::string& fault : report.findings.faults) FAIL_CHECK(fault);
      CHECK(report.findings.unknown == 0);
      CHECK(report.leaders == 1);
      CHECK(report.undecided == 0);
    }
  }

  TEST_CASE("a group keeps its promises through everything that goes wrong") {
    for (const uint64_t seed : {1, 2, 3, 4, 5}) check_seed(seed);
  }
}
