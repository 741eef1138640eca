// Names of things that outlive a process. All are handed out once and never reused.
#pragma once

#include <cstdint>
#include <string>

namespace dfs {

using NodeId = uint32_t;    // a storage node, from 1; handed out by the monitor at its first Join
using ObjectId = uint64_t;  // the immutable bytes of one upload; namespace shard in the top 16 bits
using Ino = uint64_t;       // an inode; namespace shard in the top 16 bits
using GroupId = uint32_t;   // a placement group; numbered across all pools
using PoolId = uint32_t;    // a pool; 0 is the default one
using Epoch = uint64_t;     // grows with each change of a group or of the cluster map
using LogIndex = uint64_t;  // position in a replicated log, from 1
using KeyId = uint64_t;     // a key of a pool; random, 0 is none
using MemberId = uint64_t;  // a member of a replicated log's group, from 1; the number of its head

inline constexpr Ino kRootIno = 1;

// One block of an object.
struct BlockId {
  ObjectId object = 0;
  uint32_t index = 0;
  auto operator<=>(const BlockId&) const = default;
};

std::string to_string(const BlockId& id);  // "1f:3"

}  // namespace dfs
