// The conversation "agents": who starts storage nodes on which machine, and who may join.
//
//   agent → every broker:                  Announce of "agent/HOST"
//   agent ⇒ topic "heartbeat/agent/HOST":  AgentBeat
//   anyone → monitor:                      ListAgents → AgentList
//   administrator → agent/HOST:            CreateNode → CreateNodeReply
//   dfsctl → monitor:                      AddJoinToken → AddJoinTokenReply,
//                                          SetJoinRule → SetJoinRuleReply,
//                                          ListJoinTokens → JoinTokenList
//
// Agents are no members: nobody loses anything while one is away, and no log knows them.
#pragma once

#include <string>
#include <vector>

#include "messages/ids.h"
#include "messages/message.h"
#include "messages/namespace.h"

namespace dfs {

inline constexpr const char* kAgentService = "agent/";  // and the host

enum class AgentNodeState : uint8_t {
  starting = 1,  // its process runs and has not said yet that it joined
  running = 2,
  waiting = 3,  // its process ended and is started again later
  failed = 4,   // and will not be before the agent is: see `text`
};

// A storage node that an agent looks after.
struct AgentNode {
  std::string name;  // "storage-1", of its folder below the agent's
  NodeId node = 0;   // 0: it has not joined yet, or the agent could not ask it
  std::string endpoint;
  std::string folder;
  AgentNodeState state = AgentNodeState::starting;
  uint64_t pid = 0;
  uint64_t restarts = 0;  // by this agent, since that itself was started
  std::string text;       // why it is not running
  DFS_FIELDS(name, node, endpoint, folder, state, pid, restarts, text)
};

struct AgentBeat {
  std::string host;
  std::string rack;
  uint64_t boot = 0;  // random per process start
  uint64_t sequence = 0;
  std::string directory;
  uint64_t total_bytes = 0;  // of the file system there
  uint64_t free_bytes = 0;
  uint32_t nodes_max = 0;
  std::vector<AgentNode> nodes;
  const char* invalid() const {
    return host.empty() || host.size() > kNameBytesMax ? "host is empty or long" : nullptr;
  }
  DFS_MESSAGE(AgentBeat, host, rack, boot, sequence, directory, total_bytes, free_bytes, nodes_max,
              nodes)
};

struct AgentStatus {
  AgentBeat beat;
  uint32_t silent_ms = 0;
  DFS_FIELDS(beat, silent_ms)
};

// Those heard of lately, by host.
struct AgentList {
  std::vector<AgentStatus> agents;
  DFS_MESSAGE(AgentList, agents)
};
struct ListAgents {
  using Reply = AgentList;
  DFS_MESSAGE(ListAgents)
};

struct CreateNodeReply {
  NodeId node = 0;
  std::string name;
  std::string endpoint;
  std::string folder;
  uint64_t pid = 0;
  DFS_MESSAGE(CreateNodeReply, node, name, endpoint, folder, pid)
};

// A folder of its own below the agent's, a process of its own; answered when the node has joined.
// The same request (`from` and `request` of its header) again makes no second node. Errors:
// `exists`, a node of that name is there; `no_space`, cause `reason` "nodes" or "disk"; `denied`,
// the cluster did not let it in; `io_error`, it did not start, and the text has the last words of
// its log; `timeout`, it was started and goes on trying.
struct CreateNode {
  std::string name;             // of the folder; empty: the next "storage-N"
  std::string rack;             // empty: the agent's
  uint64_t capacity_bytes = 0;  // most to use; 0: what is there
  uint32_t port = 0;            // 0: the agent's choice
  std::string token;            // to join with, where one is asked for
  using Reply = CreateNodeReply;
  const char* invalid() const {
    const auto plain = [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
             c == '-' || c == '_';
    };
    for (const char c : name) {
      if (!plain(c)) return "name is not of letters, digits, '-' and '_'";
    }
    if (name.size() > 64) return "name is longer than 64 bytes";
    if (rack.size() > kNameBytesMax || token.size() > kNameBytesMax) return "rack or token is long";
    if (port > 65535) return "port is over 65535";
    return nullptr;
  }
  DFS_MESSAGE(CreateNode, name, rack, capacity_bytes, port, token)
};

// Who may become a storage node. One that is known needs no token, whatever the rule.
enum class JoinRule : uint8_t {
  open = 1,   // whoever reaches the cluster
  token = 2,  // whoever shows a token that an administrator made
};

// Why a node was not let in: cause `reason` of the error `denied`.
inline constexpr const char* kTokenMissing = "token_missing";
inline constexpr const char* kTokenUnknown = "token_unknown";
inline constexpr const char* kTokenExpired = "token_expired";
inline constexpr const char* kTokenUsed = "token_used";
inline constexpr const char* kNodeRemoved = "removed";
inline constexpr const char* kOtherKey = "other_key";  // than it had; a token would do

inline constexpr size_t kTokenHashBytes = 64;  // hex digits; see join_token.h
inline constexpr size_t kJoinTokensMax = 1000;
inline constexpr int64_t kTokenMsMax = 365ll * 24 * 3600 * 1000;

// A token lets `uses` new nodes in until `lasts_ms` after this was logged. Whoever makes it keeps
// it and tells its hash alone. Errors: `exists`; `busy`, there are 1000 already.
struct AddJoinTokenReply {
  int64_t expires_ms = 0;
  JoinRule rule = JoinRule::open;  // open: nobody needs it
  Receipt receipt;
  DFS_MESSAGE(AddJoinTokenReply, expires_ms, rule, receipt)
};
struct AddJoinToken {
  std::string hash;
  int64_t lasts_ms = 0;
  uint32_t uses = 1;
  using Reply = AddJoinTokenReply;
  const char* invalid() const {
    if (hash.size() != kTokenHashBytes ||
        hash.find_first_not_of("0123456789abcdef") != std::string::npos) {
      return "hash is not 64 hex digits";
    }
    if (lasts_ms <= 0 || lasts_ms > kTokenMsMax) return "lasts_ms is not within a year";
    return uses == 0 || uses > kBatchMax ? "uses is not 1 to 4096" : nullptr;
  }
  DFS_MESSAGE(AddJoinToken, hash, lasts_ms, uses)
};

struct SetJoinRuleReply {
  Receipt receipt;
  DFS_MESSAGE(SetJoinRuleReply, receipt)
};
struct SetJoinRule {
  JoinRule rule = JoinRule::open;
  using Reply = SetJoinRuleReply;
  const char* invalid() const {
    return rule == JoinRule::open || rule == JoinRule::token ? nullptr : "rule is unknown";
  }
  DFS_MESSAGE(SetJoinRule, rule)
};

struct JoinTokenView {
  std::string hash;
  int64_t created_ms = 0;
  int64_t expires_ms = 0;
  uint32_t uses = 0;
  uint32_t used = 0;
  DFS_FIELDS(hash, created_ms, expires_ms, uses, used)
};
// Of the refusals those since the answering head leads.
struct JoinTokenList {
  JoinRule rule = JoinRule::open;
  std::vector<JoinTokenView> tokens;  // those that still let somebody in
  uint64_t refused_missing = 0;
  uint64_t refused_unknown = 0;
  uint64_t refused_expired = 0;
  uint64_t refused_used = 0;
  DFS_MESSAGE(JoinTokenList, rule, tokens, refused_missing, refused_unknown, refused_expired,
              refused_used)
};
struct ListJoinTokens {
  using Reply = JoinTokenList;
  DFS_MESSAGE(ListJoinTokens)
};

}  // namespace dfs
