#include "tests/sim/cluster.h"

#include <algorithm>

#include "actors/monitor/monitor.h"
#include "actors/storage/storage.h"
#include "actors/storage/volumes.h"
#include "broker/router.h"

namespace dfs::sim {

namespace {

std::string numbered(const char* role, uint32_t number) {
  return std::string(role) + "-" + std::to_string(number);
}

std::string random_address(const char* role, Bus& bus) {
  char address[48];
  std::snprintf(address, sizeof address, "%s/%016llx", role,
                static_cast<unsigned long long>(bus.random()));
  return address;
}

}  // namespace

Cluster::Cluster(World& world, const Options& options) : world_(world), options_(options) {
  for (uint32_t i = 1; i <= options.heads; ++i) {
    broker_endpoints_.push_back("sim://" + numbered("broker", i));
  }
  for (uint32_t i = 1; i <= options.heads; ++i) add_head(i);
  for (uint32_t i = 1; i <= options.storages; ++i) {
    add_storage(i);
    storages_.back()->out_of_service = i > options.storages - options.late_storages;
  }
  for (uint32_t i = 1; i <= options.clients; ++i) {
    clients_.push_back(&add_client(numbered("client", i)));
  }
  checker_ = &add_client("checker");
  operator_ = &add_client("operator");
  ProcessSettings prober = settings("prober", "prober");
  prober.make = [](Bus& bus, Process&) {
    bus.set_address(random_address("client", bus));
    return std::make_unique<Prober>(bus);
  };
  prober_ = &world.add(std::move(prober));
  for (const auto& process : world.processes()) {
    const double drift = (2 * world.random().unit() - 1) * options.clock_drift;
    process->clock_rate = 1 + drift;
  }
}

void Cluster::add_head(uint32_t number) {
  const std::string machine = numbered("head", number);
  const std::string broker_name = numbered("broker", number);
  ProcessSettings broker = settings(broker_name, machine);
  broker.listen = "sim://" + broker_name;
  broker.relay = true;
  broker.make = [](Bus& bus, Process&) {
    bus.set_address(random_address("broker", bus));
    return std::make_unique<Router>(bus, RouterSettings());
  };
  brokers_.push_back(&world_.add(std::move(broker)));

  const std::string name = numbered("monitor", number);
  ProcessSettings monitor = settings(name, machine);
  monitor.listen = "sim://" + name;
  // Its own broker, and to join the first one.
  monitor.brokers = {"sim://" + broker_name};
  if (number > 1) monitor.brokers.push_back(broker_endpoints_.front());
  if (number == 1 && options_.heads > 1) monitor.brokers.push_back(broker_endpoints_.back());
  monitor.make = [this, number, broker_name](Bus& bus, Process& process) {
    MonitorSettings settings;
    settings.directory = kMonitorDirectory;
    settings.found = founds(process, number);
    settings.join = !settings.found;
    settings.broker = "sim://" + broker_name;
    settings.replicas = options_.replicas;
    settings.groups = options_.groups;
    settings.repair_after = options_.repair_after;
    settings.digest_period = options_.digest_period;
    settings.upload_lease = options_.upload_lease;
    settings.history_retention = options_.history_retention;
    settings.object_retention = options_.object_retention;
    settings.replica.segment_bytes = options_.log_segment_bytes;
    settings.replica.log_bytes_kept = options_.log_bytes_kept;
    settings.replica.flush_entries = options_.flush_entries;
    return std::make_unique<Monitor>(bus, process.disk(), process.table(), settings);
  };
  monitors_.push_back(&world_.add(std::move(monitor)));
}

// As its operator knows: a cluster is founded once, by the first head, and not by one that takes
// its place.
bool Cluster::founds(const Process& monitor, uint32_t number) const {
  const std::string identity = std::string(kMonitorDirectory) + "/identity";
  return number == 1 && !first_lost_ && !monitor.disk().holds(identity);
}

void Cluster::add_storage(uint32_t number) {
  const std::string name = numbered("storage", number);
  ProcessSettings storage = settings(name, name);
  storage.listen = "sim://" + name;
  storage.tables = options_.directories;
  storage.make = [this, name, number](Bus& bus, Process& process) {
    bus.set_address(random_address("storage", bus));
    StorageSettings settings;
    settings.directory = storage_directory(0);
    settings.host = name;
    settings.rack = numbered("rack", 1 + number % options_.racks);
    settings.segment_bytes = options_.segment_bytes;
    settings.capacity_bytes = 16ull << 30;
    settings.reclaim_period = options_.reclaim_period;
    settings.reclaim_grace = options_.reclaim_grace;
    settings.scrub_period = options_.scrub_period;
    std::vector<storage::Directory> directories;
    for (size_t i = 0; i < process.tables(); ++i) {
      directories.push_back({storage_directory(i), &process.table(i), std::nullopt});
    }
    return std::make_unique<Storage>(bus, process.disk(), std::move(directories), settings);
  };
  storages_.push_back(&world_.add(std::move(storage)));
}

ProcessSettings Cluster::settings(const std::string& name, const std::string& machine) const {
  ProcessSettings settings;
  settings.name = name;
  settings.machine = machine;
  settings.address = name;
  settings.brokers = broker_endpoints_;
  if (options_.one_broker_known) settings.brokers.resize(1);
  return settings;
}

Process& Cluster::add_client(const std::string& name) {
  ProcessSettings client = settings(name, name);
  client.make = [this](Bus& bus, Process&) {
    bus.set_address(random_address("client", bus));
    ClientSettings settings;
    settings.deadline = options_.request_deadline;
    return std::make_unique<Client>(bus, settings);
  };
  return world_.add(std::move(client));
}

std::string Cluster::storage_directory(size_t number) {
  return number == 0 ? "/storage" : "/storage-" + std::to_string(number + 1);
}

const Replica* Cluster::replica(const Process& monitor) {
  if (!monitor.running()) return nullptr;
  return &static_cast<const Monitor&>(monitor.actor()).replica();
}

bool Cluster::is_monitor(const Process& process) const {
  return std::find(monitors_.begin(), monitors_.end(), &process) != monitors_.end();
}

Process* Cluster::leader() const {
  Process* leader = nullptr;
  uint64_t term = 0;
  for (Process* monitor : monitors_) {
    const Replica* const head = replica(*monitor);
    if (head == nullptr || !head->leading() || head->term() < term) continue;
    leader = monitor;
    term = head->term();
  }
  return leader;
}

bool Cluster::heads_settled() const {
  const Process* const first = leader();
  if (first == nullptr) return false;
  const std::vector<Member>& members = replica(*first)->members().members;
  return members.size() == monitors_.size() &&
         std::all_of(members.begin(), members.end(),
                     [](const Member& m) { return m.standing == Standing::voter; });
}

void Cluster::replace_disk(Process& monitor) {
  if (monitor.running()) monitor.kill(Crash::machine);
  monitor.replace_disk();
  if (&monitor == monitors_.front()) first_lost_ = true;
}

void Cluster::start_all() {
  for (const auto& process : world_.processes()) {
    if (!process->running() && !process->out_of_service) process->start();
  }
}

bool Cluster::all_ready() const {
  for (const auto& process : world_.processes()) {
    if (!process->ready() && !process->out_of_service) return false;
  }
  return true;
}

size_t Cluster::storages_in_service() const {
  return static_cast<size_t>(
      std::count_if(storages_.begin(), storages_.end(),
                    [](const Process* storage) { return !storage->out_of_service; }));
}

std::string Cluster::revive() {
  for (const auto& process : world_.processes()) {
    if (!process->running()) continue;
    const Error* const failure = process->failure();
    if (failure == nullptr) continue;
    const bool may_pass = is_retryable(failure->code) || failure->code == Code::io_error ||
                          failure->code == Code::no_space;
    if (!may_pass) return process->name() + " cannot start: " + failure->describe();
    process->kill(Crash::process);
    process->start();
  }
  return {};
}

}  // namespace dfs::sim
