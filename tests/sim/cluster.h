// A whole ZDFS in the world: heads, storage nodes and clients. Broker, monitor and lock actor of a
// head are processes of their own, which share its machine.
#pragma once

#include <vector>

#include "actors/client/client.h"
#include "actors/replica/replica.h"
#include "tests/sim/options.h"
#include "tests/sim/prober.h"
#include "tests/sim/process.h"
#include "tests/sim/world.h"

namespace dfs::sim {

class Cluster {
 public:
  Cluster(World& world, const Options& options);

  // Of a storage node's blocks; the first holds its identity too.
  static std::string storage_directory(size_t number);
  static constexpr const char* kMonitorDirectory = "/monitor";
  static constexpr const char* kLockDirectory = "/locks";

  void start_all();        // those that do not run and are in service
  bool all_ready() const;  // of those in service
  size_t storages_in_service() const;
  // Restarts whoever died of something that may pass. Returns why somebody cannot ever start, or
  // nothing.
  std::string revive();

  const std::vector<Process*>& monitors() const { return monitors_; }
  const std::vector<Process*>& locks() const { return locks_; }
  // The replica of a monitor or a lock actor, or nullptr where none runs.
  static const Replica* replica(const Process& monitor);
  static const Replica* lock_replica(const Process& lock);
  bool is_monitor(const Process& process) const;
  bool is_lock(const Process& process) const;
  Process* leader() const;       // the monitor that leads the highest term, or nullptr
  Process* lock_leader() const;  // likewise of the lock actors
  // All heads are voters, for all that the leaders of both groups know.
  bool heads_settled() const;
  // The disk of a head was lost. Its monitor does not run afterwards; its lock actor waits for it.
  void replace_disk(Process& monitor);
  Process& lock_beside(const Process& monitor) const;
  const std::vector<Process*>& brokers() const { return brokers_; }
  const std::vector<Process*>& storages() const { return storages_; }
  const std::vector<Process*>& clients() const { return clients_; }
  const std::vector<Process*>& lockers() const { return lockers_; }  // clients that take locks
  // Clients that no fault touches, and an actor that asks nodes directly; for checks.
  Process& checker() { return *checker_; }
  Process& operator_process() { return *operator_; }
  Process& prober() { return *prober_; }

  static Client& client(Process& process) { return static_cast<Client&>(process.actor()); }
  static Prober& prober(Process& process) { return static_cast<Prober&>(process.actor()); }

 private:
  ProcessSettings settings(const std::string& name, const std::string& machine) const;
  Process& add_client(const std::string& name);
  void add_head(uint32_t number);
  void add_lock(uint32_t number);
  void add_storage(uint32_t number);
  bool founds(const Process& monitor, uint32_t number) const;

  World& world_;
  const Options& options_;
  std::vector<std::string> broker_endpoints_;
  std::vector<Process*> brokers_;
  std::vector<Process*> storages_;
  std::vector<Process*> clients_;
  std::vector<Process*> lockers_;
  std::vector<Process*> monitors_;
  std::vector<Process*> locks_;  // in the order of the monitors
  Process* checker_ = nullptr;
  Process* operator_ = nullptr;
  Process* prober_ = nullptr;
  bool first_lost_ = false;  // the disk of the head that founded the cluster was replaced
};

}  // namespace dfs::sim
