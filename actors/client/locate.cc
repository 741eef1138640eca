// Where a file's blocks are, as the nodes themselves say.
#include <algorithm>
#include <map>

#include "actors/client/client_state.h"
#include "actors/client/node_health.h"
#include "messages/blocks.h"

namespace dfs {

namespace {

constexpr Duration kNodeDeadline = std::chrono::seconds(2);

struct Copy {
  NodeId node = 0;
  uint64_t length = 0;
  uint32_t crc = 0;
};
using Copies = std::map<std::pair<uint32_t, GroupId>, std::vector<Copy>>;  // by index and group

// What one node has of `object`; a node that does not answer has nothing to show.
Task<void> list_node(Calls* calls, GroupMember member, ObjectId object, Copies* copies) {
  ListBlocks request;
  request.object = object;
  while (true) {
    CallOptions options;
    options.deadline = kNodeDeadline;
    Task<Result<Answer<ListBlocks>>> calling = calls->call<ListBlocks>(
        member.endpoint, storage_address(member.node), request, std::move(options));
    const Result<Answer<ListBlocks>> answer = co_await calling;
    if (!answer) co_return;
    const ListBlocksReply& reply = answer->message;
    for (const BlockView& block : reply.blocks) {
      if (block.object != object) continue;
      (*copies)[{block.index, block.group}].push_back({member.node, block.length, block.crc32c});
    }
    if (!reply.more || reply.blocks.empty()) co_return;
    request.after_object = reply.blocks.back().object;
    request.after_index = reply.blocks.back().index;
    request.after_group = reply.blocks.back().group;
  }
}

// The nodes whose copies agree; of several opinions the one most nodes share.
BlockLocation location_of(uint32_t index, GroupId group, const std::vector<Copy>& copies) {
  BlockLocation location;
  location.index = index;
  location.group = group;
  for (const Copy& candidate : copies) {
    std::vector<NodeId> agreeing;
    for (const Copy& copy : copies) {
      if (copy.crc == candidate.crc && copy.length == candidate.length) {
        agreeing.push_back(copy.node);
      }
    }
    if (agreeing.size() <= location.nodes.size()) continue;
    location.nodes = std::move(agreeing);
    location.length = candidate.length;
  }
  std::sort(location.nodes.begin(), location.nodes.end());
  return location;
}

}  // namespace

Task<Result<std::vector<BlockLocation>>> Client::locate(std::string path, bool stale) {
  Task<Result<OpenFileReply>> opening = open(OpenFile{std::move(path), stale});
  const Result<OpenFileReply> opened = co_await opening;
  if (!opened) co_return opened.error();
  std::vector<BlockLocation> locations;
  const Layout& layout = opened->layout;
  if (opened->info.object == 0) co_return locations;
  if (layout.groups.empty() || layout.block_bytes == 0) {
    co_return Error{Code::malformed, "the file's layout makes no sense", {}, 0};
  }
  std::map<NodeId, GroupMember> nodes;
  for (const GroupRoute& route : opened->routes) {
    for (const GroupMember& member : route.members) nodes[member.node] = member;
  }
  Copies copies;
  for (const auto& [node, member] : nodes) {
    Task<void> listing = list_node(&state_->calls, member, layout.object, &copies);
    co_await listing;
  }
  const uint64_t blocks = (opened->info.size + layout.block_bytes - 1) / layout.block_bytes;
  for (uint32_t i = 0; i < blocks; ++i) {
    const GroupId group = layout.group_of(i);
    locations.push_back(location_of(i, group, copies[{i, group}]));
  }
  co_return locations;
}

}  // namespace dfs
