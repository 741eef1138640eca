#include "actors/storage/segment_format.h"

#include <cstdio>
#include <cstring>

#include "actors/table.h"
#include "messages/crc32c.h"

namespace dfs::storage {

namespace {

std::string_view view(const uint8_t* bytes, size_t size) {
  return {reinterpret_cast<const char*>(bytes), size};
}

// magic u64, format u32, region u32, body u32, crc u32 (of all the region but itself), body, zeros.
void seal(uint64_t magic, const std::string& body, uint8_t* out, uint32_t region) {
  DFS_ASSERT(kSealBytes + body.size() <= region);
  std::string prefix;
  append_u64(prefix, magic);
  append_u32(prefix, kSegmentFormat);
  append_u32(prefix, region);
  append_u32(prefix, static_cast<uint32_t>(body.size()));
  std::memset(out, 0, region);
  std::memcpy(out, prefix.data(), prefix.size());
  std::memcpy(out + kSealBytes, body.data(), body.size());
  const uint32_t crc =
      crc32c(out + kSealBytes, region - kSealBytes, crc32c(prefix.data(), prefix.size()));
  append_u32(prefix, crc);
  std::memcpy(out, prefix.data(), prefix.size());
}

Result<std::string_view> open_seal(uint64_t magic, const uint8_t* bytes, size_t size,
                                   uint32_t& region) {
  using R = Result<std::string_view>;
  if (size < kAlignment || read_u64(view(bytes, size), 0) != magic) {
    return R(Code::corrupt, "no header here");
  }
  const std::string_view all = view(bytes, size);
  const uint32_t format = read_u32(all, 8);
  region = read_u32(all, 12);
  const uint32_t body = read_u32(all, 16);
  if (region < kAlignment || region > size || region % kAlignment != 0) {
    return R(Code::corrupt, "the header's size is wrong");
  }
  const uint32_t crc = crc32c(bytes + kSealBytes, region - kSealBytes, crc32c(bytes, 20));
  if (crc != read_u32(all, 20) || body > region - kSealBytes) {
    return R(Code::corrupt, "the header's checksum is wrong");
  }
  if (format > kSegmentFormat) {
    return R(Code::unsupported, "written in segment format " + std::to_string(format) +
                                    ", but this program knows formats up to " +
                                    std::to_string(kSegmentFormat) +
                                    "; start the newer program on this directory");
  }
  return all.substr(kSealBytes, body);
}

std::string footer(const BlockKey& key, const Place& place, uint64_t length, uint32_t crc) {
  std::string out;
  append_u64(out, kFooterMagic);
  append_u64(out, place.nonce);
  append_u64(out, place.offset);
  append_u32(out, place.segment);
  append_u64(out, key.object);
  append_u32(out, key.index);
  append_u32(out, key.group);
  append_u64(out, length);
  append_u32(out, crc);
  out.resize(kFooterBytes - 4);  // the last four bytes are the checksum of the whole tail
  return out;
}

}  // namespace

std::string to_string(const BlockKey& key) {
  return to_string(BlockId{key.object, key.index}) + " in group " + std::to_string(key.group);
}

void seal_segment_header(const SegmentHeader& header, uint8_t* out) {
  seal(kSegmentMagic, encode(header), out, kAlignment);
}

void seal_extent_header(const ExtentHeader& header, uint8_t* out, uint32_t region) {
  seal(kExtentMagic, encode(header), out, region);
}

Result<SegmentHeader> open_segment_header(const uint8_t* bytes, size_t size) {
  uint32_t region = 0;
  const auto body = open_seal(kSegmentMagic, bytes, size, region);
  if (!body) return body.error();
  return decode<SegmentHeader>(*body);
}

Result<ExtentHeader> open_extent_header(const uint8_t* bytes, size_t size, uint32_t& region) {
  const auto body = open_seal(kExtentMagic, bytes, size, region);
  if (!body) return body.error();
  return decode<ExtentHeader>(*body);
}

void seal_tail(const BlockKey& key, const Place& place, uint64_t length, uint32_t crc,
               const ChunkTable& table, uint8_t* out) {
  DFS_ASSERT(table.size() == chunks_of(length));
  const size_t size = tail_bytes(length);
  std::string entries;
  entries.reserve(size);
  for (const uint32_t entry : table) append_u32(entries, entry);
  entries.resize(size - kFooterBytes);
  entries += footer(key, place, length, crc);
  append_u32(entries, crc32c(entries));
  std::memcpy(out, entries.data(), size);
}

Result<ChunkTable> open_tail(const BlockKey& key, const Place& place, uint64_t length, uint32_t crc,
                             const uint8_t* bytes) {
  using R = Result<ChunkTable>;
  const std::string_view tail = view(bytes, tail_bytes(length));
  if (crc32c(tail.substr(0, tail.size() - 4)) != read_u32(tail, tail.size() - 4)) {
    return R(Code::corrupt, "the checksum table of block " + to_string(key) + " is damaged");
  }
  if (tail.substr(tail.size() - kFooterBytes, kFooterBytes - 4) !=
      footer(key, place, length, crc)) {
    return R(Code::corrupt, "the checksum table found for block " + to_string(key) +
                                " belongs to another block or place");
  }
  ChunkTable table(chunks_of(length));
  for (size_t i = 0; i < table.size(); ++i) table[i] = read_u32(tail, i * 4);
  return table;
}

std::string segment_name(uint32_t number) {
  char name[32];
  std::snprintf(name, sizeof name, "%08x.segment", number);
  return name;
}

bool parse_segment_name(const std::string& name, uint32_t& number) {
  unsigned value = 0;
  if (std::sscanf(name.c_str(), "%8x.segment", &value) != 1) return false;
  number = value;
  return segment_name(number) == name;
}

}  // namespace dfs::storage
