// The conversation "tasks": background work that can be seen, paused and limited; and how an
// administrator changes nodes and pools.
//
//   anyone → monitor:  ListTasks → TaskList;  ControlTask → ControlTaskReply
//                      ChangeNode → ChangeNodeReply;  SetPool → SetPoolReply
#pragma once

#include <string>
#include <vector>

#include "messages/ids.h"
#include "messages/message.h"
#include "messages/namespace.h"
#include "messages/seal.h"

namespace dfs {

enum class TaskState : uint8_t { running = 1, paused = 2, waiting = 3, done = 4, failed = 5 };

// "repair", "rebalance", "drain/7", "scrub/7", "reclaim/7". Of a kind that can be controlled
// (repair, rebalance, drain) the settings are kept in the log and so outlive the leader.
struct TaskView {
  std::string id;
  std::string kind;  // the part of `id` before the slash
  TaskState state = TaskState::running;
  uint64_t groups_left = 0;
  uint64_t blocks_done = 0;
  uint64_t bytes_done = 0;
  uint64_t bytes_total = 0;       // 0: unknown
  uint64_t bytes_per_second = 0;  // over the last seconds
  uint64_t limit = 0;             // bytes per second and node; 0: none
  int64_t eta_ms = -1;            // -1: unknown
  int64_t began_ms = 0;
  std::string text;  // what it does, or why it waits or failed
  DFS_FIELDS(id, kind, state, groups_left, blocks_done, bytes_done, bytes_total, bytes_per_second,
             limit, eta_ms, began_ms, text)
};

struct TaskList {
  std::vector<TaskView> tasks;
  DFS_MESSAGE(TaskList, tasks)
};
struct ListTasks {
  using Reply = TaskList;
  DFS_MESSAGE(ListTasks)
};

enum class TaskAction : uint8_t {
  start = 1,  // of "rebalance"
  pause = 2,
  resume = 3,
  abort = 4,  // a drain: the node is `in` again; a rebalance: begins no further moves
  limit = 5,  // sets bytes_per_second
};

// `plan`: what would be, or is to be, moved.
struct PlannedMove {
  GroupId group = 0;
  NodeId from = 0;  // 0: the group is short of members
  NodeId to = 0;
  uint64_t bytes = 0;  // about
  DFS_FIELDS(group, from, to, bytes)
};
struct ControlTaskReply {
  std::vector<PlannedMove> plan;  // of a rebalance; at most kBatchMax
  Receipt receipt;
  DFS_MESSAGE(ControlTaskReply, plan, receipt)
};
struct ControlTask {
  std::string id;
  TaskAction action = TaskAction::pause;
  uint64_t bytes_per_second = 0;  // of start and limit; 0: none
  bool dry_run = false;           // of start: only tell the plan
  using Reply = ControlTaskReply;
  const char* invalid() const {
    return id.empty() || id.size() > kNameBytesMax ? "id is empty or long" : nullptr;
  }
  DFS_MESSAGE(ControlTask, id, action, bytes_per_second, dry_run)
};

enum class NodeAction : uint8_t {
  drain = 1,
  undrain = 2,
  remove = 3,  // for ever: its uuid is refused from then on
};

struct ChangeNodeReply {
  uint64_t groups_left = 0;  // that still count on the node
  Receipt receipt;
  std::vector<GroupId> losing = {};  // see ChangeNode::dry_run
  DFS_MESSAGE(ChangeNodeReply, groups_left, receipt, losing)
};
// `remove` is refused (`conflict`) when a group counts on the node (causes `groups`, `blocks`), or
// when it may have the last good copy of what is damaged elsewhere (cause `damaged`).
//
// A node that is down and will never come back may hold up its groups for ever: no other holder
// may be known to have all that the group promised. With `dry_run`, `remove` changes nothing and
// tells those groups (`losing`). With `accept_loss` they are given up: `accepted` names them, and
// what nobody else holds of them is lost. Refused (`conflict`) when the node is up, or when the
// groups that would lose something are not all among those accepted.
struct ChangeNode {
  NodeId node = 0;
  NodeAction action = NodeAction::drain;
  bool dry_run = false;
  bool accept_loss = false;
  std::vector<GroupId> accepted = {};
  using Reply = ChangeNodeReply;
  const char* invalid() const {
    if (accepted.size() > kBatchMax) return "more than 4096 groups";
    const bool removing = action == NodeAction::remove;
    return (dry_run || accept_loss) && !removing ? "only a removal can be tried, or lose" : nullptr;
  }
  DFS_MESSAGE(ChangeNode, node, action, dry_run, accept_loss, accepted)
};

struct SetPoolReply {
  PoolId id = 0;
  Receipt receipt;
  DFS_MESSAGE(SetPoolReply, id, receipt)
};
// Creates a pool, or changes one: its number of groups can be doubled, its copies raised.
struct SetPool {
  std::string name;
  bool create = false;      // `exists` when there is one already; else `not_found` without one
  uint32_t replicas = 0;    // 0: as it is; 2 for a new pool
  uint32_t min_copies = 0;  // 0: as it is; one less than replicas, at least 1, for a new pool
  uint32_t groups = 0;      // 0: as it is; 64 for a new pool
  bool encrypted = false;   // new files are from now on; nothing takes that back
  KeptKey kept = {};        // its key; filled in by the head, and refused from anybody else
  using Reply = SetPoolReply;
  const char* invalid() const {
    if (name.empty() || name.size() > kNameBytesMax) return "name is empty or long";
    if (replicas > kReplicasMax) return "replicas is over 3";
    if (groups != 0 && (groups > 4096 || (groups & (groups - 1)) != 0)) {
      return "groups is not a power of two up to 4096";
    }
    return nullptr;
  }
  DFS_MESSAGE(SetPool, name, create, replicas, min_copies, groups, encrypted, kept)
};

}  // namespace dfs
