#include "tests/sim/content.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <vector>

#include "messages/crc32c.h"
#include "tests/sim/random.h"

namespace dfs::sim {

namespace {

uint64_t word_at(uint64_t seed, uint64_t index) {
  uint64_t state = seed + index * 0xd1342543de82ef95ull;
  return splitmix64(state);
}

class PatternSource : public Source {
 public:
  PatternSource(Content content, bool stream) : content_(content), stream_(stream) {}
  uint64_t size() const override { return stream_ ? kUnknownSize : content_.size; }
  bool seekable() const override { return !stream_; }
  Result<size_t> read(uint64_t offset, void* out, size_t size) override {
    if (stream_ && offset != next_) {
      return Result<size_t>(Code::local_io, "a stream was not read in order");
    }
    const uint64_t left = content_.size - std::min(content_.size, offset);
    const size_t bytes = std::min<uint64_t>(left, size);
    content_.fill(offset, static_cast<uint8_t*>(out), bytes);
    next_ = offset + bytes;
    return bytes;
  }

 private:
  const Content content_;
  const bool stream_;
  uint64_t next_ = 0;
};

class CheckingSink : public Sink {
 public:
  CheckingSink(Content content, bool stream, std::shared_ptr<SinkVerdict> verdict)
      : content_(content), stream_(stream), verdict_(std::move(verdict)) {}
  bool seekable() const override { return !stream_; }
  Result<void> prepare(uint64_t size) override {
    if (size != content_.size) fault("is prepared for " + std::to_string(size) + " bytes");
    return {};
  }
  Result<void> write(uint64_t offset, const void* data, size_t size) override {
    const std::string where = std::to_string(offset) + "+" + std::to_string(size);
    if (offset > content_.size || size > content_.size - offset) {
      fault("is written past the end: " + where);
      return {};
    }
    if (stream_ && offset != next_) fault("is a stream and not written in order: " + where);
    next_ = offset + size;
    expected_.resize(size);
    content_.fill(offset, expected_.data(), size);
    if (size > 0 && std::memcmp(expected_.data(), data, size) != 0) {
      fault("got wrong bytes at " + where);
    }
    cover(offset, offset + size);
    return {};
  }
  Result<void> finish() override {
    if (covered() != content_.size) {
      fault("is finished with " + std::to_string(covered()) + " bytes");
    }
    verdict_->finished = true;
    return {};
  }

 private:
  void fault(const std::string& what) {
    if (!verdict_->fault.empty()) return;
    verdict_->fault = "a sink for " + std::to_string(content_.size) + " bytes " + what;
  }
  void cover(uint64_t from, uint64_t until) {
    auto range = ranges_.upper_bound(from);
    if (range != ranges_.begin() && std::prev(range)->second >= from) --range;
    while (range != ranges_.end() && range->first <= until) {
      from = std::min(from, range->first);
      until = std::max(until, range->second);
      range = ranges_.erase(range);
    }
    if (from < until) ranges_[from] = until;
  }
  uint64_t covered() const {
    uint64_t bytes = 0;
    for (const auto& [from, until] : ranges_) bytes += until - from;
    return bytes;
  }

  const Content content_;
  const bool stream_;
  const std::shared_ptr<SinkVerdict> verdict_;
  uint64_t next_ = 0;
  std::map<uint64_t, uint64_t> ranges_;  // written so far; disjoint
  std::vector<uint8_t> expected_;
};

}  // namespace

void Content::fill(uint64_t offset, uint8_t* out, size_t bytes) const {
  while (bytes > 0) {
    const uint64_t word = word_at(seed, offset / 8);
    const size_t skip = offset % 8;
    const size_t take = std::min<size_t>(8 - skip, bytes);
    std::memcpy(out, reinterpret_cast<const uint8_t*>(&word) + skip, take);
    out += take;
    offset += take;
    bytes -= take;
  }
}

uint32_t Content::crc32c(uint64_t offset, uint64_t bytes) const {
  std::vector<uint8_t> buffer(std::min<uint64_t>(bytes, 64 * 1024));
  uint32_t crc = 0;
  while (bytes > 0) {
    const size_t take = std::min<uint64_t>(bytes, buffer.size());
    fill(offset, buffer.data(), take);
    crc = dfs::crc32c(buffer.data(), take, crc);
    offset += take;
    bytes -= take;
  }
  return crc;
}

std::shared_ptr<Source> make_source(Content content, bool stream) {
  return std::make_shared<PatternSource>(content, stream);
}

std::shared_ptr<Sink> make_sink(Content content, bool stream,
                                std::shared_ptr<SinkVerdict> verdict) {
  return std::make_shared<CheckingSink>(content, stream, std::move(verdict));
}

}  // namespace dfs::sim
