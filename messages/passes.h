// The conversation "passes": who may look into storage nodes, which are asked directly and know no
// users.
//
//   administrator → monitor:  GetNodePass → NodePass
//   dfsctl → storage/N:       what is not about one block for which there is a grant: header field
//                             `ticket` has the pass
//
// A pass is a grant (grant.h) with the right `inside`. Heads and storage nodes, which have the key,
// make their own.
#pragma once

#include <cstdint>

#include "messages/message.h"

namespace dfs {

struct NodePass {
  Blob pass;              // empty: none is needed
  uint32_t lasts_ms = 0;  // ask for another one before
  DFS_MESSAGE(NodePass, pass, lasts_ms)
};
// Whoever forwards the ticket of somebody learns whether that is an administrator.
struct GetNodePass {
  using Reply = NodePass;
  DFS_MESSAGE(GetNodePass)
};

}  // namespace dfs
