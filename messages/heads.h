// The conversation "heads": who keeps the cluster's state. Asked of the service "monitor".
//
//   new head → monitor:  AddHead → AddHeadReply      it becomes a learner, and a voter when it has
//                                                    caught up; again: the same answer
//   dfsctl → monitor:    RemoveHead → RemoveHeadReply, when the change is committed
//   dfsctl → monitor:    TransferLead → TransferLeadReply, when another leads
//   anyone → monitor:    ListHeads → HeadList
#pragma once

#include <string>
#include <vector>

#include "messages/ids.h"
#include "messages/message.h"
#include "messages/raft.h"

namespace dfs {

struct AddHeadReply {
  std::string cluster;
  MemberId head = 0;
  DFS_MESSAGE(AddHeadReply, cluster, head)
};

// Errors: `exists` when the endpoint is that of a member with another uuid, `busy` while another
// change of the heads is under way.
struct AddHead {
  std::string uuid;  // of the data directory, 32 hex digits; empty when an operator announces it
  std::string endpoint;  // of its monitor, for the other heads
  std::string broker;    // of its broker, for everyone
  using Reply = AddHeadReply;
  const char* invalid() const {
    if (!uuid.empty() &&
        (uuid.size() != 32 || uuid.find_first_not_of("0123456789abcdef") != std::string::npos)) {
      return "uuid is not 32 hex digits";
    }
    if (endpoint.empty() || endpoint.size() > kAddressBytesMax) return "endpoint is empty or long";
    if (broker.empty() || broker.size() > kAddressBytesMax) return "broker is empty or long";
    // What follows '#' would say that links to this head are plain, or for another's key.
    if (endpoint.find('#') != std::string::npos || broker.find('#') != std::string::npos) {
      return "endpoint or broker has a '#': heads are reached as the cluster's settings say";
    }
    return nullptr;
  }
  DFS_MESSAGE(AddHead, uuid, endpoint, broker)
};

struct RemoveHeadReply {
  DFS_MESSAGE(RemoveHeadReply)
};

// Errors: `not_found`, `invalid` (the last one, or the rest would have no live majority), `busy`.
struct RemoveHead {
  MemberId head = 0;
  using Reply = RemoveHeadReply;
  DFS_MESSAGE(RemoveHead, head)
};

struct TransferLeadReply {
  MemberId leader = 0;
  DFS_MESSAGE(TransferLeadReply, leader)
};

// Errors: `not_found`, `invalid` (a learner, or not in contact), `timeout`.
struct TransferLead {
  MemberId to = 0;  // 0: whoever is furthest
  using Reply = TransferLeadReply;
  DFS_MESSAGE(TransferLead, to)
};

enum class HeadRole : uint8_t { unknown = 0, leader = 1, follower = 2, learner = 3, candidate = 4 };

// A head as the one that answers sees it.
struct HeadStatus {
  MemberId head = 0;
  std::string endpoint;
  std::string broker;
  HeadRole role = HeadRole::unknown;
  Standing standing = Standing::voter;
  uint64_t term = 0;
  LogIndex match = 0;   // its log is the leader's up to here
  LogIndex commit = 0;  // the answering head's own, or what the other is known to have
  LogIndex applied = 0;
  uint64_t lag = 0;         // entries of the leader's log that it does not have
  uint32_t silent_ms = 0;   // since it was heard
  bool installing = false;  // it is being sent a snapshot
  DFS_FIELDS(head, endpoint, broker, role, standing, term, match, commit, applied, lag, silent_ms,
             installing)
};

struct HeadList {
  MemberId leader = 0;  // 0: none known
  MemberId from = 0;    // the head that answers
  uint64_t term = 0;
  uint64_t log_bytes = 0;    // of the answering head
  uint64_t log_syncs = 0;    // likewise, since it started
  uint64_t log_entries = 0;  // written with those
  std::vector<HeadStatus> heads;
  bool authentication = false;  // every request needs a ticket; told by monitors
  DFS_MESSAGE(HeadList, leader, from, term, log_bytes, log_syncs, log_entries, heads,
              authentication)
};

// `stale`: answered by any head, from what it knows; see messages/namespace.h.
struct ListHeads {
  bool stale = false;
  using Reply = HeadList;
  DFS_MESSAGE(ListHeads, stale)
};

}  // namespace dfs
