// Sources and sinks in memory, for tests, the simulator, and callers with small contents.
#pragma once

#include <algorithm>
#include <cstring>
#include <string>

#include "actors/client/client.h"

namespace dfs {

class MemorySource : public Source {
 public:
  // As a stream its size is not told, and it must be read in order.
  explicit MemorySource(std::string bytes, bool as_stream = false)
      : bytes_(std::move(bytes)), stream_(as_stream) {}

  uint64_t size() const override { return stream_ ? kUnknownSize : bytes_.size(); }
  bool seekable() const override { return !stream_; }
  Result<size_t> read(uint64_t offset, void* out, size_t size) override {
    if (offset >= bytes_.size()) return size_t{0};
    const size_t got = std::min<size_t>(size, bytes_.size() - offset);
    std::memcpy(out, bytes_.data() + offset, got);
    return got;
  }

 private:
  const std::string bytes_;  // read by several pool threads at once
  const bool stream_;
};

class MemorySink : public Sink {
 public:
  explicit MemorySink(bool as_stream = false) : stream_(as_stream) {}

  bool seekable() const override { return !stream_; }
  Result<void> prepare(uint64_t size) override {
    if (!stream_) bytes_.resize(size);
    return {};
  }
  // Distinct ranges may be written at once: the string does not move.
  Result<void> write(uint64_t offset, const void* data, size_t size) override {
    if (stream_) {
      if (offset != bytes_.size()) return {Code::local_io, "written out of order"};
      bytes_.append(static_cast<const char*>(data), size);
      return {};
    }
    if (offset + size > bytes_.size()) return {Code::local_io, "written past the end"};
    std::memcpy(bytes_.data() + offset, data, size);
    return {};
  }
  Result<void> finish() override {
    finished_ = true;
    return {};
  }

  const std::string& bytes() const { return bytes_; }
  bool finished() const { return finished_; }

 private:
  std::string bytes_;
  const bool stream_;
  bool finished_ = false;
};

}  // namespace dfs
