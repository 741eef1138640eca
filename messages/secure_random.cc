#include "messages/secure_random.h"

#include <sodium.h>

#include "messages/result.h"

namespace dfs {

std::string secure_random(size_t size) {
  DFS_ASSERT(sodium_init() >= 0);
  std::string bytes(size, '\0');
  randombytes_buf(bytes.data(), bytes.size());
  return bytes;
}

}  // namespace dfs
