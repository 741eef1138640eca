// So many bytes that nobody can guess, from the machine's source of randomness.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

namespace dfs {

std::string secure_random(size_t size);

// The same as numbers, at a cost that matters nowhere. Not for several threads.
class SecureNumbers {
 public:
  uint64_t next();

 private:
  std::array<uint64_t, 64> numbers_{};
  size_t used_ = 64;
};

// Other sources than secure_random() are for simulations.
using RandomBytes = std::function<std::string(size_t)>;

}  // namespace dfs
