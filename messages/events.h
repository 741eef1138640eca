// The conversation "events": what happened, for whoever listens.
//
//   any actor ⇒ topic "event/NAME":  Event
//   anyone → monitor:                ReadEvents → ReadEventsReply
//
// Topics of the log: event/leader, heads-changed, node-joined, node-up, node-down, node-out,
// node-in, node-draining, node-drained, node-removed, node-lacking, loss-accepted, groups-changed,
// group-filled, group-moved, blocks-unreadable, task-began, task-done, directory-made,
// file-committed, file-renamed, removed, attributes-set, pool-created, pool-changed,
// pool-key-rotated, pool-key-exported, pool-key-imported, join-token-made, join-rule-set,
// grant-key-added, files-rebuilt, rebuild-ended.
// Others: block-corrupt, block-repaired, blocks-reclaimed, disk-full, disk-ok, directory-failed,
// segment-fenced, storage-recovered, scrub-finished, broker-up, node-failing, node-given-up.
//
// An event with index > 0 is part of the monitor's log and numbered by it. Publications may be
// lost: they only wake. Who must miss nothing reads the events of the log with ReadEvents, page
// after page, and again whenever one with a higher index is published; whichever head leads, each
// event comes once and in order.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "messages/ids.h"
#include "messages/message.h"
#include "messages/namespace.h"

namespace dfs {

inline constexpr const char* kEventTopic = "event/";
inline constexpr const char* kHeartbeatTopic = "heartbeat/";
inline constexpr const char* kMapTopic = "map";

inline constexpr const char* kLogActor = "monitor";  // of events that are part of the log

inline constexpr uint32_t kEventsMax = 1000;  // of one page

struct Event {
  std::string topic;  // "file-committed"
  LogIndex index = 0;
  int64_t time_ms = 0;  // wall clock of the actor
  std::string actor;    // "monitor" when it is of the log
  uint64_t trace = 0;
  std::map<std::string, std::string> fields;
  const char* invalid() const {
    return topic.empty() || topic.size() > kNameBytesMax ? "topic is empty or long" : nullptr;
  }
  DFS_MESSAGE(Event, topic, index, time_ms, actor, trace, fields)
};

struct ReadEventsReply {
  std::vector<Event> events;  // by index; all events of an entry are in one page
  LogIndex next = 0;          // `since` of the next request, even when no event is there
  bool more = false;          // there are more already
  LogIndex first_kept = 0;    // events of entries before this one are gone
  Freshness freshness = {};
  DFS_MESSAGE(ReadEventsReply, events, next, more, first_kept, freshness)
};

// The events of the log entries after `since`. Error: `expired` when some of them are no longer
// kept (cause `first_kept`). `since` 0 begins with the oldest that are.
struct ReadEvents {
  LogIndex since = 0;
  uint32_t limit = kEventsMax;  // a page ends with the entry that reaches it
  std::string prefix;           // of the topics wanted; empty: all
  bool stale = false;           // any head may answer, from what it knows
  using Reply = ReadEventsReply;
  const char* invalid() const {
    if (limit == 0 || limit > kEventsMax) return "limit is not between 1 and 1000";
    if (prefix.size() > kNameBytesMax) return "prefix is longer than a topic";
    return nullptr;
  }
  DFS_MESSAGE(ReadEvents, since, limit, prefix, stale)
};

}  // namespace dfs
