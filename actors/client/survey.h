// What the storage nodes really hold of a file, against what the monitor's record of it promises.
// Nothing is read but the nodes' lists of blocks.
#pragma once

#include <string>
#include <vector>

#include "broker/calls.h"
#include "broker/task.h"
#include "messages/cluster.h"
#include "messages/namespace.h"

namespace dfs {

enum class CopyState : uint8_t {
  good,     // as long as it must be, its checksum that of the others
  bad,      // found damaged by the node itself
  wrong,    // of another length or checksum than it must be
  missing,  // the node should have it, and has not
  filling,  // the same, of a node that is known to lack blocks
  silent,   // the node is down, or did not answer
};
const char* name_of(CopyState state);

struct CopyView {
  NodeId node = 0;
  CopyState state = CopyState::good;
  int64_t verified_ms = 0;  // of a good one: when all its bytes were last seen to be right
};

struct BlockSurvey {
  uint32_t index = 0;
  GroupId group = 0;
  uint64_t length = 0;
  uint32_t crc32c = 0;           // of the good copies
  uint32_t wanted = 0;           // copies, by the pool
  std::vector<CopyView> copies;  // one for each holder of the group: members, then leaving ones

  uint32_t good() const;
  std::vector<NodeId> nodes_with(CopyState state) const;
  int64_t verified_ms() const;  // the oldest of the good copies; 0: unknown
};

struct FileSurvey {
  InodeInfo info;
  std::vector<BlockSurvey> blocks;  // none when the content is inline
  // The blocks' checksums together are the file's. Not known while a block has no good copy.
  bool checksum_right = true;
  Freshness freshness;

  bool complete() const;        // every block has as many good copies as wanted
  uint32_t copies_min() const;  // good ones, of any block
  int64_t verified_ms() const;  // the oldest of all good copies; 0: unknown, or inline
};

// Asks every holder of the file's groups that is up. `map` tells the pools. All that is pointed to
// must outlive the flow. `malformed` when the layout makes no sense.
Task<Result<FileSurvey>> survey(Bus* bus, Calls* calls, const ClusterMap* map,
                                OpenFileReply opened);

}  // namespace dfs
