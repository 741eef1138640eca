// A checksum of bytes that arrive in order, and a sink that keeps nothing else of them.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "actors/client/client.h"

namespace dfs::cli {

enum class DigestKind { crc32c, md5, sha256 };
const char* name_of(DigestKind kind);

class Digest {
 public:
  explicit Digest(DigestKind kind);
  ~Digest();
  Digest(const Digest&) = delete;
  Digest& operator=(const Digest&) = delete;
  void update(const void* data, size_t size);
  std::string hex();  // once, at the end

 private:
  struct State;
  std::unique_ptr<State> state_;
};

class DigestSink : public Sink {
 public:
  explicit DigestSink(DigestKind kind) : digest_(kind) {}
  bool seekable() const override { return false; }
  Result<void> prepare(uint64_t) override { return {}; }
  Result<void> write(uint64_t, const void* data, size_t size) override {
    digest_.update(data, size);
    return {};
  }
  Result<void> finish() override { return {}; }
  std::string hex() { return digest_.hex(); }

 private:
  Digest digest_;
};

}  // namespace dfs::cli
