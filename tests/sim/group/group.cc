#include "tests/sim/group/group.h"

#include <cmath>

#include "tests/sim/network.h"

namespace dfs::sim {

namespace {

const char* const kCluster = "00112233445566778899aabbccddeeff";

std::string random_address(Bus& bus) {
  char address[48];
  std::snprintf(address, sizeof address, "client/%016llx",
                static_cast<unsigned long long>(bus.random()));
  return address;
}

}  // namespace

Group::Group(World& world, const GroupOptions& options, RaftChecker& checker, Findings& findings)
    : world_(world), checker_(checker) {
  for (uint32_t i = 1; i <= options.members + options.spares; ++i) {
    const std::string name = "host-" + std::to_string(i);
    ProcessSettings host = settings(name);
    host.listen = "sim://" + name;
    host.make = [this, &options, &findings, founder = i == 1](Bus& bus, Process& process) {
      HostSettings settings;
      settings.replica = options.replica;
      settings.replica.directory = std::string(Host::kDirectory) + "/log";
      settings.cluster = kCluster;
      settings.founder = founder && !founded_;
      settings.watch = [this, &process](const Command& command) {
        checker_.applied(process, command);
        const raft::Raft* const core = replica(process)->core();
        const bool leads = core != nullptr && core->role() == raft::Role::leader;
        timeline_.applied(world_.now(), command, leads);
      };
      settings.fault = [&findings, &process](const std::string& what) {
        findings.fault(process.name() + ": " + what);
      };
      return std::make_unique<Host>(bus, process, *this, settings);
    };
    endpoints_.push_back(host.listen);
    Process& process = world.add(std::move(host));
    const double drift = (2 * world.random().unit() - 1) * options.clock_drift;
    // The extremes are where a lease that is too long shows.
    const bool extreme = world.random().chance(0.5);
    process.clock_rate = 1 + (extreme ? std::copysign(options.clock_drift, drift) : drift);
    hosts_.push_back(&process);
    if (i > options.members) make_spare(process);
  }
  for (uint32_t i = 1; i <= options.clients; ++i) {
    clients_.push_back(&add_caller("client-" + std::to_string(i)));
  }
  operator_ = &add_caller("operator");
  world.after_event = [this](Process* process) {
    if (process == nullptr || process->index() >= hosts_.size()) return;
    if (const Replica* const host = replica(*process)) checker_.after_event(*process, *host);
  };
  world.network().on_send = [this](Process& from, const Envelope& envelope) {
    if (from.index() >= hosts_.size() || from.incarnation() == 0) return;  // 0: it is destroyed
    if (const Replica* const host = replica(from)) checker_.sent(from, *host, envelope);
  };
}

Group::~Group() {
  world_.after_event = nullptr;
  world_.network().on_send = nullptr;
}

ProcessSettings Group::settings(const std::string& name) const {
  ProcessSettings settings;
  settings.name = name;
  settings.machine = name;
  settings.address = name;
  return settings;
}

Process& Group::add_caller(const std::string& name) {
  ProcessSettings caller = settings(name);
  caller.make = [this](Bus& bus, Process&) {
    bus.set_address(random_address(bus));
    return std::make_unique<Caller>(bus, *this);
  };
  return world_.add(std::move(caller));
}

Link Group::endpoint_of(const std::string& address) const {
  for (const Process* process : hosts_) {
    const Replica* const host = replica(*process);
    if (host != nullptr && "registers/" + std::to_string(host->id()) == address) {
      return process->settings().listen;
    }
  }
  return {};
}

const Replica* Group::replica(const Process& process) {
  return process.running() ? static_cast<const Host&>(process.actor()).replica() : nullptr;
}

void Group::enlist(Process& process) {
  spares_.erase(&process);
  process.out_of_service = false;
}

void Group::make_spare(Process& process) {
  spares_.insert(&process);
  process.out_of_service = true;
}

void Group::start_all() {
  for (const auto& process : world_.processes()) {
    if (!process->running() && !process->out_of_service) process->start();
  }
}

std::string Group::revive() {
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

Process* Group::leader() const {
  Process* leader = nullptr;
  uint64_t term = 0;
  for (Process* process : hosts_) {
    const Replica* const host = replica(*process);
    if (host == nullptr || !host->leading() || host->term() < term) continue;
    leader = process;
    term = host->term();
  }
  return leader;
}

bool Group::settled() const {
  const Process* const first = leader();
  if (first == nullptr) return false;
  const ChangeMembers& members = replica(*first)->members();
  size_t voters = 0;
  for (const Member& member : members.members) {
    if (member.standing != Standing::voter) return false;
    ++voters;
  }
  return voters + spares_.size() == hosts_.size();
}

bool Group::converged(std::string& why) const {
  const Process* const first = leader();
  if (first == nullptr) {
    why = "nobody leads";
    return false;
  }
  const Replica& ahead = *replica(*first);
  if (!settled()) {
    why = "not everybody is a voter: " + to_json(ahead.status());
    return false;
  }
  for (const Process* process : hosts_) {
    if (spare(*process)) continue;
    const Replica* const host = process->ready() ? replica(*process) : nullptr;
    if (host == nullptr || host->applied() != ahead.applied() || host->leader() != ahead.id()) {
      why = process->name() + " is not up to date with " + first->name() + ": " +
            to_json(ahead.status());
      return false;
    }
    if (host->state_hash() != ahead.state_hash() || !same(host->members(), ahead.members())) {
      why = process->name() + " has another state than " + first->name();
      return false;
    }
  }
  return true;
}

void Group::replace_disk(Process& process) {
  if (process.running()) process.kill(Crash::machine);
  process.replace_disk();
  checker_.disk_replaced(process);
  if (&process == hosts_.front()) founded_ = true;
}

}  // namespace dfs::sim
