#include "actors/monitor/reads.h"

namespace dfs {

namespace {

constexpr size_t kPageBytes = 512 << 10;  // paths may be long
constexpr size_t kRowsVisited = 8192;     // a page of rare topics may be empty, but comes soon

}  // namespace

Result<ReadEventsReply> read_events(Rows& rows, LogIndex applied, const ReadEvents& request) {
  auto retention = rows.get<RetentionRow>(keys::retention());
  if (!retention) return retention.error();
  ReadEventsReply reply;
  reply.first_kept = retention->value_or(RetentionRow()).first_kept;
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
  const std::string until = after_prefix(std::string(1, keys::kEvent));
  DFS_CHECK(rows.scan(from, until, [&](auto key, auto value) {
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
    reply.events.push_back({std::move(row->topic), index, row->time_ms, kLogActor, row->trace,
                            std::move(row->fields)});
    return true;
  }));
  if (failed) return *failed;
  return reply;
}

}  // namespace dfs
