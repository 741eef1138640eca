#include "actors/monitor/monitor.h"

#include <algorithm>
#include <bit>

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
  if (settings.repair_after < Duration::zero() || settings.fills_per_node == 0) {
    return R(Code::invalid, "repair_after must not be below zero, fills_per_node not zero");
  }
  if (settings.events_ms_max <= 0 || settings.events_entries_max == 0) {
    return R(Code::invalid, "events_ms_max and events_entries_max must be above zero");
  }
  if (settings.upload_lease < kLeaseTicks * std::chrono::milliseconds(1) ||
      settings.history_retention < Duration::zero() ||
      settings.object_retention < Duration::zero()) {
    return R(Code::invalid, "upload_lease must be at least 8 ms, the retentions not below zero");
  }
  if (settings.grant_lasts < std::chrono::seconds(1)) {
    return R(Code::invalid, "the setting grant_lasts is less than a second");
  }
  if (settings.ticket_trust < Duration::zero()) {
    return R(Code::invalid, "the setting ticket_trust is below zero");
  }
  if (settings.block_bytes < kBlockBytesMin || settings.block_bytes > kBlockBytesMax ||
      settings.block_bytes % kPartBytes != 0) {
    return R(Code::invalid, "block_bytes is not a multiple of 1 MiB between 1 MiB and 128 MiB");
  }
  return {};
}

CreateCluster new_cluster(const std::string& cluster, bool rebuild,
                          const MonitorSettings& settings) {
  CreateCluster command;
  command.cluster = cluster;
  command.rebuild = rebuild;
  command.replicas = settings.replicas;
  command.min_copies =
      settings.min_copies != 0 ? settings.min_copies : std::max<uint32_t>(1, settings.replicas - 1);
  command.groups = settings.groups;
  command.join_rule = settings.join_rule;
  command.authentication = settings.authentication;
  if (settings.authentication == Authentication::required) {
    command.grant_key.bytes = settings.make_grant_key();
  }
  return command;
}

constexpr Duration kCreateAgain = std::chrono::seconds(1);

}  // namespace

Monitor::State::State(Bus& bus_, Disk& disk_, Table& table_, MonitorSettings settings_)
    : Service(bus_, replica, table_),
      bus(bus_),
      disk(disk_),
      table(table_),
      settings(std::move(settings_)),
      machine(table_),
      replica(bus_, disk_, table_, machine, replica_settings(settings)),
      calls(bus_),
      gate(bus_, calls, settings.ticket_trust) {
  calls.set_pass([this] { return own_pass(); });
  machine.listen([this](const MonitorMachine::Change& change) { applied(change); });
  Replica::Watcher watcher;
  watcher.leading = [this] { lead(); };
  watcher.following = [this] { follow(); };
  watcher.members_changed = [this] { heads_changed(); };
  replica.watch(std::move(watcher));
}

Monitor::State::~State() {
  cancel_timers();
}

void Monitor::State::cancel_timers() {
  bus.cancel(reign.check_timer);
  bus.cancel(reign.regroup_timer);
  bus.cancel(reign.prune_timer);
  bus.cancel(reign.trim.timer);
  bus.cancel(reign.expiry.timer);
  bus.cancel(reign.forgetting.timer);
  bus.cancel(reign.lease_timer);
  bus.cancel(reign.denials_timer);
}

void Monitor::State::start(std::function<void(Result<void>)> done) {
  started = bus.now();
  ready = std::move(done);
  if (Result<void> good = check(settings); !good) return report_ready(std::move(good));
  scope.spawn(begin());
}

void Monitor::State::report_ready(Result<void> outcome) {
  if (ready) std::exchange(ready, nullptr)(std::move(outcome));
}

void Monitor::State::open() {
  bus.set_address("monitor/" + std::to_string(identity.member));
  begun = true;
  replica.open(identity, bus.endpoint(), settings.broker, founder, [this](Result<void> outcome) {
    if (!outcome) return report_ready(std::move(outcome));
    opened = true;
    if (stopping) return;
    heads_changed();
    bus.subscribe(std::string(kHeartbeatTopic) + "storage/");
    bus.subscribe(std::string(kHeartbeatTopic) + kAgentService);
    gate.begin(identity.cluster);
    announcer.emplace(bus, settings.heartbeat_period);
    announcer->begin("monitor-replica");
    // A founder is ready when there is something to serve.
    if (!founder || cluster().exists()) report_ready({});
  });
}

void Monitor::State::lead() {
  if (stopping || leading) return;
  leading = true;
  ++reigns;
  reign = Reign();
  cluster().exists() ? serve() : create_cluster();
}

// The first leader of a new cluster does this; should it end before, the next one.
void Monitor::State::create_cluster() {
  const CreateCluster command = new_cluster(identity.cluster, rebuilds, settings);
  propose(command, [this, command](const Result<Outcome>& outcome) {
    if (!outcome) {
      command_failed("CreateCluster", outcome.error());
      report_ready(outcome.error());
      reign.check_timer = bus.after(kCreateAgain, [this] { create_cluster(); });
      return;
    }
    bus.log(
        Level::info, "cluster created",
        {{"cluster", command.cluster}, {"replicas", command.replicas}, {"groups", command.groups}});
    serve();
  });
}

void Monitor::State::serve() {
  members.begin(bus.now());
  reign.last_check = bus.now();
  tick_leases();
  prune_orphans();
  trim_events();
  expire_history();
  if (!cluster().rebuilding()) begin_work();
  publish_map();
  if (leader_event) publish_event(*leader_event);
  reign.announcer = std::make_unique<Announcer>(bus, settings.heartbeat_period);
  reign.announcer->begin("monitor", replica.term());
  reign.check_timer = bus.after(settings.check_interval, [this] { check_nodes(); });
  scope.spawn(forget_beginning());
  report_ready({});
}

// What presumes that the cluster knows its groups and objects.
void Monitor::State::begin_work() {
  reserve_objects();
  regroup_soon();
  forget_objects();
  begin_repairs();
}

void Monitor::State::follow() {
  if (!std::exchange(leading, false)) return;
  ++reigns;
  cancel_timers();
  refuse_waiting_plans(not_serving());
  reign = Reign();
}

void Monitor::State::stop(std::function<void()> stopped) {
  stopping = true;
  announcer.reset();
  reign.announcer.reset();
  reign.repairs.reset();
  cancel_timers();
  scope.clear();
  const Error error{Code::stopping, "the monitor is shutting down", {}, 0};
  refuse_waiting_plans(error);
  report_ready(error);
  if (!begun) return stopped();
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
  const std::string of_agents = std::string(kHeartbeatTopic) + kAgentService;
  if (topic.starts_with(of_agents)) return state_->agents.heard(envelope, state_->bus.now());
  if (topic.starts_with(kHeartbeatTopic)) state_->heartbeat(envelope);
  if (topic == kTicketsTopic) state_->gate.observe(envelope);
}

// Requests carry their link; what cannot be answered any more is answered to a retry.
void Monitor::link_down(const Link& link) {
  state_->replica.link_down(link);
  state_->calls.link_down(link);
}

void Monitor::stop(std::function<void()> stopped) {
  state_->stop(std::move(stopped));
}

const Replica& Monitor::replica() const {
  return state_->replica;
}

}  // namespace dfs
