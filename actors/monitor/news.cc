#include "actors/monitor/monitor_state.h"

namespace dfs {

// Every head sees every change; the one that leads tells the world.
void Monitor::State::applied(const MonitorMachine::Change& change) {
  if (change.command.type == Type::BecomeLeader) leader_event = change.events.front();
  if (change.map_changed && settings.map_changed) settings.map_changed(cluster().map());
  if (!serving()) return;
  for (const Event& event : change.events) publish_event(event);
  if (change.command.type == Type::Remove) prune_orphans();
  if (change.command.type == Type::CommitFile && !reign.leases.empty()) {
    const auto commit = decode<CommitFile>(change.command.body);
    if (commit) reign.leases.end(commit->layout.object);
  }
  const Type type = change.command.type;
  if (type == Type::EndRebuild && !reign.repairs) begin_work();
  if (type == Type::SetPool || type == Type::SetStanding) regroup_soon();
  if (change.map_changed) publish_map();
}

void Monitor::State::publish_map() {
  reign.map_published = bus.now();
  bus.publish(kMapTopic, envelope_of(cluster().map()));
}

void Monitor::State::publish_event(const Event& event) {
  bus.publish(kEventTopic + event.topic, envelope_of(event));
}

}  // namespace dfs
