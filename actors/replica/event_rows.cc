#include "actors/replica/event_rows.h"

#include <algorithm>

namespace dfs {

namespace keys {

std::string retention() {
  return "retention";
}

std::string events_from(LogIndex index) {
  std::string key(1, kEvent);
  append_u64(key, index);
  return key;
}

std::string event(LogIndex index, uint32_t number) {
  std::string out = events_from(index);
  append_u32(out, number);
  return out;
}

}  // namespace keys

namespace {

constexpr size_t kPageBytes = 512 << 10;  // paths may be long
constexpr size_t kRowsVisited = 8192;     // a page of rare topics may be empty, but comes soon
// Rows that are counted anew at each look, before the count is worth a log entry.
constexpr uint64_t kUncountedMax = 4096;

Result<RetentionRow> retention_of(Rows& rows) {
  auto row = rows.get<RetentionRow>(keys::retention());
  if (!row) return row.error();
  return row->value_or(RetentionRow());
}

Result<uint64_t> count_rows(Rows& rows, const std::string& from, const std::string& until) {
  uint64_t count = 0;
  DFS_CHECK(rows.scan(from, until, [&](auto, auto) { return ++count > 0; }));
  return count;
}

std::string after_events() {
  return after_prefix(std::string(1, keys::kEvent));
}

// The first entry that stays when `excess` rows go, the oldest ones.
Result<LogIndex> first_after(Rows& rows, LogIndex from, uint64_t excess) {
  LogIndex first = from;
  DFS_CHECK(rows.scan(keys::events_from(from), after_events(), [&](auto key, auto) {
    first = read_u64(key, 1);
    return excess-- > 0;
  }));
  return first;
}

}  // namespace

Result<ReadEventsReply> read_events(Rows& rows, LogIndex applied, const ReadEvents& request,
                                    const std::string& actor) {
  const auto retention = retention_of(rows);
  if (!retention) return retention.error();
  ReadEventsReply reply;
  reply.first_kept = retention->first_kept;
  if (request.since != 0 && request.since < reply.first_kept - 1) {
    return Error{Code::expired,
                 "events are kept from log entry " + std::to_string(reply.first_kept) +
                     " on; some after " + std::to_string(request.since) +
                     " are forgotten: look at the present state, then go on from 0",
                 {{"first_kept", std::to_string(reply.first_kept)}},
                 0};
  }
  reply.next = std::max(request.since, applied);
  if (request.since >= applied) return reply;  // also of a head that is behind
  LogIndex entry = 0;                          // the one visited last
  size_t visited = 0;
  size_t bytes = 0;
  std::optional<Error> failed;
  const std::string from = keys::events_from(std::max(request.since + 1, reply.first_kept));
  DFS_CHECK(rows.scan(from, after_events(), [&](auto key, auto value) {
    const LogIndex index = read_u64(key, 1);
    const bool full =
        reply.events.size() >= request.limit || bytes >= kPageBytes || visited >= kRowsVisited;
    if (full && index != entry) {
      reply.more = true;
      reply.next = entry;
      return false;
    }
    entry = index;
    ++visited;
    auto row = decode<EventRow>(value);
    if (!row) {
      failed = row.error();
      return false;
    }
    if (!row->topic.starts_with(request.prefix)) return true;
    bytes += value.size();
    reply.events.push_back(
        {std::move(row->topic), index, row->time_ms, actor, row->trace, std::move(row->fields)});
    return true;
  }));
  if (failed) return *failed;
  return reply;
}

// The rows are counted here, in batches, and not with each command that adds some: those are many,
// and need not read and write one row more.
Result<TrimmedEvents> trim_event_rows(PendingRows& rows, LogIndex before, uint32_t limit) {
  auto found = retention_of(rows);
  if (!found) return found.error();
  RetentionRow retention = *found;
  retention.first_kept = std::max(retention.first_kept, before);
  if (rows.index() > retention.counted) {
    auto added =
        count_rows(rows, keys::events_from(retention.counted), keys::events_from(rows.index()));
    if (!added) return added.error();
    retention.rows += *added;
    retention.counted = rows.index();
  }

  std::vector<std::string> gone;
  bool more = false;
  DFS_CHECK(rows.scan(keys::events_from(retention.erased), keys::events_from(retention.first_kept),
                      [&](auto key, auto) {
                        more = gone.size() == limit;
                        if (!more) gone.emplace_back(key);
                        return !more;
                      }));
  for (const std::string& key : gone) {
    rows.erase(key);
    if (read_u64(key, 1) < retention.counted) --retention.rows;
  }
  if (!more) retention.erased = retention.first_kept;
  // The last entry of a full batch may have more events, which the next batch takes.
  if (more && !gone.empty()) retention.erased = read_u64(gone.back(), 1);
  rows.put(keys::retention(), retention);
  return TrimmedEvents{static_cast<uint32_t>(gone.size()), more};
}

Result<LogIndex> events_to_trim(Rows& rows, LogIndex applied, const EventLimits& limits) {
  const auto retention = retention_of(rows);
  if (!retention) return retention.error();
  // What was forgotten is erased first; it still counts.
  if (retention->erased < retention->first_kept) return retention->first_kept;
  LogIndex before = retention->first_kept;
  const std::string until = keys::events_from(applied + 1);
  const auto uncounted = count_rows(rows, keys::events_from(retention->counted), until);
  if (!uncounted) return uncounted.error();
  const uint64_t kept = retention->rows + *uncounted;
  const uint64_t most = limits.events_max;
  // A command that forgets is an entry itself, which may be told of. Without some slack an idle
  // cluster would go on for ever, forgetting one event with each.
  if (kept > most + most / 16) {
    const auto first = first_after(rows, before, kept - most);
    if (!first) return first.error();
    before = std::max(before, *first);
  }

  uint32_t visited = 0;
  DFS_CHECK(rows.scan(keys::events_from(before), until, [&](auto key, auto value) {
    const auto event = decode<EventRow>(value);
    const bool old = event && event->time_ms < limits.oldest_ms;
    if (old) before = read_u64(key, 1) + 1;
    return old && ++visited < limits.looks_max;
  }));
  return before > retention->first_kept || *uncounted > kUncountedMax ? before : 0;
}

}  // namespace dfs
