// How the key of block grants (grant.h) changes while the cluster works.
//
//   storage → monitor:  GetGrantKeys → GrantKeys              every few seconds
//   dfsctl → monitor:   RotateGrantKey → RotateGrantKeyReply
//
// A new key is told to every node before anything is made with it. Then it is used, and the one
// before it stays good until all that was made with it has expired.
#pragma once

#include <cstdint>
#include <string>

#include "messages/cluster.h"
#include "messages/ids.h"
#include "messages/message.h"
#include "messages/namespace.h"

namespace dfs {

struct GrantKeys {
  Blob keys;          // that verify grants, one after the other; empty: blocks need none
  Blob warrant = {};  // (grant.h) for the key that was shown; empty: none was
  DFS_MESSAGE(GrantKeys, keys, warrant)
};
// Of storage nodes alone.
struct GetGrantKeys {
  Blob verify_key = {};  // of the asker's own; empty: no warrant is wanted
  using Reply = GrantKeys;
  const char* invalid() const { return bad_node_key(verify_key); }
  DFS_MESSAGE(GetGrantKeys, verify_key)
};

struct RotateGrantKeyReply {
  int64_t from_ms = 0;   // when the new one is used
  int64_t until_ms = 0;  // when the old one is good no more
  Receipt receipt;
  DFS_MESSAGE(RotateGrantKeyReply, from_ms, until_ms, receipt)
};
// Of administrators. Errors: `exists` while the last change goes on; `invalid` where no grants are
// needed.
struct RotateGrantKey {
  using Reply = RotateGrantKeyReply;
  DFS_MESSAGE(RotateGrantKey)
};

}  // namespace dfs
