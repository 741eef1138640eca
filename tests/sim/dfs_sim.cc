// dfs_sim: runs the real actors in a simulated world, one history per seed.
#include <CLI/CLI.hpp>
#include <atomic>
#include <cinttypes>
#include <csignal>
#include <cstdio>
#include <map>
#include <mutex>
#include <thread>
#include <vector>

#include "tests/sim/group/simulation.h"
#include "tests/sim/simulation.h"

namespace {

using dfs::sim::Findings;
using dfs::sim::GroupReport;
using dfs::sim::Report;

enum class Kind { cluster, group, locks };
enum class Repeat { none, some, all };

constexpr uint64_t kRepeatEvery = 10;  // seeds, of which one runs twice

struct Settings {
  Kind kind = Kind::cluster;
  uint64_t first = 1;
  uint64_t last = 50;
  unsigned jobs = 2;
  Repeat repeat = Repeat::some;
  bool verbose = false;
};

// What is told of a run, whatever its kind.
struct Run {
  Findings findings;
  uint64_t trace_hash = 0;
  std::string options;
  std::string counts;
};

thread_local uint64_t current_seed = 0;
const char* kind_name = "cluster";

// A failed assertion ends the whole program; it must not take the seed with it.
void on_abort(int) {
  char line[128];
  const int size = std::snprintf(
      line, sizeof line, "aborted; replay with: dfs_sim --kind %s --seed %" PRIu64 " --verbose\n",
      kind_name, current_seed);
  (void)!write(STDERR_FILENO, line, static_cast<size_t>(size));
}

Run run_cluster(const dfs::sim::Options& options, bool verbose) {
  Report report = dfs::sim::simulate(options, verbose);
  const Findings& found = report.findings;
  char counts[480];
  std::snprintf(counts, sizeof counts,
                "%4.0f s simulated, %" PRIu64 " operations (%" PRIu64 " unknown), %" PRIu64
                " harms, %" PRIu64 " leaders, %" PRIu64 " snapshots, %" PRIu64
                " copies harmed, %" PRIu64 " deleted, %" PRIu64 " holders dropped, %" PRIu64
                " files and %" PRIu64 " blocks checked, %" PRIu64 " locks, %" PRIu64
                " of their leaders, %" PRIu64 " undecided",
                std::chrono::duration<double>(report.simulated).count(), found.operations,
                found.unknown, report.harms, report.leaders, report.snapshots, report.copies_harmed,
                report.copies_deleted, report.holders_dropped, found.files_checked,
                found.blocks_checked, report.locks, report.lock_leaders, report.undecided);
  return {std::move(report.findings), report.trace_hash, report.options.describe(), counts};
}

Run run_group(uint64_t seed, bool verbose) {
  GroupReport report = dfs::sim::simulate_group(seed, verbose);
  const Findings& found = report.findings;
  char counts[256];
  std::snprintf(
      counts, sizeof counts,
      "%4.0f s simulated, %" PRIu64 " operations (%" PRIu64 " unknown), %" PRIu64 " harms, %" PRIu64
      " leaders, %" PRIu64 " entries, %" PRIu64 " snapshots, %" PRIu64 " undecided",
      std::chrono::duration<double>(report.simulated).count(), found.operations, found.unknown,
      report.harms, report.leaders, report.entries, report.snapshots, report.undecided);
  return {std::move(report.findings), report.trace_hash, report.options.describe(), counts};
}

Run run(Kind kind, uint64_t seed, bool verbose) {
  if (kind == Kind::group) return run_group(seed, verbose);
  return run_cluster(
      kind == Kind::locks ? dfs::sim::draw_lock_options(seed) : dfs::sim::draw_options(seed),
      verbose);
}

std::string text_of(uint64_t seed, const Run& run) {
  const bool good = run.findings.good();
  char line[640];
  std::snprintf(line, sizeof line, "seed %" PRIu64 " %s %s, trace %016" PRIx64 "\n", seed,
                good ? "passed" : "FAILED", run.counts.c_str(), run.trace_hash);
  std::string text(line);
  if (good) return text;
  text += "  " + run.options + "\n";
  for (const std::string& fault : run.findings.faults) text += "  fault: " + fault + "\n";
  text += std::string("  replay with: dfs_sim --kind ") + kind_name + " --seed " +
          std::to_string(seed) + " --verbose\n";
  return text;
}

bool run_seed(const Settings& settings, uint64_t seed, std::mutex& printing) {
  current_seed = seed;
  Run first = run(settings.kind, seed, settings.verbose);
  const bool twice = settings.repeat == Repeat::all ||
                     (settings.repeat == Repeat::some &&
                      (seed % kRepeatEvery == 0 || settings.first == settings.last));
  if (twice && first.findings.good() &&
      run(settings.kind, seed, settings.verbose).trace_hash != first.trace_hash) {
    first.findings.fault("the same seed gave another history the second time");
  }
  const std::string text = text_of(seed, first);
  const std::lock_guard lock(printing);
  std::fputs(text.c_str(), stdout);
  std::fflush(stdout);
  return first.findings.good();
}

// "100..199", or "50": as many, counting up from the first.
bool read_seeds(const std::string& text, Settings& settings) {
  char* end = nullptr;
  const uint64_t number = std::strtoull(text.c_str(), &end, 10);
  if (end == text.c_str()) return false;
  if (*end == '\0') {
    settings.last = settings.first + number - 1;
    return number > 0;
  }
  if (std::string_view(end).substr(0, 2) != "..") return false;
  settings.first = number;
  const char* const second = end + 2;
  settings.last = std::strtoull(second, &end, 10);
  return end != second && *end == '\0' && settings.first <= settings.last;
}

}  // namespace

int main(int argc, char** argv) {
  Settings settings;
  std::string seeds;
  CLI::App app{
      "Runs the real actors of ZDFS in a simulated world. A seed is a whole history: the "
      "same seed fails in the same way every time."};
  app.add_option("--kind", settings.kind,
                 "cluster: heads, storage nodes and clients; group: replicas of a state machine "
                 "alone, which is quicker; locks: a cluster with little else (default: cluster)")
      ->transform(CLI::CheckedTransformer(std::map<std::string, Kind>{
          {"cluster", Kind::cluster}, {"group", Kind::group}, {"locks", Kind::locks}}));
  CLI::Option* const seed = app.add_option("--seed", settings.first, "a single seed");
  app.add_option("--seeds", seeds, "several: FIRST..LAST, or how many (default: 1..50)");
  app.add_option("--jobs", settings.jobs, "seeds to run at the same time")
      ->check(CLI::Range(1, 256))
      ->capture_default_str();
  app.add_flag_callback(
      "--twice", [&settings] { settings.repeat = Repeat::all; },
      "run each seed twice and compare the traces (default: some, or a single one)");
  app.add_flag_callback(
      "--once", [&settings] { settings.repeat = Repeat::none; }, "run each seed once");
  app.add_flag("--verbose", settings.verbose, "print every event to stderr");
  CLI11_PARSE(app, argc, argv);
  if (seed->count() > 0) settings.last = settings.first;
  if (!seeds.empty() && !read_seeds(seeds, settings)) {
    std::fprintf(stderr, "dfs_sim: --seeds wants FIRST..LAST or a number, not %s\n", seeds.c_str());
    return 2;
  }
  if (settings.verbose) settings.jobs = 1;
  if (settings.kind == Kind::group) kind_name = "group";
  if (settings.kind == Kind::locks) kind_name = "locks";

  std::signal(SIGABRT, on_abort);
  std::mutex printing;
  std::atomic<uint64_t> next = settings.first;
  std::atomic<uint64_t> failed = 0;
  const auto work = [&] {
    for (uint64_t i = next++; i <= settings.last; i = next++) {
      if (!run_seed(settings, i, printing)) ++failed;
    }
  };
  std::vector<std::thread> threads;
  for (unsigned i = 1; i < settings.jobs; ++i) threads.emplace_back(work);
  work();
  for (std::thread& thread : threads) thread.join();
  const uint64_t count = settings.last - settings.first + 1;
  std::printf("%" PRIu64 " passed, %" PRIu64 " failed\n", count - failed, failed.load());
  return failed == 0 ? 0 : 1;
}
