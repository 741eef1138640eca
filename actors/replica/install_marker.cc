#include "actors/replica/install_marker.h"

#include "actors/replica/replica_rows.h"

namespace dfs {

namespace {

struct Marker {
  LogIndex index = 0;
  uint64_t term = 0;
  DFS_FIELDS(index, term)
};

std::string path_of(const std::string& snapshots) {
  return snapshots + "/installing";
}

// True when the table is the snapshot already.
Result<bool> is_replaced(Table& table, const Marker& marker) {
  const auto row = table.get(kAppliedKey);
  if (!row) return row.error();
  const auto applied = *row ? decode<AppliedRow>(**row) : AppliedRow();
  if (!applied) return {Code::corrupt, "the table's applied index does not decode"};
  return applied->index == marker.index && applied->term == marker.term;
}

Result<void> remove_marker(Disk& disk, const std::string& snapshots) {
  DFS_CHECK(disk.remove(path_of(snapshots)));
  return disk.sync_directory(snapshots);
}

}  // namespace

Result<void> install_snapshot(Disk& disk, Table& table, LogStore& log, const std::string& snapshots,
                              const std::string& directory, const InstallSnapshot& snapshot,
                              bool& intact) {
  intact = true;
  const Marker marker{snapshot.index, snapshot.index_term};
  const auto replaced = is_replaced(table, marker);
  if (!replaced) return replaced.error();
  if (!*replaced) {
    DFS_CHECK(write_file_atomically(disk, path_of(snapshots), encode(marker)));
    intact = false;
    const auto restored = table.restore(disk, directory);
    // The old rows are there still; the snapshot has to be fetched again.
    if (restored.code() == Code::corrupt || restored.code() == Code::no_space) {
      DFS_CHECK(remove_marker(disk, snapshots));
      intact = true;
    }
    if (!restored) return restored;
  }
  intact = false;
  DFS_CHECK(log.restart_after(snapshot.index, snapshot.index_term));
  return remove_marker(disk, snapshots);
}

Result<void> finish_install(Disk& disk, Table& table, LogStore& log, const std::string& snapshots) {
  const auto bytes = read_file(disk, path_of(snapshots));
  if (bytes.code() == Code::not_found) return {};
  if (!bytes) return bytes.error();
  const auto marker = decode<Marker>(*bytes);
  if (!marker) return {Code::corrupt, path_of(snapshots) + " does not decode"};
  const auto replaced = is_replaced(table, *marker);
  if (!replaced) return replaced.error();
  // Otherwise the table was not replaced, or the log goes on from there already.
  const raft::Log entries(log.base(), log.base_term(), log.terms(), log.last());
  if (*replaced && entries.term_at(marker->index) != marker->term) {
    DFS_CHECK(log.restart_after(marker->index, marker->term));
  }
  return remove_marker(disk, snapshots);
}

}  // namespace dfs
