// The conversation "repair": how the members of a group come to hold the same blocks, and how a
// copy that is not needed is proven to be so.
//
//   storage, monitor → storage/N:  GetDigests → DigestList;  CheckCopies → CheckCopiesReply
//                                  (and ListBlocks, ReadBlock: blocks.h)
//   monitor → storage/N:           FillGroup → FillGroupReply, again and again until it is done
//   storage → monitor:             ConfirmSurplus → ConfirmSurplusReply
//                                  JudgeBlocks → JudgeBlocksReply (reclaim.h)
//   anyone → storage/N:            ControlScrub → ScrubStatus
#pragma once

#include <string>
#include <vector>

#include "messages/ids.h"
#include "messages/message.h"

namespace dfs {

// What a node holds of one group. Two nodes with equal digests hold the same good blocks: the sums
// are over a 64-bit mix of each block's key, length and checksum, with two different seeds, so that
// the order does not matter and one block is added or taken without a look at the others.
struct Digest {
  GroupId group = 0;
  uint64_t blocks = 0;
  uint64_t bytes = 0;
  uint64_t sum_a = 0;
  uint64_t sum_b = 0;
  bool operator==(const Digest&) const = default;
  DFS_FIELDS(group, blocks, bytes, sum_a, sum_b)
};

struct DigestList {
  Epoch epoch = 0;              // of the map the node knows
  std::vector<Digest> digests;  // in the order asked; all groups with blocks when none was named
  DFS_MESSAGE(DigestList, epoch, digests)
};
struct GetDigests {
  std::vector<GroupId> groups;
  using Reply = DigestList;
  const char* invalid() const {
    return groups.size() > kBatchMax ? "more than 4096 groups" : nullptr;
  }
  DFS_MESSAGE(GetDigests, groups)
};

// A copy as somebody believes it to be.
struct CopyCheck {
  ObjectId object = 0;
  uint32_t index = 0;
  uint64_t length = 0;
  uint32_t crc32c = 0;
  DFS_FIELDS(object, index, length, crc32c)
};
inline constexpr size_t kCopyChecksMax = 1000;

// `good[i]` is 1 when this node holds copy i, finished and on stable storage, and every byte of it
// was right when it was read from the disk for this answer. That takes its time: `busy` when too
// many ask.
struct CheckCopiesReply {
  Epoch epoch = 0;  // of the map the node knows
  std::vector<uint8_t> good;
  DFS_MESSAGE(CheckCopiesReply, epoch, good)
};
struct CheckCopies {
  GroupId group = 0;
  std::vector<CopyCheck> copies;
  using Reply = CheckCopiesReply;
  const char* invalid() const {
    return copies.size() > kCopyChecksMax ? "more than 1000 copies" : nullptr;
  }
  DFS_MESSAGE(CheckCopies, group, copies)
};

struct FillSource {
  NodeId node = 0;
  std::string endpoint;
  bool complete = true;
  DFS_FIELDS(node, endpoint, complete)
};

enum class FillState : uint8_t {
  queued = 1,
  running = 2,
  done = 3,    // it holds what every source held; see FillGroupReply::as_of
  failed = 4,  // see `why`; asked again, it begins again
};

// How far a fill is. Numbers count since the fill began.
struct FillGroupReply {
  GroupId group = 0;
  Epoch epoch = 0;
  FillState state = FillState::queued;
  LogIndex as_of = 0;         // of the request that began it
  uint64_t blocks_total = 0;  // to be copied, as far as is known
  uint64_t bytes_total = 0;
  uint64_t blocks_done = 0;
  uint64_t bytes_done = 0;
  uint64_t blocks_same = 0;        // were here already
  uint32_t blocks_unreadable = 0;  // no source has a good copy
  std::string why;
  DFS_MESSAGE(FillGroupReply, group, epoch, state, as_of, blocks_total, bytes_total, blocks_done,
              bytes_done, blocks_same, blocks_unreadable, why)
};
inline constexpr uint32_t kFillWaitMsMax = 10'000;

// "Hold every block that the sources hold." Idempotent: the first begins it, the same again tells
// how far it is, one with a newer epoch or other sources begins it anew. A fill that nobody asked
// about for a while is given up; what it has copied stays.
// `done` is answered until a request with a newer as_of begins it again.
struct FillGroup {
  GroupId group = 0;
  Epoch epoch = 0;     // of the group; the node gets the map first when it knows an older one
  LogIndex as_of = 0;  // the monitor's log when it asked
  std::vector<FillSource> sources;
  uint64_t bytes_per_second = 0;  // of the node, over all its fills; 0: no limit
  uint32_t wait_ms = 0;           // answer when the fill has ended, or after so long
  using Reply = FillGroupReply;
  const char* invalid() const {
    if (sources.empty()) return "there is no source";
    if (wait_ms > kFillWaitMsMax) return "wait_ms is above 10000";
    return sources.size() > kBatchMax ? "more than 4096 sources" : nullptr;
  }
  DFS_MESSAGE(FillGroup, group, epoch, as_of, sources, bytes_per_second, wait_ms)
};

// Members that are complete, of a group at `epoch`, which the asking node is no part of.
struct ConfirmSurplusReply {
  Epoch epoch = 0;
  uint32_t replicas = 0;  // the pool's: so many members must prove their copies
  std::vector<FillSource> members;
  DFS_MESSAGE(ConfirmSurplusReply, epoch, replicas, members)
};
// "I hold blocks of a group that I am no part of: who holds them instead?" Refused (`invalid`) when
// the node is a member or still leaving, and `busy` while any member is lacking or down, or while
// there are fewer members than the pool asks for.
struct ConfirmSurplus {
  NodeId node = 0;
  GroupId group = 0;
  using Reply = ConfirmSurplusReply;
  DFS_MESSAGE(ConfirmSurplus, node, group)
};

enum class ScrubAction : uint8_t { status = 0, start = 1, pause = 2 };

struct ScrubStatus {
  NodeId node = 0;
  std::string state;        // "running", "paused", "waiting" (for the next pass)
  uint64_t pass = 0;        // passes finished since the node was made
  uint64_t bytes_done = 0;  // of this pass
  uint64_t bytes_total = 0;
  uint64_t blocks_done = 0;
  uint64_t bad_found = 0;     // in this pass
  uint64_t bad_now = 0;       // on this node, not yet replaced
  int64_t pass_began_ms = 0;  // wall clock; 0: none yet
  int64_t last_finished_ms = 0;
  int64_t next_ms = 0;            // when the next pass begins; 0: it runs
  uint64_t bytes_per_second = 0;  // the limit
  DFS_MESSAGE(ScrubStatus, node, state, pass, bytes_done, bytes_total, blocks_done, bad_found,
              bad_now, pass_began_ms, last_finished_ms, next_ms, bytes_per_second)
};
// `start` begins a pass, or goes on with a paused one. A pause outlives a restart.
struct ControlScrub {
  ScrubAction action = ScrubAction::status;
  using Reply = ScrubStatus;
  DFS_MESSAGE(ControlScrub, action)
};

}  // namespace dfs
