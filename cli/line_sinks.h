// Sinks that look for the ends of lines in bytes that arrive in order.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "actors/client/client.h"

namespace dfs::cli {

// Hands on the first lines, and fails when it has them all: there is no need for more.
class FirstLines : public Sink {
 public:
  FirstLines(std::shared_ptr<Sink> out, uint64_t lines) : out_(std::move(out)), left_(lines) {}
  bool seekable() const override { return false; }
  Result<void> prepare(uint64_t size) override { return out_->prepare(size); }
  Result<void> write(uint64_t offset, const void* data, size_t size) override;
  Result<void> finish() override { return out_->finish(); }
  bool done() const { return left_ == 0; }

 private:
  std::shared_ptr<Sink> out_;
  uint64_t left_;
};

// Finds where the last `lines` lines of a file begin, in its bytes from `begin` to its end. The
// last line may lack its newline.
class LastLines : public Sink {
 public:
  LastLines(uint64_t begin, uint64_t end, uint64_t lines)
      : begin_(begin), end_(end), lines_(lines) {}
  bool seekable() const override { return false; }
  Result<void> prepare(uint64_t) override { return {}; }
  Result<void> write(uint64_t offset, const void* data, size_t size) override;
  Result<void> finish() override { return {}; }
  // Nothing when they begin before `begin`.
  std::optional<uint64_t> found() const;

 private:
  uint64_t begin_;
  uint64_t end_;
  uint64_t lines_;
  std::deque<uint64_t> starts_;  // of lines, the last `lines_` of them
};

// The checksum of what arrives.
class CrcSink : public Sink {
 public:
  bool seekable() const override { return false; }
  Result<void> prepare(uint64_t) override { return {}; }
  Result<void> write(uint64_t offset, const void* data, size_t size) override;
  Result<void> finish() override { return {}; }
  uint32_t crc() const { return crc_; }

 private:
  uint32_t crc_ = 0;
};

}  // namespace dfs::cli
