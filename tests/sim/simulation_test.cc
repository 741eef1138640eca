// Whole histories of a cluster. Each seed that ever found a fault stays here, with what it found.
#include "tests/sim/simulation.h"

#include <doctest/doctest.h>

using namespace dfs;
using namespace dfs::sim;

namespace {

void check_seed(uint64_t seed) {
  const Options options = draw_options(seed);
  CAPTURE(seed);
  CAPTURE(options.describe());
  const Report report = simulate(options);
  for (const std::string& fault : report.findings.faults) FAIL_CHECK(fault);
  CHECK(report.trace_hash == simulate(options).trace_hash);
  CHECK(report.findings.operations > 0);
  CHECK(report.findings.files_checked > 0);
}

}  // namespace

TEST_SUITE("sim") {
  TEST_CASE("a cluster in fair weather does all that its clients ask for") {
    Options options;
    options.seed = 11;
    options.file_bytes_max = 1 << 20;
    REQUIRE_FALSE(options.faulty());
    const Report report = simulate(options);
    for (const std::string& fault : report.findings.faults) FAIL_CHECK(fault);
    CHECK(report.findings.unknown == 0);
    CHECK(report.findings.files_checked > 0);
    CHECK(report.findings.blocks_checked > 0);
  }

  TEST_CASE("one storage node lost is no error and no long wait for anybody") {
    for (uint64_t seed = 1; seed <= 12; ++seed) {
      Options options;
      options.seed = seed;
      options.storages = static_cast<uint32_t>(3 + seed % 3);
      lose_one_storage(options);
      CAPTURE(seed);
      const Report report = simulate(options);
      for (const std::string& fault : report.findings.faults) FAIL_CHECK(fault);
      CHECK(report.harms == 1);
      CHECK(report.findings.unknown == 0);
    }
  }

  TEST_CASE("a cluster keeps its promises through everything that goes wrong") {
    for (const uint64_t seed : {1, 2, 3}) check_seed(seed);
  }

  TEST_CASE("seeds that found a fault find none any more") {
    for (const uint64_t seed : {
             94, 131, 265,  // a client failed its block streams in the order of their addresses
             6,             // a node that had not joined again yet signed its receipts as node 0
             597,           // a log that was full refused what was filled, and was asked for ever
             831,  // the only copy was given up when its disk could not be read for a while
         }) {
      check_seed(seed);
    }
  }
}
