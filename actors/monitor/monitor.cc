#include "actors/monitor/monitor.h"

#include <bit>
#include <cstdio>

#include "actors/monitor/monitor_state.h"

namespace dfs {

namespace {

ReplicaSettings replica_settings(const MonitorSettings& settings) {
  ReplicaSettings replica = settings.replica;
  replica.directory = settings.directory;
  return replica;
}

Result<void> check(const MonitorSettings& settings) {
  using R = Result<void>;
  if (settings.replicas < 1 || settings.replicas > kReplicasMax) {
    return R(Code::invalid, "the setting replicas is not between 1 and 3");
  }
  if (settings.min_copies > settings.replicas) {
    return R(Code::invalid, "the setting min_copies is larger than replicas");
  }
  if (!std::has_single_bit(settings.groups) || settings.groups > kBatchMax) {
    return R(Code::invalid, "the setting groups is not a power of two up to 4096");
  }
  if (settings.check_interval <= Duration::zero() || settings.down_after <= Duration::zero() ||
      settings.heartbeat_period <= Duration::zero()) {
    return R(Code::invalid, "check_interval, down_after and heartbeat_period must be above zero");
  }
  if (settings.block_bytes < kBlockBytesMin || settings.block_bytes > kBlockBytesMax ||
      settings.block_bytes % kPartBytes != 0) {
    return R(Code::invalid, "block_bytes is not a multiple of 1 MiB between 1 MiB and 128 MiB");
  }
  return {};
}

std::string random_uuid(Bus& bus) {
  char text[33];
  std::snprintf(text, sizeof text, "%016llx%016llx", static_cast<unsigned long long>(bus.random()),
                static_cast<unsigned long long>(bus.random()));
  return text;
}

CreateCluster new_cluster(Bus& bus, const MonitorSettings& settings) {
  CreateCluster command;
  command.cluster = random_uuid(bus);
  command.replicas = settings.replicas;
  command.min_copies =
      settings.min_copies != 0 ? settings.min_copies : std::max<uint32_t>(1, settings.replicas - 1);
  command.groups = settings.groups;
  return command;
}

}  // namespace

Monitor::State::State(Bus& bus_, Disk& disk, Table& table_, MonitorSettings settings_)
    : bus(bus_),
      table(table_),
      settings(std::move(settings_)),
      machine(table_),
      replica(bus_, disk, table_, machine, replica_settings(settings)) {
  machine.listen([this](const Command& command, const Outcome& outcome, const ClusterView& before) {
    applied(command, outcome, before);
  });
}

Monitor::State::~State() {
  cancel_timers();
}

void Monitor::State::cancel_timers() {
  bus.cancel(check_timer);
  bus.cancel(regroup_timer);
  bus.cancel(prune_timer);
}

void Monitor::State::start(std::function<void(Result<void>)> ready) {
  started = bus.now();
  if (Result<void> good = check(settings); !good) return ready(good);
  replica.open([this, ready = std::move(ready)](Result<void> outcome) mutable {
    if (!outcome) return ready(outcome);
    opened(std::move(ready));
  });
}

void Monitor::State::opened(std::function<void(Result<void>)> ready) {
  const auto begin = [this, ready] {
    if (stopping) return ready(Error{Code::stopping, "stopped while it started", {}, 0});
    lead();
    ready({});
  };
  if (cluster().exists()) return begin();
  const CreateCluster command = new_cluster(bus, settings);
  propose(command, [this, command, ready, begin](Result<Outcome> outcome) {
    if (!outcome) return ready(outcome.error());
    bus.log(
        Level::info, "cluster created",
        {{"cluster", command.cluster}, {"replicas", command.replicas}, {"groups", command.groups}});
    begin();
  });
}

void Monitor::State::lead() {
  leading = true;
  members.begin(bus.now());
  last_check = bus.now();
  bus.subscribe(std::string(kHeartbeatTopic) + "storage/");
  reserve_objects();
  regroup_soon();
  prune_orphans();
  publish_map();
  publish_event(Event{"leader", 0, 0, {}, 0, {{"term", std::to_string(replica.term())}}});
  announcer.emplace(bus, settings.heartbeat_period);
  announcer->begin("monitor", replica.term());
  check_timer = bus.after(settings.check_interval, [this] { check_nodes(); });
}

void Monitor::State::stop(std::function<void()> stopped) {
  stopping = true;
  announcer.reset();
  cancel_timers();
  refuse_waiting_plans(Error{Code::stopping, "the monitor is shutting down", {}, 0});
  replica.close(std::move(stopped));
}

void Monitor::State::command_failed(const char* name, const Error& error) {
  if (stopping) return;
  bus.log(Level::error, "the monitor's log took no command",
          {{"command", name}, {"error", error.describe()}});
}

Monitor::Monitor(Bus& bus, Disk& disk, Table& table, MonitorSettings settings)
    : state_(std::make_unique<State>(bus, disk, table, std::move(settings))) {}

Monitor::~Monitor() = default;

void Monitor::start(std::function<void(Result<void>)> ready) {
  state_->start(std::move(ready));
}

void Monitor::receive(Envelope envelope) {
  state_->receive(envelope);
}

void Monitor::observe(const std::string& topic, Envelope envelope) {
  if (topic.starts_with(kHeartbeatTopic) && state_->leading) state_->heartbeat(envelope);
}

// Requests carry their link; what cannot be answered any more is answered to a retry.
void Monitor::link_down(const Link&) {}

void Monitor::stop(std::function<void()> stopped) {
  state_->stop(std::move(stopped));
}

}  // namespace dfs
