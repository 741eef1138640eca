// The blocking half of the engine: what the pool does to segment files. Every function owns or
// shares all it touches, so that several may run at once, on different parts of the same block too.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "actors/storage/buffer_pool.h"
#include "actors/storage/segment_format.h"
#include "messages/payload.h"

namespace dfs::storage {

// A block that is being written. All but `table` is fixed from the start; each part fills its own
// entries of the table, and finish_extent() reads them when all parts are done.
struct Extent {
  BlockKey key;
  Place place;
  Epoch epoch = 0;
  uint64_t capacity = 0;
  uint32_t header = 0;  // bytes
  std::string cluster;
  std::string path_hint;
  FileHint file_hint;
  int64_t created_ms = 0;
  std::shared_ptr<File> file;
  ChunkTable table;
};

struct NewSegment {
  uint32_t number = 0;
  uint64_t nonce = 0;
  uint64_t bytes = 0;
  std::shared_ptr<File> file;
};

std::string segments_directory(const std::string& directory);
std::string segment_path(const std::string& directory, uint32_t number);

// Makes a preallocated segment file with its header, durable with its name. Takes less than `bytes`
// when the disk has less, but never less than `bytes_min`: then `no_space`, and nothing is left.
Result<NewSegment> create_segment(Disk& disk, const std::string& directory,
                                  const SegmentHeader& header, uint64_t bytes, uint64_t bytes_min);

// Verifies the part against `crc` (`corrupt` if it differs: nothing was written then) and writes
// it. Not durable before the file's next sync().
Result<void> write_part(Extent& extent, BufferPool& buffers, uint64_t offset, Payload payload,
                        uint32_t crc);
// Writes header and tail of a block whose parts, `length` bytes, are all written. Returns its CRC.
Result<uint32_t> finish_extent(Extent& extent, BufferPool& buffers, uint64_t length);
// Both at once, in one write, for a block of a single part.
Result<uint32_t> write_whole(Extent& extent, BufferPool& buffers, Payload payload, uint32_t crc);

struct WholeBlock {
  std::shared_ptr<Extent> extent;
  Payload payload;
  uint32_t crc = 0;                                             // of the payload
  Result<uint32_t> written{Code::io_error, "not written yet"};  // the block's CRC
};
// Several such blocks, those that lie side by side in one write, and then one sync for each file
// that has got some. What goes wrong with one block, or one write, costs no other. Returns what
// became of the syncs, by segment: before they succeed nothing is durable.
std::map<uint32_t, Result<void>> write_together(std::vector<WholeBlock>& blocks,
                                                BufferPool& buffers);

struct ReadJob {
  BlockKey key;
  Place place;
  BlockRow row;
  std::string path;                         // of the segment, when `file` is not open
  std::shared_ptr<File> file;               // buffered; opened by the job when absent
  std::shared_ptr<const ChunkTable> table;  // loaded by the job when absent
  std::shared_ptr<uint8_t> buffer;          // of BufferPool::kBufferBytes, for all but load_table
  uint64_t offset = 0;
  uint64_t length = 0;  // [offset, offset + length) lies in the block
  // the outcome
  Payload payload;
  uint32_t crc32c = 0;
  bool damaged = false;  // the block's bytes are lost, as opposed to a disk that is out of reach
};

// The header of the block as it is on the disk: whose it must be, and where. `job.buffer` is not
// needed.
Result<ExtentHeader> read_header(Disk& disk, ReadJob& job);

// Opens, loads and verifies what is missing, then reads. `corrupt` rather than wrong bytes.
Result<void> load_table(Disk& disk, ReadJob& job);
Result<void> read_range(Disk& disk, ReadJob& job);

// Reads the next part of a block, from `job.offset` on, past the page cache, and verifies it; with
// the first part header and tail too: whose they say they are, and where. `job.crc32c` is that of
// the parts so far. The whole block is right when `job.offset` has come to its end.
Result<void> verify_part(Disk& disk, ReadJob& job);

// `invalid` unless `payload` is what the block holds at `job.offset`; `corrupt` when `crc` is not
// the payload's.
Result<void> compare_part(Disk& disk, ReadJob& job, const Payload& payload, uint32_t crc);

}  // namespace dfs::storage
