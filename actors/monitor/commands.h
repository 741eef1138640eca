// What the monitor's leader writes into the log of its own accord. These commands never travel on a
// socket; like messages they evolve by adding fields with defaults.
#pragma once

#include <string>
#include <vector>

#include "messages/agents.h"
#include "messages/cluster.h"
#include "messages/ids.h"
#include "messages/message.h"
#include "messages/requester.h"

namespace dfs {

// The first entry of every log: the cluster's identity, its pool, the root directory.
struct CreateCluster {
  std::string cluster;  // uuid, 32 hex digits
  uint32_t replicas = 2;
  uint32_t min_copies = 1;
  uint32_t groups = 64;
  bool rebuild = false;  // the cluster was there before and has lost its heads
  JoinRule join_rule = JoinRule::open;
  Authentication authentication = Authentication::off;
  Blob grant_key = {};
  DFS_MESSAGE(CreateCluster, cluster, replicas, min_copies, groups, rebuild, join_rule,
              authentication, grant_key)
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
  NodeId number = 0;            // the one it had, if any
  std::string token;            // hash of the one it showed; empty: none
  std::string key = {};         // of its connections; empty: they are not encrypted
  std::string source = {};      // address that it joins from
  DFS_MESSAGE(RegisterNode, uuid, endpoint, host, rack, total_bytes, feature_level, heartbeat_ms,
              number, token, key, source)
};

// A key that will be used from `from_ms` on. Answered by RotateGrantKeyReply.
struct AddGrantKey {
  Blob key;
  int64_t from_ms = 0;
  int64_t until_ms = 0;  // when what was made with the key before it has expired
  std::string source;
  DFS_MESSAGE(AddGrantKey, key, from_ms, until_ms, source)
};
// The step of a change that is due at `now_ms`, if any.
struct TurnGrantKey {
  int64_t now_ms = 0;
  DFS_MESSAGE(TurnGrantKey, now_ms)
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

// A change of a group's members that keeps every copy: those that go become `leaving`, those that
// come lack everything. Applied when the group is still at `epoch`.
struct GroupMove {
  GroupId group = 0;
  Epoch epoch = 0;
  std::vector<NodeId> members;  // chain order
  DFS_FIELDS(group, epoch, members)
};
struct MoveGroups {
  std::vector<GroupMove> moves;
  std::string reason;  // for the reader of the log
  DFS_MESSAGE(MoveGroups, moves, reason)
};

// The node holds all that `sources` held as of log entry `as_of`. Ignored when it has lacked
// something anew since, and when neither one of the sources is complete nor all other holders are
// among them. When no member lacks anything any more, the leaving ones are dropped. `unreadable`:
// blocks of which all copies are damaged, for the reader of the log.
struct GroupFilled {
  GroupId group = 0;
  NodeId node = 0;
  LogIndex as_of = 0;
  std::vector<NodeId> sources;
  uint64_t unreadable = 0;
  DFS_FIELDS(group, node, as_of, sources, unreadable)
};
struct SetFilled {
  std::vector<GroupFilled> filled;
  DFS_MESSAGE(SetFilled, filled)
};

// The node may have lost blocks of these groups (none named: of all its groups). `losses`: so many
// losses, which it told since its start `boot`, are dealt with by this.
struct SetLacking {
  NodeId node = 0;
  std::vector<GroupId> groups;
  std::string reason;
  uint64_t boot = 0;
  uint64_t losses = 0;
  DFS_MESSAGE(SetLacking, node, groups, reason, boot, losses)
};

// `remove`: the node's rows go too; refused unless the guard agrees, or unless an administrator
// accepts that what only this node has of the groups `accepted` is lost.
struct SetStanding {
  NodeId node = 0;
  NodeStanding standing = NodeStanding::in;
  bool remove = false;
  std::string reason;
  bool accept_loss = false;
  std::vector<GroupId> accepted = {};
  DFS_MESSAGE(SetStanding, node, standing, remove, reason, accept_loss, accepted)
};

struct SetTask {
  std::string id;
  bool active = false;
  bool paused = false;
  uint64_t bytes_per_second = 0;
  DFS_MESSAGE(SetTask, id, active, paused, bytes_per_second)
};

// Forgets history that ended before `before_ms`, at most `limit` rows. Objects that nothing refers
// to any more die with it. Answered by Pruned.
struct ExpireHistory {
  int64_t before_ms = 0;
  uint32_t limit = 256;
  DFS_MESSAGE(ExpireHistory, before_ms, limit)
};

// These objects never became content and never will. Those that did meanwhile are left alone.
struct DeclareDead {
  std::vector<ObjectId> objects;
  DFS_MESSAGE(DeclareDead, objects)
};

// No object below `below` that is not content will ever be: all of them are dead, whether or not
// they have a row. Erases the rows of those that died before `before_ms`, at most `limit`. Answered
// by Pruned.
struct ForgetObjects {
  int64_t before_ms = 0;
  uint32_t limit = 256;
  ObjectId below = 0;
  DFS_MESSAGE(ForgetObjects, before_ms, limit, below)
};

// Some node knows a map of a cluster that is being rebuilt: the next epoch is above it.
struct RaiseEpoch {
  Epoch above = 0;
  DFS_MESSAGE(RaiseEpoch, above)
};

// What some were denied, for whoever reads events.
struct Denial {
  std::string user;  // empty: nobody was logged in
  std::string from;
  uint32_t request = 0;  // number of the message
  std::string reason;
  std::string path;
  uint32_t count = 1;  // so many times
  bool is_like(const Denial& other) const {
    return user == other.user && from == other.from && request == other.request &&
           reason == other.reason && path == other.path;
  }
  DFS_FIELDS(user, from, request, reason, path, count)
};
struct NoteDenied {
  std::vector<Denial> denials;
  uint64_t left_out = 0;  // of those, for there were too many
  DFS_MESSAGE(NoteDenied, denials, left_out)
};

// The outcome of a command that has nothing to tell.
struct Done {
  DFS_FIELDS()
};

}  // namespace dfs
