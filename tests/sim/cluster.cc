#include "tests/sim/cluster.h"

#include "actors/monitor/monitor.h"
#include "actors/storage/storage.h"
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
  for (uint32_t i = 1; i <= options.brokers; ++i) {
    broker_endpoints_.push_back("sim://" + numbered("broker", i));
  }
  for (uint32_t i = 1; i <= options.brokers; ++i) {
    const std::string name = numbered("broker", i);
    ProcessSettings broker = settings(name, i == 1 ? "head" : name);
    broker.listen = "sim://" + name;
    broker.relay = true;
    broker.make = [](Bus& bus, Process&) {
      bus.set_address(random_address("broker", bus));
      return std::make_unique<Router>(bus, RouterSettings());
    };
    brokers_.push_back(&world.add(std::move(broker)));
  }

  ProcessSettings monitor = settings("monitor", options.monitor_apart ? "monitor" : "head");
  monitor.address = "monitor";
  monitor.make = [&options](Bus& bus, Process& process) {
    MonitorSettings settings;
    settings.directory = "/monitor";
    settings.replicas = options.replicas;
    settings.groups = options.groups;
    return std::make_unique<Monitor>(bus, process.disk(), process.table(), settings);
  };
  monitor_ = &world.add(std::move(monitor));

  for (uint32_t i = 1; i <= options.storages; ++i) {
    const std::string name = numbered("storage", i);
    ProcessSettings storage = settings(name, name);
    storage.listen = "sim://" + name;
    storage.make = [&options, name](Bus& bus, Process& process) {
      bus.set_address(random_address("storage", bus));
      StorageSettings settings;
      settings.directory = kStorageDirectory;
      settings.host = name;
      settings.segment_bytes = options.segment_bytes;
      settings.capacity_bytes = 16ull << 30;
      return std::make_unique<Storage>(bus, process.disk(), process.table(), settings);
    };
    storages_.push_back(&world.add(std::move(storage)));
  }

  for (uint32_t i = 1; i <= options.clients; ++i) {
    clients_.push_back(&add_client(numbered("client", i)));
  }
  checker_ = &add_client("checker");
  ProcessSettings prober = settings("prober", "prober");
  prober.make = [](Bus& bus, Process&) {
    bus.set_address(random_address("client", bus));
    return std::make_unique<Prober>(bus);
  };
  prober_ = &world.add(std::move(prober));
}

ProcessSettings Cluster::settings(const std::string& name, const std::string& machine) const {
  ProcessSettings settings;
  settings.name = name;
  settings.machine = machine;
  settings.address = name;
  settings.brokers = broker_endpoints_;
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

void Cluster::start_all() {
  for (const auto& process : world_.processes()) {
    if (!process->running()) process->start();
  }
}

bool Cluster::all_ready() const {
  for (const auto& process : world_.processes()) {
    if (!process->ready()) return false;
  }
  return true;
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
