// The simulator's only source of chance: xoshiro256** (Blackman & Vigna 2018), seeded by
// splitmix64. The standard library's distributions are not used: they differ between
// implementations.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "broker/bus.h"

namespace dfs::sim {

inline uint64_t splitmix64(uint64_t& state) {
  uint64_t z = (state += 0x9e3779b97f4a7c15ull);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
  return z ^ (z >> 31);
}

class Random {
 public:
  explicit Random(uint64_t seed) {
    for (uint64_t& word : state_) word = splitmix64(seed);
  }

  uint64_t next() {
    const uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
    const uint64_t shifted = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= shifted;
    state_[3] = std::rotl(state_[3], 45);
    return result;
  }

  uint64_t below(uint64_t bound) { return bound == 0 ? 0 : next() % bound; }
  uint64_t between(uint64_t low, uint64_t high) { return low + below(high - low + 1); }
  bool chance(double probability) { return unit() < probability; }
  double unit() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }  // in [0, 1)
  Duration between(Duration low, Duration high) {
    return Duration(
        between(static_cast<uint64_t>(low.count()), static_cast<uint64_t>(high.count())));
  }
  template <class Container>
  auto& pick(Container& container) {
    return container[below(container.size())];
  }

  // A stream of its own, so that more draws in one place do not shift those of another.
  Random fork() { return Random(next()); }

 private:
  std::array<uint64_t, 4> state_;
};

}  // namespace dfs::sim
