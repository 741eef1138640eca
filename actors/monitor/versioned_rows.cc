#include "actors/monitor/versioned_rows.h"

namespace dfs {

Requester requester_in(const Command& command) {
  if (command.requester.empty()) return superuser();
  auto requester = decode<Requester>(command.requester);
  return requester ? std::move(*requester) : Requester();
}

void VersionedRows::note(std::string topic, std::map<std::string, std::string> fields) {
  if (!requester_.user.empty()) fields.emplace("by", requester_.user);
  PendingRows::note(std::move(topic), std::move(fields));
}

// Found again by the time of this command, which never goes back, though what was pruned may have
// ended earlier.
void VersionedRows::ending(const std::string& key, std::string before, Batch& batch) {
  const auto end = ends_.find(key);
  if (end == ends_.end()) return;
  const std::string history = keys::history(key, end->second.index);
  batch.put(history, encode_row(HistoryRow{end->second.time_ms, Blob{std::move(before)}}));
  batch.put(keys::history_by_time(command_.time_ms, history), encode_row(MarkRow()));
}

}  // namespace dfs
