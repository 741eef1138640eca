#include "actors/monitor/monitor_state.h"

namespace dfs {

namespace {

template <Message T>
T decoded(const std::string& body) {
  auto message = decode<T>(body);
  DFS_ASSERT(message.ok());
  return std::move(*message);
}

// The event that a change of the namespace makes. None when the command changed nothing: its
// receipt then names the older entry that holds what it found.
std::optional<Event> event_of(const Command& command, const Outcome& outcome) {
  Event event;
  event.index = command.index;
  switch (command.type) {
    case Type::MakeDir: {
      const auto reply = decoded<MakeDirReply>(outcome.body);
      if (reply.receipt.index != command.index) return std::nullopt;
      event.topic = "directory-made";
      event.fields = {{"path", decoded<MakeDir>(command.body).path},
                      {"ino", std::to_string(reply.ino)}};
      return event;
    }
    case Type::Rename: {
      if (decoded<RenameReply>(outcome.body).receipt.index != command.index) return std::nullopt;
      const auto request = decoded<Rename>(command.body);
      event.topic = "file-renamed";
      event.fields = {{"from", request.from}, {"to", request.to}};
      return event;
    }
    case Type::Remove: {
      event.topic = "removed";
      event.fields = {{"path", decoded<Remove>(command.body).path}};
      return event;
    }
    case Type::CommitFile: {
      const auto request = decoded<CommitFile>(command.body);
      const auto reply = decoded<CommitFileReply>(outcome.body);
      event.topic = "file-committed";
      event.fields = {{"path", request.path},
                      {"ino", std::to_string(reply.ino)},
                      {"size", std::to_string(request.size)},
                      {"version", std::to_string(reply.version)}};
      return event;
    }
    default:
      return std::nullopt;
  }
}

}  // namespace

void Monitor::State::applied(const Command& command, const Outcome& outcome,
                             const ClusterView& before) {
  if (auto event = event_of(command, outcome)) {
    event->time_ms = command.time_ms;
    event->trace = command.trace;
    publish_event(std::move(*event));
  }
  if (command.type == Type::Remove && leading) prune_orphans();
  if (before.map().epoch == cluster().map().epoch) return;
  publish_map_changes(command, before);
  publish_map();
}

void Monitor::State::publish_map_changes(const Command& command, const ClusterView& before) {
  for (const NodeView& node : cluster().map().nodes) {
    const NodeView* old = before.node(node.node);
    const bool joined = old == nullptr || old->endpoint != node.endpoint;
    if (!joined && old->state == node.state) continue;
    Event event;
    event.topic = joined ? "node-joined" : node.state == NodeState::up ? "node-up" : "node-down";
    event.index = command.index;
    event.time_ms = command.time_ms;
    event.fields = {{"node", std::to_string(node.node)}, {"endpoint", node.endpoint}};
    publish_event(std::move(event));
  }
  if (command.type != Type::SetGroups) return;
  size_t changed = 0;
  for (const GroupView& group : cluster().map().groups) {
    const GroupView* old = before.group(group.group);
    changed += old == nullptr || old->epoch != group.epoch ? 1 : 0;
  }
  Event event;
  event.topic = "groups-changed";
  event.index = command.index;
  event.time_ms = command.time_ms;
  event.fields = {{"groups", std::to_string(changed)},
                  {"epoch", std::to_string(cluster().map().epoch)}};
  publish_event(std::move(event));
}

void Monitor::State::publish_map() {
  map_published = bus.now();
  bus.publish(kMapTopic, envelope_of(cluster().map()));
}

void Monitor::State::publish_event(Event event) {
  event.actor = bus.address();
  if (event.time_ms == 0) event.time_ms = bus.wall_ms();
  const std::string topic = kEventTopic + event.topic;
  bus.publish(topic, envelope_of(event));
}

}  // namespace dfs
