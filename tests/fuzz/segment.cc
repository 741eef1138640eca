// Any bytes at all as a segment file, given to the recovery of a storage directory. The first byte
// says how: as they are, or as changes to a good segment, with its checksums made right again so
// that what lies behind them is reached; with or without rows of an index that may be lies.
#include <algorithm>
#include <cstdint>
#include <cstring>

#include "actors/mem_table.h"
#include "actors/storage/recovery.h"
#include "actors/storage/segment_io.h"
#include "messages/crc32c.h"
#include "tests/sim/sim_disk.h"

namespace {

using namespace dfs;
using namespace dfs::storage;

constexpr uint64_t kNonce = 0x0123456789abcdefull;
constexpr size_t kSegmentBytesMax = 1 << 20;

std::string good_segment() {
  const uint64_t lengths[] = {5, 70'000, 0, 4096};
  std::string file(kAlignment, '\0');
  seal_segment_header({"", 1, kNonce, 5}, reinterpret_cast<uint8_t*>(file.data()));
  for (uint32_t i = 0; i < 4; ++i) {
    ExtentHeader header;
    header.segment = 1;
    header.nonce = kNonce;
    header.offset = file.size();
    header.object = 100 + i;
    header.length = header.capacity = lengths[i];
    const uint32_t region = header_bytes(0);
    const std::string data(lengths[i], static_cast<char>('a' + i));
    header.crc32c = crc32c(data);
    ChunkTable table;
    for (size_t at = 0; at < data.size(); at += kChunkBytes) {
      table.push_back(crc32c(std::string_view(data).substr(at, kChunkBytes)));
    }
    std::string extent(extent_bytes(region, data.size()), '\0');
    auto* bytes = reinterpret_cast<uint8_t*>(extent.data());
    seal_extent_header(header, bytes, region);
    std::memcpy(bytes + region, data.data(), data.size());
    seal_tail(header.key(), header.place(), data.size(), header.crc32c, table,
              bytes + region + data_bytes(data.size()));
    file += extent;
  }
  return file;
}

// Makes the checksum of whatever looks like a header right.
void seal_again(std::string& file) {
  for (size_t at = 0; at + kAlignment <= file.size(); at += kAlignment) {
    const uint64_t magic = read_u64(file, at);
    if (magic != kSegmentMagic && magic != kExtentMagic) continue;
    const size_t region = read_u32(file, at + 12);
    if (region < kAlignment || region > file.size() - at) continue;
    const auto* bytes = reinterpret_cast<const uint8_t*>(file.data()) + at;
    const uint32_t crc =
        crc32c(bytes + kSealBytes, region - kSealBytes, crc32c(bytes, kSealBytes - 4));
    std::string big_endian;
    append_u32(big_endian, crc);
    file.replace(at + kSealBytes - 4, 4, big_endian);
  }
}

// Changes of three bytes of place and one of content.
std::string changed_segment(std::string_view changes) {
  static const std::string good = good_segment();
  std::string file = good;
  for (; changes.size() >= 4; changes.remove_prefix(4)) {
    const size_t place = read_u32(std::string(1, '\0') + std::string(changes.substr(0, 3)), 0);
    file[place % file.size()] ^= changes[3];
  }
  return file;
}

// A start on what is there; all that the index lists as good must read as what it says.
Result<Recovered> start(Disk& disk, Table& table) {
  auto recovered = recover(disk, table, "/d", "");
  if (!recovered) return recovered;
  uint64_t good = 0;
  BufferPool buffers;
  DFS_ASSERT(scan_blocks(table, {}, [&](const BlockKey& key, const BlockRow& row) {
    if (row.bad) return true;
    ++good;
    ReadJob job;
    job.key = key;
    job.row = row;
    job.place = {row.segment, kNonce, row.offset};
    job.path = segment_path("/d", row.segment);
    job.buffer = buffers.take();
    (void)verify_part(disk, job);
    return true;
  }));
  uint64_t digested = 0;
  for (const GroupId group : recovered->digests.groups()) {
    digested += recovered->digests.of(group).blocks;
  }
  DFS_ASSERT(digested == good);
  return recovered;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0 || size > kSegmentBytesMax) return 0;
  const uint8_t mode = data[0];
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  std::string file = mode & 1 ? changed_segment(bytes) : std::string(bytes);
  if (mode & 2) seal_again(file);

  sim::SimDisk disk;
  MemTable table;
  DFS_ASSERT(disk.make_directories(segments_directory("/d")));
  {
    auto opened = disk.open(segment_path("/d", 1), {.create = true});
    DFS_ASSERT(opened.ok());
    DFS_ASSERT((*opened)->write_at(0, file.data(), file.size()));
  }
  Batch batch;
  if (mode & 4) put_mark(batch, 1, {kNonce, uint64_t{mode} * 512 / kAlignment * kAlignment});
  if (mode & 8) {
    const BlockRow row{.segment = 1, .offset = kAlignment, .header = kAlignment, .length = mode};
    put_block(batch, {100, 0, 0}, row);
  }
  if (mode & 16) put_free(batch, {1, kAlignment, 3 * kAlignment});
  DFS_ASSERT(check_index_format(table));
  if (!batch.empty()) DFS_ASSERT(table.write(batch, Durability::synced));

  const auto first = start(disk, table);
  if (!first) return 0;
  disk.restart();
  // A second start finds all in order.
  const auto second = start(disk, table);
  DFS_ASSERT(second.ok());
  DFS_ASSERT(second->report.found == 0 && second->report.dropped == 0);
  DFS_ASSERT(second->report.blocks == first->report.blocks);
  DFS_ASSERT(second->report.lost == 0);
  return 0;
}
