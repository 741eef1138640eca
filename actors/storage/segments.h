// Which segments there are, who lives in them, and where the next extent goes. Pure bookkeeping on
// the actor's thread: no I/O.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "actors/storage/block_index.h"
#include "actors/storage/recovery.h"
#include "actors/storage/segment_io.h"

namespace dfs::storage {

struct Segment {
  uint32_t number = 0;
  uint64_t nonce = 0;
  uint64_t bytes = 0;  // of the file
  uint64_t end = 0;    // where the next extent would begin
  uint64_t live_bytes = 0;
  uint64_t live_blocks = 0;
  uint64_t freeing = 0;                    // ranges given up and not punched yet
  std::map<uint64_t, uint64_t> unsettled;  // extents under way: offset → bytes
  bool fenced = false;                     // a write or sync failed; the file is only read
  bool trimmed = false;                    // ends with its last extent
  std::shared_ptr<File> writer;            // direct; absent after a restart
  std::shared_ptr<File> reader;            // buffered; opened by the first read
  uint64_t last_read = 0;                  // orders segments by when they were last read

  // Below it every extent is settled.
  uint64_t mark() const { return unsettled.empty() ? end : unsettled.begin()->first; }
};

class Segments {
 public:
  void adopt(const Recovered& recovered);
  // The new segment takes the extents from now on; a second one waits as a spare.
  void add(const NewSegment& created);

  Segment* find(uint32_t number);
  Segment* active() { return active_ ? find(*active_) : nullptr; }
  const std::map<uint32_t, Segment>& all() const { return segments_; }
  std::map<uint32_t, Segment>& all() { return segments_; }
  std::vector<uint32_t> open_numbers() const;  // of the active one and the spare
  bool has_spare() const { return spare_.has_value(); }
  uint32_t fresh_number() { return ++last_number_; }

  // Room for an extent of `bytes`, unsettled; nothing when a new segment is needed first.
  std::optional<Place> allocate(uint64_t bytes);
  // The extent is now a block of `bytes`, at most what was allocated. Returns the rest, when the
  // next extent cannot have it.
  std::optional<FreeRange> settle(Segment& segment, uint64_t offset, uint64_t bytes);
  // The extent will be no block. Returns its space, when the next extent cannot have it:
  // `sealed` extents have a header, which must be gone before anything else is written there.
  std::optional<FreeRange> give_up(Segment& segment, uint64_t offset, bool sealed);
  // The block is deleted; its range is to be freed.
  void remove_block(Segment& segment, uint64_t bytes);
  // No more writes there.
  void fence(Segment& segment);
  void erase(uint32_t number);

  // Nobody writes there any more, and nobody will.
  bool closed(const Segment& segment) const;

  uint64_t used_bytes() const { return used_bytes_; }  // live and under way
  uint64_t blocks() const { return blocks_; }
  uint64_t reserved_bytes() const;  // preallocated and free

  // Closes the buffered handles least recently used when more than `max` are open.
  void touch_reader(Segment& segment, std::shared_ptr<File> reader, size_t max);

 private:
  std::map<uint32_t, Segment> segments_;
  std::optional<uint32_t> active_;
  std::optional<uint32_t> spare_;
  uint32_t last_number_ = 0;
  uint64_t used_bytes_ = 0;
  uint64_t blocks_ = 0;
  uint64_t reads_ = 0;
  size_t readers_ = 0;
};

}  // namespace dfs::storage
