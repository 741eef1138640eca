// A snapshot is installed in two steps that a crash may part: the table is replaced, then the log
// begins anew behind it. A file says which snapshot it was, so that a start can take the second.
#pragma once

#include <string>

#include "actors/disk.h"
#include "actors/replica/log_store.h"
#include "actors/table.h"
#include "messages/raft.h"

namespace dfs {

// All of it blocks: pool. `snapshots` is the directory where snapshots are kept.

// Replaces the table's rows by the checkpoint in `directory`, which is used up, and the log by an
// empty one that goes on behind it. `intact` tells whether table and log are as before in case of
// an error. After `no_space` when they are not, the table is replaced and the log is not: to be
// called again, with the same snapshot, when there is room.
Result<void> install_snapshot(Disk& disk, Table& table, LogStore& log, const std::string& snapshots,
                              const std::string& directory, const InstallSnapshot& snapshot,
                              bool& intact);

// Takes the second step if it is due.
Result<void> finish_install(Disk& disk, Table& table, LogStore& log, const std::string& snapshots);

}  // namespace dfs
