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

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "messages/heads.h"
#include "messages/ids.h"
#include "messages/message.h"
#include "messages/namespace.h"
#include "messages/signature.h"

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

// A public key as text.
inline bool is_public_key(std::string_view text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

// The answer names the node; a node that joins again (same uuid) gets its number back. Error
// `denied`, cause `reason`: "removed" (for good), or what is wrong with the token (agents.h).
// Why it cannot be the key of what a node signs; null: it can, or there is none.
inline const char* bad_node_key(const Blob& verify_key) {
  const size_t size = verify_key.bytes.size();
  return size == 0 || size == kVerifyKeyBytes ? nullptr : "verify_key is not 32 bytes";
}

struct JoinReply {
  NodeId node = 0;
  std::string cluster;  // uuid of the cluster; a node refuses to serve two
  Epoch epoch = 0;      // of the cluster map
  uint32_t heartbeat_ms = 500;
  Blob grant_keys = {};  // that verify grants (grant.h); empty: blocks need none
  Blob warrant = {};     // for the verify_key that was shown
  DFS_MESSAGE(JoinReply, node, cluster, epoch, heartbeat_ms, grant_keys, warrant)
};

struct Join {
  std::string uuid;      // 32 hex digits, made once and kept in the node's data directory
  std::string cluster;   // the cluster it already belongs to, or empty
  std::string endpoint;  // of its data port, as links are written (broker/security.h)
  std::string host;      // failure domain labels
  std::string rack;
  uint64_t total_bytes = 0;
  uint64_t used_bytes = 0;
  uint32_t feature_level = 1;
  NodeId node = 0;  // the number it had; kept when a cluster is rebuilt that has forgotten it
  std::string token = {};  // of a node that joins for the first time, where one is asked for
  std::string key = {};    // the public key of the connection it joins on; empty: no encryption
  Blob verify_key = {};    // of what it signs for other nodes (grant.h); empty: nothing
  using Reply = JoinReply;
  const char* invalid() const {
    if (uuid.size() != 32 || uuid.find_first_not_of("0123456789abcdef") != std::string::npos) {
      return "uuid is not 32 hex digits";
    }
    if (endpoint.empty() || endpoint.size() > kAddressBytesMax) return "endpoint is empty or long";
    if (host.size() > kNameBytesMax || rack.size() > kNameBytesMax) return "host or rack is long";
    if (token.size() > kNameBytesMax) return "token is long";
    if (!key.empty() && !is_public_key(key)) return "key is not 64 hex digits";
    return bad_node_key(verify_key);
  }
  DFS_MESSAGE(Join, uuid, cluster, endpoint, host, rack, total_bytes, used_bytes, feature_level,
              node, token, key, verify_key)
};

// Background work of a storage node's own.
struct NodeJob {
  std::string kind;      // "scrub", "reclaim"
  std::string state;     // "running", "paused", "waiting"
  uint64_t done = 0;     // bytes of this pass
  uint64_t total = 0;    // 0: unknown
  uint64_t found = 0;    // scrub: damaged blocks; reclaim: blocks removed; since the start
  int64_t until_ms = 0;  // when the next pass begins, by the wall clock; 0: it runs
  DFS_FIELDS(kind, state, done, total, found, until_ms)
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
  uint64_t blocks_bad = 0;     // damaged, and not yet replaced by a good copy
  uint32_t directories = 1;
  uint32_t directories_failed = 0;  // their blocks are as if they had never been here
  uint64_t losses = 0;  // grows when blocks are found damaged or gone: the groups need a look
  std::vector<NodeJob> jobs = {};  // what runs in the background
  uint64_t denied = 0;             // requests refused for want of a right, since the start
  DFS_MESSAGE(Heartbeat, node, boot, sequence, epoch, total_bytes, used_bytes, blocks, jobs_queued,
              bytes_written, bytes_read, accepts_writes, blocks_bad, directories,
              directories_failed, losses, jobs, denied)
};

enum class NodeState : uint8_t { up = 1, down = 2 };

// Whether a node is to hold data. A node that is not `in` gets no new groups, and its copies are
// made anew elsewhere; it leaves a group only when the members that stay hold everything.
enum class NodeStanding : uint8_t {
  in = 1,
  draining = 2,  // asked to hand over all it has
  out = 3,       // down for longer than repair_after; `in` again when it is up again
};

struct NodeView {
  NodeId node = 0;
  std::string uuid;
  std::string endpoint;
  std::string host;
  std::string rack;
  NodeState state = NodeState::up;
  uint64_t total_bytes = 0;
  NodeStanding standing = NodeStanding::in;
  std::string key = {};  // that it shows when it connects; empty: it joined without encryption
  DFS_FIELDS(node, uuid, endpoint, host, rack, state, total_bytes, standing, key)
};

// A member that may lack blocks which the group promised to keep, since log entry `since`.
struct Lack {
  NodeId node = 0;
  LogIndex since = 0;
  bool operator==(const Lack&) const = default;
  DFS_FIELDS(node, since)
};

// The nodes that hold the blocks of a group. New blocks go to `members`. A member is complete when
// it is not in `lacking`: it has every block that was acknowledged. `leaving` are former members
// that are still read, and repaired from, until all members are complete.
struct GroupView {
  GroupId group = 0;
  Epoch epoch = 0;              // fences writes: a block is written under the epoch its writer saw
  std::vector<NodeId> members;  // chain order
  bool used = false;            // some committed file names it; members change only by moves
  PoolId pool = 0;
  std::vector<NodeId> leaving = {};
  std::vector<Lack> lacking = {};  // by node; members and leaving ones
  DFS_FIELDS(group, epoch, members, used, pool, leaving, lacking)

  bool has_member(NodeId node) const {
    return std::find(members.begin(), members.end(), node) != members.end();
  }
  bool is_leaving(NodeId node) const {
    return std::find(leaving.begin(), leaving.end(), node) != leaving.end();
  }
  bool holds(NodeId node) const { return has_member(node) || is_leaving(node); }
  bool lacks(NodeId node) const {
    return std::any_of(lacking.begin(), lacking.end(),
                       [&](const Lack& lack) { return lack.node == node; });
  }
};

struct PoolView {
  std::string name;
  uint32_t replicas = 2;
  uint32_t min_copies = 1;  // fewer live members than this: no write
  uint32_t groups = 64;     // a power of two
  PoolId id = 0;
  bool encrypted = false;  // new files are (seal.h)
  DFS_FIELDS(name, replicas, min_copies, groups, id, encrypted)
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
  std::vector<PoolView> pools;  // by id, without gaps; the first is the default one
  std::vector<NodeView> nodes;
  std::vector<GroupView> groups;  // by number, without gaps
  std::vector<HeadView> heads = {};
  DFS_MESSAGE(ClusterMap, cluster, epoch, pools, nodes, groups, heads)
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

// Objects that hold the content of files, of now or of history; and those that died, as long as the
// monitor remembers them one by one. The bytes are those of one copy.
struct ContentCounts {
  uint64_t live = 0;
  uint64_t live_bytes = 0;
  uint64_t dead = 0;
  uint64_t dead_bytes = 0;
  DFS_FIELDS(live, live_bytes, dead, dead_bytes)
};

// What the process of a head refused at its sockets, before any actor saw it, since it started.
struct SocketRefusals {
  uint64_t connections = 0;   // of keys that are not let in
  uint64_t floods = 0;        // connections ended, for what they sent came to no end
  uint64_t requests = 0;      // in a name, or as a role, that is not their sender's
  uint64_t publications = 0;  // heartbeats and events in another's name
  DFS_FIELDS(connections, floods, requests, publications)
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
  std::vector<PoolView> pools;
  uint32_t groups_healthy = 0;   // all members up and complete, as many as the pool asks for
  uint32_t groups_degraded = 0;  // at least min_copies members up
  uint32_t groups_down = 0;
  std::vector<NodeStatus> nodes;
  HeadList heads = {};
  Freshness freshness = {};
  ContentCounts content = {};
  bool authentication = false;  // every request needs a ticket, every block a grant
  uint64_t denied = 0;          // requests that this head refused for want of a right, or a ticket
  bool secure = false;          // the answering head takes encrypted connections alone
  SocketRefusals refused = {};
  DFS_MESSAGE(ClusterStatus, cluster, health, reason, epoch, monitor, applied, uptime_ms, files,
              directories, pools, groups_healthy, groups_degraded, groups_down, nodes, heads,
              freshness, content, authentication, denied, secure, refused)
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
