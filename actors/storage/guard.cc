#include "actors/storage/guard.h"

#include <set>

namespace dfs::storage {

namespace {

BlockKey key_of(const BlockView& block) {
  return {block.object, block.index, block.group};
}

// A member reads what it is asked about at the pace of repair beside clients, and others may ask it
// at the same time.
Duration time_to_read(const CheckCopies& check) {
  constexpr uint64_t kBytesPerMillisecond = 512;
  uint64_t bytes = 0;
  for (const CopyCheck& copy : check.copies) bytes += copy.length;
  return std::chrono::seconds(5) + std::chrono::milliseconds(20) * check.copies.size() +
         std::chrono::milliseconds(bytes / kBytesPerMillisecond);
}

}  // namespace

std::vector<std::vector<BlockView>> Guard::pieces(std::vector<BlockView> blocks) {
  std::vector<std::vector<BlockView>> pieces;
  uint64_t bytes = 0;
  for (BlockView& block : blocks) {
    if (pieces.empty() || bytes + block.length > kPieceBytes) {
      pieces.emplace_back();
      bytes = 0;
    }
    bytes += block.length;
    pieces.back().push_back(std::move(block));
  }
  return pieces;
}

Task<Result<Guard::Judged>> Guard::judge(std::vector<BlockView> blocks) {
  using R = Result<Judged>;
  JudgeBlocks request;
  request.node = membership_.identity().node;
  for (const BlockView& block : blocks) {
    request.blocks.push_back({block.object, block.index, block.group});
  }
  CallOptions options;
  options.deadline = kMonitorDeadline;
  auto asking = calls_.ask<JudgeBlocks>("monitor", std::move(request), std::move(options));
  Result<Answer<JudgeBlocks>> answer = co_await asking;
  if (!answer) co_return answer.error();
  const std::vector<BlockVerdict>& verdicts = answer->message.verdicts;
  if (verdicts.size() != blocks.size()) {
    co_return R(Code::malformed, "the monitor judged " + std::to_string(verdicts.size()) +
                                     " blocks and was asked about " +
                                     std::to_string(blocks.size()));
  }
  Judged judged{{{}, 0, DeletionProof("dead")}, {}, {}};
  for (size_t i = 0; i < blocks.size(); ++i) {
    switch (verdicts[i].verdict) {
      case Verdict::dead:
        judged.dead.keys.push_back(key_of(blocks[i]));
        judged.dead.bytes += blocks[i].length;
        break;
      case Verdict::stray:
        if (verdicts[i].home != blocks[i].group) {
          judged.strays[verdicts[i].home].push_back(blocks[i]);
        }
        break;
      case Verdict::live:
        judged.live.push_back(blocks[i]);
        break;
      default:
        break;
    }
  }
  co_return judged;
}

Task<Result<Guard::Proven>> Guard::surplus(GroupId group, std::vector<BlockView> blocks) {
  using R = Result<Proven>;
  if (membership_.holds(group)) {
    co_return R(Code::invalid, "this node is a part of group " + std::to_string(group));
  }
  Task<Result<Witnesses>> asking = complete_members(group);
  Result<Witnesses> witnesses = co_await asking;
  if (!witnesses) co_return std::move(witnesses).error();
  Task<Result<Proven>> proving = prove("surplus", group, std::move(*witnesses), std::move(blocks));
  Result<Proven> proven = co_await proving;
  co_return proven;
}

Task<Result<Guard::Proven>> Guard::stray(GroupId home, std::vector<BlockView> blocks) {
  Result<Witnesses> witnesses = fellow_members(home);
  if (!membership_.holds(home)) {
    Task<Result<Witnesses>> asking = complete_members(home);
    witnesses = co_await asking;
  }
  if (!witnesses) co_return std::move(witnesses).error();
  Task<Result<Proven>> proving = prove("stray", home, std::move(*witnesses), std::move(blocks));
  Result<Proven> proven = co_await proving;
  co_return proven;
}

Task<Result<Guard::Witnesses>> Guard::complete_members(GroupId group) {
  using R = Result<Witnesses>;
  ConfirmSurplus request{membership_.identity().node, group};
  CallOptions options;
  options.deadline = kMonitorDeadline;
  auto asking = calls_.ask<ConfirmSurplus>("monitor", std::move(request), std::move(options));
  Result<Answer<ConfirmSurplus>> answer = co_await asking;
  if (!answer) co_return answer.error();
  const ConfirmSurplusReply& reply = answer->message;
  const Result<void> same = check_epoch(group, reply.epoch);
  if (!same) {
    membership_.want_map();
    co_return same.error();
  }
  Witnesses witnesses{reply.epoch, reply.replicas, {}, false};
  std::set<NodeId> seen{membership_.identity().node};
  for (const FillSource& member : reply.members) {
    if (member.complete && seen.insert(member.node).second) witnesses.members.push_back(member);
  }
  if (witnesses.replicas == 0 || witnesses.members.size() < witnesses.replicas) {
    co_return R(Code::busy, "group " + std::to_string(group) + " has too few complete members");
  }
  co_return witnesses;
}

// Of a group that this node is itself a part of: its own copy there is one of those that count.
Result<Guard::Witnesses> Guard::fellow_members(GroupId number) const {
  using R = Result<Witnesses>;
  const GroupView* const group = membership_.group(number);
  if (group == nullptr || !group->holds(membership_.identity().node)) {
    return R(Code::invalid, "this node is no part of group " + std::to_string(number));
  }
  Witnesses witnesses;
  witnesses.epoch = group->epoch;
  for (const PoolView& pool : membership_.map().pools) {
    if (pool.id == group->pool) witnesses.replicas = pool.replicas;
  }
  for (const NodeId member : group->members) {
    if (member == membership_.identity().node) {
      witnesses.self = true;
    } else if (const NodeView* node = membership_.node(member)) {
      witnesses.members.push_back({member, node->endpoint, !group->lacks(member)});
    }
  }
  if (witnesses.replicas == 0) {
    return R(Code::stale_map, "the pool of group " + std::to_string(number) + " is not known");
  }
  return witnesses;
}

// Counts the copies of each block in `group`; those that have as many as there must be are proven.
Task<Result<Guard::Proven>> Guard::prove(const char* why, GroupId group, Witnesses witnesses,
                                         std::vector<BlockView> blocks) {
  CheckCopies check;
  check.group = group;
  for (const BlockView& block : blocks) {
    check.copies.push_back({block.object, block.index, block.length, block.crc32c});
  }
  std::vector<uint32_t> copies(blocks.size(), 0);
  for (const FillSource& member : witnesses.members) {
    Task<std::vector<uint8_t>> asking = ask(member, witnesses.epoch, check);
    const std::vector<uint8_t> good = co_await asking;
    for (size_t i = 0; i < good.size(); ++i) copies[i] += good[i] == 1 ? 1 : 0;
  }
  const Instant until = bus_.now() + time_to_read(check);
  for (size_t i = 0; witnesses.self && i < blocks.size(); ++i) {
    if (copies[i] + 1 != witnesses.replicas) continue;  // the own one makes no difference
    const BlockKey own{blocks[i].object, blocks[i].index, group};
    Task<bool> verifying = verifier_.verify(own, blocks[i].length, blocks[i].crc32c, until);
    const bool right = co_await verifying;
    copies[i] += right ? 1 : 0;
  }
  // Copies that others count on must not be counted twice: who has become a member meanwhile keeps
  // what it has.
  const Result<void> unchanged = check_epoch(group, witnesses.epoch);
  if (!unchanged) co_return unchanged.error();
  Proven proven{{}, 0, DeletionProof(why)};
  for (size_t i = 0; i < blocks.size(); ++i) {
    const BlockView& block = blocks[i];
    if (copies[i] < witnesses.replicas) continue;
    proven.keys.push_back(key_of(block));
    proven.bytes += block.length;
  }
  co_return proven;
}

// One element per copy asked about, or none when the member cannot be counted on.
Task<std::vector<uint8_t>> Guard::ask(FillSource member, Epoch epoch, CheckCopies check) {
  const size_t count = check.copies.size();
  CallOptions options;
  options.deadline = time_to_read(check);
  auto asking = calls_.call<CheckCopies>(member.endpoint, "storage/" + std::to_string(member.node),
                                         std::move(check), std::move(options));
  Result<Answer<CheckCopies>> answer = co_await asking;
  std::vector<uint8_t> good;
  if (!answer) {
    bus_.log(Level::debug, "a member does not vouch for its copies",
             {{"node", uint64_t{member.node}}, {"error", answer.error().describe()}});
  } else if (answer->message.epoch >= epoch && answer->message.good.size() == count) {
    good = std::move(answer->message.good);
  }
  co_return good;
}

Result<void> Guard::check_epoch(GroupId number, Epoch epoch) const {
  const GroupView* const group = membership_.group(number);
  const Epoch known = group == nullptr ? 0 : group->epoch;
  if (known == epoch) return {};
  return {Code::stale_map, "this node knows epoch " + std::to_string(known) + " of group " +
                               std::to_string(number) + ", the answer was about epoch " +
                               std::to_string(epoch)};
}

}  // namespace dfs::storage
