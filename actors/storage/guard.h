// The one place that says a copy may be deleted. Movers and deleters, not disks, are what destroys
// data: so a copy goes only when it is proven that nobody will miss it.
//
//   dead     The monitor's log has declared the block's object dead. That is for ever.
//   surplus  This node is no part of the block's group. The monitor names the members that have
//            everything; as many of them as the pool asks for copies answer that they hold this
//            very block on stable storage, and have just read all of it to be sure.
//   stray    The block is live, but its object's layout has it in another group, its home; there it
//            is proven as if it were surplus.
//
// A bad copy is replaced, and then freed, by the engine itself. Whoever does not answer in time,
// knows an older map, or holds other content counts as if it had nothing.
#pragma once

#include <map>
#include <vector>

#include "actors/storage/deletion_proof.h"
#include "actors/storage/membership.h"
#include "actors/storage/verifier.h"
#include "broker/calls.h"
#include "messages/reclaim.h"
#include "messages/repair.h"

namespace dfs::storage {

class Guard {
 public:
  // A proof holds for these blocks, and at the moment in which the flow that asked for it goes on:
  // it is used there and then, before anything else is waited for.
  struct Proven {
    std::vector<BlockKey> keys;
    uint64_t bytes = 0;
    DeletionProof proof;
  };
  struct Judged {
    Proven dead;
    std::vector<BlockView> live;
    std::map<GroupId, std::vector<BlockView>> strays;  // by home
  };

  static constexpr Duration kMonitorDeadline = std::chrono::seconds(10);
  // Surplus copies and strays are proven so many bytes at a time, so that what was read for the
  // proof was read a moment before the proof is used.
  static constexpr uint64_t kPieceBytes = 16ull << 20;

  Guard(Bus& bus, Calls& calls, Membership& membership, Verifier& verifier)
      : bus_(bus), calls_(calls), membership_(membership), verifier_(verifier) {}
  Guard(const Guard&) = delete;
  Guard& operator=(const Guard&) = delete;

  // Blocks as surplus() and stray() want them: at most kPieceBytes together, or a single one.
  static std::vector<std::vector<BlockView>> pieces(std::vector<BlockView> blocks);
  // What the monitor says of at most kVerdictsMax blocks. Those it is not certain of are left out.
  Task<Result<Judged>> judge(std::vector<BlockView> blocks);
  // Which of at most kCopyChecksMax live blocks of one group are surplus here. `invalid` when this
  // node is a member of the group or leaves it; `busy` while the members are not complete;
  // `stale_map` when this node and the monitor do not know the same epoch of the group.
  Task<Result<Proven>> surplus(GroupId group, std::vector<BlockView> blocks);
  // Which of at most kCopyChecksMax strays are held at their home. Errors as above, but for
  // `invalid`.
  Task<Result<Proven>> stray(GroupId home, std::vector<BlockView> blocks);

 private:
  struct Witnesses {
    Epoch epoch = 0;  // of the group
    uint32_t replicas = 0;
    std::vector<FillSource> members;  // others than this node
    bool self = false;                // this node's own copy in the group counts as well
  };
  Task<Result<Witnesses>> complete_members(GroupId group);
  Result<Witnesses> fellow_members(GroupId group) const;
  Task<Result<Proven>> prove(const char* why, GroupId group, Witnesses witnesses,
                             std::vector<BlockView> blocks);
  Task<std::vector<uint8_t>> ask(FillSource member, Epoch epoch, CheckCopies check);
  Result<void> check_epoch(GroupId group, Epoch epoch) const;

  Bus& bus_;
  Calls& calls_;
  Membership& membership_;
  Verifier& verifier_;
};

}  // namespace dfs::storage
