// Events as rows of a replicated table: in the batch of the command they tell of, so that they are
// exactly those of the entries that were applied, numbered by the log.
#pragma once

#include <map>
#include <string>

#include "actors/replica/rows.h"

namespace dfs {

// What happened, for whoever reads events again. The log index is in the key.
struct EventRow {
  static constexpr bool kVersioned = false;
  std::string topic;
  int64_t time_ms = 0;
  uint64_t trace = 0;
  std::map<std::string, std::string> fields;
  DFS_FIELDS(topic, time_ms, trace, fields)
};

struct RetentionRow {
  static constexpr bool kVersioned = false;
  LogIndex first_kept = 1;  // events of entries before this one are forgotten
  LogIndex erased = 1;      // and of those, the rows before this one are erased
  LogIndex counted = 1;     // `rows` tells how many there are of entries before this one
  uint64_t rows = 0;
  DFS_FIELDS(first_kept, erased, counted, rows)
};

namespace keys {

inline constexpr char kEvent = 'v';

std::string retention();
std::string events_from(LogIndex index);  // before all events of that entry
std::string event(LogIndex index, uint32_t number);

}  // namespace keys

// A page of the events of `actor`, of entries up to `applied`; see ReadEvents.
Result<ReadEventsReply> read_events(Rows& rows, LogIndex applied, const ReadEvents& request,
                                    const std::string& actor = kLogActor);

struct TrimmedEvents {
  uint32_t rows = 0;
  bool more = false;
};
// Counts the rows that came since the last time, forgets the events of entries before `before`, and
// erases at most `limit` of their rows.
Result<TrimmedEvents> trim_event_rows(PendingRows& rows, LogIndex before, uint32_t limit);

// What may be kept of them.
struct EventLimits {
  uint64_t events_max = 0;
  int64_t oldest_ms = 0;
  uint32_t looks_max = 0;  // at those that may be too old, now
};
// Events before the returned entry are to be forgotten, or at least to be counted; 0: all stay.
Result<LogIndex> events_to_trim(Rows& rows, LogIndex applied, const EventLimits& limits);

}  // namespace dfs
