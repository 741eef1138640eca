// The rows of the index table:
//
//   "format"                  → version of these rows
//   "k" group object index    → where the finished block is, and whether it is bad
//   "m" segment               → nonce, offset: below it every extent of the segment is settled,
//                               that is indexed, or given up with its space freed or about to be
//   "f" segment offset        → bytes: space that is dead but perhaps not punched yet
//   "s"                       → how far the scrub is
//
// Format 1 had its blocks under "b" object index group.
#pragma once

#include <functional>
#include <optional>

#include "actors/storage/segment_format.h"
#include "actors/table.h"

namespace dfs::storage {

inline constexpr uint32_t kIndexFormat = 2;

struct Mark {
  uint64_t nonce = 0;
  uint64_t offset = 0;
};
struct FreeRange {
  uint32_t segment = 0;
  uint64_t offset = 0;
  uint64_t bytes = 0;
};

// The scrub reads the blocks in the order of the index, again and again.
struct ScrubRow {
  uint64_t passes = 0;   // finished
  bool running = false;  // within a pass; false: between two
  bool paused = false;
  int64_t began_ms = 0;           // the pass, or the last one; 0: never
  int64_t previous_began_ms = 0;  // the one before
  int64_t finished_ms = 0;
  bool moved = false;  // the three below say what was read last
  ObjectId object = 0;
  uint32_t index = 0;
  GroupId group = 0;
  uint64_t bytes_done = 0;  // of this pass, with those that follow
  uint64_t blocks_done = 0;
  uint64_t bad_found = 0;
  DFS_FIELDS(passes, running, paused, began_ms, previous_began_ms, finished_ms, moved, object,
             index, group, bytes_done, blocks_done, bad_found)

  BlockKey position() const { return {object, index, group}; }
};

void put_block(Batch& batch, const BlockKey& key, const BlockRow& row);
void erase_block(Batch& batch, const BlockKey& key);
void put_mark(Batch& batch, uint32_t segment, const Mark& mark);
void erase_mark(Batch& batch, uint32_t segment);
void put_free(Batch& batch, const FreeRange& range);
void erase_free(Batch& batch, const FreeRange& range);
void put_scrub(Batch& batch, const ScrubRow& row);

// Nothing when the block is not there; `io_error`, or `corrupt` for a row that makes no sense.
Result<std::optional<BlockRow>> find_block(Table& table, const BlockKey& key);
// From the first key ≥ `from`, in order, until `visit` returns false.
Result<void> scan_blocks(Table& table, const BlockKey& from,
                         const std::function<bool(const BlockKey&, const BlockRow&)>& visit);
// That of a scrub which has not begun when there is none, or none that makes sense.
Result<ScrubRow> find_scrub(Table& table);
Result<void> scan_marks(Table& table, const std::function<void(uint32_t, const Mark&)>& visit);
Result<void> scan_free(Table& table, const std::function<void(const FreeRange&)>& visit);

// Writes the format row of a new table and brings the rows of an older one up to date; may be
// interrupted and run again. `unsupported` when the table's format is newer than known.
Result<void> check_index_format(Table& table);

}  // namespace dfs::storage
