#include "actors/storage/segment_io.h"

#include <algorithm>
#include <cstring>

#include "messages/crc32c.h"

namespace dfs::storage {

namespace {

// Copies while hashing: each chunk is hashed first and copied out of the processor's cache, so main
// memory is read once. Fills one table entry per chunk and returns the checksum of all.
uint32_t hash_chunks(const Payload& payload, uint8_t* copy_to, uint32_t* entries) {
  uint32_t crc = 0;
  for (size_t at = 0; at < payload.size(); at += kChunkBytes) {
    const size_t size = std::min<size_t>(kChunkBytes, payload.size() - at);
    const uint32_t chunk = crc32c(payload.data() + at, size);
    if (copy_to != nullptr) std::memcpy(copy_to + at, payload.data() + at, size);
    entries[at / kChunkBytes] = chunk;
    crc = crc32c_combine(crc, chunk, size);
  }
  return crc;
}

uint32_t crc_of(const ChunkTable& table, uint64_t length) {
  uint32_t crc = 0;
  for (uint64_t i = 0; i < chunks_of(length); ++i) {
    crc = crc32c_combine(crc, table[i], std::min(kChunkBytes, length - i * kChunkBytes));
  }
  return crc;
}

Error wrong_payload(const BlockKey& key, uint64_t offset) {
  return {Code::corrupt,
          "the part at " + std::to_string(offset) + " of block " + to_string(key) +
              " does not match its checksum; it was damaged on the way, send it again",
          {},
          0};
}

ExtentHeader header_of(const Extent& extent, uint64_t length, uint32_t crc) {
  ExtentHeader header;
  header.cluster = extent.cluster;
  header.segment = extent.place.segment;
  header.nonce = extent.place.nonce;
  header.offset = extent.place.offset;
  header.object = extent.key.object;
  header.index = extent.key.index;
  header.group = extent.key.group;
  header.epoch = extent.epoch;
  header.length = length;
  header.capacity = extent.capacity;
  header.crc32c = crc;
  header.created_ms = extent.created_ms;
  header.path_hint = extent.path_hint;
  header.file_hint = extent.file_hint;
  return header;
}

}  // namespace

std::string segments_directory(const std::string& directory) {
  return directory + "/segments";
}

std::string segment_path(const std::string& directory, uint32_t number) {
  return segments_directory(directory) + "/" + segment_name(number);
}

Result<NewSegment> create_segment(Disk& disk, const std::string& directory,
                                  const SegmentHeader& header, uint64_t bytes, uint64_t bytes_min) {
  const std::string path = segment_path(directory, header.segment);
  auto opened = disk.open(path, {.create = true, .direct = true});
  if (!opened) return std::move(opened).error();
  std::shared_ptr<File> file = std::move(*opened);
  const auto prepare = [&]() -> Result<void> {
    while (true) {
      auto reserved = file->allocate(0, bytes);
      if (reserved) break;
      if (reserved.code() != Code::no_space || bytes <= bytes_min) return reserved;
      // Less is better than nothing: a nearly full disk is filled with smaller segments.
      DFS_CHECK(file->truncate(0));
      bytes = std::max(bytes_min, round_up(bytes / 2, kAlignment));
    }
    AlignedBuffer block(kAlignment);
    seal_segment_header(header, block.data());
    DFS_CHECK(file->write_at(0, block.data(), kAlignment));
    DFS_CHECK(file->sync());
    return disk.sync_directory(segments_directory(directory));
  };
  auto prepared = prepare();
  if (!prepared) {
    file.reset();
    (void)disk.remove(path);
    return std::move(prepared).error();
  }
  return NewSegment{header.segment, header.nonce, bytes, std::move(file)};
}

Result<void> write_part(Extent& extent, BufferPool& buffers, uint64_t offset, Payload payload,
                        uint32_t crc) {
  const auto buffer = buffers.take();
  uint32_t* entries = extent.table.data() + offset / kChunkBytes;
  if (hash_chunks(payload, buffer.get(), entries) != crc) return wrong_payload(extent.key, offset);
  const uint64_t size = data_bytes(payload.size());
  std::memset(buffer.get() + payload.size(), 0, size - payload.size());
  if (size == 0) return {};
  return extent.file->write_at(extent.place.offset + extent.header + offset, buffer.get(), size);
}

Result<uint32_t> finish_extent(Extent& extent, BufferPool& buffers, uint64_t length) {
  extent.table.resize(chunks_of(length));
  const uint32_t crc = crc_of(extent.table, length);
  const auto buffer = buffers.take();
  const uint64_t tail = extent.place.offset + extent.header + data_bytes(length);
  seal_tail(extent.key, extent.place, length, crc, extent.table, buffer.get());
  DFS_CHECK(extent.file->write_at(tail, buffer.get(), tail_bytes(length)));
  seal_extent_header(header_of(extent, length, crc), buffer.get(), extent.header);
  DFS_CHECK(extent.file->write_at(extent.place.offset, buffer.get(), extent.header));
  return crc;
}

namespace {

// Makes header, data and tail of a block of a single part, as they will lie on the disk.
Result<uint32_t> seal_whole(Extent& extent, const Payload& payload, uint32_t crc, uint8_t* out) {
  const uint64_t length = payload.size();
  uint8_t* data = out + extent.header;
  extent.table.resize(chunks_of(length));
  if (hash_chunks(payload, data, extent.table.data()) != crc) return wrong_payload(extent.key, 0);
  std::memset(data + length, 0, data_bytes(length) - length);
  seal_extent_header(header_of(extent, length, crc), out, extent.header);
  seal_tail(extent.key, extent.place, length, crc, extent.table, data + data_bytes(length));
  return crc;
}

// Blocks that lie side by side, on their way to the disk in one write.
class Run {
 public:
  explicit Run(BufferPool& buffers) : buffer_(buffers.take()) {}

  bool takes(const WholeBlock& block, uint64_t bytes) const {
    if (blocks_.empty()) return true;
    const Extent& last = *blocks_.back()->extent;
    return last.place.segment == block.extent->place.segment &&
           end() == block.extent->place.offset && bytes_ + bytes <= BufferPool::kBufferBytes;
  }
  void add(WholeBlock& block, uint64_t bytes) {
    block.written = seal_whole(*block.extent, block.payload, block.crc, buffer_.get() + bytes_);
    block.payload = {};
    if (!block.written) return;
    blocks_.push_back(&block);
    bytes_ += bytes;
  }
  void write() {
    if (blocks_.empty()) return;
    const Extent& first = *blocks_.front()->extent;
    const auto written = first.file->write_at(first.place.offset, buffer_.get(), bytes_);
    for (WholeBlock* block : blocks_) {
      if (!written) block->written = written.error();
    }
    blocks_.clear();
    bytes_ = 0;
  }

 private:
  uint64_t end() const { return blocks_.front()->extent->place.offset + bytes_; }

  std::shared_ptr<uint8_t> buffer_;
  std::vector<WholeBlock*> blocks_;
  uint64_t bytes_ = 0;
};

}  // namespace

Result<uint32_t> write_whole(Extent& extent, BufferPool& buffers, Payload payload, uint32_t crc) {
  const auto buffer = buffers.take();
  const uint64_t bytes = extent_bytes(extent.header, payload.size());
  DFS_CHECK(seal_whole(extent, payload, crc, buffer.get()));
  DFS_CHECK(extent.file->write_at(extent.place.offset, buffer.get(), bytes));
  return crc;
}

std::map<uint32_t, Result<void>> write_together(std::vector<WholeBlock>& blocks,
                                                BufferPool& buffers) {
  Run run(buffers);
  for (WholeBlock& block : blocks) {
    const uint64_t bytes = extent_bytes(block.extent->header, block.payload.size());
    if (!run.takes(block, bytes)) run.write();
    run.add(block, bytes);
  }
  run.write();
  std::map<uint32_t, Result<void>> synced;
  for (const WholeBlock& block : blocks) {
    const uint32_t segment = block.extent->place.segment;
    if (block.written && !synced.contains(segment)) {
      synced.emplace(segment, block.extent->file->sync());
    }
  }
  return synced;
}

namespace {

Error ends_inside(const BlockKey& key) {
  return {Code::corrupt, "the segment ends inside block " + to_string(key), {}, 0};
}

// A range that cannot be read twice running is lost; once may have been a cable.
Result<void> read_exactly(ReadJob& job, uint64_t offset, uint8_t* out, uint64_t size) {
  auto read = job.file->read_at(offset, out, size);
  if (read.code() == Code::io_error) read = job.file->read_at(offset, out, size);
  job.damaged = !read || *read != size;
  if (!read) return std::move(read).error();
  return *read == size ? Result<void>() : Result<void>(ends_inside(job.key));
}

Result<void> open_segment(Disk& disk, ReadJob& job, bool direct) {
  if (job.file != nullptr) return {};
  auto opened = disk.open(job.path, {.read_only = true, .direct = direct});
  if (!opened) {
    job.damaged = opened.code() == Code::not_found;
    return {job.damaged ? Code::corrupt : opened.code(),
            "block " + to_string(job.key) + " cannot be read: " + opened.error().text};
  }
  job.file = std::move(*opened);
  return {};
}

// Whose header it is, where it believes to be, and that it speaks of the same bytes as the index.
Result<ExtentHeader> open_header(ReadJob& job, uint8_t* buffer) {
  DFS_CHECK(read_exactly(job, job.row.offset, buffer, job.row.header));
  uint32_t region = 0;
  auto header = open_extent_header(buffer, job.row.header, region);
  job.damaged = !header || header->key() != job.key || header->place() != job.place ||
                header->length != job.row.length || header->crc32c != job.row.crc32c;
  if (!job.damaged) return header;
  return {Code::corrupt, "the header found for block " + to_string(job.key) +
                             (header ? " belongs to another block or place" : " is damaged")};
}

Error damaged_near(ReadJob& job, uint64_t at) {
  job.damaged = true;
  return {Code::corrupt,
          "block " + to_string(job.key) + " is damaged on this disk near byte " +
              std::to_string(at) + "; another replica may have it",
          {},
          0};
}

}  // namespace

Result<ExtentHeader> read_header(Disk& disk, ReadJob& job) {
  DFS_CHECK(open_segment(disk, job, false));
  std::vector<uint8_t> buffer(job.row.header);
  return open_header(job, buffer.data());
}

Result<void> load_table(Disk& disk, ReadJob& job) {
  DFS_CHECK(open_segment(disk, job, false));
  if (job.table != nullptr) return {};
  const uint64_t size = tail_bytes(job.row.length);
  std::vector<uint8_t> tail(size);
  DFS_CHECK(read_exactly(job, job.row.tail_offset(), tail.data(), size));
  auto table = open_tail(job.key, job.place, job.row.length, job.row.crc32c, tail.data());
  job.damaged = !table;
  if (!table) return std::move(table).error();
  job.table = std::make_shared<const ChunkTable>(std::move(*table));
  return {};
}

Result<void> read_range(Disk& disk, ReadJob& job) {
  DFS_CHECK(load_table(disk, job));
  const uint64_t first = job.offset / kChunkBytes * kChunkBytes;
  const uint64_t end = job.offset + job.length;
  const uint64_t last = std::min(round_up(end, kChunkBytes), job.row.length);
  DFS_ASSERT(last - first <= BufferPool::kBufferBytes);
  const auto buffer = std::move(job.buffer);
  DFS_CHECK(read_exactly(job, job.row.data_offset() + first, buffer.get(), last - first));
  uint32_t crc = 0;
  for (uint64_t at = first; at < last; at += kChunkBytes) {
    const uint64_t size = std::min(kChunkBytes, last - at);
    const uint32_t chunk = crc32c(buffer.get() + (at - first), size);
    if (chunk != (*job.table)[at / kChunkBytes]) return damaged_near(job, at);
    crc = crc32c_combine(crc, chunk, size);
  }
  const uint8_t* data = buffer.get() + (job.offset - first);
  const bool whole_chunks = first == job.offset && last == end;
  job.crc32c = whole_chunks ? crc : crc32c(data, job.length);
  job.payload = Payload(buffer, data, job.length);
  return {};
}

Result<void> verify_part(Disk& disk, ReadJob& job) {
  DFS_CHECK(open_segment(disk, job, true));
  if (job.offset == 0) {
    const auto header = open_header(job, job.buffer.get());
    if (!header) return header.error();
    const uint64_t size = tail_bytes(job.row.length);
    DFS_CHECK(read_exactly(job, job.row.tail_offset(), job.buffer.get(), size));
    auto table = open_tail(job.key, job.place, job.row.length, job.row.crc32c, job.buffer.get());
    job.damaged = !table;
    if (!table) return std::move(table).error();
    job.table = std::make_shared<const ChunkTable>(std::move(*table));
  }
  const uint64_t end = std::min(job.offset + kPartBytes, job.row.length);
  DFS_CHECK(read_exactly(job, job.row.data_offset() + job.offset, job.buffer.get(),
                         data_bytes(end - job.offset)));
  for (uint64_t at = job.offset; at < end; at += kChunkBytes) {
    const uint64_t size = std::min(kChunkBytes, end - at);
    const uint32_t chunk = crc32c(job.buffer.get() + (at - job.offset), size);
    if (chunk != (*job.table)[at / kChunkBytes]) return damaged_near(job, at);
    job.crc32c = crc32c_combine(job.crc32c, chunk, size);
  }
  job.offset = end;
  if (end == job.row.length && job.crc32c != job.row.crc32c) return damaged_near(job, 0);
  return {};
}

Result<void> compare_part(Disk& disk, ReadJob& job, const Payload& payload, uint32_t crc) {
  DFS_CHECK(load_table(disk, job));
  ChunkTable entries(chunks_of(payload.size()));
  if (hash_chunks(payload, nullptr, entries.data()) != crc) {
    return wrong_payload(job.key, job.offset);
  }
  const uint64_t first = job.offset / kChunkBytes;
  const uint64_t end = job.offset + payload.size();
  // Only the last part may be smaller than its chunks, so the table can be compared as it is.
  if (end <= job.row.length && (end % kChunkBytes == 0 || end == job.row.length) &&
      std::equal(entries.begin(), entries.end(),
                 job.table->begin() + static_cast<ptrdiff_t>(first))) {
    return {};
  }
  return {Code::invalid, "block " + to_string(job.key) + " is here already with other content"};
}

}  // namespace dfs::storage
