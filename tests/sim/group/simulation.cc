#include "tests/sim/group/simulation.h"

#include <memory>
#include <vector>

#include "tests/sim/group/group.h"
#include "tests/sim/group/nemesis.h"
#include "tests/sim/group/worker.h"
#include "tests/sim/linearizability.h"
#include "tests/sim/network.h"
#include "tests/sim/raft_checker.h"

namespace dfs::sim {

using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

constexpr Duration kSafety = seconds(60);  // then what is left to do is done when all is well
constexpr uint64_t kStepsMax = 2'000'000;  // of the search through one register's history

class GroupSimulation {
 public:
  GroupSimulation(GroupOptions options, bool verbose)
      : options_(std::move(options)),
        world_(options_.seed),
        checker_(findings_),
        group_(world_, options_, checker_, findings_),
        nemesis_(world_, group_, options_, world_.random().fork()) {
    world_.verbose = verbose;
    world_.network().options() = options_.network;
    world_.pool_timing() = options_.pool;
    for (Process* client : group_.clients()) {
      workers_.push_back(std::make_unique<GroupWorker>(
          world_, group_, *client, options_, world_.random().fork(), history_, findings_));
    }
  }

  GroupReport run() {
    if (live()) check();
    GroupReport report;
    report.options = options_;
    report.findings = findings_;
    report.trace_hash = world_.trace_hash();
    report.events = world_.events();
    report.harms = nemesis_.harms();
    report.leaders = checker_.leaders();
    report.entries = checker_.committed();
    report.snapshots = checker_.snapshots();
    report.undecided = undecided_;
    report.simulated = world_.now();
    return report;
  }

 private:
  bool live() {
    group_.start_all();
    if (options_.faults_from_start) {
      nemesis_.begin();
    } else if (!converge(seconds(20))) {
      return false;
    }

    // Safety: whatever happens, nothing that was answered is wrong.
    for (const auto& worker : workers_) {
      worker->strict = !options_.faulty();
      worker->assign(options_.operations);
    }
    if (!options_.faults_from_start) nemesis_.begin();
    work(kSafety);
    if (!findings_.good()) return false;

    // Liveness: when nothing fails any more, everything must soon be well.
    nemesis_.end();
    world_.run_for(seconds(3));  // who was asked to stop still does so
    group_.start_all();
    if (!led(seconds(5))) return false;
    if (!converge(seconds(60))) return false;
    for (const auto& worker : workers_) {
      worker->strict = true;
      worker->assign(options_.operations_healed);
      worker->assign_reads();
    }
    return work(seconds(60)) && converge(seconds(10));
  }

  // Lets the workers work until they are done. False when they are not in time, or found a fault.
  bool work(Duration limit) {
    const Duration end = world_.now() + limit;
    while (world_.now() < end && findings_.good()) {
      bool done = true;
      for (const auto& worker : workers_) {
        worker->poll();
        done = done && worker->done();
      }
      if (done) return true;
      revive();
      advance(milliseconds(50));
    }
    if (findings_.good() && !nemesis_.active()) findings_.fault("an operation does not end");
    return false;
  }

  bool led(Duration limit) {
    const Duration end = world_.now() + limit;
    while (world_.now() < end && findings_.good()) {
      if (group_.leader() != nullptr) return true;
      revive();
      advance(milliseconds(50));
    }
    if (findings_.good()) findings_.fault("nobody leads when nothing fails any more");
    return false;
  }

  bool converge(Duration limit) {
    const Duration end = world_.now() + limit;
    std::string why = "there was no time";
    while (world_.now() < end && findings_.good()) {
      if (nemesis_.idle() && group_.converged(why)) return true;
      revive();
      advance(milliseconds(50));
    }
    if (findings_.good()) findings_.fault("the group does not converge: " + why);
    return false;
  }

  // Like run_for(), but stops where a checker found a fault.
  void advance(Duration duration) {
    const auto over = std::make_shared<bool>(false);
    world_.after(duration, [over] { *over = true; });
    while (!*over && findings_.good()) world_.step();
  }

  void revive() {
    const std::string failure = group_.revive();
    if (!failure.empty()) findings_.fault(failure);
  }

  void check() {
    const History::Summary summary = history_.check("0", kStepsMax);
    for (const std::string& fault : summary.faults) findings_.fault(fault);
    undecided_ = summary.undecided;
  }

  const GroupOptions options_;
  Findings findings_;
  World world_;
  History history_;
  RaftChecker checker_;
  Group group_;
  GroupNemesis nemesis_;
  std::vector<std::unique_ptr<GroupWorker>> workers_;
  uint64_t undecided_ = 0;
};

}  // namespace

GroupReport simulate_group(const GroupOptions& options, bool verbose) {
  return GroupSimulation(options, verbose).run();
}

}  // namespace dfs::sim
