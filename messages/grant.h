// Block grants: the right to write or read the blocks of one object, for a while. The monitor,
// which knows who may, makes one with each plan and each opened file; storage nodes, which know
// nobody, verify it alone.
//
// On the wire a grant is its fields as msgpack followed by kGrantMacBytes of keyed BLAKE2b (RFC
// 7693) over kGrantContext and those fields. The key is a secret of the cluster's heads and storage
// nodes, made with the cluster and told to a node when it joins. While it changes (grant_keys.h)
// there are two, one after the other in one string: grants are made with the first, and good when
// they were made with either.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "messages/ids.h"
#include "messages/message.h"

namespace dfs {

inline constexpr size_t kGrantKeyBytes = 32;
inline constexpr size_t kGrantKeysMax = 2;
inline constexpr size_t kGrantMacBytes = 16;
inline constexpr size_t kGrantBytesMax = 224;  // of a whole grant

enum class BlockRight : uint8_t {
  read = 1,
  write = 2,
  inside = 3,  // of a pass (passes.h): everything but the content of blocks; no object is named
};

struct Grant {
  ObjectId object = 0;
  BlockRight right = BlockRight::read;
  uint32_t uid = 0;        // of whom it was made for
  NodeId node = 0;         // the only node that may take it; 0: any
  int64_t expires_ms = 0;  // by the clock of the head that made it
  uint64_t serial = 0;     // tells it from others in logs
  // Of the ticket that it was given for, with which it ends: see Revocation. 0: of no ticket.
  uint64_t holder = 0;  // holder_of() the user
  uint64_t session = 0;
  int64_t since_ms = 0;
  bool operator==(const Grant&) const = default;
  DFS_FIELDS(object, right, uid, node, expires_ms, serial, holder, session, since_ms)
};

// A number for a user's name, which need not be on the wire; never 0.
uint64_t holder_of(std::string_view user);

// Random.
std::string make_grant_key();
// Whether the string is of one key, or of as many as there may be.
inline bool are_grant_keys(std::string_view keys) {
  return !keys.empty() && keys.size() % kGrantKeyBytes == 0 &&
         keys.size() <= kGrantKeysMax * kGrantKeyBytes;
}

std::string sign_grant(const Grant& grant, std::string_view key);

// The grant, if it was made with this key; expired ones too. `denied`, cause `reason`: "missing",
// "malformed" or "forged".
Result<Grant> open_grant(std::string_view bytes, std::string_view key);

// The grant, if a node may do what is asked. `denied`, cause `reason`: as above, "object", "right",
// "node" or "expired". Clocks of machines may differ by TicketJudge::kClockSkewMs.
Result<Grant> check_grant(std::string_view bytes, std::string_view key, ObjectId object,
                          BlockRight right, NodeId node, int64_t now_ms);

}  // namespace dfs
