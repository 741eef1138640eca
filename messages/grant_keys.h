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

#include "messages/ids.h"
#include "messages/message.h"
#include "messages/namespace.h"

namespace dfs {

struct GrantKeys {
  Blob keys;  // one after the other, that to make grants with first; empty: blocks need none
  DFS_MESSAGE(GrantKeys, keys)
};
// Of storage nodes alone.
struct GetGrantKeys {
  using Reply = GrantKeys;
  DFS_MESSAGE(GetGrantKeys)
};

struct RotateGrantKeyReply {
  int64_t from_ms = 0;   // when the new one is used
  int64_t until_ms = 0;  // when the old one is good no more
  Receipt receipt;
  DFS_MESSAGE(RotateGrantKeyReply, from_ms, until_ms, receipt)
};
// Of administrators. Errors: `busy` while the last change goes on; `invalid` where no grants are
// needed.
struct RotateGrantKey {
  using Reply = RotateGrantKeyReply;
  DFS_MESSAGE(RotateGrantKey)
};

}  // namespace dfs
