// The rows of the monitor's table: their formats and their keys (drawn in README.md). A row is
// encoded like a message, so it evolves like one: fields are added with a default, never renamed,
// retyped or reused, and their defaults never change, because a field at its default is left out.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "actors/replica/event_rows.h"
#include "actors/replica/rows.h"
#include "messages/agents.h"
#include "messages/cluster.h"
#include "messages/ids.h"
#include "messages/message.h"
#include "messages/namespace.h"
#include "messages/requester.h"

namespace dfs {

// Ids carry the namespace shard in their top 16 bits; the first shard is 0.
inline constexpr int kShardShift = 48;
inline constexpr uint64_t kShard = 0;

// A stretch of a file's content.
struct Slice {
  uint64_t file_offset = 0;
  uint64_t length = 0;
  ObjectId object = 0;
  uint64_t object_offset = 0;
  DFS_FIELDS(file_offset, length, object, object_offset)
};

// `since` and `since_ms` of a versioned row say which log entry gave it its current value, and
// when.
struct InodeRow {
  static constexpr bool kVersioned = true;
  FileType type = FileType::file;
  uint32_t mode = 0;
  uint32_t uid = 0;
  uint32_t gid = 0;
  uint64_t size = 0;
  uint64_t links = 1;
  uint64_t entries = 0;  // of a directory
  Ino parent = 0;        // of a directory
  int64_t created_ms = 0;
  int64_t modified_ms = 0;
  uint64_t version = 0;
  uint64_t fence = 0;  // of the last writer's lock; outlives the file in its history
  uint32_t crc32c = 0;
  uint64_t block_bytes = 0;
  Blob content;  // of a small file
  std::vector<Slice> slices;
  LogIndex since = 0;
  int64_t since_ms = 0;
  std::string pool;                   // of a directory: where new files below it go
  std::vector<AclEntry> acl;          // empty: the mode says all (rights.h)
  std::vector<AclEntry> default_acl;  // of a directory: what is made in it begins with this
  bool encrypted = false;  // of a file; then `content` is wrapped with its pool's key (key_wrap.h)
  bool crc32c_unknown = false;
  DFS_FIELDS(type, mode, uid, gid, size, links, entries, parent, created_ms, modified_ms, version,
             fence, crc32c, block_bytes, content, slices, since, since_ms, pool, acl, default_acl,
             encrypted, crc32c_unknown)
};

struct EntryRow {
  static constexpr bool kVersioned = true;
  Ino ino = 0;
  FileType type = FileType::file;
  LogIndex since = 0;
  int64_t since_ms = 0;
  DFS_FIELDS(ino, type, since, since_ms)
};

enum class ObjectState : uint8_t { live = 1, dead = 2 };

// The immutable bytes of one upload. Written once; only its state changes, when it dies.
struct ObjectRow {
  static constexpr bool kVersioned = false;
  ObjectState state = ObjectState::live;
  Ino ino = 0;  // whose content it became
  uint64_t size = 0;
  uint32_t crc32c = 0;
  uint64_t block_bytes = 0;
  std::vector<GroupId> groups;
  std::vector<Override> overrides;
  int64_t created_ms = 0;
  int64_t died_ms = 0;
  Seal seal;  // of an encrypted one: size and crc32c are of what is stored
  // Whose content it became by copying, besides: so many times versions of a file began to name it.
  uint64_t copies = 0;
  DFS_FIELDS(state, ino, size, crc32c, block_bytes, groups, overrides, created_ms, died_ms, seal,
             copies)
};

struct NodeRow {
  static constexpr bool kVersioned = false;
  std::string uuid;
  std::string endpoint;
  std::string host;
  std::string rack;
  NodeState state = NodeState::up;
  uint64_t total_bytes = 0;
  uint32_t feature_level = 1;
  int64_t joined_ms = 0;
  int64_t state_ms = 0;  // when it came into its state
  NodeStanding standing = NodeStanding::in;
  // So many losses were dealt with of those that it told since its start `boot`.
  uint64_t boot = 0;
  uint64_t losses = 0;
  std::string key = {};
  DFS_FIELDS(uuid, endpoint, host, rack, state, total_bytes, feature_level, joined_ms, state_ms,
             standing, boot, losses, key)
};

// An administrator's word that a node is gone for good and that what only it had of these groups is
// lost. The node is in the key.
struct LossRow {
  static constexpr bool kVersioned = false;
  LogIndex index = 0;  // of the entry
  int64_t time_ms = 0;
  std::string uuid;
  std::string endpoint;
  std::vector<GroupId> groups;
  DFS_FIELDS(index, time_ms, uuid, endpoint, groups)
};

// `removed`: an administrator took the node out for good; it may not come back.
struct NodeUuidRow {
  static constexpr bool kVersioned = false;
  NodeId node = 0;
  bool removed = false;
  DFS_FIELDS(node, removed)
};

struct PoolRow {
  static constexpr bool kVersioned = false;
  uint32_t replicas = 2;
  uint32_t min_copies = 1;
  uint32_t groups = 64;
  PoolId id = 0;
  KeyId key = 0;  // of its new files; 0: they are not encrypted
  DFS_FIELDS(replicas, min_copies, groups, id, key)
};

// A key that a pool has or had. Its id is in the key of the row.
struct PoolKeyRow {
  static constexpr bool kVersioned = false;
  PoolId pool = 0;
  Blob key;
  bool wrapped = false;  // with the key of keys (KeptKey)
  int64_t created_ms = 0;
  DFS_FIELDS(pool, key, wrapped, created_ms)
};

struct GroupRow {
  static constexpr bool kVersioned = false;
  Epoch epoch = 0;
  Epoch fenced = 0;  // what was written under an older epoch than this may not be committed
  std::vector<NodeId> members;
  bool used = false;
  PoolId pool = 0;
  std::vector<NodeId> leaving;
  std::vector<Lack> lacking;  // by node
  DFS_FIELDS(epoch, fenced, members, used, pool, leaving, lacking)
};

struct ClusterRow {
  static constexpr bool kVersioned = false;
  std::string cluster;
  int64_t created_ms = 0;
  Epoch map_epoch = 0;
  NodeId last_node = 0;
  ObjectId next_object = 0;  // below it every id is reserved by some leader
  JoinRule join_rule = JoinRule::open;
  Authentication authentication = Authentication::off;
  // That heads sign block grants with, or two (messages/grant.h); empty without authentication.
  Blob grant_key;
  // While the key changes, when the next step is due, by the clock of whoever leads; else 0. First
  // the other key is used, then the one before is dropped.
  int64_t grant_turn_ms = 0;
  int64_t grant_drop_ms = 0;
  DFS_FIELDS(cluster, created_ms, map_epoch, last_node, next_object, join_rule, authentication,
             grant_key, grant_turn_ms, grant_drop_ms)
};

// Lets so many new nodes in. Its hash is in the key; the token itself is known to nobody here.
struct JoinTokenRow {
  static constexpr bool kVersioned = false;
  int64_t created_ms = 0;
  int64_t expires_ms = 0;
  uint32_t uses = 1;
  uint32_t used = 0;
  NodeId last_node = 0;  // that it let in
  std::string by;        // who made it
  DFS_FIELDS(created_ms, expires_ms, uses, used, last_node, by)
};

// Counts files and directories that exist, removed ones until their rows are pruned.
struct TreeRow {
  static constexpr bool kVersioned = false;
  Ino last_ino = 0;
  uint64_t files = 0;
  uint64_t directories = 0;
  DFS_FIELDS(last_ino, files, directories)
};

// A directory that was removed with all below it, and whose rows still await pruning.
struct OrphanRow {
  static constexpr bool kVersioned = false;
  LogIndex ended = 0;  // when it was removed; its rows' history says the same
  int64_t ended_ms = 0;
  DFS_FIELDS(ended, ended_ms)
};

// A former value of a versioned row. The log index at which it ended is part of the key.
struct HistoryRow {
  static constexpr bool kVersioned = false;
  int64_t ended_ms = 0;
  Blob value;
  DFS_FIELDS(ended_ms, value)
};

// Counts objects (those that died, until their rows are forgotten). Every object below `settled`
// that has no row is dead and will stay so: that is why the rows of the dead may be forgotten.
struct ContentRow {
  static constexpr bool kVersioned = false;
  uint64_t live = 0;
  uint64_t live_bytes = 0;
  uint64_t dead = 0;
  uint64_t dead_bytes = 0;
  ObjectId settled = 0;
  ObjectId unknown_below = 0;  // of these, none without a row is dead: nobody knows what they are
  DFS_FIELDS(live, live_bytes, dead, dead_bytes, settled, unknown_below)
};

// Of a cluster that lost its heads. While it is active nothing is certain but what was imported.
struct RebuildRow {
  static constexpr bool kVersioned = false;
  bool active = false;
  uint64_t groups = 0;  // imported
  uint64_t files = 0;
  uint64_t lost = 0;  // of the files, those in /lost+found
  DFS_FIELDS(active, groups, files, lost)
};

// Where what is kept begins: nothing is before. It saves a search among rows that were erased,
// which a table may remember for long.
struct KeptRow {
  static constexpr bool kVersioned = false;
  int64_t history_ms = 0;
  int64_t dead_ms = 0;
  int64_t fences_ms = 0;
  LogIndex history_index = 0;  // of the states before this entry something was forgotten
  DFS_FIELDS(history_ms, dead_ms, fences_ms, history_index)
};

// The highest fence seen of a path that was removed or renamed (fences.h). The path is in the key.
struct FenceRow {
  static constexpr bool kVersioned = false;
  uint64_t fence = 0;
  uint64_t below = 0;   // of all paths below
  int64_t kept_ms = 0;  // since then
  DFS_FIELDS(fence, below, kept_ms)
};

// A row that says all in its key.
struct MarkRow {
  static constexpr bool kVersioned = false;
  DFS_FIELDS()
};

// Settings of a task that can be controlled; its id is in the key.
struct TaskRow {
  static constexpr bool kVersioned = false;
  bool active = false;  // of a rebalance: moves are wanted
  bool paused = false;
  uint64_t bytes_per_second = 0;  // 0: no limit
  int64_t began_ms = 0;
  DFS_FIELDS(active, paused, bytes_per_second, began_ms)
};

// The cluster's heads, as the log last said.
struct HeadsRow {
  static constexpr bool kVersioned = false;
  std::vector<HeadView> heads;
  uint32_t voters = 0;
  std::vector<std::string> uuids;  // of the heads, in the same order
  DFS_FIELDS(heads, voters, uuids)
};

// A head that was taken out. Who it was is in the key, and it never comes back: a late repetition
// of its request to join would make a member of a disk that is gone.
struct RemovedHeadRow {
  static constexpr bool kVersioned = false;
  MemberId head = 0;
  DFS_FIELDS(head)
};

namespace keys {

inline constexpr char kInode = 'i';
inline constexpr char kEntry = 'e';
inline constexpr char kObject = 'o';
inline constexpr char kNode = 'n';
inline constexpr char kNodeUuid = 'u';
inline constexpr char kPool = 'p';
inline constexpr char kGroup = 'g';
inline constexpr char kOrphan = 'x';
inline constexpr char kHistory = 'h';
inline constexpr char kHistoryByTime = 'q';
inline constexpr char kDead = 'd';
inline constexpr char kTask = 'k';
inline constexpr char kRemovedHead = 'b';
inline constexpr char kRebuild = 'r';
inline constexpr char kJoinToken = 'j';
inline constexpr char kLoss = 'l';
inline constexpr char kFence = 'f';
inline constexpr char kFenceByTime = 'y';
inline constexpr char kPoolKey = 'w';

std::string inode(Ino ino);
std::string entries(Ino parent);  // the prefix of all entries of a directory
std::string entry(Ino parent, std::string_view name);
std::string object(ObjectId object);
std::string node(NodeId node);
std::string node_uuid(std::string_view uuid);
std::string pool(std::string_view name);
std::string group(GroupId group);
std::string cluster();
std::string tree();
std::string heads();
std::string rebuild();
std::string task(std::string_view id);
std::string removed_head(std::string_view uuid);
std::string join_token(std::string_view hash);
std::string orphan(Ino ino);
std::string loss(NodeId node);
std::string history_of(std::string_view key);  // the prefix of a row's history
std::string history(std::string_view key, LogIndex ended);
std::string row_of_history(std::string_view history);  // the key it is the history of
std::string history_since(int64_t time_ms);            // before all that became history then
std::string history_by_time(int64_t time_ms, std::string_view history);
std::string died(int64_t died_ms);  // before all objects that died then
std::string dead(int64_t died_ms, ObjectId object);
std::string content();
std::string kept();
std::string pool_key(KeyId key);
std::string fence(std::string_view path);
std::string fence_by_time(int64_t kept_ms, std::string_view path);

}  // namespace keys

inline constexpr const char* kDefaultPool = "default";

}  // namespace dfs
