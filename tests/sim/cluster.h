// A whole ZDFS in the world: brokers, a monitor, storage nodes and clients, each a process of its
// own. The broker and the monitor of the head share its machine.
#pragma once

#include <vector>

#include "actors/client/client.h"
#include "tests/sim/options.h"
#include "tests/sim/prober.h"
#include "tests/sim/process.h"
#include "tests/sim/world.h"

namespace dfs::sim {

class Cluster {
 public:
  Cluster(World& world, const Options& options);

  static constexpr const char* kStorageDirectory = "/storage";

  void start_all();  // those that do not run
  bool all_ready() const;
  // Restarts whoever died of something that may pass. Returns why somebody cannot ever start, or
  // nothing.
  std::string revive();

  Process& monitor() { return *monitor_; }
  const std::vector<Process*>& brokers() const { return brokers_; }
  const std::vector<Process*>& storages() const { return storages_; }
  const std::vector<Process*>& clients() const { return clients_; }
  // A client that no fault touches, and an actor that asks nodes directly; for checks.
  Process& checker() { return *checker_; }
  Process& prober() { return *prober_; }

  static Client& client(Process& process) { return static_cast<Client&>(process.actor()); }
  static Prober& prober(Process& process) { return static_cast<Prober&>(process.actor()); }

 private:
  ProcessSettings settings(const std::string& name, const std::string& machine) const;
  Process& add_client(const std::string& name);

  World& world_;
  const Options& options_;
  std::vector<std::string> broker_endpoints_;
  std::vector<Process*> brokers_;
  std::vector<Process*> storages_;
  std::vector<Process*> clients_;
  Process* monitor_ = nullptr;
  Process* checker_ = nullptr;
  Process* prober_ = nullptr;
};

}  // namespace dfs::sim
