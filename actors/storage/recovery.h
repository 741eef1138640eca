// What a storage directory holds when a process starts on it.
#pragma once

#include <string>
#include <vector>

#include "actors/storage/block_digest.h"
#include "actors/storage/block_index.h"

namespace dfs::storage {

struct RecoveredSegment {
  uint32_t number = 0;
  uint64_t nonce = 0;
  uint64_t end = 0;  // of the file, and of the last extent
  uint64_t live_bytes = 0;
  uint64_t live_blocks = 0;
};

struct RecoveryReport {
  uint64_t segments = 0;
  uint64_t blocks = 0;
  uint64_t bytes = 0;             // of their extents
  uint64_t scanned_bytes = 0;     // behind the marks
  uint64_t found = 0;             // complete blocks that the index did not know
  uint64_t dropped = 0;           // incomplete or superseded ones
  uint64_t frees_finished = 0;    // ranges that were still to be punched
  uint64_t segments_removed = 0;  // held nothing
  uint64_t segments_missing = 0;  // the index names them, the directory lacks them
  uint64_t bad = 0;               // blocks known to be damaged, with those lost now
  uint64_t lost = 0;              // blocks flagged bad now: their place is gone
  uint64_t unreadable = 0;        // places behind the marks that the disk cannot read
};

struct Recovered {
  std::vector<RecoveredSegment> segments;  // by number
  RecoveryReport report;
  uint32_t last_number = 0;  // greatest ever seen
  Digests digests;           // of the good blocks
};

// Brings segments and index into agreement: scans each segment behind its mark, trusting nothing
// but checksums, adds the complete blocks it finds to the index, gives all other space there back,
// and finishes the frees that were under way. Blocks whose segment is gone, or ends before them,
// are flagged bad. Every segment is closed afterwards: it ends with its last extent. May be
// interrupted anywhere and run again. `unsupported`: something was written by a newer program.
// `invalid`: a segment belongs to another cluster than `cluster` (empty: any). Blocks; nothing else
// may use table or directory meanwhile.
Result<Recovered> recover(Disk& disk, Table& table, const std::string& directory,
                          const std::string& cluster);

}  // namespace dfs::storage
