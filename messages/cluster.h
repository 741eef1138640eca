// The conversation "membership": who is there, where, and in what state.
//
//   storage, head → every broker:      Announce (one way, every heartbeat)
//   storage → monitor:                 Join → JoinReply | Error
//   everyone ⇒ topic "heartbeat/…":    Heartbeat
//   monitor ⇒ topic "map":             ClusterMap, whenever its epoch grows
//   anyone → monitor:                  GetMap → ClusterMap | Error;  GetStatus → ClusterStatus
//                                      GetStatus with `stale`: → monitor-replica
//   anyone → anyone:                   Ping → Pong
#pragma once

#include <string>
#include <vector>

#include "messages/heads.h"
#include "messages/ids.h"
#include "messages/message.h"
#include "messages/namespace.h"

namespace dfs {

// "I serve `service`": the broker routes requests for it to the link this came on, until
// three announcement periods pass in silence. The head that leads serves "monitor", under its term;
// every head serves "monitor-replica", for what need not be the latest.
struct Announce {
  std::string service;  // "monitor", "monitor-replica", "storage/7"
  uint64_t term = 0;    // of several providers of one service, the highest term is asked first
  const char* invalid() const {
    if (service.empty() || service.size() > kAddressBytesMax)
      return "service name is empty or long";
    return nullptr;
  }
  DFS_MESSAGE(Announce, service, term)
};

// The answer names the node; a node that joins again (same uuid) gets its number back.
struct JoinReply {
  NodeId node = 0;
  std::string cluster;  // uuid of the cluster; a node refuses to serve two
  Epoch epoch = 0;      // of the cluster map
  uint32_t heartbeat_ms = 500;
  DFS_MESSAGE(JoinReply, node, cluster, epoch, heartbeat_ms)
};

struct Join {
  std::string uuid;      // 32 hex digits, made once and kept in the node's data directory
  std::string cluster;   // the cluster it already belongs to, or empty
  std::string endpoint;  // of its data port: "tcp://host:port"
  std::string host;      // failure domain labels
  std::string rack;
  uint64_t total_bytes = 0;
  uint64_t used_bytes = 0;
  uint32_t feature_level = 1;
  using Reply = JoinReply;
  const char* invalid() const {
    if (uuid.size() != 32 || uuid.find_first_not_of("0123456789abcdef") != std::string::npos) {
      return "uuid is not 32 hex digits";
    }
    if (endpoint.empty() || endpoint.size() > kAddressBytesMax) return "endpoint is empty or long";
    if (host.size() > kNameBytesMax || rack.size() > kNameBytesMax) return "host or rack is long";
    return nullptr;
  }
  DFS_MESSAGE(Join, uuid, cluster, endpoint, host, rack, total_bytes, used_bytes, feature_level)
};

// Published by storage nodes on "heartbeat/storage/N".
struct Heartbeat {
  NodeId node = 0;
  uint64_t boot = 0;  // random per process start, so that a restart shows at once
  uint64_t sequence = 0;
  Epoch epoch = 0;  // of the cluster map the node knows
  uint64_t total_bytes = 0;
  uint64_t used_bytes = 0;
  uint64_t blocks = 0;
  uint32_t jobs_queued = 0;    // disk jobs waiting
  uint64_t bytes_written = 0;  // since start
  uint64_t bytes_read = 0;
  bool accepts_writes = true;  // false: disk full or read-only
  DFS_MESSAGE(Heartbeat, node, boot, sequence, epoch, total_bytes, used_bytes, blocks, jobs_queued,
              bytes_written, bytes_read, accepts_writes)
};

enum class NodeState : uint8_t { up = 1, down = 2 };

struct NodeView {
  NodeId node = 0;
  std::string uuid;
  std::string endpoint;
  std::string host;
  std::string rack;
  NodeState state = NodeState::up;
  uint64_t total_bytes = 0;
  DFS_FIELDS(node, uuid, endpoint, host, rack, state, total_bytes)
};

struct GroupView {
  GroupId group = 0;
  Epoch epoch = 0;              // fences writes: a block is written under the epoch its writer saw
  std::vector<NodeId> members;  // chain order
  bool used = false;            // some committed file names it; its members may only grow
  DFS_FIELDS(group, epoch, members, used)
};

struct PoolView {
  std::string name;
  uint32_t replicas = 2;
  uint32_t min_copies = 1;  // fewer live members than this: no write
  uint32_t groups = 64;     // a power of two
  DFS_FIELDS(name, replicas, min_copies, groups)
};

// A head of the cluster. Its broker is as good as any other.
struct HeadView {
  MemberId id = 0;
  std::string broker;  // where its broker takes requests
  DFS_FIELDS(id, broker)
};

struct ClusterMap {
  std::string cluster;
  Epoch epoch = 0;
  PoolView pool;
  std::vector<NodeView> nodes;
  std::vector<GroupView> groups;
  std::vector<HeadView> heads = {};
  DFS_MESSAGE(ClusterMap, cluster, epoch, pool, nodes, groups, heads)
};

struct GetMap {
  using Reply = ClusterMap;
  DFS_MESSAGE(GetMap)
};

// A node as the monitor sees it now: the map's part and the last heartbeat.
struct NodeStatus {
  NodeView view;
  Heartbeat heartbeat;
  uint32_t silent_ms = 0;  // since the last heartbeat
  uint32_t groups = 0;     // groups it is a member of
  DFS_FIELDS(view, heartbeat, silent_ms, groups)
};

struct ClusterStatus {
  std::string cluster;
  std::string health;  // "ok" | "degraded" | "unavailable"
  std::string reason;  // why it is not "ok"
  Epoch epoch = 0;
  std::string monitor;  // address of the monitor that answers
  LogIndex applied = 0;
  uint64_t uptime_ms = 0;
  uint64_t files = 0;
  uint64_t directories = 0;
  PoolView pool;
  uint32_t groups_healthy = 0;   // all members up, as many as the pool asks for
  uint32_t groups_degraded = 0;  // at least min_copies members up
  uint32_t groups_down = 0;
  std::vector<NodeStatus> nodes;
  HeadList heads = {};
  Freshness freshness = {};
  DFS_MESSAGE(ClusterStatus, cluster, health, reason, epoch, monitor, applied, uptime_ms, files,
              directories, pool, groups_healthy, groups_degraded, groups_down, nodes, heads,
              freshness)
};

// `stale`: answered by any head, from what it knows.
struct GetStatus {
  bool stale = false;
  using Reply = ClusterStatus;
  DFS_MESSAGE(GetStatus, stale)
};

struct Pong {
  uint64_t nonce = 0;
  std::string actor;
  DFS_MESSAGE(Pong, nonce, actor)
};

struct Ping {
  uint64_t nonce = 0;
  using Reply = Pong;
  DFS_MESSAGE(Ping, nonce)
};

}  // namespace dfs
