#include "tests/sim/cluster.h"

#include <algorithm>

#include "actors/lock/lock.h"
#include "actors/monitor/monitor.h"
#include "actors/replica/identity.h"
#include "actors/storage/storage.h"
#include "actors/storage/volumes.h"
#include "broker/router.h"
#include "messages/secure_random.h"

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

// Keys are drawn from the seed too, so that a run can be repeated.
RandomBytes bytes_of(Bus& bus) {
  return [&bus](size_t size) {
    std::string bytes;
    while (bytes.size() < size) bytes.push_back(static_cast<char>(bus.random()));
    return bytes;
  };
}

// The numbers of the members of the group that `leader` leads; none while somebody is a learner.
std::vector<MemberId> voters(const Replica& leader) {
  std::vector<MemberId> ids;
  for (const Member& member : leader.members().members) {
    if (member.standing != Standing::voter) return {};
    ids.push_back(member.id);
  }
  std::sort(ids.begin(), ids.end());
  return ids;
}

Process* leader_among(const std::vector<Process*>& processes,
                      const Replica* (*replica_of)(const Process&)) {
  Process* leader = nullptr;
  uint64_t term = 0;
  for (Process* process : processes) {
    const Replica* const replica = replica_of(*process);
    if (replica == nullptr || !replica->leading() || replica->term() < term) continue;
    leader = process;
    term = replica->term();
  }
  return leader;
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
  for (uint32_t i = 1; i <= options.lock_clients; ++i) {
    lockers_.push_back(&add_client(numbered("locker", i)));
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
    settings.random_bytes = bytes_of(bus);
    settings.replica.segment_bytes = options_.log_segment_bytes;
    settings.replica.log_bytes_kept = options_.log_bytes_kept;
    settings.replica.flush_entries = options_.flush_entries;
    return std::make_unique<Monitor>(bus, process.disk(), process.table(), settings);
  };
  monitors_.push_back(&world_.add(std::move(monitor)));
  add_lock(number);
}

// Beside the monitor, whose identity is its own, and with a disk that fails apart from its.
void Cluster::add_lock(uint32_t number) {
  Process* const monitor = monitors_.back();
  const std::string name = numbered("lock", number);
  ProcessSettings lock = settings(name, monitor->machine());
  lock.listen = "sim://" + name;
  lock.brokers = monitor->settings().brokers;
  lock.make = [this, monitor](Bus& bus, Process& process) {
    LockSettings settings;
    settings.directory = kLockDirectory;
    settings.identity = [monitor] { return load_identity(monitor->disk(), kMonitorDirectory); };
    const std::string founded = std::string(kMonitorDirectory) + "-locks-founded";
    settings.was_founded = [monitor, founded] { return monitor->disk().exists(founded); };
    settings.note_founded = [monitor, founded] {
      return write_file_atomically(monitor->disk(), founded, "1");
    };
    settings.broker = monitor->settings().brokers.front();
    settings.lock_lease = options_.lock_lease;
    settings.password_cost = kCheapestPasswordCost;
    settings.random_bytes = bytes_of(bus);
    settings.replica.segment_bytes = options_.log_segment_bytes;
    settings.replica.log_bytes_kept = options_.log_bytes_kept;
    settings.replica.flush_entries = options_.flush_entries;
    return std::make_unique<Lock>(bus, process.disk(), process.table(), settings);
  };
  locks_.push_back(&world_.add(std::move(lock)));
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
    settings.random_bytes = [](size_t size) { return std::string(size, 'k'); };
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
    settings.random_bytes = bytes_of(bus);
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

const Replica* Cluster::lock_replica(const Process& lock) {
  if (!lock.running()) return nullptr;
  return &static_cast<const Lock&>(lock.actor()).replica();
}

bool Cluster::is_monitor(const Process& process) const {
  return std::find(monitors_.begin(), monitors_.end(), &process) != monitors_.end();
}

bool Cluster::is_lock(const Process& process) const {
  return std::find(locks_.begin(), locks_.end(), &process) != locks_.end();
}

Process& Cluster::lock_beside(const Process& monitor) const {
  const auto found = std::find(monitors_.begin(), monitors_.end(), &monitor);
  return *locks_[static_cast<size_t>(found - monitors_.begin())];
}

Process* Cluster::leader() const {
  return leader_among(monitors_, replica);
}

Process* Cluster::lock_leader() const {
  return leader_among(locks_, lock_replica);
}

bool Cluster::heads_settled() const {
  const Process* const first = leader();
  const Process* const locks = lock_leader();
  if (first == nullptr || locks == nullptr) return false;
  // Whoever lost its data finds itself only when it has come back.
  for (const Process* lock : locks_) {
    const Replica* const replica = lock_replica(*lock);
    if (replica == nullptr || voters(*replica).size() != locks_.size()) return false;
  }
  const std::vector<MemberId> heads = voters(*replica(*first));
  return heads.size() == monitors_.size() && heads == voters(*lock_replica(*locks));
}

void Cluster::replace_disk(Process& monitor) {
  Process& lock = lock_beside(monitor);
  for (Process* process : {&monitor, &lock}) {
    if (process->running()) process->kill(Crash::machine);
    process->replace_disk();
  }
  lock.start();
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
