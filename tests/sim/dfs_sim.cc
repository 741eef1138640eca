// dfs_sim: runs the real actors in a simulated world, one history per seed.
#include <CLI/CLI.hpp>
#include <atomic>
#include <cinttypes>
#include <csignal>
#include <cstdio>
#include <mutex>
#include <thread>
#include <vector>

#include "tests/sim/simulation.h"

namespace {

using dfs::sim::Report;

struct Settings {
  uint64_t seed = 1;
  uint64_t seeds = 50;
  unsigned jobs = 2;
  bool twice = true;
  bool verbose = false;
};

thread_local uint64_t current_seed = 0;

// A failed assertion ends the whole program; it must not take the seed with it.
void on_abort(int) {
  char line[96];
  const int size =
      std::snprintf(line, sizeof line,
                    "aborted; replay with: dfs_sim --seed %" PRIu64 " --verbose\n", current_seed);
  (void)!write(STDERR_FILENO, line, static_cast<size_t>(size));
}

std::string text_of(const Report& report, bool good) {
  const auto& found = report.findings;
  char line[256];
  std::snprintf(line, sizeof line,
                "seed %" PRIu64 " %s %5.0f s simulated, %" PRIu64 " operations (%" PRIu64
                " unknown), %" PRIu64 " harms, %" PRIu64 " files and %" PRIu64
                " blocks checked, trace %016" PRIx64 "\n",
                report.options.seed, good ? "passed" : "FAILED",
                std::chrono::duration<double>(report.simulated).count(), found.operations,
                found.unknown, report.harms, found.files_checked, found.blocks_checked,
                report.trace_hash);
  std::string text(line);
  if (good) return text;
  text += "  " + report.options.describe() + "\n";
  for (const std::string& fault : found.faults) text += "  fault: " + fault + "\n";
  text += "  replay with: dfs_sim --seed " + std::to_string(report.options.seed) + " --verbose\n";
  return text;
}

bool run_seed(const Settings& settings, uint64_t seed, std::mutex& printing) {
  current_seed = seed;
  if (settings.seeds == 1) {
    std::printf("seed %" PRIu64 ": %s\n", seed, dfs::sim::draw_options(seed).describe().c_str());
    std::fflush(stdout);
  }
  Report report = dfs::sim::simulate(seed, settings.verbose);
  if (settings.twice && report.findings.good()) {
    const Report again = dfs::sim::simulate(seed, settings.verbose);
    if (again.trace_hash != report.trace_hash) {
      report.findings.fault("the same seed gave another history the second time");
    }
  }
  const std::string text = text_of(report, report.findings.good());
  const std::lock_guard lock(printing);
  std::fputs(text.c_str(), stdout);
  std::fflush(stdout);
  return report.findings.good();
}

}  // namespace

int main(int argc, char** argv) {
  Settings settings;
  CLI::App app{
      "Runs the real actors of ZDFS in a simulated world. A seed is a whole history: the "
      "same seed fails in the same way every time."};
  const CLI::Option* const seed =
      app.add_option("--seed", settings.seed, "the seed, or the first of several (default: 1)");
  const CLI::Option* const seeds = app.add_option(
      "--seeds", settings.seeds, "how many, counting up (default: 50, or 1 when --seed is given)");
  app.add_option("--jobs", settings.jobs, "seeds to run at the same time")
      ->check(CLI::Range(1, 256))
      ->capture_default_str();
  app.add_flag("--twice,!--once", settings.twice,
               "run each seed twice and compare the traces (default)");
  app.add_flag("--verbose", settings.verbose, "print every event to stderr");
  CLI11_PARSE(app, argc, argv);
  if (seed->count() > 0 && seeds->count() == 0) settings.seeds = 1;
  if (settings.verbose) settings.jobs = 1;

  std::signal(SIGABRT, on_abort);
  std::printf("seeds %" PRIu64 " to %" PRIu64 "\n", settings.seed,
              settings.seed + settings.seeds - 1);
  std::fflush(stdout);
  std::mutex printing;
  std::atomic<uint64_t> next = 0;
  std::atomic<uint64_t> failed = 0;
  const auto work = [&] {
    for (uint64_t i = next++; i < settings.seeds; i = next++) {
      if (!run_seed(settings, settings.seed + i, printing)) ++failed;
    }
  };
  std::vector<std::thread> threads;
  for (unsigned i = 1; i < settings.jobs; ++i) threads.emplace_back(work);
  work();
  for (std::thread& thread : threads) thread.join();
  std::printf("%" PRIu64 " passed, %" PRIu64 " failed\n", settings.seeds - failed, failed.load());
  return failed == 0 ? 0 : 1;
}
