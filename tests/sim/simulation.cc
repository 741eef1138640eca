#include "tests/sim/simulation.h"

#include <memory>
#include <vector>

#include "tests/sim/checkers.h"
#include "tests/sim/cluster.h"
#include "tests/sim/copies_checker.h"
#include "tests/sim/locks/checker.h"
#include "tests/sim/locks/workload.h"
#include "tests/sim/nemesis.h"
#include "tests/sim/network.h"
#include "tests/sim/raft_checker.h"
#include "tests/sim/shared_files.h"
#include "tests/sim/world.h"

namespace dfs::sim {

using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

class Simulation {
 public:
  Simulation(Options options, bool verbose)
      : options_(std::move(options)),
        world_(options_.seed),
        cluster_(world_, options_),
        raft_checker_(findings_),
        lock_raft_checker_(findings_),
        lock_checker_(findings_),
        copies_(world_, cluster_, findings_),
        nemesis_(world_, cluster_, copies_, options_, world_.random().fork(),
                 [this](Process& head) {
                   if (cluster_.is_lock(head)) return lock_raft_checker_.disk_replaced(head);
                   raft_checker_.disk_replaced(head);
                   copies_.disk_replaced(head);
                 }),
        shared_(world_, options_.shared_files, findings_),
        checkers_(world_, cluster_, options_, findings_) {
    world_.verbose = verbose;
    world_.network().options() = options_.network;
    world_.pool_timing() = options_.pool;
    for (Process* client : cluster_.clients()) {
      const std::string home = "/home of " + client->name();
      workers_.push_back(std::make_unique<Worker>(*client, home, options_, world_.random().fork(),
                                                  counter_, shared_, findings_));
    }
    for (Process* locker : cluster_.lockers()) {
      lockers_.push_back(std::make_unique<LockWorker>(*locker, options_, world_.random().fork(),
                                                      lock_checker_, findings_));
    }
    world_.after_event = [this](Process* process) {
      if (process == nullptr) return;
      copies_.after_event(*process);
      if (cluster_.is_lock(*process)) {
        const Replica* const head = Cluster::lock_replica(*process);
        if (head != nullptr) lock_raft_checker_.after_event(*process, *head);
        return;
      }
      if (!cluster_.is_monitor(*process)) return;
      if (const Replica* const head = Cluster::replica(*process)) {
        raft_checker_.after_event(*process, *head);
      }
    };
    world_.network().on_send = [this](Process& from, const Envelope& envelope) {
      if (cluster_.is_lock(from)) {
        const Replica* const head = Cluster::lock_replica(from);
        if (head != nullptr) lock_raft_checker_.sent(from, *head, envelope);
        return;
      }
      if (!cluster_.is_monitor(from)) return;
      if (const Replica* const head = Cluster::replica(from)) {
        raft_checker_.sent(from, *head, envelope);
      }
    };
  }

  ~Simulation() {
    world_.after_event = nullptr;
    world_.network().on_send = nullptr;
  }

  Report run() {
    if (live()) check();
    Report report;
    report.options = options_;
    report.findings = findings_;
    report.trace_hash = world_.trace_hash();
    report.events = world_.events();
    report.messages = world_.network().messages();
    report.harms = nemesis_.harms();
    report.copies_harmed = copies_.copies_harmed();
    report.copies_deleted = copies_.copies_deleted();
    report.holders_dropped = copies_.holders_dropped();
    report.leaders = raft_checker_.leaders();
    report.snapshots = raft_checker_.snapshots();
    report.undecided = shared_.undecided() + lock_checker_.undecided();
    report.locks = lock_checker_.grants();
    report.lock_leaders = lock_raft_checker_.leaders();
    report.simulated = world_.now();
    return report;
  }

 private:
  bool live() {
    cluster_.start_all();
    if (options_.faults_from_start) {
      nemesis_.begin();
    } else if (!checkers_.wait_until_healthy(seconds(60))) {
      return false;
    }

    // Safety: whatever happens, nothing that was acknowledged is wrong.
    for (const auto& worker : workers_) {
      worker->strict = !options_.faulty();
      worker->assign(options_.operations);
    }
    for (const auto& locker : lockers_) {
      locker->strict = !options_.faulty();
      locker->assign(options_.lock_operations);
    }
    if (!options_.faults_from_start) nemesis_.begin();
    work(seconds(600));
    if (!findings_.good()) return false;

    // Liveness: when nothing fails any more, everything must soon be well.
    nemesis_.end();
    world_.run_for(seconds(3));  // who was asked to stop still does so
    cluster_.start_all();
    if (!finish_changes() || !checkers_.wait_until_healthy(seconds(60))) return false;
    if (!settle_heads()) return false;
    if (!work(seconds(300))) return false;
    for (const auto& worker : workers_) {
      worker->strict = true;
      worker->assign(options_.operations_healed);
    }
    for (const auto& locker : lockers_) {
      locker->strict = true;
      locker->assign(options_.operations_healed);
    }
    if (!work(seconds(300))) return false;
    world_.run_for(seconds(5));
    return findings_.good() && settle() && checkers_.wait_until_unlocked();
  }

  // The lock actors follow the heads.
  bool settle_heads() {
    if (world_.run_until([this] { return cluster_.heads_settled(); }, seconds(60))) return true;
    findings_.fault("the lock actors are not those of the heads although nothing fails any more");
    return false;
  }

  // Every block comes to be where it belongs, and nothing else stays. What is younger than a grace
  // time is left alone, by clocks that may have jumped.
  bool settle() {
    const Duration limit = options_.jump_clocks ? seconds(1200) : seconds(240);
    const Duration end = world_.now() + limit;
    std::string why = copies_.unsettled();
    while (!why.empty() && world_.now() < end && findings_.good()) {
      world_.run_for(milliseconds(500));
      why = copies_.unsettled();
    }
    if (!why.empty() && findings_.good()) findings_.fault("the copies do not settle: " + why);
    return findings_.good() && checkers_.wait_until_healthy(seconds(10));
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
      for (const auto& locker : lockers_) {
        locker->poll();
        done = done && locker->done();
      }
      if (done) return true;
      const std::string failure = cluster_.revive();
      if (!failure.empty()) findings_.fault(failure);
      world_.run_for(milliseconds(50));
    }
    if (findings_.good() && !nemesis_.active()) findings_.fault("an operation does not end");
    return false;
  }

  // What the operator began with the heads comes to its end.
  bool finish_changes() {
    if (world_.run_until([this] { return nemesis_.idle(); }, seconds(120))) return true;
    findings_.fault("what the operator began does not end although nothing fails any more");
    return false;
  }

  void check() {
    for (const auto& worker : workers_) {
      checkers_.check_files(*worker);
      if (!findings_.good()) return;
    }
    checkers_.check_counter(counter_);
    checkers_.check_shared(shared_);
    checkers_.check_copies();
    copies_.check_contents();
    checkers_.check_limits();
    lock_checker_.check();
  }

  const Options options_;
  Findings findings_;
  Counter counter_;
  World world_;
  Cluster cluster_;
  RaftChecker raft_checker_;
  RaftChecker lock_raft_checker_;
  LockChecker lock_checker_;
  CopiesChecker copies_;
  Nemesis nemesis_;
  SharedFiles shared_;
  Checkers checkers_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::vector<std::unique_ptr<LockWorker>> lockers_;
};

}  // namespace

Report simulate(const Options& options, bool verbose) {
  return Simulation(options, verbose).run();
}

}  // namespace dfs::sim
