#include "actors/storage/recovery.h"

#include <algorithm>
#include <map>

#include "actors/storage/segment_io.h"
#include "messages/crc32c.h"

namespace dfs::storage {

namespace {

constexpr uint64_t kScanBytes = 1 << 20;

struct Range {
  uint64_t begin = 0;
  uint64_t end = 0;
};

// One segment file while it is examined.
class SegmentScan {
 public:
  SegmentScan(File& file, const SegmentHeader& header, uint64_t size)
      : file_(file), header_(header), size_(size), window_(kScanBytes + 2 * kAlignment) {}

  // Calls `found` for each whole, undamaged extent in [from, size), in order. `rejected` counts
  // headers of this place whose data is not all there, `unreadable` the blocks of 4 KiB that the
  // disk cannot read.
  template <class Found>
  Result<void> run(uint64_t from, uint64_t& rejected, uint64_t& unreadable, const Found& found) {
    for (uint64_t at = from; at + kAlignment <= size_;) {
      auto bytes = peek(at);
      if (!bytes) {
        ++unreadable;
        at += kAlignment;
        continue;
      }
      uint32_t region = 0;
      auto header = open_extent_header(*bytes, peeked_, region);
      if (header.code() == Code::unsupported) return std::move(header).error();
      const Place here{header_.segment, header_.nonce, at};
      // A header that believes to be elsewhere is user data, or was written to the wrong place.
      if (!header || header->place() != here) {
        at += kAlignment;
        continue;
      }
      const BlockRow row{.segment = header_.segment,
                         .offset = at,
                         .header = region,
                         .length = header->length,
                         .crc32c = header->crc32c,
                         .epoch = header->epoch,
                         .created_ms = header->created_ms};
      auto whole = verify(*header, row);
      if (!whole) ++unreadable;
      if (!whole || !*whole) {
        ++rejected;
        at += kAlignment;
        continue;
      }
      found(header->key(), row);
      at += row.bytes();
    }
    return {};
  }

 private:
  // At least two blocks from `at` on, or what is left of the file.
  Result<const uint8_t*> peek(uint64_t at) {
    const bool inside = at >= start_ && at + 2 * kAlignment <= start_ + filled_;
    const bool at_end = at >= start_ && start_ + filled_ >= size_;
    if (!inside && !at_end) {
      auto read = file_.read_at(at, window_.data(), window_.size());
      // What is wrong with a window may be right with its begin.
      if (!read) read = file_.read_at(at, window_.data(), 2 * kAlignment);
      if (!read) return std::move(read).error();
      start_ = at;
      filled_ = *read;
    }
    peeked_ = start_ + filled_ - at;
    return static_cast<const uint8_t*>(window_.data() + (at - start_));
  }

  // The header alone proves nothing: the machine may have died between any two sectors.
  Result<bool> verify(const ExtentHeader& header, const BlockRow& row) {
    if (header.length > kBlockBytesMax || row.offset + row.bytes() > size_) return false;
    std::vector<uint8_t> bytes(std::max(tail_bytes(row.length), kScanBytes));
    auto read = file_.read_at(row.tail_offset(), bytes.data(), tail_bytes(row.length));
    if (!read) return std::move(read).error();
    if (*read != tail_bytes(row.length)) return false;
    const auto table =
        open_tail(header.key(), header.place(), row.length, row.crc32c, bytes.data());
    if (!table) return false;
    uint32_t crc = 0;
    for (uint64_t at = 0; at < row.length; at += kScanBytes) {
      const uint64_t size = std::min(kScanBytes, row.length - at);
      auto data = file_.read_at(row.data_offset() + at, bytes.data(), size);
      if (!data) return std::move(data).error();
      if (*data != size) return false;
      for (uint64_t i = 0; i < size; i += kChunkBytes) {
        const uint64_t chunk_size = std::min(kChunkBytes, size - i);
        const uint32_t chunk = crc32c(bytes.data() + i, chunk_size);
        if (chunk != (*table)[(at + i) / kChunkBytes]) return false;
        crc = crc32c_combine(crc, chunk, chunk_size);
      }
    }
    return crc == row.crc32c;
  }

  File& file_;
  const SegmentHeader& header_;
  const uint64_t size_;
  std::vector<uint8_t> window_;
  uint64_t start_ = 0;
  uint64_t filled_ = 0;
  uint64_t peeked_ = 0;
};

class Recovery {
 public:
  Recovery(Disk& disk, Table& table, const std::string& directory, const std::string& cluster)
      : disk_(disk), table_(table), directory_(directory), cluster_(cluster) {}

  Result<Recovered> run() {
    DFS_CHECK(check_index_format(table_));
    DFS_CHECK(disk_.make_directories(segments_directory(directory_)));
    DFS_CHECK(load_rows());
    auto names = disk_.list(segments_directory(directory_));
    if (!names) return std::move(names).error();
    for (const std::string& name : *names) {
      uint32_t number = 0;
      if (!parse_segment_name(name, number)) continue;
      out_.last_number = std::max(out_.last_number, number);
      DFS_CHECK(examine(number));
    }
    for (const auto& [number, live] : live_) {
      if (live.blocks == 0 || seen_.contains(number)) continue;
      ++out_.report.segments_missing;
      short_[number] = 0;
    }
    if (!short_.empty()) DFS_CHECK(flag_lost());
    DFS_CHECK(forget_removed());
    return std::move(out_);
  }

 private:
  struct Live {
    uint64_t bytes = 0;
    uint64_t blocks = 0;
    uint64_t end = 0;
  };

  Result<void> load_rows() {
    DFS_CHECK(scan_blocks(table_, {}, [&](const BlockKey& key, const BlockRow& row) {
      count(key, row);
      return true;
    }));
    DFS_CHECK(scan_marks(table_, [&](uint32_t number, const Mark& mark) {
      marks_[number] = mark;
      out_.last_number = std::max(out_.last_number, number);
    }));
    return scan_free(table_, [&](const FreeRange& range) {
      frees_[range.segment].push_back(range);
      out_.last_number = std::max(out_.last_number, range.segment);
    });
  }

  void count(const BlockKey& key, const BlockRow& row) {
    if (row.bad) {
      ++out_.report.bad;
    } else {
      out_.digests.add(key, row.length, row.crc32c);
    }
    Live& live = live_[row.segment];
    live.bytes += row.bytes();
    ++live.blocks;
    live.end = std::max(live.end, row.offset + row.bytes());
    out_.last_number = std::max(out_.last_number, row.segment);
    ++out_.report.blocks;
    out_.report.bytes += row.bytes();
  }

  Result<void> examine(uint32_t number) {
    seen_[number] = true;
    const std::string path = segment_path(directory_, number);
    auto opened = disk_.open(path, {});
    if (!opened) return std::move(opened).error();
    File& file = **opened;
    auto size = file.size();
    if (!size) return std::move(size).error();
    std::vector<uint8_t> first(kAlignment);
    auto read = file.read_at(0, first.data(), first.size());
    auto header = open_segment_header(first.data(), read ? *read : 0);
    if (header.code() == Code::unsupported) {
      return {Code::unsupported, path + " was " + header.error().text};
    }
    if (!header || header->segment != number) {
      // Creation syncs the header before any block goes in; without blocks nothing is lost.
      if (!live_.contains(number)) return remove(number, path);
      // The blocks prove themselves, and the nonce is in the index as well.
      const auto mark = marks_.find(number);
      if (mark == marks_.end()) {
        ++out_.report.segments_missing;
        short_[number] = 0;
        return {};
      }
      SegmentHeader again{cluster_, number, mark->second.nonce, 0};
      seal_segment_header(again, first.data());
      DFS_CHECK(file.write_at(0, first.data(), first.size()));
      header = std::move(again);
    }
    if (!cluster_.empty() && header->cluster != cluster_) {
      return {Code::invalid, path + " belongs to cluster " + header->cluster +
                                 ", but this directory to " + cluster_};
    }
    return settle(number, path, file, *header, *size);
  }

  Result<void> settle(uint32_t number, const std::string& path, File& file,
                      const SegmentHeader& header, uint64_t size) {
    const auto marked = marks_.find(number);
    const bool trusted = marked != marks_.end() && marked->second.nonce == header.nonce;
    const uint64_t mark = std::min(trusted ? marked->second.offset : kAlignment, size);
    Batch batch;
    std::map<uint64_t, uint64_t> kept;  // extents behind the mark: offset → end
    const uint64_t unreadable_before = out_.report.unreadable;
    DFS_CHECK(scan(file, header, mark, size, kept, batch));
    const bool all_read = out_.report.unreadable == unreadable_before;

    const auto live = live_.find(number);
    if (live == live_.end() && all_read) return remove(number, path);
    if (live == live_.end()) return {};
    if (live->second.end > size) short_[number] = size;

    // What is not kept goes back first. Once the mark says so, nobody looks there again.
    std::vector<Range> dead;
    for (const FreeRange& range : frees_[number]) {
      dead.push_back({range.offset, std::min(range.offset + range.bytes, size)});
      erase_free(batch, range);
      ++out_.report.frees_finished;
    }
    uint64_t at = mark;
    for (const auto& [begin, end] : kept) {
      if (begin > at && all_read) dead.push_back({at, begin});
      at = end;
    }
    for (const Range& range : dead) {
      if (range.end > range.begin) DFS_CHECK(file.punch(range.begin, range.end - range.begin));
    }
    // What cannot be read is nobody's to punch: perhaps it can be at the next start.
    const uint64_t end = all_read ? std::max(at, live->second.end) : size;
    if (end < size) DFS_CHECK(file.truncate(end));
    DFS_CHECK(file.sync());
    put_mark(batch, number, {header.nonce, all_read ? end : mark});
    DFS_CHECK(table_.write(batch, Durability::synced));
    out_.segments.push_back({number, header.nonce, end, live->second.bytes, live->second.blocks});
    ++out_.report.segments;
    return {};
  }

  Result<void> scan(File& file, const SegmentHeader& header, uint64_t mark, uint64_t size,
                    std::map<uint64_t, uint64_t>& kept, Batch& batch) {
    out_.report.scanned_bytes += size - mark;
    Result<void> outcome;
    SegmentScan scan(file, header, size);
    const auto found = [&](const BlockKey& key, const BlockRow& row) {
      auto known = find_block(table_, key);
      if (!known) {
        outcome = std::move(known).error();
        return;
      }
      const auto added = added_.find(key);
      const bool indexed = known->has_value() && (*known)->same_extent(row);
      const bool superseded = !indexed && (known->has_value() || added != added_.end());
      if (superseded || freed(row)) {
        ++out_.report.dropped;
        return;
      }
      kept[row.offset] = row.offset + row.bytes();
      if (indexed) return;
      put_block(batch, key, row);
      added_[key] = true;
      count(key, row);
      ++out_.report.found;
    };
    DFS_CHECK(scan.run(mark, out_.report.dropped, out_.report.unreadable, found));
    return outcome;
  }

  // The rows stay, so that everybody learns what is missing here.
  Result<void> flag_lost() {
    Batch batch;
    DFS_CHECK(scan_blocks(table_, {}, [&](const BlockKey& key, const BlockRow& row) {
      const auto found = short_.find(row.segment);
      if (row.bad || found == short_.end() || row.offset + row.bytes() <= found->second) {
        return true;
      }
      BlockRow bad = row;
      bad.bad = true;
      put_block(batch, key, bad);
      out_.digests.take(key, row.length, row.crc32c);
      ++out_.report.bad;
      ++out_.report.lost;
      return true;
    }));
    return batch.empty() ? Result<void>() : table_.write(batch, Durability::synced);
  }

  bool freed(const BlockRow& row) {
    const auto found = frees_.find(row.segment);
    if (found == frees_.end()) return false;
    return std::any_of(found->second.begin(), found->second.end(), [&](const FreeRange& range) {
      return row.offset >= range.offset && row.offset < range.offset + range.bytes;
    });
  }

  Result<void> remove(uint32_t number, const std::string& path) {
    DFS_CHECK(disk_.remove(path));
    DFS_CHECK(disk_.sync_directory(segments_directory(directory_)));
    Batch batch;
    erase_mark(batch, number);
    for (const FreeRange& range : frees_[number]) erase_free(batch, range);
    ++out_.report.segments_removed;
    return table_.write(batch, Durability::synced);
  }

  // A crash may fall between the removal of a file and that of its rows. They must not outlive
  // this start: a later segment may get the same number.
  Result<void> forget_removed() {
    Batch batch;
    for (const auto& [number, mark] : marks_) {
      if (!seen_.contains(number)) erase_mark(batch, number);
    }
    for (const auto& [number, ranges] : frees_) {
      if (seen_.contains(number)) continue;
      for (const FreeRange& range : ranges) erase_free(batch, range);
    }
    return batch.empty() ? Result<void>() : table_.write(batch, Durability::synced);
  }

  Disk& disk_;
  Table& table_;
  const std::string directory_;
  const std::string cluster_;
  Recovered out_;
  std::map<uint32_t, Live> live_;
  std::map<uint32_t, Mark> marks_;
  std::map<uint32_t, std::vector<FreeRange>> frees_;
  std::map<uint32_t, bool> seen_;
  std::map<uint32_t, uint64_t> short_;  // segments that end before their blocks do, and where
  std::map<BlockKey, bool> added_;      // found behind marks, not in the table yet
};

}  // namespace

Result<Recovered> recover(Disk& disk, Table& table, const std::string& directory,
                          const std::string& cluster) {
  return Recovery(disk, table, directory, cluster).run();
}

}  // namespace dfs::storage
