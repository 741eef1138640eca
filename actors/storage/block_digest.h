// The digest of a group (messages/repair.h): kept in memory, changed with every block that comes or
// goes, so that two nodes compare what they hold without reading it.
#pragma once

#include <map>
#include <vector>

#include "actors/storage/segment_format.h"
#include "messages/repair.h"

namespace dfs::storage {

// The finaliser of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014): each bit of the outcome depends on
// each bit of `value`.
constexpr uint64_t mix64(uint64_t value) {
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9ull;
  value = (value ^ (value >> 27)) * 0x94d049bb133111ebull;
  return value ^ (value >> 31);
}

// What one block adds to a sum. The same on every node for ever: nodes compare sums of it.
constexpr uint64_t digest_mix(uint64_t seed, const BlockKey& key, uint64_t length, uint32_t crc) {
  uint64_t state = mix64(seed ^ key.object);
  state = mix64(state ^ (uint64_t{key.group} << 32 | key.index));
  return mix64(state ^ (length << 32 | crc));
}
inline constexpr uint64_t kDigestSeedA = 0x9e3779b97f4a7c15ull;
inline constexpr uint64_t kDigestSeedB = 0xd1b54a32d192ed03ull;

class Digests {
 public:
  void add(const BlockKey& key, uint64_t length, uint32_t crc) {
    Digest& digest = groups_[key.group];
    digest.group = key.group;
    ++digest.blocks;
    digest.bytes += length;
    digest.sum_a += digest_mix(kDigestSeedA, key, length, crc);
    digest.sum_b += digest_mix(kDigestSeedB, key, length, crc);
  }
  // Of a block that was added.
  void take(const BlockKey& key, uint64_t length, uint32_t crc) {
    const auto found = groups_.find(key.group);
    DFS_ASSERT(found != groups_.end());
    Digest& digest = found->second;
    if (--digest.blocks == 0) {
      groups_.erase(found);
      return;
    }
    digest.bytes -= length;
    digest.sum_a -= digest_mix(kDigestSeedA, key, length, crc);
    digest.sum_b -= digest_mix(kDigestSeedB, key, length, crc);
  }
  // All zeros but the number when nothing is held of the group.
  Digest of(GroupId group) const {
    const auto found = groups_.find(group);
    if (found != groups_.end()) return found->second;
    Digest none;
    none.group = group;
    return none;
  }
  std::vector<GroupId> groups() const {
    std::vector<GroupId> groups;
    for (const auto& [group, digest] : groups_) groups.push_back(group);
    return groups;
  }

 private:
  std::map<GroupId, Digest> groups_;
};

// Of the blocks of both, which have none in common.
inline Digest sum(Digest a, const Digest& b) {
  a.blocks += b.blocks;
  a.bytes += b.bytes;
  a.sum_a += b.sum_a;
  a.sum_b += b.sum_b;
  return a;
}

}  // namespace dfs::storage
