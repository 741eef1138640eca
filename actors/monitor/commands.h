// What the monitor's leader writes into the log of its own accord. These commands never travel on a
// socket; like messages they evolve by adding fields with defaults.
#pragma once

#include <string>
#include <vector>

#include "messages/cluster.h"
#include "messages/ids.h"
#include "messages/message.h"

namespace dfs {

// The first entry of every log: the cluster's identity, its pool, the root directory.
struct CreateCluster {
  std::string cluster;  // uuid, 32 hex digits
  uint32_t replicas = 2;
  uint32_t min_copies = 1;
  uint32_t groups = 64;
  DFS_MESSAGE(CreateCluster, cluster, replicas, min_copies, groups)
};

// A storage node joined: a new uuid gets a number, a known one its old number back. Answered by
// JoinReply.
struct RegisterNode {
  std::string uuid;
  std::string endpoint;
  std::string host;
  std::string rack;
  uint64_t total_bytes = 0;
  uint32_t feature_level = 1;
  uint32_t heartbeat_ms = 500;  // told to the node
  DFS_MESSAGE(RegisterNode, uuid, endpoint, host, rack, total_bytes, feature_level, heartbeat_ms)
};

struct SetNodeState {
  NodeId node = 0;
  NodeState state = NodeState::up;
  std::string reason;  // for the reader of the log
  DFS_MESSAGE(SetNodeState, node, state, reason)
};

struct GroupMembers {
  GroupId group = 0;
  std::vector<NodeId> members;  // chain order
  DFS_FIELDS(group, members)
};
// New members for some groups. A group that came into use since the leader computed them keeps its
// members when the new list lacks one of them.
struct SetGroups {
  std::vector<GroupMembers> groups;
  DFS_MESSAGE(SetGroups, groups)
};

// The leader may hand out [first, first + count), and nobody else ever will.
struct ObjectRange {
  ObjectId first = 0;
  uint64_t count = 0;
  DFS_FIELDS(first, count)
};
struct ReserveObjects {
  uint64_t count = 4096;
  DFS_MESSAGE(ReserveObjects, count)
};

// Moves rows of removed directories' contents to history, at most `limit` of them.
struct PruneOrphans {
  uint32_t limit = 256;
  DFS_MESSAGE(PruneOrphans, limit)
};
struct Pruned {
  uint32_t rows = 0;
  bool more = false;
  DFS_FIELDS(rows, more)
};

// Forgets the events of entries before `before`, and erases at most `limit` of their rows. Answered
// by Pruned.
struct TrimEvents {
  LogIndex before = 0;
  uint32_t limit = 1024;
  DFS_MESSAGE(TrimEvents, before, limit)
};

// The outcome of a command that has nothing to tell.
struct Done {
  DFS_FIELDS()
};

}  // namespace dfs
