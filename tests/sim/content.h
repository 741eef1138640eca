// File contents that need no memory: every byte is a function of a seed and its offset.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "actors/client/client.h"

namespace dfs::sim {

struct Content {
  uint64_t seed = 0;
  uint64_t size = 0;
  bool operator==(const Content&) const = default;

  void fill(uint64_t offset, uint8_t* out, size_t size) const;
  uint32_t crc32c(uint64_t offset, uint64_t size) const;  // of a range that lies inside
  uint32_t crc32c() const { return crc32c(0, size); }
};

// Offers a content for upload; a stream hides its size and must be read in order.
std::shared_ptr<Source> make_source(Content content, bool stream);

// What a download did with its sink.
struct SinkVerdict {
  bool finished = false;
  std::string fault;  // what was wrong with the bytes, or with the calls
};

// Compares what is written with the content that is expected.
std::shared_ptr<Sink> make_sink(Content content, bool stream, std::shared_ptr<SinkVerdict> verdict);

}  // namespace dfs::sim
