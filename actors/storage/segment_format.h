// How blocks lie on the disk. README.md says the same in prose; both change together, and with them
// kSegmentFormat.
//
//   segment file:  [segment header, 4 KiB] [extent] [extent] …
//   extent:        [header, 4 or 8 KiB] [data, padded to 4 KiB] [tail: CRC table, padding, footer]
//
// Everything starts at a multiple of 4 KiB. Integers are big-endian.
#pragma once

#include <cstdint>
#include <string>
#include <tuple>
#include <vector>

#include "actors/disk.h"
#include "messages/blocks.h"
#include "messages/ids.h"
#include "messages/message.h"

namespace dfs::storage {

inline constexpr uint32_t kSegmentFormat = 1;  // refuse to open what is newer
inline constexpr uint64_t kSegmentMagic = 0x5a4446535345470aull;
inline constexpr uint64_t kExtentMagic = 0x5a4446534558540aull;
inline constexpr uint64_t kFooterMagic = 0x5a44465346545220ull;
inline constexpr uint64_t kAlignment = kDiskAlignment;
inline constexpr uint64_t kChunkBytes = 64 * 1024;  // one CRC32C in the table
inline constexpr uint64_t kFooterBytes = 64;
inline constexpr size_t kShortHintBytes = 2048;  // a longer path hint makes the header 8 KiB
inline constexpr size_t kSealBytes = 24;         // magic, format, region, body, crc

constexpr uint64_t round_up(uint64_t value, uint64_t unit) {
  return (value + unit - 1) / unit * unit;
}
constexpr uint64_t chunks_of(uint64_t length) {
  return (length + kChunkBytes - 1) / kChunkBytes;
}
constexpr uint64_t data_bytes(uint64_t length) {
  return round_up(length, kAlignment);
}
constexpr uint64_t tail_bytes(uint64_t length) {
  return round_up(chunks_of(length) * 4 + kFooterBytes, kAlignment);
}
constexpr uint32_t header_bytes(size_t hint_bytes) {
  return static_cast<uint32_t>(hint_bytes <= kShortHintBytes ? kAlignment : 2 * kAlignment);
}
constexpr uint64_t extent_bytes(uint32_t header, uint64_t length) {
  return header + data_bytes(length) + tail_bytes(length);
}

// A block in one group: what the index and every extent is about. Ordered by group, object and
// index, as the index is: two nodes compare what they hold of one group.
struct BlockKey {
  ObjectId object = 0;
  uint32_t index = 0;
  GroupId group = 0;
  bool operator==(const BlockKey&) const = default;
  auto operator<=>(const BlockKey& other) const {
    return std::tie(group, object, index) <=> std::tie(other.group, other.object, other.index);
  }
};
std::string to_string(const BlockKey& key);  // "1f:3 in group 5"

// Where an extent is. The nonce is the segment's: a number can be used again for another file.
struct Place {
  uint32_t segment = 0;
  uint64_t nonce = 0;
  uint64_t offset = 0;
  bool operator==(const Place&) const = default;
};

struct SegmentHeader {
  std::string cluster;
  uint32_t segment = 0;
  uint64_t nonce = 0;  // random; repeated in every extent, so that user data cannot pass for one
  int64_t created_ms = 0;
  DFS_FIELDS(cluster, segment, nonce, created_ms)
};

// Everything needed to find the block's way back into an index, or its file's into a namespace.
struct ExtentHeader {
  std::string cluster;
  uint32_t segment = 0;  // segment, nonce and offset say where this header believes it is
  uint64_t nonce = 0;
  uint64_t offset = 0;
  ObjectId object = 0;
  uint32_t index = 0;
  GroupId group = 0;
  Epoch epoch = 0;
  uint64_t length = 0;
  uint64_t capacity = 0;
  uint32_t crc32c = 0;  // of the data
  int64_t created_ms = 0;
  std::string path_hint;
  FileHint file_hint;
  DFS_FIELDS(cluster, segment, nonce, offset, object, index, group, epoch, length, capacity, crc32c,
             created_ms, path_hint, file_hint)

  BlockKey key() const { return {object, index, group}; }
  Place place() const { return {segment, nonce, offset}; }
};

// A finished block as the index knows it.
struct BlockRow {
  uint32_t segment = 0;
  uint64_t offset = 0;  // of the extent
  uint32_t header = 0;  // bytes
  uint64_t length = 0;
  uint32_t crc32c = 0;
  Epoch epoch = 0;
  int64_t created_ms = 0;  // wall clock when it was written here; 0: unknown
  bool bad = false;        // found damaged or unreadable: to be replaced

  // The same copy, whatever has been found out about it since.
  bool same_extent(const BlockRow& other) const {
    return segment == other.segment && offset == other.offset && header == other.header &&
           length == other.length && crc32c == other.crc32c;
  }
  uint64_t data_offset() const { return offset + header; }
  uint64_t tail_offset() const { return offset + header + data_bytes(length); }
  uint64_t bytes() const { return extent_bytes(header, length); }
};

// Fills `region` bytes at `out` with the sealed header: checksummed and padded with zeros.
void seal_segment_header(const SegmentHeader& header, uint8_t* out);
void seal_extent_header(const ExtentHeader& header, uint8_t* out, uint32_t region);

// `corrupt` when the bytes are no header; `unsupported` when they are one of a newer format.
Result<SegmentHeader> open_segment_header(const uint8_t* bytes, size_t size);
Result<ExtentHeader> open_extent_header(const uint8_t* bytes, size_t size, uint32_t& region);

// The CRC table of a block with its footer, tail_bytes(length) bytes at `out`.
using ChunkTable = std::vector<uint32_t>;
void seal_tail(const BlockKey& key, const Place& place, uint64_t length, uint32_t crc,
               const ChunkTable& table, uint8_t* out);
// `corrupt` unless the bytes are the undamaged tail of just this block at just this place.
Result<ChunkTable> open_tail(const BlockKey& key, const Place& place, uint64_t length, uint32_t crc,
                             const uint8_t* bytes);

// Names of segment files: "000000a7.segment".
std::string segment_name(uint32_t number);
bool parse_segment_name(const std::string& name, uint32_t& number);

}  // namespace dfs::storage
