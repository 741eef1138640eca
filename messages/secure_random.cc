#include "messages/secure_random.h"

#include <sodium.h>

#include <utility>

#include "messages/result.h"

namespace dfs {

std::string secure_random(size_t size) {
  DFS_ASSERT(sodium_init() >= 0);
  std::string bytes(size, '\0');
  randombytes_buf(bytes.data(), bytes.size());
  return bytes;
}

uint64_t SecureNumbers::next() {
  if (used_ == numbers_.size()) {
    DFS_ASSERT(sodium_init() >= 0);
    randombytes_buf(numbers_.data(), sizeof numbers_);
    used_ = 0;
  }
  return std::exchange(numbers_[used_++], 0);
}

}  // namespace dfs
