#include "actors/client/survey.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "actors/client/node_health.h"
#include "messages/blocks.h"
#include "messages/crc32c.h"

namespace dfs {

namespace {

constexpr Duration kNodeDeadline = std::chrono::seconds(5);

// What one node is asked for, and what came of it.
struct Inquiry {
  GroupMember member;
  std::set<GroupId> groups;
  bool answered = false;
  std::map<std::pair<uint32_t, GroupId>, BlockView> blocks;  // by index and group
};

struct Inquiries {
  std::map<NodeId, Inquiry> nodes;
  size_t open = 0;
  Signal step;
};

Task<void> inquire(Calls* calls, ObjectId object, Inquiry* inquiry, Inquiries* all) {
  inquiry->answered = inquiry->member.up;
  for (const GroupId group : inquiry->groups) {
    ListBlocks request;
    request.object = object;
    request.group = group;
    while (inquiry->answered) {
      CallOptions options;
      options.deadline = kNodeDeadline;
      Task<Result<Answer<ListBlocks>>> calling =
          calls->call<ListBlocks>(inquiry->member.endpoint, storage_address(inquiry->member.node),
                                  request, std::move(options));
      const Result<Answer<ListBlocks>> answer = co_await calling;
      inquiry->answered = answer.ok();
      if (!answer) break;
      for (const BlockView& block : answer->message.blocks) {
        if (block.object == object) inquiry->blocks[{block.index, block.group}] = block;
      }
      if (!answer->message.more || answer->message.blocks.empty()) break;
      const BlockView& last = answer->message.blocks.back();
      request.after_object = last.object;
      request.after_index = last.index;
      request.after_group = last.group;
    }
  }
  --all->open;
  all->step.notify();
}

const BlockView* copy_of(const Inquiry& inquiry, uint32_t index, GroupId group) {
  const auto found = inquiry.blocks.find({index, group});
  return found == inquiry.blocks.end() ? nullptr : &found->second;
}

// Of copies that differ, those count that most nodes agree on; or those that are as recorded, where
// the record speaks of this one block.
uint32_t agreed_crc(const std::vector<const BlockView*>& candidates,
                    std::optional<uint32_t> recorded) {
  std::map<uint32_t, size_t> votes;
  uint32_t best = 0;
  size_t most = 0;
  for (const BlockView* copy : candidates) {
    const size_t count = ++votes[copy->crc32c];
    if (copy->crc32c == recorded) return *recorded;
    if (count <= most) continue;
    most = count;
    best = copy->crc32c;
  }
  return best;
}

CopyView judge(const BlockSurvey& block, const GroupMember& member, const Inquiry& inquiry) {
  CopyView view{member.node, CopyState::good, 0};
  const BlockView* copy = copy_of(inquiry, block.index, block.group);
  if (!inquiry.answered) {
    view.state = CopyState::silent;
  } else if (copy == nullptr) {
    view.state = member.complete ? CopyState::missing : CopyState::filling;
  } else if (copy->bad) {
    view.state = CopyState::bad;
  } else if (copy->length != block.length || copy->crc32c != block.crc32c) {
    view.state = CopyState::wrong;
  } else {
    view.verified_ms = std::max(copy->verified_ms, copy->created_ms);
  }
  return view;
}

uint32_t replicas_of(const ClusterMap& map, GroupId group) {
  const PoolId pool = group < map.groups.size() ? map.groups[group].pool : 0;
  if (pool < map.pools.size()) return map.pools[pool].replicas;
  return map.pools.empty() ? 0 : map.pools.front().replicas;
}

BlockSurvey survey_block(const BlockSurvey& asked, const GroupRoute* route,
                         const Inquiries& inquiries, std::optional<uint32_t> recorded) {
  BlockSurvey block = asked;
  if (route == nullptr) return block;
  std::vector<const BlockView*> candidates;
  for (const GroupMember& member : route->members) {
    const Inquiry& inquiry = inquiries.nodes.at(member.node);
    const BlockView* copy = copy_of(inquiry, block.index, block.group);
    if (inquiry.answered && copy != nullptr && !copy->bad && copy->length == block.length) {
      candidates.push_back(copy);
    }
  }
  block.crc32c = agreed_crc(candidates, recorded);
  for (const GroupMember& member : route->members) {
    block.copies.push_back(judge(block, member, inquiries.nodes.at(member.node)));
  }
  return block;
}

void survey_blocks(const ClusterMap& map, const OpenFileReply& opened, const Inquiries& inquiries,
                   FileSurvey& file) {
  std::map<GroupId, const GroupRoute*> routes;
  for (const GroupRoute& route : opened.routes) routes[route.group] = &route;
  // Blocks hold what is stored, which is not the content when that is encrypted.
  const bool encrypted = opened.seal.cipher != Cipher::none;
  const uint64_t size = encrypted ? sealed_bytes(opened.info.size) : opened.info.size;
  const uint32_t stored_crc = encrypted ? opened.seal.crc32c : opened.info.crc32c;
  const uint64_t block_bytes = opened.layout.block_bytes;
  uint32_t crc = 0;
  bool known = true;
  for (uint64_t offset = 0; offset < size; offset += block_bytes) {
    BlockSurvey asked;
    asked.index = static_cast<uint32_t>(offset / block_bytes);
    asked.group = opened.layout.group_of(asked.index);
    asked.length = std::min(block_bytes, size - offset);
    asked.wanted = replicas_of(map, asked.group);
    const auto route = routes.find(asked.group);
    std::optional<uint32_t> recorded;
    if (size <= block_bytes) recorded = stored_crc;
    file.blocks.push_back(
        survey_block(asked, route == routes.end() ? nullptr : route->second, inquiries, recorded));
    known = known && file.blocks.back().good() > 0;
    crc = crc32c_combine(crc, file.blocks.back().crc32c, asked.length);
  }
  file.checksum_right = !known || crc == stored_crc;
}

}  // namespace

const char* name_of(CopyState state) {
  switch (state) {
    case CopyState::good:
      return "good";
    case CopyState::bad:
      return "bad";
    case CopyState::wrong:
      return "wrong";
    case CopyState::missing:
      return "missing";
    case CopyState::filling:
      return "filling";
    case CopyState::silent:
      return "silent";
  }
  return "unknown";
}

uint32_t BlockSurvey::good() const {
  return static_cast<uint32_t>(nodes_with(CopyState::good).size());
}

std::vector<NodeId> BlockSurvey::nodes_with(CopyState state) const {
  std::vector<NodeId> nodes;
  for (const CopyView& copy : copies) {
    if (copy.state == state) nodes.push_back(copy.node);
  }
  return nodes;
}

int64_t BlockSurvey::verified_ms() const {
  int64_t oldest = 0;
  for (const CopyView& copy : copies) {
    if (copy.state != CopyState::good || copy.verified_ms == 0) continue;
    oldest = oldest == 0 ? copy.verified_ms : std::min(oldest, copy.verified_ms);
  }
  return oldest;
}

bool FileSurvey::complete() const {
  return std::all_of(blocks.begin(), blocks.end(),
                     [](const BlockSurvey& block) { return block.good() >= block.wanted; });
}

uint32_t FileSurvey::copies_min() const {
  uint32_t least = blocks.empty() ? 0 : UINT32_MAX;
  for (const BlockSurvey& block : blocks) least = std::min(least, block.good());
  return least;
}

int64_t FileSurvey::verified_ms() const {
  int64_t oldest = 0;
  for (const BlockSurvey& block : blocks) {
    const int64_t verified = block.verified_ms();
    if (verified != 0) oldest = oldest == 0 ? verified : std::min(oldest, verified);
  }
  return oldest;
}

Task<Result<FileSurvey>> survey(Bus* bus, Calls* calls, const ClusterMap* map,
                                OpenFileReply opened) {
  FileSurvey file;
  file.info = opened.info;
  file.freshness = opened.freshness;
  if (opened.info.object == 0) co_return std::move(file);
  if (opened.layout.groups.empty() || opened.layout.block_bytes == 0) {
    co_return Error{Code::malformed, "the file's layout makes no sense", {}, 0};
  }
  Inquiries inquiries;
  for (const GroupRoute& route : opened.routes) {
    for (const GroupMember& member : route.members) {
      inquiries.nodes[member.node].member = member;
      inquiries.nodes[member.node].groups.insert(route.group);
    }
  }
  {
    TaskScope scope;
    inquiries.open = inquiries.nodes.size();
    for (auto& [node, inquiry] : inquiries.nodes) {
      scope.spawn(inquire(calls, opened.layout.object, &inquiry, &inquiries));
    }
    while (inquiries.open > 0) {
      Signal::Waiter step = inquiries.step.wait();
      co_await step;
    }
    // Not on the stack of the flow that is about to be destroyed.
    Task<void> stepping_aside = sleep(*bus, Duration::zero());
    co_await stepping_aside;
  }
  survey_blocks(*map, opened, inquiries, file);
  co_return std::move(file);
}

}  // namespace dfs
