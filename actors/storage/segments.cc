#include "actors/storage/segments.h"

#include <algorithm>

namespace dfs::storage {

void Segments::adopt(const Recovered& recovered) {
  for (const RecoveredSegment& old : recovered.segments) {
    Segment& segment = segments_[old.number];
    segment.number = old.number;
    segment.nonce = old.nonce;
    segment.bytes = segment.end = old.end;
    segment.live_bytes = old.live_bytes;
    segment.live_blocks = old.live_blocks;
    segment.trimmed = true;
    used_bytes_ += old.live_bytes;
    blocks_ += old.live_blocks;
  }
  last_number_ = recovered.last_number;
}

void Segments::add(const NewSegment& created) {
  Segment& segment = segments_[created.number];
  segment.number = created.number;
  segment.nonce = created.nonce;
  segment.bytes = created.bytes;
  segment.end = kAlignment;
  segment.writer = created.file;
  if (!active_) {
    active_ = created.number;
  } else {
    spare_ = created.number;
  }
}

Segment* Segments::find(uint32_t number) {
  const auto found = segments_.find(number);
  return found == segments_.end() ? nullptr : &found->second;
}

std::vector<uint32_t> Segments::open_numbers() const {
  std::vector<uint32_t> numbers;
  if (active_) numbers.push_back(*active_);
  if (spare_) numbers.push_back(*spare_);
  return numbers;
}

std::optional<Place> Segments::allocate(uint64_t bytes) {
  while (Segment* segment = active()) {
    if (!segment->fenced && segment->end + bytes <= segment->bytes) {
      const Place place{segment->number, segment->nonce, segment->end};
      segment->unsettled[place.offset] = bytes;
      segment->end += bytes;
      used_bytes_ += bytes;
      return place;
    }
    // A spare that is too small as well would be given up unused; the caller makes a larger one.
    const Segment* spare = spare_ ? find(*spare_) : nullptr;
    active_ = spare_;
    spare_.reset();
    if (spare == nullptr) break;
  }
  return std::nullopt;
}

std::optional<FreeRange> Segments::settle(Segment& segment, uint64_t offset, uint64_t bytes) {
  const auto found = segment.unsettled.find(offset);
  DFS_ASSERT(found != segment.unsettled.end() && found->second >= bytes);
  const uint64_t slack = found->second - bytes;
  const uint64_t allocated_end = offset + found->second;
  segment.unsettled.erase(found);
  segment.live_bytes += bytes;
  ++segment.live_blocks;
  ++blocks_;
  used_bytes_ -= slack;
  if (slack == 0) return std::nullopt;
  if (segment.end == allocated_end) {
    segment.end -= slack;
    return std::nullopt;
  }
  ++segment.freeing;
  return FreeRange{segment.number, offset + bytes, slack};
}

std::optional<FreeRange> Segments::give_up(Segment& segment, uint64_t offset, bool sealed) {
  const auto found = segment.unsettled.find(offset);
  DFS_ASSERT(found != segment.unsettled.end());
  // What a fenced segment holds there is judged by the next start.
  if (segment.fenced) return std::nullopt;
  const uint64_t bytes = found->second;
  segment.unsettled.erase(found);
  used_bytes_ -= bytes;
  if (!sealed && segment.end == offset + bytes) {
    segment.end = offset;
    return std::nullopt;
  }
  ++segment.freeing;
  return FreeRange{segment.number, offset, bytes};
}

void Segments::remove_block(Segment& segment, uint64_t bytes) {
  segment.live_bytes -= bytes;
  --segment.live_blocks;
  ++segment.freeing;
  used_bytes_ -= bytes;
  --blocks_;
}

void Segments::fence(Segment& segment) {
  segment.fenced = true;
  if (active_ == segment.number) {
    active_ = spare_;
    spare_.reset();
  } else if (spare_ == segment.number) {
    spare_.reset();
  }
}

void Segments::erase(uint32_t number) {
  const auto found = segments_.find(number);
  if (found == segments_.end()) return;
  if (found->second.reader != nullptr) --readers_;
  segments_.erase(found);
}

bool Segments::closed(const Segment& segment) const {
  return segment.unsettled.empty() && !segment.fenced && active_ != segment.number &&
         spare_ != segment.number;
}

uint64_t Segments::reserved_bytes() const {
  uint64_t bytes = 0;
  for (const uint32_t number : open_numbers()) {
    const Segment& segment = segments_.at(number);
    bytes += segment.bytes - segment.end;
  }
  return bytes;
}

void Segments::touch_reader(Segment& segment, std::shared_ptr<File> reader, size_t max) {
  segment.last_read = ++reads_;
  if (segment.reader != nullptr) return;
  segment.reader = std::move(reader);
  if (++readers_ <= max) return;
  Segment* oldest = nullptr;
  for (auto& [number, other] : segments_) {
    if (other.reader == nullptr) continue;
    if (oldest == nullptr || other.last_read < oldest->last_read) oldest = &other;
  }
  oldest->reader.reset();
  --readers_;
}

}  // namespace dfs::storage
