#include "cli/line_sinks.h"

#include <cstring>

#include "messages/crc32c.h"

namespace dfs::cli {

Result<void> FirstLines::write(uint64_t offset, const void* data, size_t size) {
  const char* const begin = static_cast<const char*>(data);
  const char* const end = begin + size;
  const char* at = begin;
  while (left_ > 0 && at < end) {
    const void* newline = std::memchr(at, '\n', static_cast<size_t>(end - at));
    if (newline == nullptr) {
      at = end;
    } else {
      at = static_cast<const char*>(newline) + 1;
      --left_;
    }
  }
  if (at > begin) DFS_CHECK(out_->write(offset, begin, static_cast<size_t>(at - begin)));
  return left_ > 0 ? Result<void>() : Result<void>(Code::cancelled, "all lines are there");
}

Result<void> LastLines::write(uint64_t offset, const void* data, size_t size) {
  if (lines_ == 0) return {};
  const char* const begin = static_cast<const char*>(data);
  const char* const end = begin + size;
  for (const char* at = begin; at < end;) {
    const void* newline = std::memchr(at, '\n', static_cast<size_t>(end - at));
    if (newline == nullptr) break;
    at = static_cast<const char*>(newline) + 1;
    const uint64_t start = begin_ + offset + static_cast<uint64_t>(at - begin);
    if (start >= end_) break;  // nothing follows the last newline
    starts_.push_back(start);
    if (starts_.size() > lines_) starts_.pop_front();
  }
  return {};
}

std::optional<uint64_t> LastLines::found() const {
  if (lines_ == 0) return end_;
  if (starts_.size() == lines_) return starts_.front();
  if (begin_ == 0) return 0;
  return std::nullopt;
}

Result<void> CrcSink::write(uint64_t, const void* data, size_t size) {
  crc_ = crc32c(data, size, crc_);
  return {};
}

}  // namespace dfs::cli
