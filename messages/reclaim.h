// The conversation "reclaim": which blocks nobody will ever read again.
//
//   client → monitor:   RenewUploads → RenewUploadsReply
//   storage → monitor:  JudgeBlocks → JudgeBlocksReply
#pragma once

#include <vector>

#include "messages/ids.h"
#include "messages/message.h"
#include "messages/repair.h"

namespace dfs {

// `lost`: objects whose upload was given up; their blocks will not be accepted by a commit.
struct RenewUploadsReply {
  uint32_t lease_ms = 0;  // the uploads live so long from now; renew them before half of it passed
  std::vector<ObjectId> lost;
  std::vector<Blob> grants = {};  // new ones for those asked about, in their order; see PlanFile
  DFS_MESSAGE(RenewUploadsReply, lease_ms, lost, grants)
};
// "These uploads are still under way." A leader that does not know them yet takes them in.
struct RenewUploads {
  std::vector<ObjectId> objects;
  std::vector<Blob> grants = {};  // of each, in the same order: they show whose uploads they are
  using Reply = RenewUploadsReply;
  const char* invalid() const {
    if (!grants.empty() && grants.size() != objects.size()) return "grants are not one per object";
    return objects.size() > kBatchMax ? "more than 4096 objects" : nullptr;
  }
  DFS_MESSAGE(RenewUploads, objects, grants)
};

enum class Verdict : uint8_t {
  live = 1,     // content, of now or of history, and it belongs here
  pending = 2,  // an upload that may still be under way, or nothing certain yet
  dead = 3,     // declared dead in the log: to be removed
  stray = 4,    // of live content, whose layout has this block in another group, `home`
};

struct BlockName {
  ObjectId object = 0;
  uint32_t index = 0;
  GroupId group = 0;
  DFS_FIELDS(object, index, group)
};
struct BlockVerdict {
  Verdict verdict = Verdict::pending;
  GroupId home = 0;  // of a stray
  DFS_FIELDS(verdict, home)
};

inline constexpr size_t kVerdictsMax = 1000;

// In the order asked.
struct JudgeBlocksReply {
  std::vector<BlockVerdict> verdicts;
  DFS_MESSAGE(JudgeBlocksReply, verdicts)
};
// Asked by a node about blocks that it has had for longer than a grace time. Objects that are no
// content and no upload under way are declared dead by this; the answer says `pending` until the
// log says so. With `node` 0 somebody only looks, and nothing is declared.
struct JudgeBlocks {
  NodeId node = 0;
  std::vector<BlockName> blocks;
  using Reply = JudgeBlocksReply;
  const char* invalid() const {
    return blocks.size() > kVerdictsMax ? "more than 1000 blocks" : nullptr;
  }
  DFS_MESSAGE(JudgeBlocks, node, blocks)
};

}  // namespace dfs
