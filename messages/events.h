// The conversation "events": what happened, for whoever listens.
//
//   any actor ⇒ topic "event/NAME":  Event
//
// Topics: event/node-up, event/node-down, event/node-joined, event/file-committed,
// event/file-renamed, event/removed, event/directory-made, event/groups-changed,
// event/leader, event/block-corrupt, event/disk-full, event/broker-up.
// An event with index > 0 comes from the monitor's log and is numbered by it.
#pragma once

#include <map>
#include <string>

#include "messages/ids.h"
#include "messages/message.h"

namespace dfs {

inline constexpr const char* kEventTopic = "event/";
inline constexpr const char* kHeartbeatTopic = "heartbeat/";
inline constexpr const char* kMapTopic = "map";

struct Event {
  std::string topic;  // "file-committed"
  LogIndex index = 0;
  int64_t time_ms = 0;  // wall clock of the actor
  std::string actor;
  uint64_t trace = 0;
  std::map<std::string, std::string> fields;
  const char* invalid() const {
    return topic.empty() || topic.size() > kNameBytesMax ? "topic is empty or long" : nullptr;
  }
  DFS_MESSAGE(Event, topic, index, time_ms, actor, trace, fields)
};

}  // namespace dfs
