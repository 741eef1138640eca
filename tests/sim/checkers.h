// What must be true when everything is healed and quiet.
#pragma once

#include <memory>
#include <vector>

#include "tests/sim/cluster.h"
#include "tests/sim/workload.h"

namespace dfs::sim {

class Checkers {
 public:
  Checkers(World& world, Cluster& cluster, const Options& options, Findings& findings)
      : world_(world), cluster_(cluster), options_(options), findings_(findings) {}

  // True when every node is up and every group has all its members; waits for it.
  bool wait_until_healthy(Duration limit);
  // True when nobody has a lock any more, since leases have run out; waits for it.
  bool wait_until_unlocked();

  // Compares all below the worker's home with its model: names, kinds, link counts, sizes,
  // versions, every byte; what is of unknown outcome is wholly there or not at all.
  void check_files(Worker& worker);
  // The counter's version is what its acknowledged updates, and perhaps unknown ones, make of it.
  void check_counter(const Counter& counter);
  // What clients saw of the shared files is linearizable, and so is what is there now.
  void check_shared(SharedFiles& shared);
  // Every block of every file is on as many distinct nodes as was promised, with its checksum.
  // Call it after check_files() of all workers.
  void check_copies();
  // Nobody ever had more waiting than it may.
  void check_limits();

 private:
  struct Checked {
    std::string path;
    Entry entry;
  };
  using Infos = std::map<std::string, InodeInfo>;
  using Holders = std::map<std::tuple<ObjectId, uint32_t, GroupId>, std::vector<BlockView>>;

  // Runs a flow on the checker's client to its end.
  bool drive(Task<void> flow, const char* what);
  Task<void> ask_health(bool* healthy, std::string* why);
  Task<void> ask_locks(bool* none, std::string* why);
  Task<void> walk(std::string directory, Infos* infos);
  Task<void> ask_counter(const Counter* counter);
  Task<void> check_content(std::string path, Entry entry);
  Task<void> ask_holders(Holders* holders);
  Task<void> check_copies_of(Checked file, const Holders* holders);

  void compare(Worker& worker, const Infos& infos);
  void settle_unknown(Worker& worker, const Infos& infos, Tree& tree);
  std::string difference(const std::string& path, const Entry& entry, const Infos& infos) const;
  void check_links(const std::string& path, const InodeInfo& info, const Infos& infos);

  World& world_;
  Cluster& cluster_;
  const Options& options_;
  Findings& findings_;
  std::vector<Checked> files_;
};

}  // namespace dfs::sim
